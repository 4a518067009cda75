// The vocabulary of the vector kernels for AVX-512 (F, BW, VL, DQ): 16 floats at a time.
//
// kernels/simd/ is written in these words; kernels/avx2/lanes.hpp has the same ones.  Everything is
// in an anonymous namespace: no function compiled here can be shared with code for other CPUs.
//
// load(p, n) and store(p, a, n) touch the first n elements only, 0 <= n <= kLanes; what is not
// loaded is zero.  A masked access does not fault beyond its mask.
#pragma once

#include <cstdint>

#include "kernels/avx512/intrinsics.hpp"

namespace hearth::kernels {
namespace {

using Lanes = __m512;

constexpr int kLanes = 16;

inline Lanes zero() {
  return _mm512_setzero_ps();
}
inline Lanes broadcast(float a) {
  return _mm512_set1_ps(a);
}
inline Lanes add(Lanes a, Lanes b) {
  return _mm512_add_ps(a, b);
}
inline Lanes sub(Lanes a, Lanes b) {
  return _mm512_sub_ps(a, b);
}
inline Lanes mul(Lanes a, Lanes b) {
  return _mm512_mul_ps(a, b);
}
inline Lanes div(Lanes a, Lanes b) {
  return _mm512_div_ps(a, b);
}
// min and max give b where either is a NaN.
inline Lanes min(Lanes a, Lanes b) {
  return _mm512_min_ps(a, b);
}
inline Lanes max(Lanes a, Lanes b) {
  return _mm512_max_ps(a, b);
}
inline Lanes negate(Lanes a) {
  return _mm512_xor_ps(a, broadcast(-0.0f));
}
inline Lanes sqrt(Lanes a) {
  return _mm512_sqrt_ps(a);
}
// a * b + c, rounded once.
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return _mm512_fmadd_ps(a, b, c);
}

inline __mmask16 first(int n) {
  return static_cast<__mmask16>((1u << n) - 1);
}
inline Lanes load(const void* p) {
  return _mm512_loadu_ps(p);
}
inline Lanes load(const void* p, int n) {
  return _mm512_maskz_loadu_ps(first(n), p);
}
inline Lanes load(const float* p, int n, float rest) {
  return _mm512_mask_loadu_ps(broadcast(rest), first(n), p);
}
inline void store(void* p, Lanes a) {
  _mm512_storeu_ps(p, a);
}
inline void store(void* p, Lanes a, int n) {
  _mm512_mask_storeu_ps(p, first(n), a);
}

// 16-bit elements.
using Halves = __m256i;

inline Halves load_halves(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline Halves load_halves(const void* p, int n) {
  return _mm256_maskz_loadu_epi16(first(n), p);
}
inline void store_halves(void* p, Halves a, int n) {
  _mm256_mask_storeu_epi16(p, first(n), a);
}
inline Lanes from_f16(Halves a) {
  return _mm512_cvtph_ps(a);
}
inline Lanes from_bf16(Halves a) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16));
}
// Beyond +-65504 saturates; a NaN stays one.
inline Halves to_f16(Lanes a) {
  const Lanes limited = max(broadcast(-65504.0f), min(broadcast(65504.0f), a));
  return _mm512_cvtps_ph(limited, _MM_FROUND_TO_NEAREST_INT);
}
// To nearest even; a NaN stays one, quiet.
inline Halves to_bf16(Lanes a) {
  const __m512i bits = _mm512_castps_si512(a);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
  const Lanes chosen =
      _mm512_mask_mov_ps(_mm512_castsi512_ps(rounded), is_nan, _mm512_castsi512_ps(quiet));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(chosen), 16));
}

// The scale of a quantised block, in every lane: a broadcast load and one conversion are half the
// instructions of converting first.
inline Lanes broadcast_f16(const unsigned char* p) {
  std::uint16_t half;
  __builtin_memcpy(&half, p, sizeof(half));
  return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(half)));
}
// The 32 numbers of a quantised block in float, kLanes per vector.
inline __m128i load_16_bytes(const unsigned char* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline void from_int8(const unsigned char* p, Lanes (&out)[32 / kLanes]) {
  for (int i = 0; i < 32 / kLanes; ++i) {
    out[i] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16_bytes(p + kLanes * i)));
  }
}
// Unsigned: lower nibbles first, upper ones after them.
inline void from_nibbles(const unsigned char* p, Lanes (&out)[32 / kLanes]) {
  const __m512i bytes = _mm512_cvtepu8_epi32(load_16_bytes(p));
  out[0] = _mm512_cvtepi32_ps(_mm512_and_si512(bytes, _mm512_set1_epi32(0x0f)));
  out[1] = _mm512_cvtepi32_ps(_mm512_srli_epi32(bytes, 4));
}

