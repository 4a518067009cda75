// See standard_output.hpp.
#include "cli/standard_output.hpp"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "cli/interrupt.hpp"

namespace hearth::cli {

Status write_output(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd waits[] = {{STDOUT_FILENO, POLLOUT, 0}, {signal_fd(), POLLIN, 0}};
    if (poll(waits, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return from_errno("wait for standard output");
    }
    if (waits[1].revents != 0) return Error{Code::CANCELED, "interrupted"};
    // A pipe that is ready takes so many without blocking: then a signal is not missed.
    const ssize_t written =
        write(STDOUT_FILENO, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    if (written < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return from_errno("write to standard output");
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

bool output_is_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}

}  // namespace hearth::cli
