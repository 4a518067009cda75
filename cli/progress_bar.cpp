#include "cli/progress_bar.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace hearth::cli {
namespace {

constexpr int kBarColumnsMax = 40;

int columns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

ProgressBar::ProgressBar() : is_terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::show(const std::string& state, double progress) {
  if (!is_terminal_) return;
  const std::string label = state == "loading"   ? "loading the model"
                            : state == "prefill" ? "reading the prompt"
                                                 : state;
  const int room = columns() - static_cast<int>(label.size()) - 9;
  const int bar = std::clamp(room, 0, kBarColumnsMax);
  const int done = static_cast<int>(progress * bar);
  fmt::print(stderr, "\r{} [{}{}] {:3.0f}%\x1b[K", label,
             std::string(static_cast<std::size_t>(done), '#'),
             std::string(static_cast<std::size_t>(bar - done), '-'), 100 * progress);
  std::fflush(stderr);
  shown_ = true;
}

void ProgressBar::erase() {
  if (!shown_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace hearth::cli
