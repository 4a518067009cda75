// See options.hpp.
#include "daemon/options.hpp"

#include <CLI/CLI.hpp>
#include <map>
#include <vector>

#include "hearth/hearth.h"

namespace hearth {
namespace {

constexpr const char* kExamples = R"(
Settings may also come from the environment (HEARTH_CTX for --ctx) and from a TOML file (--config)
with its drop-ins (conf.d/*.toml beside it); the command line wins over all.

  hearthd --model stories=models/stories260K.gguf
  hearthd --socket /tmp/h.sock --state-dir /tmp/h --model a=a.gguf --model b=b.gguf --kv-bytes 4G
  hearthd --purge --state-dir /tmp/h

Without --model the model that comes with Hearth is served, under the id "ember".)";

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& ret_exit_code) {
  CLI::App app("hearthd keeps language models warm for every process on this host.", "hearthd");
  app.footer(kExamples);
  app.set_version_flag("--version", "hearthd " HEARTH_VERSION_STRING);

  Options options;
  app.add_option("--config", options.config_file, "TOML file with settings")->type_name("FILE");
  app.add_flag("--check-config", options.check_config,
               "show every setting and where it came from, and end; 2 when one is wrong");
  app.add_option("--check-card", options.check_card,
                 "tell whether a model card can be used and what it does, and end")
      ->type_name("FILE");
  app.add_flag("--json", options.json, "with --check-card: as JSON");
  app.add_flag("--purge", options.purge,
               "remove everything that was kept for the state directory, and end");
  std::map<std::string, std::vector<std::string>> given;
  for (const SettingInfo& info : setting_infos()) {
    CLI::Option* option =
        app.add_option(std::string("--") + info.name, given[info.name], info.help);
    option->type_name("")->take_all();
    if (!info.repeats) {
      option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    } else {
      option->expected(1)->allow_extra_args(false);
    }
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    ret_exit_code = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  for (const auto& [name, values] : given) {
    for (const std::string& value : values) {
      options.settings[name].push_back({value, "--" + name});
    }
  }
  return options;
}

}  // namespace hearth
