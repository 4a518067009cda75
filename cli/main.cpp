// hearth: ask the daemon from a shell.
#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.hpp"

namespace hearth::cli {
namespace {

Result<int> run(const Options& options) {
  HEARTH_TRY(Connection connection, Connection::open(options.socket));
  switch (options.command) {
    case Command::run: return run_generate(connection, options);
    case Command::eval: return run_eval(connection, options);
    case Command::tokenize: return run_tokenize(connection, options);
    case Command::detokenize: return run_detokenize(connection, options);
    case Command::models:
    case Command::ps:
    case Command::stats: return run_status(connection, options);
  }
  return 1;
}

int main(int argc, char** argv) {
  int exit_code = 0;
  const std::optional<Options> options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  const Result<int> result = run(*options);
  if (result && std::fflush(stdout) == 0) return *result;
  fmt::print(stderr, "hearth: {}\n",
             result ? from_errno("write to standard output").message : result.error().message);
  return 1;
}

}  // namespace
}  // namespace hearth::cli

int main(int argc, char** argv) {
  return hearth::cli::main(argc, argv);
}
