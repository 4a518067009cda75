// softplus and the powers that states decay by, for the vector tiers: of several vectors at once,
// since a chain alone waits for itself.
#pragma once

#include "kernels/simd/exp.hpp"

namespace hearth::kernels {
namespace {

// What a number is added to that the sum's lowest bits hold the nearest whole number of parts, each
// 1 / kLanes.
constexpr float kPartsMagic = 0x1.8p23f / kLanes;

// r to 2^(k / kLanes + r), k as power_of_parts() takes it.  For |r| <= 1 / 16, 2^r is a polynomial
// fitted to the least error, exact at 0: 4e-8 at the ends.
template <int kCount>
inline void to_powers(Lanes (&r)[kCount], const Lanes (&k)[kCount]) {
  Lanes p[kCount];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
    p[i] = fma(broadcast(0.055509318f), r[i], broadcast(0.24025469f));
  }
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) p[i] = fma(p[i], r[i], broadcast(0.69314718f));
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) p[i] = fma(p[i], r[i], broadcast(1.0f));
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) r[i] = mul(p[i], power_of_parts(k[i]));
}

// t <= 0 to 2^t, within 2 ulp; next to nothing below 2^-125; NaN for NaN.
template <int kCount>
inline void to_negative_powers_of_two(Lanes (&t)[kCount]) {
  Lanes k[kCount];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
    t[i] = max(broadcast(-125.0f), t[i]);
    k[i] = add(t[i], broadcast(kPartsMagic));
    t[i] = sub(t[i], sub(k[i], broadcast(kPartsMagic)));
  }
  to_powers(t, k);
}

// x <= 0 to exp(x), within 2 ulp; next to nothing below exp(-86); NaN for NaN.
template <int kCount>
inline void to_negative_exps(Lanes (&x)[kCount]) {
  constexpr float kPerLn2Rest = 0x1.4ae0cp-26f;  // 1 / ln 2 - kPerLn2
  Lanes k[kCount];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
    x[i] = max(broadcast(-86.0f), x[i]);
    k[i] = fma(x[i], broadcast(kPerLn2), broadcast(kPartsMagic));
    const Lanes whole = sub(k[i], broadcast(kPartsMagic));
    x[i] = fma(x[i], broadcast(kPerLn2Rest), fma(x[i], broadcast(kPerLn2), negate(whole)));
  }
  to_powers(x, k);
}

// e of 0 .. 1 to log(1 + e), within 2 ulp: with s = e / (2 + e) it is 2 * atanh(s), and atanh(s) /
// s a polynomial in s^2, fitted to the least relative error, 4e-9.
template <int kCount>
inline void to_logs_of_one_plus(Lanes (&e)[kCount]) {
  constexpr float kFactors[] = {0.13980709f, 0.20012426f, 0.33333158f, 1.0f};
  Lanes z[kCount], p[kCount];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) e[i] = div(e[i], add(e[i], broadcast(2.0f)));
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) {
    z[i] = mul(e[i], e[i]);
    p[i] = broadcast(0.14087328f);
  }
#pragma GCC unroll 4
  for (const float factor : kFactors) {
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) p[i] = fma(p[i], z[i], broadcast(factor));
  }
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) e[i] = mul(add(e[i], e[i]), p[i]);
}

// x to log(1 + exp(x)), within 4 ulp, without overflow and as exact for small results:
// max(x, 0) + log(1 + exp(-|x|)).
template <int kCount>
inline void to_softplus(Lanes (&x)[kCount]) {
  Lanes e[kCount];
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) e[i] = negate(max(negate(x[i]), x[i]));
  to_negative_exps(e);
  to_logs_of_one_plus(e);
#pragma GCC unroll 8
  for (int i = 0; i < kCount; ++i) x[i] = add(max(zero(), x[i]), e[i]);
}
inline Lanes softplus(Lanes x) {
  Lanes one[1] = {x};
  to_softplus(one);
  return one[0];
}

}  // namespace
}  // namespace hearth::kernels
