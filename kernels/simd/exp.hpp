// exp for the vector kernels: within 2 ulp over the whole range, subnormal results too; infinity
// above, zero below, NaN for NaN.
//
// Source: Cephes mathematical library, expf (S. L. Moshier): exp(x) = 2^n * exp(r) with
// n = round(x / ln 2), r = x - n * ln 2 in two parts, and a polynomial on |r| <= ln 2 / 2.
#pragma once

namespace hearth::kernels {
namespace {

inline Lanes exp(Lanes x) {
  // exp(-104) is below half of the smallest float, exp(89) above the largest.
  x = max(broadcast(-104.0f), min(broadcast(89.0f), x));
  // Adding 1.5 * 2^23 rounds to a whole number, which the sum's lowest bits then hold.
  const Lanes magic = broadcast(0x1.8p23f);
  const Lanes from_magic = fma(x, broadcast(0x1.715476p0f), magic);
  const Lanes n = sub(from_magic, magic);
  Lanes r = fma(n, broadcast(-0.693359375f), x);
  r = fma(n, broadcast(2.12194440e-4f), r);

  Lanes p = broadcast(1.9875691500e-4f);
  p = fma(p, r, broadcast(1.3981999507e-3f));
  p = fma(p, r, broadcast(8.3334519073e-3f));
  p = fma(p, r, broadcast(4.1665795894e-2f));
  p = fma(p, r, broadcast(1.6666665459e-1f));
  p = fma(p, r, broadcast(5.0000001201e-1f));
  p = add(fma(p, mul(r, r), r), broadcast(1.0f));
  return scale_by_power(p, from_magic, magic);
}

constexpr float kPerLn2 = 0x1.715476p0f;

// 2^t within 3e-6, for results up to 2^126 that are normal numbers; NaN for NaN.  With what turns x
// into t, a third of exp()'s work: 2^n * 2^f, and for |f| <= 1/2 a polynomial fitted to the least
// relative error.
inline Lanes rough_power_of_two(Lanes t) {
  const Lanes n = round(t);
  const Lanes f = sub(t, n);
  Lanes p = broadcast(0.00958285f);
  p = fma(p, f, broadcast(0.05590643f));
  p = fma(p, f, broadcast(0.24024099f));
  p = fma(p, f, broadcast(0.69312419f));
  p = fma(p, f, broadcast(1.0f));
  return scale_normal_by_power(p, n);
}

}  // namespace
}  // namespace hearth::kernels
