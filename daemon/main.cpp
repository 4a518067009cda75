// hearthd: read the settings, then serve until told to stop.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "daemon/json.hpp"
#include "daemon/log.hpp"
#include "daemon/options.hpp"
#include "daemon/server.hpp"
#include "engine/chat/card.hpp"
#include "files/mapped_file.hpp"
#include "kernels/cpu_features.hpp"
#include "kernels/kernels.hpp"

namespace hearth {
namespace {

constexpr const char* kDefaultConfigFile = "/etc/hearth/hearthd.toml";

LogLevel log_level_of(const std::string& name) {
  if (name == "debug") return LogLevel::debug;
  if (name == "warning") return LogLevel::warning;
  if (name == "error") return LogLevel::error;
  return LogLevel::info;
}

Result<std::vector<RawSettings>> read_sources(const Options& options) {
  std::vector<RawSettings> sources = {options.settings, settings_from_environment()};
  std::error_code ignored;
  if (!options.config_file.empty() || std::filesystem::exists(kDefaultConfigFile, ignored)) {
    HEARTH_TRY(auto files, settings_from_files(options.config_file.empty() ? kDefaultConfigFile
                                                                           : options.config_file));
    std::ranges::move(files, std::back_inserter(sources));
  }
  return sources;
}

// --check-config: what would hold, and why.
void print_config(const std::vector<RawSettings>& sources) {
  for (const ExplainedSetting& setting : explain_config(sources)) {
    fmt::print("{} = {}  # {}\n", setting.name, setting.value, setting.origin);
  }
}

// The model that comes with Hearth: installed beside the program, or in the source tree it was
// built in.
void add_default_model(Config& config) {
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  for (const std::filesystem::path& directory :
       {program.parent_path() / HEARTH_RELATIVE_DATA_DIR / "models",
        std::filesystem::path(HEARTH_SOURCE_MODELS_DIR)}) {
    const std::filesystem::path file = directory / "ember-q8_0.gguf";
    if (!std::filesystem::exists(file, ignored)) continue;
    config.models.push_back({kDefaultModelId, file.lexically_normal()});
    return;
  }
}

int fail(const Error& error) {
  fmt::print(stderr, "hearthd: {}\n", error.message);
  return error.code == Code::CONFIG ? 2 : 1;
}

// What makes it slower than it could be.
void warn_of_kernels(const Config& config, int amx_refused) {
  if (amx_refused != 0) {
    log_warning("this CPU has AMX, but the system does not let us use it: {}",
                std::strerror(amx_refused));
  }
  if ((config.cpu_features & kernels::kCpuAvx2) != 0) return;
  log_warning("the portable kernels run, which are slow: {}",
              (kernels::cpu_features() & kernels::kCpuAvx2) != 0 ? "cpu-tier is ref"
                                                                 : "this CPU has no AVX2");
}

int check_card(const Options& options) {
  const auto card = chat::read_card(options.check_card);
  if (!card) return fail(card.error());
  JsonWriter list = JsonWriter::array();
  for (const chat::CardEntry& entry : chat::explain_card(*card)) {
    if (!options.json) fmt::print("{} = {}  # {}\n", entry.key, entry.value, entry.effect);
    JsonWriter json;
    json.add("key", std::string(entry.key))
        .add("value", entry.value)
        .add("has_effect", entry.has_effect)
        .add("effect", std::string(entry.effect));
    list.push(std::move(json));
  }
  JsonWriter document;
  document.add("card", options.check_card).add("entries", std::move(list));
  if (options.json) fmt::print("{}\n", document.text());
  return 0;
}

int run(int argc, char** argv) {
  const int amx_refused = kernels::enable_amx();
  int exit_code = 0;
  const std::optional<Options> options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  if (!options->check_card.empty()) return check_card(*options);
  const Result<std::vector<RawSettings>> sources = read_sources(*options);
  if (!sources) return fail(sources.error());
  Result<Config> config = make_config(*sources);
  if (!config) return fail(config.error());
  if (options->check_config) {
    print_config(*sources);
    return 0;
  }
  if (options->purge) {
    const Status purged = cache::SegmentStore::purge(config->state_dir);
    if (!purged) return fail(purged.error());
    std::error_code ignored;  // the directory stays when the user keeps other things there
    for (const char* kept : {"/fingerprints", "/sessions"}) {
      std::filesystem::remove_all(config->state_dir + kept, ignored);
    }
    std::filesystem::remove(config->state_dir, ignored);
    return 0;
  }
  if (config->models.empty()) add_default_model(*config);
  start_log(log_level_of(config->log_level));
  warn_of_kernels(*config, amx_refused);
  guard_mappings();
  // Clients' texts are in our memory: no core dumps.
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  Server server(*std::move(config));
  const Status status = server.run();
  return status ? 0 : fail(status.error());
}

}  // namespace
}  // namespace hearth

int main(int argc, char** argv) {
  return hearth::run(argc, argv);
}
