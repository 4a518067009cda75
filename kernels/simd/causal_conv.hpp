// causal_conv for the vector tiers: 128 channels at a time, which lie beside each other in a row;
// their last inputs stay in the first-level cache, so that y may be x.
#pragma once

#include "kernels/simd/activations.hpp"
#include "kernels/simd/state_tile.hpp"

namespace hearth::kernels {
namespace {

constexpr std::int64_t kConvColumns = 128;

// Channels [begin, begin + count), and their last width inputs: row t's is at t % width.
struct ConvInputs {
  std::int64_t begin, count;
  float rows[kConvWidthMax][kConvColumns];
};

// The inputs before the first row, from the tail.
inline void load_tail(const CausalConvArgs& args, ConvInputs& inputs) {
  for (std::int64_t j = 1; j < args.width; ++j) {
    const float* from = args.tail + (j - 1) * args.channels + inputs.begin;
    for (std::int64_t i = 0; i < inputs.count; i += kLanes) {
      store(inputs.rows[j] + i, load(from + i, lanes_left(i, inputs.count)));
    }
  }
}
// The inputs before the row after the last one, to the tail.
inline void store_tail(const CausalConvArgs& args, const ConvInputs& inputs) {
  for (std::int64_t j = 1; j < args.width; ++j) {
    const float* from = inputs.rows[(args.rows + j) % args.width];
    float* to = args.tail + (j - 1) * args.channels + inputs.begin;
    for (std::int64_t i = 0; i < inputs.count; i += kLanes) {
      store(to + i, load(from + i), lanes_left(i, inputs.count));
    }
  }
}

inline void conv_row(const CausalConvArgs& args, std::int64_t row, ConvInputs& inputs) {
  const float* x = args.x + row * args.x_stride + inputs.begin;
  float* y = args.y + row * args.y_stride + inputs.begin;
  const float* weight = args.weight + inputs.begin;
  const float* bias = args.bias == nullptr ? nullptr : args.bias + inputs.begin;
  const std::int64_t before = args.width - 1;
  const float* earlier[kConvWidthMax];  // the oldest first
  for (std::int64_t j = 0; j < before; ++j) earlier[j] = inputs.rows[(row + 1 + j) % args.width];
  float* own = inputs.rows[row % args.width];
  for (std::int64_t i = 0; i < inputs.count; i += kLanes) {
    const int n = lanes_left(i, inputs.count);
    const Lanes input = load(x + i, n);
    Lanes sum = bias == nullptr ? zero() : load(bias + i, n);
    for (std::int64_t j = 0; j < before; ++j) {
      sum = fma(load(weight + j * args.channels + i, n), load(earlier[j] + i), sum);
    }
    sum = fma(load(weight + before * args.channels + i, n), input, sum);
    store(own + i, input);
    store(y + i, args.silu ? silu(sum) : sum, n);
  }
}

void causal_conv(const CausalConvArgs& args) {
  ConvInputs inputs;
  for (inputs.begin = args.begin; inputs.begin < args.end; inputs.begin += kConvColumns) {
    inputs.count = smaller(kConvColumns, args.end - inputs.begin);
    load_tail(args, inputs);
    for (std::int64_t row = 0; row < args.rows; ++row) conv_row(args, row, inputs);
    store_tail(args, inputs);
  }
}

}  // namespace
}  // namespace hearth::kernels
