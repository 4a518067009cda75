// CLOCK_MONOTONIC in nanoseconds, and those as reports tell them.
#pragma once

#include <chrono>
#include <cstdint>

namespace hearth {

inline std::int64_t now_ns() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

inline double milliseconds(std::int64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

}  // namespace hearth
