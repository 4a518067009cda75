// See interrupt.hpp.  The handler uses nothing but write(2) and _exit(2).
#include "cli/interrupt.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

namespace hearth::cli {
namespace {

volatile sig_atomic_t held = 0;
volatile sig_atomic_t last_signal = 0;
int pipe_ends[2] = {-1, -1};

void on_signal(int number) {
  if (held == 0) _exit(128 + number);
  const int saved_errno = errno;
  last_signal = number;
  const char byte = 0;
  // A full pipe holds more signals than anybody takes.
  [[maybe_unused]] const ssize_t written = write(pipe_ends[1], &byte, 1);
  errno = saved_errno;
}

}  // namespace

void catch_signals() {
  if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) return;  // signals then do what they always do
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action = {};
    // nohup and shells' background jobs ignore some of them: that is to stay.
    if (sigaction(number, nullptr, &action) != 0 || action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = on_signal;
    sigaction(number, &action, nullptr);
  }
}

SignalHold::SignalHold() {
  held = 1;
}

SignalHold::~SignalHold() {
  held = 0;
}

int signal_fd() {
  return pipe_ends[0];
}

bool take_signal() {
  char byte;
  return read(pipe_ends[0], &byte, 1) == 1;
}

int caught_signal() {
  return last_signal;
}

}  // namespace hearth::cli
