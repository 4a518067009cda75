// See environment.hpp.
#include "cli/environment.hpp"

#include <cstdlib>

namespace hearth::cli {
std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string user_directory(const char* variable, const char* below_home) {
  if (const std::string set = environment(variable); !set.empty()) return set + "/hearth";
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + '/' + below_home + "/hearth";
}

}  // namespace hearth::cli
