// What attention finds for some heads in some positions, and how two of these become one.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/simd/exp.hpp"
#include "kernels/simd/steps.hpp"

namespace hearth::kernels {
namespace {

// What attention_state_floats() counts.
struct State {
  float* out;               // [heads, out_stride]: sums of weighted values
  float* max;               // [heads]
  float* sum;               // [heads]
  std::int64_t out_stride;  // floats, >= head_dim
};
inline State state_at(float* at, std::int64_t heads, std::int64_t head_dim) {
  return {at, at + heads * head_dim, at + heads * head_dim + heads, head_dim};
}
inline State from_head(const State& state, std::int64_t head) {
  return {state.out + head * state.out_stride, state.max + head, state.sum + head,
          state.out_stride};
}

// Nothing found yet.  The sums are -0: what is added to it keeps even the sign of a zero.
inline void clear(const State& state, std::int64_t heads, std::int64_t head_dim) {
  for (std::int64_t head = 0; head < heads; ++head) {
    float* out = state.out + head * state.out_stride;
    for (std::int64_t k = 0; k < head_dim; ++k) out[k] = -0.0f;
    state.max[head] = -__builtin_inff();
    state.sum[head] = 0.0f;
  }
}

// to = to and from together, each head's by the greater maximum.  Where one of them found nothing,
// a sum of 0, the other's bits remain.
inline void fold(const State& to, const State& from, std::int64_t heads, std::int64_t head_dim) {
  for (std::int64_t head = 0; head < heads; head += kLanes) {
    const int count = lanes_left(head, heads);
    const Lanes before = load(to.max + head, count), more = load(from.max + head, count);
    const Lanes top = max(before, more);
    const Lanes base = max(broadcast(-3e38f), top);  // a number where both found nothing
    const Lanes keep = exp(sub(before, base)), take = exp(sub(more, base));
    const Lanes kept = mul(load(to.sum + head, count), keep);
    store(to.sum + head, add(kept, mul(load(from.sum + head, count), take)), count);
    store(to.max + head, top, count);
    float factors[2][kLanes];
    store(factors[0], keep);
    store(factors[1], take);
    for (int i = 0; i < count; ++i) {
      if (from.sum[head + i] == 0.0f) continue;
      float* out = to.out + (head + i) * to.out_stride;
      const float* other = from.out + (head + i) * from.out_stride;
      for (std::int64_t k = 0; k < head_dim; k += kLanes) {
        const int n = lanes_left(k, head_dim);
        const Lanes old = mul(load(out + k, n), broadcast(factors[0][i]));
        store(out + k, fma(load(other + k, n), broadcast(factors[1][i]), old), n);
      }
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
