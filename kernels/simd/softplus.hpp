// softplus and the powers that states decay by, for the vector tiers.
#pragma once

#include "kernels/simd/exp.hpp"

namespace hearth::kernels {
namespace {

// log(1 + e) for e of 0 .. 1, to 2 ulp: with s = e / (2 + e) it is 2 * atanh(s), and atanh(s) / s a
// polynomial in s^2, fitted to the least relative error, 4e-9.
inline Lanes log_of_one_plus(Lanes e) {
  const Lanes s = div(e, add(e, broadcast(2.0f)));
  const Lanes z = mul(s, s);
  Lanes p = broadcast(0.14087328f);
  p = fma(p, z, broadcast(0.13980709f));
  p = fma(p, z, broadcast(0.20012426f));
  p = fma(p, z, broadcast(0.33333158f));
  p = fma(p, z, broadcast(1.0f));
  return mul(add(s, s), p);
}

// log(1 + exp(x)), without overflow and exact for small results: max(x, 0) + log(1 + exp(-|x|)).
inline Lanes softplus(Lanes x) {
  const Lanes magnitude = max(negate(x), x);
  return add(max(zero(), x), log_of_one_plus(exp(negate(magnitude))));
}

// 2^t for t <= 0, within 2 ulp; next to nothing below 2^-125; NaN for NaN.
inline Lanes negative_power_of_two(Lanes t) {
  const Lanes n = round(t);
  const Lanes f = sub(t, n);
  Lanes p = broadcast(1.5469732e-4f);
  p = fma(p, f, broadcast(1.3400433e-3f));
  p = fma(p, f, broadcast(9.6180253e-3f));
  p = fma(p, f, broadcast(5.5503272e-2f));
  p = fma(p, f, broadcast(2.4022651e-1f));
  p = fma(p, f, broadcast(6.9314718e-1f));
  p = fma(p, f, broadcast(1.0f));
  return scale_down_by_power(p, n);
}

}  // namespace
}  // namespace hearth::kernels
