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

}  // namespace
}  // namespace hearth::kernels
