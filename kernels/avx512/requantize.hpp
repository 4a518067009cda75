// A panel of whole numbers as int8 with one scale per row: what matrix kernels multiply.
//
//   weight = scale[row] * numbers[k / 4][row][k % 4], to about half a step of the int8
//
// The scale of a row is a bound of its 256 weights over 127: the largest that a sub-block's scale
// and min allow with any numbers.  To find the true maximum all numbers would have to be unpacked
// twice, and quantisers use the whole range of each sub-block anyway.
//
// A weight is slope * number + offset, with a slope and an offset for each sub-block; divided by
// the row's scale this is computed in 16 bits, 8 of them after the point:
//   (round(256 * slope / scale) * number + round(256 * offset / scale) + 128) >> 8
// which is within 127 * 256 + 128 + 16, and rounds to nearest.  Rounding the slope adds at most
// number / 512: 1/4 of a step where numbers have 8 bits, 1/16 and less where they have 6 and less.
// A -128 of Q8_0, which no quantiser writes, counts as -127: its opposite would not fit.
//
// A row with a scale or min that is no finite number has a NaN as scale.
#pragma once

#include "kernels/avx512/rows.hpp"
#include "kernels/simd/panels.hpp"

namespace hearth::kernels {
namespace {

struct alignas(64) RequantizedPanel {
  std::int8_t numbers[kPanelCols / 4][kGroupRows][4];  // [k / 4][row][k % 4]; zero beyond the end
  float scale[kGroupRows];
};

// What the weights of a panel are: scales are f16 or products of one, so that their inverse is a
// number; those of MXFP4 may be smaller, and rows of only such ones are zero.
constexpr float kSmallestBound = 1e-36f;
constexpr int kSubsMax = 16;
struct Lines {
  Floats slope[kSubsMax];
  Floats offset[kSubsMax];  // of formats with mins; of others -zero * slope
};

template <class PanelT>
inline void read_lines(const PanelT& panel, int steps, Lines& out) {
  constexpr PanelSpec kSpec = PanelT::kSpec;
  if constexpr (kSpec.scaling == Scaling::by_block) {
    for (int s = 0; s < steps; ++s) {
      out.slope[s] = panel.scale(s);
      if constexpr (kSpec.mins) out.offset[s] = panel.min(s);
    }
  } else {
    for (int p = 0; p < kStepsMax * kSpec.subs / 2; ++p) {
      const Pairs scales = panel.scale_pairs(p);
      out.slope[2 * p] = mul(panel.d(), to_floats(factor_of_first(scales)));
      out.slope[2 * p + 1] = mul(panel.d(), to_floats(factor_of_second(scales)));
      if constexpr (kSpec.mins) {
        const Pairs mins = panel.min_pairs(p);
        const Floats zero = splat(0.0f);
        out.offset[2 * p] = fnma(panel.dmin(), to_floats(factor_of_first(mins)), zero);
        out.offset[2 * p + 1] = fnma(panel.dmin(), to_floats(factor_of_second(mins)), zero);
      }
    }
  }
}

// How far a number can be from its format's zero.
template <WeightFormat kFormat>
constexpr int kReach = kFormat == WeightFormat::mxfp4  ? 12
                       : PanelTraits<kFormat>::kSigned ? 127
                       : panel_spec(kFormat).mins      ? PanelTraits<kFormat>::kBound
                                                       : panel_spec(kFormat).zero;

// The bound of all weights, a NaN where one may be none.
template <WeightFormat kFormat>
inline Floats bound_of(const Lines& lines, int subs) {
  const Floats reach = splat(static_cast<float>(kReach<kFormat>)), zero = splat(0.0f);
  Floats bound = zero, poison = zero;
  for (int s = 0; s < subs; ++s) {
    const Floats slope = lines.slope[s];
    poison = fma(slope, zero, poison);
    if constexpr (panel_spec(kFormat).mins) {
      poison = fma(lines.offset[s], zero, poison);
      bound = max_abs(max_abs(bound, lines.offset[s]), fma(slope, reach, lines.offset[s]));
    } else {
      bound = max_abs(bound, mul(slope, reach));
    }
  }
  return add(bound, poison);
}

// A line in the 16 bits of each number.
struct FixedLine {
  Bytes slope, offset;
};
template <WeightFormat kFormat>
inline FixedLine fixed_line(const Lines& lines, int sub, Floats inverse) {
  const Ints slope = round_to_ints(mul(lines.slope[sub], inverse));
  Ints offset = splat_int(128);
  if constexpr (panel_spec(kFormat).mins) {
    offset = add(offset, round_to_ints(mul(lines.offset[sub], inverse)));
  } else {
    offset = sub_shifted<__builtin_ctz(PanelTraits<kFormat>::kZero)>(offset, slope);
  }
  return {in_both_halves(slope), in_both_halves(offset)};
}

template <WeightFormat kFormat, int g = 0>
[[gnu::always_inline]] inline void store_step(const PanelStep<kFormat>& step,
                                              const FixedLine* lines,
                                              std::int8_t (*out)[kGroupRows][4]) {
  const FixedLine& line = lines[g * panel_spec(kFormat).subs / 8];
  Bytes numbers = step.template group<g>();
  if constexpr (kFormat == WeightFormat::q8_0) numbers = at_least_one(numbers);
  store_bytes(out[g], upper_bytes_of_line(numbers, line.slope, line.offset));
  if constexpr (g < 7) store_step<kFormat, g + 1>(step, lines, out);
}

// steps: of 32 columns, 1 .. 8.  Numbers are written up to a multiple of 64 columns.
template <WeightFormat kFormat>
inline void requantize(const Panel<kFormat>& panel, int steps, RequantizedPanel& out) {
  constexpr int kSubs = panel_spec(kFormat).subs;
  constexpr int kWords = kStepCols / 4;
  Lines lines;
  read_lines(panel, steps, lines);
  const Floats bound = bound_of<kFormat>(lines, steps * kSubs);
  store_floats(out.scale, mul(bound, splat(1.0f / 127)));
  const Floats inverse = inverse_or_zero(127.0f * 256, bound, kSmallestBound);
  for (int s = 0; s < steps; ++s) {
    FixedLine fixed[kSubs];
    for (int i = 0; i < kSubs; ++i) fixed[i] = fixed_line<kFormat>(lines, s * kSubs + i, inverse);
    store_step(panel.step(s), fixed, out.numbers + s * kWords);
  }
  if (steps % 2 != 0) {
    for (int i = steps * kWords; i < (steps + 1) * kWords; ++i) {
      store_bytes(out.numbers[i], Bytes{splat_int(0).all});
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
