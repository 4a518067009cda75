// causal_conv for the vector tiers: 16 channels at a time, whose last inputs stay in registers.
#pragma once

#include "kernels/simd/activations.hpp"
#include "kernels/simd/state_tile.hpp"

namespace hearth::kernels {
namespace {

template <int kWidth>
inline void conv_tile(const CausalConvArgs& args, std::int64_t channel) {
  constexpr int kBefore = kWidth - 1;
  Lanes weight[kWidth][kTileVectors], seen[kWidth][kTileVectors], bias[kTileVectors];
#pragma GCC unroll 8
  for (int j = 0; j < kWidth; ++j) {
    load_columns(args.weight + j * args.channels, channel, args.end, weight[j]);
  }
#pragma GCC unroll 8
  for (int j = 0; j < kBefore; ++j) {
    load_columns(args.tail + j * args.channels, channel, args.end, seen[j]);
  }
  for (Lanes& lanes : bias) lanes = zero();
  if (args.bias != nullptr) load_columns(args.bias, channel, args.end, bias);
  for (std::int64_t row = 0; row < args.rows; ++row) {
    load_columns(args.x + row * args.x_stride, channel, args.end, seen[kBefore]);
    Lanes sum[kTileVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kTileVectors; ++v) {
      sum[v] = bias[v];
#pragma GCC unroll 8
      for (int j = 0; j < kWidth; ++j) sum[v] = fma(weight[j][v], seen[j][v], sum[v]);
      if (args.silu) sum[v] = silu(sum[v]);
#pragma GCC unroll 8
      for (int j = 0; j < kBefore; ++j) seen[j][v] = seen[j + 1][v];
    }
    store_columns(args.y + row * args.y_stride, channel, args.end, sum);
  }
#pragma GCC unroll 8
  for (int j = 0; j < kBefore; ++j) {
    store_columns(args.tail + j * args.channels, channel, args.end, seen[j]);
  }
}

// conv_tile<width>, for every width from kWidth down.
template <int kWidth>
inline void conv_channels(const CausalConvArgs& args) {
  if constexpr (kWidth > 1) {
    if (args.width < kWidth) return conv_channels<kWidth - 1>(args);
  }
  for (std::int64_t channel = args.begin; channel < args.end; channel += kStateTile) {
    conv_tile<kWidth>(args, channel);
  }
}

inline void causal_conv(const CausalConvArgs& args) {
  conv_channels<static_cast<int>(kConvWidthMax)>(args);
}

}  // namespace
}  // namespace hearth::kernels
