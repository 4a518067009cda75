// hearth card check: whether a model card can be used, and what of it has an effect.  hearthd knows
// them: it is asked.
#include "cli/commands.hpp"
#include "cli/hearthd_program.hpp"

namespace hearth::cli {

Result<int> run_card(const Options& options) {
  std::vector<std::string> arguments = {"--check-card", options.in_file};
  if (options.json) arguments.push_back("--json");
  return run_hearthd(arguments);
}

}  // namespace hearth::cli
