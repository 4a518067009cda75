#include "cli/interrupt.hpp"

#include <signal.h>

namespace hearth::cli {
namespace {
volatile sig_atomic_t was_interrupted = 0;
}

void watch_for_interrupt() {
  struct sigaction action = {};
  action.sa_handler = [](int) { was_interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // no SA_RESTART: the wait has to end
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() {
  return was_interrupted != 0;
}

}  // namespace hearth::cli
