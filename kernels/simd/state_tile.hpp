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

// The columns of some tiles that lie one after the other, of one row: 0 beyond the end.
template <int kVectors>
inline void load_columns(const float* row, std::int64_t column, std::int64_t end,
                         Lanes (&out)[kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v, column += kLanes) {
    out[v] = load(row + column, columns_left(column, end));
  }
}
template <int kVectors>
inline void store_columns(float* row, std::int64_t column, std::int64_t end,
                          const Lanes (&from)[kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v, column += kLanes) {
    store(row + column, from[v], columns_left(column, end));
  }
}

// Some tiles of a state [tiles][key_dim][16], one after the other, as rows of vectors.
template <int kTiles>
struct TileRows {
  static constexpr int kVectors = kTiles * kTileVectors;
  float* first;
  std::int64_t tile_floats;

  float* at(std::int64_t key, int vector) const {
    return first + vector / kTileVectors * tile_floats + key * kStateTile +
           vector % kTileVectors * kLanes;
  }
};

// Tiles that rows of prompts are computed for together: what they share is loaded once for them,
// and they are independent chains.  Two vectors, so that all fits in the registers.
constexpr int kTilesTogether = 2 / kTileVectors;

// body(Constant<tiles>, tile) for tiles [begin, end): together as far as they go, else one by one.
template <int n>
struct TileCount {
  static constexpr int value = n;
};
template <class Body>
inline void for_each_tiles(std::int64_t begin, std::int64_t end, bool together, Body body) {
  while (begin < end) {
    if (together && begin + kTilesTogether <= end) {
      body(TileCount<kTilesTogether>{}, begin);
      begin += kTilesTogether;
    } else {
      body(TileCount<1>{}, begin);
      ++begin;
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
