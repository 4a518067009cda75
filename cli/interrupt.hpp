// Ctrl-C and its relatives: SIGINT, SIGTERM and SIGHUP.
//
// Ordinarily they end the program at once, with 128 + the number as its status.  While a SignalHold
// lives they are only noted, one byte each in a pipe, so that a wait for the daemon can include
// them without a race: a stream is then cancelled and its numbers are still told.
#pragma once

namespace hearth::cli {

// Called once, before anything else of this file.
void catch_signals();

class SignalHold {
 public:
  SignalHold();
  ~SignalHold();
  SignalHold(const SignalHold&) = delete;
  SignalHold& operator=(const SignalHold&) = delete;
};

// Readable while a signal was noted and not taken.
int signal_fd();
// Take one noted signal; false when there is none.
bool take_signal();
// The last signal that was noted; 0: none.
int caught_signal();

}  // namespace hearth::cli
