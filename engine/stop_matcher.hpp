// Finds stop texts in a growing text, across token borders.
//
// Text that may be the begin of a stop text is held back until it is decided; nothing of a stop
// text is ever given out.
//
// THREAD: the engine; one for each sequence.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace hearth {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Add text; append to out what is safe to show.  True when a stop text is complete: what stood
  // before it has been appended, the rest is dropped.
  bool push(std::string_view text, std::string& out) {
    if (stops_.empty()) {
      out += text;
      return false;
    }
    held_ += text;
    std::size_t first = std::string::npos;
    for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
    if (first != std::string::npos) {
      out.append(held_, 0, first);
      held_.clear();
      return true;
    }
    const std::size_t safe = held_.size() - undecided();
    out.append(held_, 0, safe);
    held_.erase(0, safe);
    return false;
  }

  // No more text comes: what is held back was no stop text.
  void finish(std::string& out) {
    out += held_;
    held_.clear();
  }

 private:
  // Bytes at the end that begin some stop text.
  std::size_t undecided() const {
    std::size_t longest = 0;
    for (const std::string& stop : stops_) {
      for (std::size_t size = std::min(held_.size(), stop.size() - 1); size > longest; --size) {
        if (std::string_view(held_).substr(held_.size() - size) ==
            std::string_view(stop).substr(0, size)) {
          longest = size;
        }
      }
    }
    return longest;
  }

  const std::vector<std::string> stops_;  // none is empty
  std::string held_;
};

}  // namespace hearth
