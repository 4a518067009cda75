// What the environment says, and where by it a user's files of this program are.
#pragma once

#include <string>

namespace hearth::cli {

// The variable's value; empty: it is not set.
std::string environment(const char* name);

// $VARIABLE/hearth, else $HOME/BELOW_HOME/hearth, as the XDG Base Directory Specification has it;
// empty: neither is set.  It need not exist.
std::string user_directory(const char* variable, const char* below_home);

}  // namespace hearth::cli
