// How long an idle model stays in memory, as people write it.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/limits.h"
#include "common/result.hpp"

namespace hearth {

// "90" and "90s" are seconds, "30m" minutes, "2h" hours, "forever" is -1.  Errors: INVALID, a text
// that goes on from "... is".
inline Result<std::int64_t> parse_keep_alive(std::string_view text) {
  if (text == "forever") return std::int64_t{-1};
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  const std::int64_t scale = unit.empty() || unit == "s" ? 1
                             : unit == "m"               ? 60
                             : unit == "h"               ? 3600
                                                         : 0;
  if (error != std::errc() || scale == 0 || value < 0 || value > HEARTH_KEEP_ALIVE_MAX / scale) {
    return Error{Code::INVALID, "not a time: 90 or 90s, 30m, 2h, forever"};
  }
  return value * scale;
}

}  // namespace hearth
