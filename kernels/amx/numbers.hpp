// Panels of whole numbers times activation blocks, for linear_prompt.hpp.
//
// 256 columns are four tiles deep: their sum is exact in 32 bits, below 2^23 and so exact as a
// float as well.  Then: total += (x.scale * weight scale) * sum, one fused multiply-add.
#pragma once

#include "kernels/amx/row_tiles.hpp"
#include "kernels/avx512/requantize.hpp"

namespace hearth::kernels {
namespace {

template <WeightFormat kFormat>
struct Numbers {
  using Staged = RequantizedPanel;
  static constexpr int kTileCols = 64;

  static void stage(const unsigned char* panel, std::int64_t cols, Staged& out) {
    requantize(Panel<kFormat>(panel, cols, 0), static_cast<int>(cols / kStepCols), out);
  }

  // total[tile][group] += the products of tiles of activations, from row[tile] on.
  template <int kRows, int kGroups>
  static void multiply(const LinearArgs& args, std::int64_t panel, int depth, int height,
                       const std::int64_t (&row)[kRows], const Staged (&w)[kGroups],
                       float* const (&total)[kRows][kGroups]) {
    const ActivationBlock* x[kRows];
    for (int t = 0; t < kRows; ++t) x[t] = args.blocks + panel * args.block_stride + row[t];
    alignas(64) std::int32_t sums[kRows][kGroups][kSumsPerTile];
    std::int32_t* to[kRows][kGroups];
    zero_sums<kRows, kGroups>();
    for (int k = 0; k < depth; ++k) {
      const void* columns[kRows];
      for (int t = 0; t < kRows; ++t) columns[t] = x[t]->q + k * kTileCols;
      const void* weights[kGroups];
      for (int g = 0; g < kGroups; ++g) weights[g] = w[g].numbers[k * kTileHeight];
      load_rows(columns, sizeof(ActivationBlock));
      load_weights(weights);
      add_products_of_int8<kRows, kGroups>();
    }
    for (int t = 0; t < kRows; ++t) {
      for (int g = 0; g < kGroups; ++g) to[t][g] = sums[t][g];
    }
    store_sums(to);
    for (int t = 0; t < kRows; ++t) {
      for (int g = 0; g < kGroups; ++g) {
        add_scaled(sums[t][g], x[t], load_floats(w[g].scale), height, total[t][g]);
      }
    }
  }

 private:
  static void add_scaled(const std::int32_t* sums, const ActivationBlock* x, Floats scale,
                         int height, float* total) {
    for (int r = 0; r < height; ++r, sums += kGroupRows, total += kGroupRows) {
      const Floats factor = mul(splat(x[r].scale), scale);
      store_floats(total, fma(factor, to_floats(load_ints(sums)), load_floats(total)));
    }
  }
};

}  // namespace
}  // namespace hearth::kernels
