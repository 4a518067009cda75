// linear_prompt with tiles: see kernels.hpp for the arithmetic, row_tiles.hpp for the tiles.
//
// Two row groups at a time: their panels of 256 columns are made ready for tiles in the
// first-level cache once and multiplied with up to 512 rows of activations, whose sums stay in the
// second-level cache.  A format's part, making panels ready and multiplying them, is Operands:
// numbers.hpp, floats.hpp.
//
// What 32 rows of activations times 32 rows of weights take in 256 columns, counted in what gcc 12
// makes of Q4_K; cycles are computed, with 16 for a product of tiles and two vectors in each:
//   products      16 TDPBSSD, 16 loads and 4 stores of tiles                        256 cycles
//   scaling sums  64 times 10 instructions, 5 of them on vectors: beside products   130 - 160
//   requantising  2 panels of 8 steps of 99 instructions, 94 on vectors (Q6_K: 131, 114);
//                 750 for all rows of a call up to 512, with 512 of them for each    47
// Products dominate from about 100 rows on, requantising below.  BF16: 32 TDPBF16PS, 512 cycles,
// and 8 loads and stores of sums as tiles; F16 and F32 three times as many products.
#pragma once

#include "kernels/amx/row_tiles.hpp"
#include "kernels/simd/finish.hpp"

namespace hearth::kernels {
namespace {

// One row group's or two row groups' way through their panels.
template <class Operands, WeightFormat kFormat, int kGroups>
class GroupProducts {
 public:
  GroupProducts(const LinearArgs& args, RowTiles tiles, std::int64_t group)
      : args_(args), tiles_(tiles), group_(group) {}

  // Tiles [tile, tile_end), at most kRowTilesMax.
  void multiply(std::int64_t tile, std::int64_t tile_end) {
    clear(tile_end - tile);
    const std::int64_t group_size = group_bytes(kFormat, args_.cols);
    const unsigned char* panel = group_at(args_, kFormat, group_);
    for (std::int64_t col = 0; col < args_.cols; col += kPanelCols) {
      const std::int64_t cols = args_.cols - col < kPanelCols ? args_.cols - col : kPanelCols;
      const std::int64_t bytes = panel_fields(kFormat, cols).bytes;
      for (int g = 0; g < kGroups; ++g) {
        Operands::stage(panel + g * group_size, cols, staged_[g]);
        prefetch(panel + g * group_size + bytes, bytes);
      }
      const int depth = static_cast<int>((cols + Operands::kTileCols - 1) / Operands::kTileCols);
      std::int64_t t = tile;
      for (; t + 2 <= tile_end; t += 2) add_products<2>(col / kPanelCols, depth, t, t - tile);
      if (t < tile_end) add_products<1>(col / kPanelCols, depth, t, t - tile);
      panel += bytes;
    }
    write(tile, tile_end);
  }

 private:
  void clear(std::int64_t count) {
    for (auto& sums : total_) {
      for (std::int64_t i = 0; i < count * kSumsPerTile; ++i) sums[i] = 0.0f;
    }
  }
  static void prefetch(const unsigned char* p, std::int64_t bytes) {
    for (std::int64_t i = 0; i < bytes; i += 64) prefetch_line(p + i);
  }
  template <int kRows>
  void add_products(std::int64_t panel, int depth, std::int64_t tile, std::int64_t at) {
    std::int64_t row[kRows];
    float* sums[kRows][kGroups];
    for (int t = 0; t < kRows; ++t) {
      row[t] = tiles_.first(tile + t);
      for (int g = 0; g < kGroups; ++g) sums[t][g] = total_[g] + (at + t) * kSumsPerTile;
    }
    Operands::template multiply<kRows, kGroups>(args_, panel, depth, tiles_.height(), row, staged_,
                                                sums);
  }
  void write(std::int64_t tile, std::int64_t tile_end) const {
    for (int g = 0; g < kGroups; ++g) {
      for (std::int64_t t = tile; t < tile_end; ++t) {
        const std::int64_t again = tiles_.begin(t) - tiles_.first(t);
        finish(args_, group_ + g, tiles_.begin(t), tiles_.end(t),
               total_[g] + (t - tile) * kSumsPerTile + again * kGroupRows);
      }
    }
  }

  const LinearArgs& args_;
  const RowTiles tiles_;
  const std::int64_t group_;
  typename Operands::Staged staged_[kGroups];
  alignas(64) float total_[kGroups][kRowTilesMax * kSumsPerTile];  // [tile][row][16]
};

template <class Operands, WeightFormat kFormat, int kGroups>
void multiply_groups(const LinearArgs& args, RowTiles tiles, std::int64_t group) {
  GroupProducts<Operands, kFormat, kGroups> products(args, tiles, group);
  for (std::int64_t tile = 0; tile < tiles.count(); tile += kRowTilesMax) {
    const std::int64_t end = tile + kRowTilesMax;
    products.multiply(tile, end < tiles.count() ? end : tiles.count());
  }
}

template <class Operands, WeightFormat kFormat>
void linear_prompt(const LinearArgs& args) {
  const RowTiles row_tiles{args.tokens};
  const Tiles in_use(row_tiles.config());
  std::int64_t group = args.group_begin;
  for (; group + 2 <= args.group_end; group += 2) {
    multiply_groups<Operands, kFormat, 2>(args, row_tiles, group);
  }
  if (group < args.group_end) multiply_groups<Operands, kFormat, 1>(args, row_tiles, group);
}

}  // namespace
}  // namespace hearth::kernels
