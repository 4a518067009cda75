// Panels: the one layout in which matrices lie in memory, for one row of activations and for many.
//
// The rows of a matrix are cut into row groups of 16, the last one filled up with zeros; a row
// group into panels of 256 columns, of which the last may be narrower.  The panels of a row group
// follow one another, and the row groups do, so that whoever multiplies reads straight ahead.
//
// A panel is a few fields, each with all 16 rows side by side (n: the panel's columns):
//
//   supers       Q2_K .. Q6_K, IQ4_XS: d f16[16]; where there are mins dmin f16[16]
//   scales       K formats: int8 [sub-block / 2][16][2]; Q2_K: scale | min << 4
//                others: f16 [n / 32][16]; MXFP4: bf16, which holds every power of two it has
//   mins         as the scales, where the format has them (Q4_1, Q5_1: f16; Q4_K, Q5_K: int8)
//   steps        the numbers, from a multiple of 64 bytes on: for every 32 columns the lower
//                bits of all rows, then the upper bits where there are any.  As lower bits
//                8 bits: [8][16][4], so that byte c of word r is row r, column 4 i + c
//                4 bits: [4][16][4], in the low nibble column 8 i + c, in the high 8 i + 4 + c
//                2 bits: [2][16][4], at bit 2 g column 16 i + 4 g + c
//                and as upper bits
//                1 bit:  [16][4], at bit g column 4 g + c
//                2 bits: [2][16][4], at bit 2 g column 16 i + 4 g + c
//
// The columns of F32, F16 and BF16 panels are cut into four chains of c = 2 ceil(n / 8), the last
// ones fewer; in memory two columns of each chain take turns, zeros where a chain has no more:
//   F32, F16: [c / 2][4][2][16]      BF16: [c / 2][4][16][2]
//
// A word of four columns is what VPDPBUSD, VPMADDUBSW and the B operand of TDPBSSD take, a word of
// two what TDPBF16PS takes.  Nothing is lost: a row can be read back (panel_row()).
//
// Bytes per weight are those of the file but for scales: 6 bits become 8 (Q4_K 2.8 % in all, Q5_K
// 2.3 %, Q3_K 5.5 %, IQ4_XS 2.9 %), 8 become 16 (MXFP4 5.9 %); Q6_K is 1 % larger by alignment.
//
// Everything is in an anonymous namespace: sources of every instruction set include this.
#pragma once

#include <cstdint>

#include "kernels/kernels.hpp"

namespace hearth::kernels {
namespace {

constexpr int kGroupRows = kRowGroup;
constexpr int kPanelCols = kActivationCols;
constexpr int kStepCols = 32;  // what kernels take at a time: a block of the simple formats
constexpr int kStepsMax = kPanelCols / kStepCols;

enum class Scaling : std::uint8_t {
  none,      // floats
  by_block,  // a float for every 32 columns
  by_super,  // a small whole number for every 16 or 32 columns, a float for all of them
};

struct PanelSpec {
  Scaling scaling;
  int low_bits;   // 8, 4 or 2; of floats 32 or 16
  int high_bits;  // 2, 1 or 0
  int subs;       // sub-blocks in 32 columns: 1 or 2
  bool mins;
  int zero;  // subtracted from each number as stored
};

constexpr PanelSpec panel_spec(WeightFormat format) {
  using enum WeightFormat;
  using enum Scaling;
  switch (format) {
    case f32: return {none, 32, 0, 1, false, 0};
    case f16: return {none, 16, 0, 1, false, 0};
    case bf16: return {none, 16, 0, 1, false, 0};
    case q8_0: return {by_block, 8, 0, 1, false, 0};
    case q4_0: return {by_block, 4, 0, 1, false, 8};
    case q4_1: return {by_block, 4, 0, 1, true, 0};
    case q5_0: return {by_block, 4, 1, 1, false, 16};
    case q5_1: return {by_block, 4, 1, 1, true, 0};
    case iq4_nl: return {by_block, 4, 0, 1, false, 0};
    case mxfp4: return {by_block, 4, 0, 1, false, 0};
    case q2_k: return {by_super, 2, 0, 2, true, 0};
    case q3_k: return {by_super, 2, 1, 2, false, 4};
    case q4_k: return {by_super, 4, 0, 1, true, 0};
    case q5_k: return {by_super, 4, 1, 1, true, 0};
    case q6_k: return {by_super, 4, 2, 2, false, 32};
    case iq4_xs: return {by_super, 4, 0, 1, false, 0};
  }
  return {};
}

// Floats: in how many chains a panel's columns are summed, and columns of a chain.
constexpr int kFloatChains = 4;
constexpr std::int64_t chain_length(std::int64_t cols) {
  return (cols + 2 * kFloatChains - 1) / (2 * kFloatChains) * 2;
}

// Bytes of 32 columns of a plane of so many bits, and of both planes.
constexpr std::int64_t plane_bytes(int bits) {
  return kStepCols * kGroupRows * bits / 8;
}
constexpr std::int64_t step_bytes(const PanelSpec& spec) {
  return plane_bytes(spec.low_bits) + plane_bytes(spec.high_bits);
}

// Where a panel's fields begin, in bytes, and its size.  cols: 1 .. kPanelCols.
struct PanelFields {
  std::int64_t scales = 0, mins = 0, steps = 0, bytes = 0;
};

constexpr PanelFields panel_fields(WeightFormat format, std::int64_t cols) {
  constexpr std::int64_t kAlign = 64;
  const PanelSpec spec = panel_spec(format);
  PanelFields at;
  if (spec.scaling == Scaling::none) {
    at.bytes = kFloatChains * chain_length(cols) * kGroupRows * (spec.low_bits / 8);
    return at;
  }
  std::int64_t end = 0;
  if (spec.scaling == Scaling::by_super) {
    const std::int64_t scale_bytes = cols / kStepCols * spec.subs * kGroupRows;
    const bool apart = spec.mins && format != WeightFormat::q2_k;
    at.scales = (spec.mins ? 4 : 2) * kGroupRows;
    at.mins = apart ? at.scales + scale_bytes : at.scales;
    end = at.mins + scale_bytes;
  } else {
    const std::int64_t scale_bytes = cols / kStepCols * kGroupRows * 2;
    at.mins = spec.mins ? scale_bytes : 0;
    end = at.mins + scale_bytes;
  }
  at.steps = (end + kAlign - 1) / kAlign * kAlign;
  at.bytes = at.steps + cols / kStepCols * step_bytes(spec);
  return at;
}

constexpr std::int64_t group_bytes(WeightFormat format, std::int64_t cols) {
  const std::int64_t rest = cols % kPanelCols;
  return cols / kPanelCols * panel_fields(format, kPanelCols).bytes +
         (rest != 0 ? panel_fields(format, rest).bytes : 0);
}

constexpr std::int64_t groups_of(std::int64_t rows) {
  return (rows + kGroupRows - 1) / kGroupRows;
}

}  // namespace
}  // namespace hearth::kernels
