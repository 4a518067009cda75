// hearth: ask the daemon from a shell.
//
// One thread; everything it holds is freed when a command returns, and every failure is told here,
// once, as one line.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/commands.hpp"
#include "cli/interrupt.hpp"
#include "cli/table.hpp"

namespace hearth::cli {
namespace {

// A caller may have closed a standard descriptor.  The connection must not get its number, or text
// would be sent to the daemon.  One that cannot be written to lets writing fail as it should.
void occupy_standard_descriptors() {
  while (true) {
    const int fd = open("/dev/null", O_RDONLY);
    if (fd > STDERR_FILENO || fd < 0) {
      if (fd >= 0) close(fd);
      return;
    }
  }
}

Result<int> run(const Options& options) {
  switch (options.command) {
    case Command::run: return run_generate(options);
    case Command::chat: return run_chat(options);
    case Command::render: return run_render(options);
    case Command::eval: return run_eval(options);
    case Command::embed: return run_embed(options);
    case Command::tokenize: return run_tokenize(options);
    case Command::detokenize: return run_detokenize(options);
    case Command::models:
    case Command::ps:
    case Command::stats: return run_status(options);
    case Command::load:
    case Command::unload: return run_load(options);
    case Command::sessions: return run_sessions(options);
    case Command::cache_stats:
    case Command::cache_ls:
    case Command::cache_evict:
    case Command::cache_verify: return run_cache(options);
    case Command::pull: return run_pull(options);
    case Command::info: return run_info(options);
    case Command::card: return run_card(options);
    case Command::config: return run_config(options);
    case Command::quantize: return run_quantize(options);
  }
  return 1;
}

int main(int argc, char** argv) {
  occupy_standard_descriptors();
  int exit_code = 0;
  const std::optional<Options> options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  catch_signals();
  const Result<int> result = run(*options);
  if (result) return *result;
  const Error& error = result.error();
  if (error.code == Code::CANCELED && caught_signal() != 0) return 128 + caught_signal();
  const std::string line = fmt::format("hearth: {}\n", printable(error.message));
  std::fputs(line.c_str(), stderr);
  return error.code == Code::CONFIG ? 2 : 1;
}

}  // namespace
}  // namespace hearth::cli

int main(int argc, char** argv) {
  return hearth::cli::main(argc, argv);
}
