// See hearthd_program.hpp.
#include "cli/hearthd_program.hpp"

#include <unistd.h>

#include <filesystem>

namespace hearth::cli {

Result<int> run_hearthd(const std::vector<std::string>& arguments) {
  std::error_code ignored;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
  // The hearthd that was installed with us, else the one that the shell would find.
  std::string program = self.parent_path() / "hearthd";
  if (!std::filesystem::exists(program, ignored)) program = "hearthd";
  std::vector<const char*> all = {program.c_str()};
  for (const std::string& argument : arguments) all.push_back(argument.c_str());
  all.push_back(nullptr);
  execvp(program.c_str(), const_cast<char* const*>(all.data()));
  return from_errno("run " + program);
}

}  // namespace hearth::cli
