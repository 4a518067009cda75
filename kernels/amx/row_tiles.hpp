// How the matrix kernels cut rows of activations and row groups into tiles.
//
// Two tiles of activations times two row groups make four tiles of sums: 0 and 1 for the first
// tile of activations, 2 and 3 for the second; tiles 4 and 5 are A, 6 and 7 B.  So each tile that
// is loaded is multiplied twice.
//
// A tile of activations has 16 rows, or all where there are fewer; the last one is moved back so
// that it ends with the last row.  Its first rows are then computed twice and written once: a row
// depends on nothing but itself, and the tiles have one shape for the whole call.
#pragma once

#include "kernels/amx/tiles.hpp"
#include "kernels/panels/layout.hpp"

namespace hearth::kernels {
namespace {

// Tiles of activations for which a row group's panels are made ready once.  512 rows make the
// requantising of two panels a fifth of the time that their products take.
constexpr std::int64_t kRowTilesMax = 32;
constexpr int kSumsPerTile = kTileHeight * kGroupRows;

struct RowTiles {
  std::int64_t rows;

  int height() const { return rows < kTileHeight ? static_cast<int>(rows) : kTileHeight; }
  std::int64_t count() const { return (rows + kTileHeight - 1) / kTileHeight; }
  // The first row of a tile that is written, the end of its rows, and the first that it computes.
  std::int64_t begin(std::int64_t tile) const { return tile * kTileHeight; }
  std::int64_t end(std::int64_t tile) const {
    return begin(tile) + kTileHeight < rows ? begin(tile) + kTileHeight : rows;
  }
  std::int64_t first(std::int64_t tile) const { return end(tile) - height(); }

  TileConfig config() const {
    TileConfig config;
    for (int tile = 0; tile < 6; ++tile) config.set(tile, height(), kTileRowBytes);
    return config.set(6, kTileHeight, kTileRowBytes).set(7, kTileHeight, kTileRowBytes);
  }
};

// The sums of kRows tiles of activations times kGroups row groups: [tile][group].
template <int kRows, int kGroups>
inline void zero_sums() {
  zero_tile<0>();
  if constexpr (kGroups > 1) zero_tile<1>();
  if constexpr (kRows > 1) zero_tile<2>();
  if constexpr (kRows > 1 && kGroups > 1) zero_tile<3>();
}
template <int kRows, int kGroups, class T>
inline void load_sums(T* const (&from)[kRows][kGroups]) {
  load_tile<0>(from[0][0], kTileRowBytes);
  if constexpr (kGroups > 1) load_tile<1>(from[0][1], kTileRowBytes);
  if constexpr (kRows > 1) load_tile<2>(from[1][0], kTileRowBytes);
  if constexpr (kRows > 1 && kGroups > 1) load_tile<3>(from[1][1], kTileRowBytes);
}
template <int kRows, int kGroups, class T>
inline void store_sums(T* const (&to)[kRows][kGroups], std::int64_t stride = kTileRowBytes) {
  store_tile<0>(to[0][0], stride);
  if constexpr (kGroups > 1) store_tile<1>(to[0][1], stride);
  if constexpr (kRows > 1) store_tile<2>(to[1][0], stride);
  if constexpr (kRows > 1 && kGroups > 1) store_tile<3>(to[1][1], stride);
}

// One tile of each operand, A [row][stride], B [16][64].
template <int kRows>
inline void load_rows(const void* const (&from)[kRows], std::int64_t stride) {
  load_tile<4>(from[0], stride);
  if constexpr (kRows > 1) load_tile<5>(from[1], stride);
}
template <int kGroups>
inline void load_weights(const void* const (&from)[kGroups]) {
  load_tile<6>(from[0], kTileRowBytes);
  if constexpr (kGroups > 1) load_tile<7>(from[1], kTileRowBytes);
}

template <int kRows, int kGroups>
inline void add_products_of_int8() {
  add_product_of_int8<0, 4, 6>();
  if constexpr (kGroups > 1) add_product_of_int8<1, 4, 7>();
  if constexpr (kRows > 1) add_product_of_int8<2, 5, 6>();
  if constexpr (kRows > 1 && kGroups > 1) add_product_of_int8<3, 5, 7>();
}
template <int kRows, int kGroups>
inline void add_products_of_bf16() {
  add_product_of_bf16<0, 4, 6>();
  if constexpr (kGroups > 1) add_product_of_bf16<1, 4, 7>();
  if constexpr (kRows > 1) add_product_of_bf16<2, 5, 6>();
  if constexpr (kRows > 1 && kGroups > 1) add_product_of_bf16<3, 5, 7>();
}

}  // namespace
}  // namespace hearth::kernels
