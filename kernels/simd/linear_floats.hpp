// linear over panels of floats: F32, F16 and BF16.
//
// A row's sum is that of its panels' chains of fused multiply-adds, one after the other; see
// panels/layout.hpp for what a chain is.  A few rows of activations go through all chains side by
// side, straight through memory; many take a chain at a time, whose weights they share in the
// first-level cache.
#pragma once

#include "kernels/simd/finish.hpp"

namespace hearth::kernels {
namespace {

constexpr int kChains = kFloatChains;
constexpr std::int64_t kFewRows = 3;
constexpr std::int64_t kFloatRowBlock = 96;
constexpr int kFloatAheadBytes = 2048;
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

// Two columns of a chain times one row of activations, where count are before the end.
template <WeightFormat kFormat>
inline void add_columns(const unsigned char* p, const float* x, std::int64_t count, Floats& chain) {
  Floats first, second;
  load_columns<kFormat>(p, first, second);
  if (count > 0) chain = fma(first, splat(x[0]), chain);
  if (count > 1) chain = fma(second, splat(x[1]), chain);
}

// Adds a panel times one row of activations.
template <WeightFormat kFormat>
inline Floats add_panel(const unsigned char* panel, const float* x, std::int64_t cols, bool ahead,
                        Floats total) {
  constexpr std::int64_t kPairBytes = 2 * kColumnBytes<kFormat>;
  const std::int64_t length = chain_length(cols);
  Floats chains[kChains];
  for (Floats& chain : chains) chain = splat(0.0f);
  if (cols == kChains * length) {
    for (std::int64_t k = 0; k < length; k += 2, panel += kChains * kPairBytes) {
      if (ahead) {
#pragma GCC unroll 8
        for (int i = 0; i < kChains * kPairBytes; i += 64) {
          prefetch_line(panel + kFloatAheadBytes + i);
        }
      }
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) {
        add_columns<kFormat>(panel + c * kPairBytes, x + c * length + k, 2, chains[c]);
      }
    }
  } else {
    for (std::int64_t k = 0; k < length; k += 2) {
      for (int c = 0; c < kChains; ++c, panel += kPairBytes) {
        const std::int64_t col = c * length + k;
        add_columns<kFormat>(panel, x + col, cols - col, chains[c]);
      }
    }
  }
  for (const Floats& chain : chains) total = add(total, chain);
  return total;
}

template <WeightFormat kFormat>
void multiply_few(const LinearArgs& args, std::int64_t group) {
  alignas(64) float total[kFewRows * kGroupRows] = {};
  const unsigned char* panel = group_at(args, kFormat, group);
  for (std::int64_t col = 0; col < args.cols; col += kPanelCols) {
    const std::int64_t cols = args.cols - col < kPanelCols ? args.cols - col : kPanelCols;
    for (std::int64_t t = 0; t < args.tokens; ++t) {
      float* sum = total + t * kGroupRows;
      const float* x = args.x + t * args.x_stride + col;
      store_floats(sum, add_panel<kFormat>(panel, x, cols, t == 0, load_floats(sum)));
    }
    panel += panel_fields(kFormat, cols).bytes;
  }
  finish(args, group, 0, args.tokens, total);
}

// total[t] += one chain of each of kRows rows of activations.
template <int kRows>
inline void add_chain(const float* weights, std::int64_t cols, const float* x, std::int64_t stride,
                      float* total) {
  Floats sums[kRows];
#pragma GCC unroll 16
  for (Floats& sum : sums) sum = splat(0.0f);
  for (std::int64_t k = 0; k < cols; ++k) {
    Floats column = load_floats(weights + k * kGroupRows);
    settle(column);
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) sums[t] = fma(column, splat(x[t * stride + k]), sums[t]);
  }
#pragma GCC unroll 16
  for (int t = 0; t < kRows; ++t, total += kGroupRows) {
    store_floats(total, add(load_floats(total), sums[t]));
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

// All chains of a panel, widened, each chain's columns side by side.
template <WeightFormat kFormat>
inline void widen_panel(const unsigned char* panel, std::int64_t length, bool ahead, float* out) {
  for (std::int64_t k = 0; k < length; k += 2) {
    for (int c = 0; c < kChains; ++c, panel += 2 * kColumnBytes<kFormat>) {
      if (ahead) {
        for (int i = 0; i < 2 * kColumnBytes<kFormat>; i += 64) {
          prefetch_line(panel + kFloatAheadBytes + i);
        }
      }
      Floats first, second;
      load_columns<kFormat>(panel, first, second);
      float* to = out + (c * length + k) * kGroupRows;
      store_floats(to, first);
      store_floats(to + kGroupRows, second);
    }
  }
}

template <WeightFormat kFormat>
void multiply_many(const LinearArgs& args, std::int64_t group, std::int64_t row,
                   std::int64_t row_end) {
  alignas(64) float total[kFloatRowBlock * kGroupRows];
  alignas(64) float widened[kPanelCols * kGroupRows];
  for (std::int64_t i = 0; i < (row_end - row) * kGroupRows; ++i) total[i] = 0.0f;
  const unsigned char* panel = group_at(args, kFormat, group);
  for (std::int64_t col = 0; col < args.cols; col += kPanelCols) {
    const std::int64_t cols = args.cols - col < kPanelCols ? args.cols - col : kPanelCols;
    const std::int64_t length = chain_length(cols);
    widen_panel<kFormat>(panel, length, row == 0, widened);
    for (std::int64_t k = 0; k < kChains * length; k += length) {
      const std::int64_t count = cols - k < length ? cols - k : length;  // none: adds a zero
      add_chain_tiles<kFloatTileRows>(widened + k * kGroupRows, count,
                                      args.x + row * args.x_stride + col + k, args.x_stride,
                                      row_end - row, total);
    }
    panel += panel_fields(kFormat, cols).bytes;
  }
  finish(args, group, row, row_end, total);
}

template <WeightFormat kFormat>
void linear_floats(const LinearArgs& args) {
  for (std::int64_t group = args.group_begin; group < args.group_end; ++group) {
    if (args.tokens <= kFewRows) {
      multiply_few<kFormat>(args, group);
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
