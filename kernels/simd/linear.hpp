// linear over panels of whole numbers: see kernels.hpp for the arithmetic, panels/layout.hpp for
// the layout.
//
// A row group's panels stream from memory once, for up to kRowBlock rows of activations.  Each tile
// of kTileRows unpacks the numbers in registers again: on Zen 3 that takes 10 % less time than to
// unpack a panel into the first-level cache for all tiles (Q4_0, Q4_K, Q8_0; Q6_K takes 20 % more).
#pragma once

#include "kernels/simd/finish.hpp"
#include "kernels/simd/linear_floats.hpp"
#include "kernels/simd/panels.hpp"

namespace hearth::kernels {
namespace {

// Rows of activations whose sums are kept while a row group's panels go by.
constexpr std::int64_t kRowBlock = 64;
// How far ahead of its use a panel is fetched; panels lie one behind the other.  On Zen 3 2 KiB
// read 98 % of what memory delivers, 1 KiB 94 %, 512 bytes 88 % (Q4_K, 4096 x 4096, one core).
constexpr int kAheadBytes = 2048;

// The products of one step, exact: zero points are still in them.
template <class PanelT, class FactorT, int kSubs, int kRows>
[[gnu::always_inline]] inline void add_step(const PanelT& panel, int step, const ActivationBlock* x,
                                            const FactorT (&factors)[kSubs], Ints (&acc)[kRows]) {
  const std::int8_t* columns[kRows];
#pragma GCC unroll 16
  for (int t = 0; t < kRows; ++t) columns[t] = x[t].q + step * kStepCols;
  add_dots<PanelT::Traits::kBound>(panel.step(step), columns, factors, acc);
}

template <class PanelT, int kRows>
[[gnu::always_inline]] inline void dot_by_block(const PanelT& panel, int steps,
                                                const ActivationBlock* x, Floats (&out)[kRows]) {
  constexpr int kZero = PanelT::Traits::kZero;
#pragma GCC unroll 16
  for (Floats& sum : out) sum = splat(0.0f);
  for (int s = 0; s < steps; ++s) {
    Ints acc[kRows];
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) {
      acc[t] = splat_int(kZero == 0 ? 0 : -kZero * x[t].sums32[s]);
    }
    const decltype(factor_one()) factors[] = {factor_one()};
    add_step(panel, s, x, factors, acc);
    const Floats scale = panel.scale(s);
#pragma GCC unroll 16
    for (int t = 0; t < kRows; ++t) out[t] = fma(scale, to_floats(acc[t]), out[t]);
    if constexpr (PanelT::kSpec.mins) {
      const Floats min = panel.min(s);
#pragma GCC unroll 16
      for (int t = 0; t < kRows; ++t) {
        out[t] = fma(min, splat(static_cast<float>(x[t].sums32[s])), out[t]);
      }
    }
  }
}

template <class PanelT, int kRows>
[[gnu::always_inline]] inline void dot_by_super(const PanelT& panel, const ActivationBlock* x,
                                                Floats (&out)[kRows]) {
  constexpr int kSubs = PanelT::kSpec.subs;
  constexpr int kZero = PanelT::Traits::kZero;
  Ints acc[kRows], offset[kRows];
#pragma GCC unroll 16
  for (int t = 0; t < kRows; ++t) acc[t] = offset[t] = splat_int(0);
  for (int p = 0; p < kStepsMax * kSubs / 2; ++p) {
    const Pairs scales = panel.scale_pairs(p);
    if constexpr (kSubs == 2) {
      const Factor factors[] = {factor_of_first(scales), factor_of_second(scales)};
      add_step(panel, p, x, factors, acc);
    } else {
      const Factor first[] = {factor_of_first(scales)};
      const Factor second[] = {factor_of_second(scales)};
      add_step(panel, 2 * p, x, first, acc);
      add_step(panel, 2 * p + 1, x, second, acc);
    }
    if constexpr (PanelT::kSpec.mins || kZero != 0) {
      const Pairs weights = PanelT::kSpec.mins ? panel.min_pairs(p) : scales;
#pragma GCC unroll 16
      for (int t = 0; t < kRows; ++t) {
        const std::int16_t* sums = kSubs == 2 ? x[t].sums16 : x[t].sums32;
        offset[t] = add_pairs(offset[t], weights, sums + 2 * p);
      }
    }
  }
  const Floats d = panel.d();
#pragma GCC unroll 16
  for (int t = 0; t < kRows; ++t) {
    if constexpr (kZero != 0) acc[t] = sub(acc[t], shift_left(offset[t], __builtin_ctz(kZero)));
    out[t] = mul(d, to_floats(acc[t]));
    if constexpr (PanelT::kSpec.mins) out[t] = fnma(panel.dmin(), to_floats(offset[t]), out[t]);
  }
}

// total[t] += the panel times kRows adjacent rows of activations.
template <int kRows, class PanelT>
[[gnu::noinline]] void add_panel(const PanelT& panel, int steps, const ActivationBlock* x,
                                 float* total) {
  Floats sums[kRows];
  if constexpr (PanelT::kSpec.scaling == Scaling::by_block) {
    dot_by_block(panel, steps, x, sums);
  } else {
    dot_by_super(panel, x, sums);
  }
#pragma GCC unroll 16
  for (int t = 0; t < kRows; ++t, total += kGroupRows) {
    store_floats(total, fma(sums[t], splat(x[t].scale), load_floats(total)));
  }
}

// The same for any number of rows, in tiles.
template <int kRows, class PanelT>
inline void add_panel_tiles(const PanelT& panel, int steps, const ActivationBlock* x,
                            std::int64_t rows, float* total) {
  for (; rows >= kRows; rows -= kRows, x += kRows, total += kRows * kGroupRows) {
    add_panel<kRows>(panel, steps, x, total);
  }
  if constexpr (kRows > 1) add_panel_tiles<kRows / 2>(panel, steps, x, rows, total);
}

// Rows [row, row_end) of activations, at most kRowBlock, times one row group.
template <WeightFormat kFormat>
void multiply_group(const LinearArgs& args, std::int64_t group, std::int64_t row,
                    std::int64_t row_end) {
  alignas(64) float total[kRowBlock * kGroupRows];
  const std::int64_t rows = row_end - row;
  for (std::int64_t i = 0; i < rows * kGroupRows; ++i) total[i] = 0.0f;
  const unsigned char* panel = group_at(args, kFormat, group);
  const ActivationBlock* x = args.blocks + row;
  for (std::int64_t col = 0; col < args.cols; col += kPanelCols, x += args.block_stride) {
    const std::int64_t cols = args.cols - col < kPanelCols ? args.cols - col : kPanelCols;
    const int steps = static_cast<int>(cols / kStepCols);
    add_panel_tiles<kTileRows>(Panel<kFormat>(panel, cols, row == 0 ? kAheadBytes : 0), steps, x,
                               rows, total);
    panel += panel_fields(kFormat, cols).bytes;
  }
  finish(args, group, row, row_end, total);
}

template <WeightFormat kFormat>
void linear_numbers(const LinearArgs& args) {
  for (std::int64_t row = 0; row < args.tokens; row += kRowBlock) {
    const std::int64_t row_end = row + kRowBlock < args.tokens ? row + kRowBlock : args.tokens;
    for (std::int64_t group = args.group_begin; group < args.group_end; ++group) {
      multiply_group<kFormat>(args, group, row, row_end);
    }
  }
}

template <WeightFormat kFormat>
void linear(const LinearArgs& args) {
  if constexpr (panel_spec(kFormat).scaling == Scaling::none) {
    linear_floats<kFormat>(args);
  } else {
    linear_numbers<kFormat>(args);
  }
}

}  // namespace
}  // namespace hearth::kernels
