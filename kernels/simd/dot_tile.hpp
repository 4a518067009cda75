// A tile of dot products: rows of weights with tokens' activations, or keys with queries.
//
// The order of operations of one dot product is the same in every tile shape: kLanes partial sums,
// fused multiply-adds in ascending columns, a tail that is zero beyond the end, then one order of
// adding the lanes.  So a result does not depend on what is computed beside it.  The speed comes
// from the tile: its outputs are independent chains, and each value loaded serves several.
#pragma once

#include "kernels/simd/formats.hpp"

namespace hearth::kernels {
namespace {

// dots[r * kTokens + t] = sum of rows[r][k] * x[t][k] over k in [0, cols)
template <class Format, int kRows, int kTokens>
inline void dot_tile(const unsigned char* const* rows, const float* const* x, std::int64_t cols,
                     float* dots) {
  constexpr int kVectors = Format::kColumns / kLanes;
  Lanes acc[kRows * kTokens];
#pragma GCC unroll 32
  for (Lanes& chain : acc) chain = zero();

  std::int64_t k = 0;
  std::int64_t offset = 0;  // bytes
  for (; k + Format::kColumns <= cols; k += Format::kColumns, offset += Format::kBytes) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      // Two lines ahead: 5 % for one token (Zen 3, 4096 columns); farther ahead is slower.
      if constexpr (kBlocked<Format> && kTokens == 1) prefetch(rows[r] + offset + 128);
      Lanes weights[kVectors];
      widen_step<Format>(rows[r] + offset, weights);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 8
        for (int t = 0; t < kTokens; ++t) {
          Lanes& chain = acc[r * kTokens + t];
          chain = fma(weights[v], load(x[t] + k + v * kLanes), chain);
        }
      }
    }
  }
  if constexpr (!kBlocked<Format>) {
    if (k < cols) {
      const int rest = static_cast<int>(cols - k);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Lanes weights = Format::widen(rows[r] + offset, rest);
#pragma GCC unroll 8
        for (int t = 0; t < kTokens; ++t) {
          Lanes& chain = acc[r * kTokens + t];
          chain = fma(weights, load(x[t] + k, rest), chain);
        }
      }
    }
  }
  static_assert(kRows * kTokens % 4 == 0);
#pragma GCC unroll 8
  for (int i = 0; i < kRows * kTokens; i += 4) {
    sums(acc[i], acc[i + 1], acc[i + 2], acc[i + 3], dots + i);
  }
}

}  // namespace
}  // namespace hearth::kernels
