// A bar on standard error while a model loads or a long prompt is read; nothing where standard
// error is no terminal.  Plain ASCII, one line, and gone when erase() returns.
#pragma once

#include <string>
#include <string_view>

#include "cli/connection.hpp"

namespace hearth::cli {

// "loading [###...]  50%", at most columns - 1 characters: the last column would wrap on some
// terminals.  "" where not even the percentage has room.
std::string progress_line(std::string_view label, double progress, int columns);

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { erase(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // state: "loading" or "prefill"; progress: 0 .. 1
  void show(std::string_view state, double progress);
  void erase();

 private:
  const bool is_terminal_;
  std::size_t shown_columns_ = 0;
};

// Read a stream to its end for which only its progress is of interest.  Errors: those of the
// stream; CANCELED when a signal was noted.
Status show_progress(const Connection& connection, const Stream& stream);

}  // namespace hearth::cli