// The upper half of a, as _mm512_extractf32x8_ps.
inline __m256 upper_half(Lanes a) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
}
// The sums of the lanes of a, b, c and d, each by the same order of additions.
inline __m256 fold(Lanes a) {
  return _mm256_add_ps(_mm512_castps512_ps256(a), upper_half(a));
}
inline __m256 add_pairs(__m256 a, __m256 b) {
  return _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
}
inline void sums(Lanes a, Lanes b, Lanes c, Lanes d, float* out) {
  const __m256 ab = add_pairs(fold(a), fold(b));
  const __m256 cd = add_pairs(fold(c), fold(d));
  const __m256 abcd =
      _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
}
inline float sum_of(Lanes a) {
  float out[4];
  sums(a, a, a, a, out);
  return out[0];
}
inline float max_of(Lanes a) {
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(a), upper_half(a));
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
inline float first_of(Lanes a) {
  return _mm_cvtss_f32(_mm256_castps256_ps128(_mm512_castps512_ps256(a)));
}

// a * 2^n for the whole number n = from_magic - magic, |n| < 252, in two steps so that the result
// can be subnormal, zero or infinite.
inline Lanes scale_by_power(Lanes a, Lanes from_magic, Lanes magic) {
  const __m512i n = _mm512_sub_epi32(_mm512_castps_si512(from_magic), _mm512_castps_si512(magic));
  const __m512i half = _mm512_srai_epi32(n, 1);
  const __m512i bias = _mm512_set1_epi32(127);
  const __m512i low = _mm512_slli_epi32(_mm512_add_epi32(half, bias), 23);
  const __m512i high = _mm512_slli_epi32(_mm512_add_epi32(_mm512_sub_epi32(n, half), bias), 23);
  return mul(mul(a, _mm512_castsi512_ps(low)), _mm512_castsi512_ps(high));
}

// The nearest whole number; of two, the even one.
inline Lanes round(Lanes a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// a * 2^n for a whole number n, for a and results that are normal numbers.
inline Lanes scale_normal_by_power(Lanes a, Lanes n) {
  return _mm512_scalef_ps(a, n);
}
// 2^(k / 16) for the whole number k in the lowest bits of from_magic, a sum with 1.5 * 2^19, for
// results that are normal numbers.  The table holds 2^(j / 16) less what j adds to the exponent.
inline Lanes power_of_parts(Lanes from_magic) {
  alignas(64) static constexpr std::uint32_t kPowers[kLanes] = {
      0x3f800000, 0x3f7daac3, 0x3f7b95c2, 0x3f79c3d3, 0x3f7837f0, 0x3f76f532,
      0x3f75fed7, 0x3f75583f, 0x3f7504f3, 0x3f7508a4, 0x3f75672a, 0x3f76248c,
      0x3f7744fd, 0x3f78ccdf, 0x3f7ac0c7, 0x3f7d257d};
  const __m512i k = _mm512_castps_si512(from_magic);
  const Lanes power = _mm512_permutexvar_ps(k, load(kPowers));
  return _mm512_castsi512_ps(
      _mm512_add_epi32(_mm512_castps_si512(power), _mm512_slli_epi32(k, 19)));
}

// (b, a, d, c, ..) from (a, b, c, d, ..).
inline Lanes swap_pairs(Lanes a) {
  return _mm512_permute_ps(a, 0xb1);
}
// (-a, b, -c, d, ..).
inline Lanes negate_even(Lanes a) {
  const Lanes signs = _mm512_castsi512_ps(_mm512_set1_epi64(0x80000000));
  return _mm512_xor_ps(a, signs);
}
// (p[0], p[0], p[1], p[1], ..) of p[0 .. n), n <= kLanes / 2.
inline Lanes load_twice(const float* p, int n) {
  const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return _mm512_permutexvar_ps(twice, load(p, n));
}

// a, from a register: the compiler would read a number with several uses from memory every time.
inline Lanes in_register(Lanes a) {
#if !defined(HEARTH_EMULATE_AVX512)
  asm("" : "+v"(a));
#endif
  return a;
}
inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}

}  // namespace
}  // namespace hearth::kernels
