// See progress_bar.hpp.
#include "cli/progress_bar.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "cli/table.hpp"

namespace hearth::cli {
namespace {

constexpr int kBarColumnsMax = 40;
constexpr int kBarColumnsMin = 4;  // a shorter one says less than the percentage

int terminal_columns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string progress_line(std::string_view label, double progress, int columns) {
  const double share = progress >= 0 ? std::min(progress, 1.0) : 0;  // NaN too
  const std::string percent = fmt::format("{:3.0f}%", 100 * share);
  const auto fits = [&](std::size_t size) { return static_cast<int>(size) < columns; };
  const int around = static_cast<int>(label.size() + percent.size() + 4);  // " [" and "] "
  const int bar = std::min(columns - 1 - around, kBarColumnsMax);
  if (bar >= kBarColumnsMin) {
    const int done = static_cast<int>(share * bar);
    return fmt::format("{} [{}{}] {}", label, std::string(static_cast<std::size_t>(done), '#'),
                       std::string(static_cast<std::size_t>(bar - done), '.'), percent);
  }
  const std::string brief = fmt::format("{} {}", label, percent);
  return fits(brief.size()) ? brief : fits(percent.size()) ? percent : "";
}

ProgressBar::ProgressBar() : is_terminal_(isatty(STDERR_FILENO) == 1) {}

void ProgressBar::show(std::string_view state, double progress) {
  if (!is_terminal_) return;
  const std::string label = state == "loading"   ? "loading the model"
                            : state == "prefill" ? "reading the prompt"
                            : state == "verify"  ? "checking the cache"
                                                 : printable(state);
  const std::string line = progress_line(label, progress, terminal_columns());
  if (shown_columns_ > line.size()) erase();
  std::fputs(("\r" + line).c_str(), stderr);
  shown_columns_ = line.size();
}

void ProgressBar::erase() {
  if (shown_columns_ == 0) return;
  // Spaces, not an escape sequence: any terminal knows them.  It may have become narrower.
  const auto columns = static_cast<std::size_t>(terminal_columns());
  const std::string spaces(std::min(shown_columns_, columns - 1), ' ');
  std::fputs(("\r" + spaces + "\r").c_str(), stderr);
  shown_columns_ = 0;
}

Status show_progress(const Connection& connection, const Stream& stream) {
  ProgressBar bar;
  hearth_event event;
  hearth_event_init(&event);
  do {
    HEARTH_TRY(const bool came, connection.next(stream, event));
    if (!came) return Error{Code::CANCELED, "interrupted"};
    if (event.kind == HEARTH_EVENT_PROGRESS) bar.show(event.state, event.progress);
  } while (event.kind != HEARTH_EVENT_DONE);
  return {};
}

}  // namespace hearth::cli
