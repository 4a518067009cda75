// Standard output, written at once: what comes from a stream is seen when it comes.
//
// A reader that went away ends the program by SIGPIPE as it does every filter; the daemon sees the
// connection go and stops generating.  Where SIGPIPE is ignored it is an error like a full disk.
#pragma once

#include <string_view>

#include "common/result.hpp"

namespace hearth::cli {

// Write everything.  Error CANCELED when a signal was noted while nobody read, see interrupt.hpp.
Status write_output(std::string_view bytes);
bool output_is_terminal();

}  // namespace hearth::cli
