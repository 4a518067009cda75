// quantize_activations for the vector tiers: see kernels.hpp.
#pragma once

#include "kernels/panels/layout.hpp"

namespace hearth::kernels {
namespace {

// Below this the inverse of the scale is no number: such a block is all zeros.
constexpr float kSmallestMax = 1e-36f;

inline void quantize_block(const float* x, ActivationBlock& out) {
  Floats max = splat(0.0f), poison = splat(0.0f);
  for (int k = 0; k < kPanelCols; k += 16) {
    const Floats values = load_floats(x + k);
    max = max_abs(max, values);
    poison = fma(values, splat(0.0f), poison);  // NaN where a value is none, or infinite
  }
  const float top = largest(max);
  const Floats inverse = splat(top > kSmallestMax ? 127.0f / top : 0.0f);
  for (int s = 0; s < 16; ++s) {
    const int sum = store_as_bytes(out.q + 16 * s, mul(load_floats(x + 16 * s), inverse));
    out.sums16[s] = static_cast<std::int16_t>(sum);
  }
  for (int s = 0; s < 8; ++s) {
    out.sums32[s] = static_cast<std::int16_t>(out.sums16[2 * s] + out.sums16[2 * s + 1]);
  }
  float lanes[16];
  store_floats(lanes, poison);
  out.scale = top > kSmallestMax ? top / 127.0f : 0.0f;
  for (float lane : lanes) out.scale += lane;
}

void quantize_activations(const QuantizeActivationsArgs& args) {
  ActivationBlock* out = args.out;
  std::int64_t k = 0;
  for (; k + kPanelCols <= args.cols; k += kPanelCols, out += args.block_stride) {
    quantize_block(args.x + k, *out);
  }
  if (k == args.cols) return;
  float rest[kPanelCols] = {};
  for (std::int64_t i = k; i < args.cols; ++i) rest[i - k] = args.x[i];
  quantize_block(rest, *out);
}

}  // namespace
}  // namespace hearth::kernels
