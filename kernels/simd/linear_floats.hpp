// linear over panels of floats: F32, F16 and BF16.
//
// 64 columns of a row are summed in one chain of fused multiply-adds, the chains one after the
// other: the same for one row of activations, whose four chains of a panel go on side by side, and
// for many, which share a chain's weights in the first-level cache.
#pragma once

#include "kernels/simd/finish.hpp"

namespace hearth::kernels {
namespace {

constexpr std::int64_t kChainCols = 64;
constexpr int kChains = kPanelCols / kChainCols;
constexpr std::int64_t kFloatRowBlock = 96;
constexpr int kFloatAheadBytes = 1024;
static_assert(kFloatRowBlock % kFloatTileRows == 0);

template <WeightFormat kFormat>
constexpr std::int64_t kColumnBytes = kGroupRows*(kFormat == WeightFormat::f32 ? 4 : 2);

// Two columns of a panel from an even one on.
template <WeightFormat kFormat>
inline void load_columns(const unsigned char* p, Floats& first, Floats& second) {
  if constexpr (kFormat == WeightFormat::bf16) {
    floats_from_bf16_pairs(p, first, second);
  } else if constexpr (kFormat == WeightFormat::f16) {
    first = floats_from_f16(p);
    second = floats_from_f16(p + kColumnBytes<kFormat>);
  } else {
    first = load_floats(reinterpret_cast<const float*>(p));
    second = load_floats(reinterpret_cast<const float*>(p + kColumnBytes<kFormat>));
  }
}

// Adds cols columns of one row group times one row of activations to chains[c], which has its
// columns from c * kChainCols on.
template <WeightFormat kFormat>
inline void run_chains(const unsigned char* panel, const float* x, std::int64_t cols,
                       Floats (&chains)[kChains]) {
  if (cols == kPanelCols) {
    for (std::int64_t k = 0; k < kChainCols; k += 2) {
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) {
        const std::int64_t at = c * kChainCols + k;
        const unsigned char* p = panel + at * kColumnBytes<kFormat>;
        prefetch_line(p + kFloatAheadBytes);
        if constexpr (kFormat == WeightFormat::f32) prefetch_line(p + 64 + kFloatAheadBytes);
        Floats first, second;
        load_columns<kFormat>(p, first, second);
        chains[c] = fma(first, splat(x[at]), chains[c]);
        chains[c] = fma(second, splat(x[at + 1]), chains[c]);
      }
    }
    return;
  }
  for (std::int64_t k = 0; k < cols; k += 2) {
    Floats first, second;
    load_columns<kFormat>(panel + k * kColumnBytes<kFormat>, first, second);
    Floats& chain = chains[k / kChainCols];
    chain = fma(first, splat(x[k]), chain);
    if (k + 1 < cols) chain = fma(second, splat(x[k + 1]), chain);
  }
}

template <WeightFormat kFormat>
void multiply_one(const LinearArgs& args, std::int64_t group) {
  Floats total = splat(0.0f);
  const unsigned char* panel = group_at(args, kFormat, group);
  for (std::int64_t col = 0; col < args.cols; col += kPanelCols) {
    const std::int64_t cols = args.cols - col < kPanelCols ? args.cols - col : kPanelCols;
    Floats chains[kChains];
    for (Floats& chain : chains) chain = splat(0.0f);
    run_chains<kFormat>(panel, args.x + col, cols, chains);
    for (std::int64_t c = 0; c * kChainCols < cols; ++c) total = add(total, chains[c]);
    panel += panel_fields(kFormat, cols).bytes;
  }
  alignas(64) float sums[kGroupRows];
  store_floats(sums, total);
  finish(args, group, 0, 1, sums);
}

// total[t] += one chain of each of kRows rows of activations.
template <int kRows>
inline void add_chain(const float* weights, std::int64_t cols, const float* x, std::int64_t stride,
                      float* total) {
  Floats chain[kRows];
#pragma GCC unroll 16
  for (Floats& sum : chain) sum = splat(0.0f);
  for (std::int64_t k = 0; k < cols; ++k) {
    const Floats column = load_floats(weights + k * kGroupRows);
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) chain[t] = fma(column, splat(x[t * stride + k]), chain[t]);
  }
#pragma GCC unroll 16
  for (int t = 0; t < kRows; ++t, total += kGroupRows) {
    store_floats(total, add(load_floats(total), chain[t]));
  }
}

template <int kRows>
inline void add_chain_tiles(const float* weights, std::int64_t cols, const float* x,
                            std::int64_t stride, std::int64_t rows, float* total) {
  for (; rows >= kRows; rows -= kRows, x += kRows * stride, total += kRows * kGroupRows) {
    add_chain<kRows>(weights, cols, x, stride, total);
  }
  if constexpr (kRows > 1) add_chain_tiles<kRows - 1>(weights, cols, x, stride, rows, total);
}

template <WeightFormat kFormat>
void multiply_many(const LinearArgs& args, std::int64_t group, std::int64_t row,
                   std::int64_t row_end) {
  alignas(64) float total[kFloatRowBlock * kGroupRows];
  alignas(64) float widened[kChainCols * kGroupRows];
  for (std::int64_t i = 0; i < (row_end - row) * kGroupRows; ++i) total[i] = 0.0f;
  const unsigned char* panel = group_at(args, kFormat, group);
  for (std::int64_t col = 0; col < args.cols; col += kPanelCols) {
    const std::int64_t cols = args.cols - col < kPanelCols ? args.cols - col : kPanelCols;
    for (std::int64_t k = 0; k < cols; k += kChainCols) {
      const std::int64_t count = cols - k < kChainCols ? cols - k : kChainCols;
      const unsigned char* p = panel + k * kColumnBytes<kFormat>;
      const auto* weights = reinterpret_cast<const float*>(p);
      if constexpr (kFormat != WeightFormat::f32) {
        for (std::int64_t i = 0; i < count; i += 2) {
          Floats first, second;
          load_columns<kFormat>(p + i * kColumnBytes<kFormat>, first, second);
          store_floats(widened + i * kGroupRows, first);
          store_floats(widened + (i + 1) * kGroupRows, second);
        }
        weights = widened;
      }
      add_chain_tiles<kFloatTileRows>(weights, count, args.x + row * args.x_stride + col + k,
                                      args.x_stride, row_end - row, total);
    }
    panel += panel_fields(kFormat, cols).bytes;
  }
  finish(args, group, row, row_end, total);
}

template <WeightFormat kFormat>
void linear_floats(const LinearArgs& args) {
  for (std::int64_t group = args.group_begin; group < args.group_end; ++group) {
    if (args.tokens == 1) {
      multiply_one<kFormat>(args, group);
      continue;
    }
    for (std::int64_t row = 0; row < args.tokens; row += kFloatRowBlock) {
      const std::int64_t end = row + kFloatRowBlock;
      multiply_many<kFormat>(args, group, row, end < args.tokens ? end : args.tokens);
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
