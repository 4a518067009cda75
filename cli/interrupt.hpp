// Ctrl-C: the first one asks the stream to stop, so that its numbers are still told; the second one
// ends the program.
#pragma once

namespace hearth::cli {

// Watch for SIGINT and SIGTERM from now on.
void watch_for_interrupt();
bool interrupted();

}  // namespace hearth::cli
