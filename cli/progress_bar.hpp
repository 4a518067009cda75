// A bar on standard error while a model loads or a long prompt is read; nothing where standard
// error is no terminal.
#pragma once

#include <string>

namespace hearth::cli {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { erase(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // state: "loading" or "prefill"; progress: 0 .. 1
  void show(const std::string& state, double progress);
  void erase();

 private:
  const bool is_terminal_;
  bool shown_ = false;
};

}  // namespace hearth::cli
