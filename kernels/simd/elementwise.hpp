// rms_norm, rope and gated for the vector tiers.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/simd/activations.hpp"
#include "kernels/simd/steps.hpp"

namespace hearth::kernels {
namespace {

void rms_norm(const RmsNormArgs& args) {
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * args.x_stride;
    float* y = args.y + row * args.y_stride;
    Lanes squares = zero();
    for (std::int64_t k = 0; k < args.cols; k += kLanes) {
      const Lanes values = load(x + k, lanes_left(k, args.cols));
      squares = fma(values, values, squares);
    }
    const float mean = sum_of(squares) / static_cast<float>(args.cols);
    const Lanes scale = div(broadcast(1.0f), sqrt(broadcast(mean + args.eps)));
    for (std::int64_t k = 0; k < args.cols; k += kLanes) {
      const int n = lanes_left(k, args.cols);
      store(y + k, mul(mul(load(x + k, n), scale), load(args.weight + k, n)), n);
    }
  }
}

// Pairs (x[i], x[i + pairs]) of one head.
inline void rotate_halves(const RopeArgs& args, float* x) {
  float* upper = x + args.pairs;
  for (std::int64_t i = 0; i < args.pairs; i += kLanes) {
    const int n = lanes_left(i, args.pairs);
    const Lanes a = load(x + i, n);
    const Lanes b = load(upper + i, n);
    const Lanes cos = load(args.cos + i, n);
    const Lanes sin = load(args.sin + i, n);
    store(x + i, fma(a, cos, negate(mul(b, sin))), n);
    store(upper + i, fma(b, cos, mul(a, sin)), n);
  }
}

// Pairs (x[2i], x[2i + 1]) of one head: each value with its cosine, its neighbour with the sine.
inline void rotate_neighbours(const RopeArgs& args, float* x) {
  for (std::int64_t k = 0; k < 2 * args.pairs; k += kLanes) {
    const int n = lanes_left(k, 2 * args.pairs);
    const Lanes values = load(x + k, n);
    const Lanes cos = load_twice(args.cos + k / 2, n / 2);
    const Lanes sin = load_twice(args.sin + k / 2, n / 2);
    store(x + k, fma(values, cos, mul(swap_pairs(values), negate_even(sin))), n);
  }
}

void rope(const RopeArgs& args) {
  for (std::int64_t head = 0; head < args.heads; ++head) {
    float* x = args.x + head * args.head_dim;
    if (args.interleaved) {
      rotate_neighbours(args, x);
    } else {
      rotate_halves(args, x);
    }
  }
}

template <class Act>
inline void gated(const GatedArgs& args, Act act) {
  for (std::int64_t i = 0; i < args.count; i += kLanes) {
    const int n = lanes_left(i, args.count);
    const Lanes gate = act(load(args.gate + i, n));
    store(args.gate + i, mul(gate, load(args.up + i, n)), n);
  }
}

}  // namespace
}  // namespace hearth::kernels
