// hearth config explain: every setting of hearthd, and where it comes from.  hearthd knows them.
#include "cli/commands.hpp"
#include "cli/hearthd_program.hpp"

namespace hearth::cli {

Result<int> run_config(const Options& options) {
  std::vector<std::string> arguments = {"--check-config"};
  if (!options.config_file.empty()) {
    arguments.insert(arguments.end(), {"--config", options.config_file});
  }
  return run_hearthd(arguments);
}

}  // namespace hearth::cli
