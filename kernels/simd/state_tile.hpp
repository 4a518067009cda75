// Tiles of 16 columns of a state, in vectors: see recurrent.hpp.
#pragma once

#include "kernels/recurrent.hpp"
#include "kernels/simd/steps.hpp"

namespace hearth::kernels {
namespace {

constexpr int kTileVectors = static_cast<int>(kStateTile) / kLanes;

// How many of the kLanes columns from one on are before end; none of those beyond.
inline int columns_left(std::int64_t column, std::int64_t end) {
  return column < end ? lanes_left(column, end) : 0;
}

// 16 columns of a row from one on, those before end; 0 for the others.
inline void load_columns(const float* row, std::int64_t column, std::int64_t end,
                         Lanes (&out)[kTileVectors]) {
#pragma GCC unroll 2
  for (int v = 0; v < kTileVectors; ++v, column += kLanes) {
    out[v] = load(row + column, columns_left(column, end));
  }
}
inline void store_columns(float* row, std::int64_t column, std::int64_t end,
                          const Lanes (&from)[kTileVectors]) {
#pragma GCC unroll 2
  for (int v = 0; v < kTileVectors; ++v, column += kLanes) {
    store(row + column, from[v], columns_left(column, end));
  }
}

// step(key, chain) for keys [0, count): the even ones are one chain of sums, the odd ones
// another.
template <class Step>
inline void in_two_chains(std::int64_t count, Step step) {
  std::int64_t key = 0;
  for (; key + 2 <= count; key += 2) {
    step(key, 0);
    step(key + 1, 1);
  }
  if (key < count) step(key, 0);
}

}  // namespace
}  // namespace hearth::kernels
