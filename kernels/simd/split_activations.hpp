// split_activations for the vector tiers: see kernels.hpp.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/simd/steps.hpp"

namespace hearth::kernels {
namespace {

inline void split_activations(const SplitActivationsArgs& args) {
  SplitBlock* out = args.out;
  for (std::int64_t col = 0; col < args.cols; col += kActivationCols, out += args.block_stride) {
    for (int k = 0; k < kActivationCols; k += kLanes) {
      const int count = col + k < args.cols ? lanes_left(col + k, args.cols) : 0;
      const Lanes x = count == kLanes ? load(args.x + col + k) : load(args.x + col + k, count);
      const Halves high = to_bf16(x);
      store_halves(out->high + k, high, kLanes);
      store_halves(out->low + k, to_bf16(sub(x, from_bf16(high))), kLanes);
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
