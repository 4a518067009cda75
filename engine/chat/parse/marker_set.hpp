// A few fixed texts to be found in a growing one.
//
// Where several begin at one place the longest is found, so a place is decided only when no longer
// marker can still begin there.  Text is read once; only a tail that may begin a marker, shorter
// than the longest one, is looked at again.  The sets hold a dozen markers at most: a table of
// first bytes and a comparison each is less than an automaton's memory traffic.
//
// THREAD: constant after construction.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth::chat {

class MarkerSet {
 public:
  struct Found {
    std::size_t at;       // where it begins; without one: the end of what is certainly no marker
    std::size_t size;     // 0: none was found
    std::uint8_t action;  // what it was added with
  };

  // Texts that are empty are left out: dialects leave what they lack empty.
  void add(std::string_view text, std::uint8_t action) {
    if (text.empty()) return;
    markers_.push_back({std::string(text), action});
    begins_[static_cast<std::uint8_t>(text.front())] = true;
  }

  // The first marker in text from `from` on.  `ended`: no more text comes.
  Found find(std::string_view text, std::size_t from, bool ended) const {
    for (std::size_t at = from; at < text.size(); ++at) {
      if (!begins_[static_cast<std::uint8_t>(text[at])]) continue;
      const Found found = match(text, at, ended);
      if (found.size > 0 || found.at == at) return found;
    }
    return {text.size(), 0, 0};
  }

  // The marker that begins at `at`: size 0 and at == text.size() when there is none, size 0 and
  // the same `at` when more text decides.
  Found match(std::string_view text, std::size_t at, bool ended) const {
    Found best{text.size(), 0, 0};
    const std::string_view rest = text.substr(at);
    for (const Marker& marker : markers_) {
      if (rest.starts_with(marker.text)) {
        if (marker.text.size() > best.size) best = {at, marker.text.size(), marker.action};
      } else if (!ended && marker.text.starts_with(rest)) {
        return {at, 0, 0};
      }
    }
    return best;
  }

 private:
  struct Marker {
    std::string text;
    std::uint8_t action;
  };
  std::vector<Marker> markers_;
  std::array<bool, 256> begins_{};
};

}  // namespace hearth::chat
