// Panels of floats times split activations, for linear_prompt.hpp.
//
// A panel becomes pairs of bf16 in the order of its columns: the chains of panels/layout.hpp, which
// make the sums of the vector kernels short, take turns two columns at a time.  BF16 is copied;
// F16 and F32 are split as activations are, which loses nothing of F16.
//
// The products of 32 columns are summed by one instruction, in float (the order is in
// emulated_tiles.hpp), low * high before high * high before high * low; sums stay in tiles within
// 256 columns, and are floats in memory between them.
#pragma once

#include "kernels/amx/row_tiles.hpp"
#include "kernels/avx512/rows.hpp"
#include "kernels/simd/linear_floats.hpp"

namespace hearth::kernels {
namespace {

using PairsOfBf16 = std::uint16_t[kPanelCols / 2][kGroupRows][2];  // [k / 2][row][k % 2]
struct alignas(64) SplitPanel {
  PairsOfBf16 high, low;
};

template <WeightFormat kFormat>
struct FloatPairs {
  using Staged = SplitPanel;
  static constexpr int kTileCols = 32;
  static constexpr bool kSplit = kFormat != WeightFormat::bf16;

  static void stage(const unsigned char* panel, std::int64_t cols, Staged& out) {
    const std::int64_t chain_pairs = chain_length(cols) / 2;
    for (std::int64_t i = 0; i < chain_pairs; ++i) {
      for (int c = 0; c < kChains; ++c, panel += 2 * kColumnBytes<kFormat>) {
        stage_pair(panel, c * chain_pairs + i, out);
      }
    }
    const std::int64_t tile_pairs = (cols + kTileCols - 1) / kTileCols * kTileCols / 2;
    for (std::int64_t i = kChains * chain_pairs; i < tile_pairs; ++i) {
      store_bytes(out.high[i], Bytes{splat_int(0).all});
      if constexpr (kSplit) store_bytes(out.low[i], Bytes{splat_int(0).all});
    }
  }

  // total[tile][group] += the products of tiles of activations, from row[tile] on.
  template <int kRows, int kGroups>
  static void multiply(const LinearArgs& args, std::int64_t panel, int depth, int /*height*/,
                       const std::int64_t (&row)[kRows], const Staged (&w)[kGroups],
                       float* const (&total)[kRows][kGroups]) {
    const SplitBlock* blocks = args.splits + panel * args.block_stride;
    load_sums(total);
    for (int k = 0; k < depth; ++k) {
      const void *x_high[kRows], *x_low[kRows], *w_high[kGroups], *w_low[kGroups];
      for (int t = 0; t < kRows; ++t) {
        x_high[t] = blocks[row[t]].high + k * kTileCols;
        x_low[t] = blocks[row[t]].low + k * kTileCols;
      }
      for (int g = 0; g < kGroups; ++g) {
        w_high[g] = w[g].high[k * kTileHeight];
        w_low[g] = w[g].low[k * kTileHeight];
      }
      load_rows(x_high, sizeof(SplitBlock));
      if constexpr (kSplit) {
        load_weights(w_low);
        add_products_of_bf16<kRows, kGroups>();
      }
      load_weights(w_high);
      add_products_of_bf16<kRows, kGroups>();
      if constexpr (kSplit) {
        load_rows(x_low, sizeof(SplitBlock));
        add_products_of_bf16<kRows, kGroups>();
      }
    }
    store_sums(total);
  }

 private:
  static void stage_pair(const unsigned char* from, std::int64_t pair, Staged& out) {
    if constexpr (kSplit) {
      Floats first, second;
      load_columns<kFormat>(from, first, second);
      const Floats first_high = to_bf16(first), second_high = to_bf16(second);
      store_bytes(out.high[pair], bf16_pairs(first_high, second_high));
      store_bytes(out.low[pair],
                  bf16_pairs(to_bf16(sub(first, first_high)), to_bf16(sub(second, second_high))));
    } else {
      store_bytes(out.high[pair], load_bytes(from));
    }
  }
};

}  // namespace
}  // namespace hearth::kernels
