// Lengths in steps of a vector.
#pragma once

#include <cstdint>

namespace hearth::kernels {
namespace {

inline std::int64_t smaller(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}

// How many of the kLanes elements from index on are before end.
inline int lanes_left(std::int64_t index, std::int64_t end) {
  return static_cast<int>(smaller(kLanes, end - index));
}

}  // namespace
}  // namespace hearth::kernels
