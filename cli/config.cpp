// hearth config explain: every setting of hearthd, and where it comes from.  hearthd knows them: it
// is asked, with the environment of who asks.
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "cli/commands.hpp"

namespace hearth::cli {

Result<int> run_config(const Options& options) {
  std::error_code ignored;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  // The hearthd that was installed with us, else the one that the shell would find.
  std::string program = self.parent_path() / "hearthd";
  if (!std::filesystem::exists(program, ignored)) program = "hearthd";
  std::vector<const char*> arguments = {program.c_str(), "--check-config"};
  if (!options.config_file.empty()) {
    arguments.insert(arguments.end(), {"--config", options.config_file.c_str()});
  }
  arguments.push_back(nullptr);
  execvp(program.c_str(), const_cast<char* const*>(arguments.data()));
  return from_errno("run " + program);
}

}  // namespace hearth::cli
