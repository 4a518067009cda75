// The functions that gates are bent by: see HEARTH_ACTIVATIONS of kernels.hpp.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/simd/exp.hpp"

namespace hearth::kernels {
namespace {

inline Lanes silu(Lanes x) {
  return div(x, add(broadcast(1.0f), exp(negate(x))));
}
inline Lanes sigmoid(Lanes x) {
  return div(broadcast(1.0f), add(broadcast(1.0f), exp(negate(x))));
}
// 1 + tanh(u) = 2 / (1 + exp(-2u))
inline Lanes gelu(Lanes x) {
  const Lanes cube = fma(mul(x, broadcast(kGeluCube)), x, broadcast(1.0f));
  const Lanes twice = mul(mul(x, broadcast(-2.0f * kGelu)), cube);
  return div(x, add(broadcast(1.0f), exp(twice)));
}

}  // namespace
}  // namespace hearth::kernels
