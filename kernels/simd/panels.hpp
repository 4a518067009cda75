// Panels as the vector kernels see them: steps of 32 columns, unpacked to bytes in registers, and
// their scales.
#pragma once

#include "kernels/panels/layout.hpp"
#include "kernels/quant.h"

namespace hearth::kernels {
namespace {

// What is known of a format at compile time.
template <WeightFormat kFormat>
struct PanelTraits {
  static constexpr PanelSpec kSpec = panel_spec(kFormat);
  static constexpr bool kTable = kFormat == WeightFormat::iq4_nl ||
                                 kFormat == WeightFormat::iq4_xs || kFormat == WeightFormat::mxfp4;
  static constexpr bool kSigned = kFormat == WeightFormat::q8_0 || kTable;
  // The largest number for add_dots(), 0: signed; and what it is too large by.
  static constexpr int kBound = kSigned ? 0 : (1 << (kSpec.low_bits + kSpec.high_bits)) - 1;
  static constexpr int kZero = kSigned ? kSignedZero : kSpec.zero;
  static constexpr int kStepBytes = static_cast<int>(step_bytes(kSpec));
};

// A step as it lies in a panel.  group<g>(): columns 4 g .. 4 g + 3 of every row, as add_dots()
// takes them.
template <WeightFormat kFormat>
struct PanelStep {
  using Traits = PanelTraits<kFormat>;
  const unsigned char* low;
  const unsigned char* high;

  template <int g>
  Bytes group() const {
    constexpr int kLowBits = Traits::kSpec.low_bits, kHighBits = Traits::kSpec.high_bits;
    Bytes numbers;
    if constexpr (kLowBits == 8) {
      numbers = load_bytes(low + 64 * g);
    } else {
      constexpr int kShared = 8 / kLowBits;  // groups in one vector
      const Bytes shared = load_bytes(low + g / kShared * 64);
      numbers = move_bits<g % kShared * kLowBits, kLowBits, 0>(shared);
    }
    if constexpr (kHighBits != 0) {
      constexpr int kShared = 8 / kHighBits;
      const Bytes shared = load_bytes(high + g / kShared * 64);
      numbers = either(numbers, move_bits<g % kShared * kHighBits, kHighBits, kLowBits>(shared));
    }
    if constexpr (kFormat == WeightFormat::mxfp4) {
      numbers = look_up(numbers, kMxfp4Values);
    } else if constexpr (Traits::kTable) {
      numbers = look_up(numbers, kIq4Values);
    }
    if constexpr (Traits::kSigned) numbers = from_signed(numbers);
    return numbers;
  }
};

template <WeightFormat kFormat>
class Panel {
 public:
  using Traits = PanelTraits<kFormat>;
  static constexpr PanelSpec kSpec = Traits::kSpec;
  static constexpr WeightFormat kWeightFormat = kFormat;

  // ahead: prefetch so many bytes before they are needed; 0: the panel is in the cache already.
  Panel(const unsigned char* panel, std::int64_t cols, int ahead)
      : panel_(panel), at_(panel_fields(kFormat, cols)), ahead_(ahead) {}

  PanelStep<kFormat> step(int s) const {
    const unsigned char* low = panel_ + at_.steps + s * Traits::kStepBytes;
    if (ahead_ != 0) {
#pragma GCC unroll 8
      for (int i = 0; i < Traits::kStepBytes; i += 64) prefetch_line(low + ahead_ + i);
    }
    return {low, low + plane_bytes(kSpec.low_bits)};
  }
  // by_block: of a step.
  Floats scale(int s) const {
    const unsigned char* p = panel_ + at_.scales + s * 2 * kGroupRows;
    return kFormat == WeightFormat::mxfp4 ? floats_from_bf16(p) : floats_from_f16(p);
  }
  Floats min(int s) const {
    return floats_from_f16(panel_ + at_.mins + s * 2 * kGroupRows);
  }
  // by_super: of the panel, and of two sub-blocks.
  Floats d() const {
    return floats_from_f16(panel_);
  }
  Floats dmin() const {
    return floats_from_f16(panel_ + 2 * kGroupRows);
  }
  Pairs scale_pairs(int p) const {
    const unsigned char* at = panel_ + at_.scales + p * 2 * kGroupRows;
    if constexpr (kFormat == WeightFormat::q2_k) return pairs_from_nibbles<0>(at);
    return pairs_from_signed(at);
  }
  Pairs min_pairs(int p) const {
    const unsigned char* at = panel_ + at_.mins + p * 2 * kGroupRows;
    if constexpr (kFormat == WeightFormat::q2_k) return pairs_from_nibbles<4>(at);
    return pairs_from_signed(at);
  }

 private:
  const unsigned char* panel_;
  PanelFields at_;
  int ahead_;
};

}  // namespace
}  // namespace hearth::kernels
