// The vocabulary of the vector kernels for AVX2 with FMA and F16C: 8 floats at a time.
//
// kernels/simd/ is written in these words; kernels/avx512/lanes.hpp has the same ones.  Everything
// is in an anonymous namespace: no function compiled here can be shared with code for other CPUs.
//
// load(p, n) and store(p, a, n) touch the first n elements only, 0 <= n <= kLanes; what is not
// loaded is zero.  A whole vector takes the ordinary instructions: masked stores are slow on Zen.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace hearth::kernels {
namespace {

using Lanes = __m256;

constexpr int kLanes = 8;

inline Lanes zero() {
  return _mm256_setzero_ps();
}
inline Lanes broadcast(float a) {
  return _mm256_set1_ps(a);
}
inline Lanes add(Lanes a, Lanes b) {
  return _mm256_add_ps(a, b);
}
inline Lanes sub(Lanes a, Lanes b) {
  return _mm256_sub_ps(a, b);
}
inline Lanes mul(Lanes a, Lanes b) {
  return _mm256_mul_ps(a, b);
}
inline Lanes div(Lanes a, Lanes b) {
  return _mm256_div_ps(a, b);
}
// min and max give b where either is a NaN.
inline Lanes min(Lanes a, Lanes b) {
  return _mm256_min_ps(a, b);
}
inline Lanes max(Lanes a, Lanes b) {
  return _mm256_max_ps(a, b);
}
inline Lanes negate(Lanes a) {
  return _mm256_xor_ps(a, broadcast(-0.0f));
}
inline Lanes sqrt(Lanes a) {
  return _mm256_sqrt_ps(a);
}
// a * b + c, rounded once.
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return _mm256_fmadd_ps(a, b, c);
}

inline __m256i first(int n) {
  alignas(32) static constexpr std::int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + kLanes - n));
}
inline Lanes load(const void* p) {
  return _mm256_loadu_ps(static_cast<const float*>(p));
}
inline Lanes load(const void* p, int n) {
  if (n == kLanes) return load(p);
  return _mm256_maskload_ps(static_cast<const float*>(p), first(n));
}
inline Lanes load(const float* p, int n, float rest) {
  if (n == kLanes) return load(p);
  return _mm256_blendv_ps(broadcast(rest), load(p, n), _mm256_castsi256_ps(first(n)));
}
inline void store(void* p, Lanes a) {
  _mm256_storeu_ps(static_cast<float*>(p), a);
}
inline void store(void* p, Lanes a, int n) {
  if (n == kLanes) return store(p, a);
  _mm256_maskstore_ps(static_cast<float*>(p), first(n), a);
}

// 16-bit elements.  AVX2 masks no such loads: a part goes through the stack.
using Halves = __m128i;

inline Halves load_halves(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}
inline Halves load_halves(const void* p, int n) {
  if (n == kLanes) return load_halves(p);
  std::uint16_t part[kLanes] = {};
  __builtin_memcpy(part, p, sizeof(std::uint16_t) * static_cast<unsigned>(n));
  return load_halves(part);
}
inline void store_halves(void* p, Halves a) {
  _mm_storeu_si128(static_cast<__m128i*>(p), a);
}
inline void store_halves(void* p, Halves a, int n) {
  if (n == kLanes) return store_halves(p, a);
  std::uint16_t part[kLanes];
  store_halves(part, a);
  __builtin_memcpy(p, part, sizeof(std::uint16_t) * static_cast<unsigned>(n));
}
inline Lanes from_f16(Halves a) {
  return _mm256_cvtph_ps(a);
}
inline Lanes from_bf16(Halves a) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16));
}
// Beyond +-65504 saturates; a NaN stays one.
inline Halves to_f16(Lanes a) {
  const Lanes limited = max(broadcast(-65504.0f), min(broadcast(65504.0f), a));
  return _mm256_cvtps_ph(limited, _MM_FROUND_TO_NEAREST_INT);
}
inline Halves to_bf16(Lanes a) {
  const __m256i bits = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256 is_nan = _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
  const __m256i upper =
      _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(is_nan)), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

// The scale of a quantised block, in every lane: a broadcast load and one conversion are half the
// instructions of converting first.
inline Lanes broadcast_f16(const unsigned char* p) {
  std::uint16_t half;
  __builtin_memcpy(&half, p, sizeof(half));
  return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(half)));
}
// The 32 numbers of a quantised block in float, kLanes per vector.  Widening straight from memory
// is faster on Zen 3 than from a register: the lane-crossing shuffle is slow.
inline __m128i load_8_bytes(const unsigned char* p) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
}
inline void from_int8(const unsigned char* p, Lanes (&out)[32 / kLanes]) {
  for (int i = 0; i < 32 / kLanes; ++i) {
    out[i] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_8_bytes(p + kLanes * i)));
  }
}
// Unsigned: lower nibbles first, upper ones after them.
inline void from_nibbles(const unsigned char* p, Lanes (&out)[32 / kLanes]) {
  const __m256i mask = _mm256_set1_epi32(0x0f);
  for (int i = 0; i < 16 / kLanes; ++i) {
    const __m256i bytes = _mm256_cvtepu8_epi32(load_8_bytes(p + kLanes * i));
    out[i] = _mm256_cvtepi32_ps(_mm256_and_si256(bytes, mask));
    out[i + 16 / kLanes] = _mm256_cvtepi32_ps(_mm256_srli_epi32(bytes, 4));
  }
}

// The sums of the lanes of a, b, c and d, each by the same order of additions.
inline void sums(Lanes a, Lanes b, Lanes c, Lanes d, float* out) {
  const Lanes ab = add(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  const Lanes cd = add(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
  const Lanes abcd = add(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(abcd), _mm256_extractf128_ps(abcd, 1)));
}
inline float sum_of(Lanes a) {
  float out[4];
  sums(a, a, a, a, out);
  return out[0];
}
inline float max_of(Lanes a) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

inline float first_of(Lanes a) {
  return _mm256_cvtss_f32(a);
}

// a * 2^n for the whole number n = from_magic - magic, |n| < 252, in two steps so that the result
// can be subnormal, zero or infinite.
inline Lanes scale_by_power(Lanes a, Lanes from_magic, Lanes magic) {
  const __m256i n = _mm256_sub_epi32(_mm256_castps_si256(from_magic), _mm256_castps_si256(magic));
  const __m256i half = _mm256_srai_epi32(n, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i low = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i high = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias), 23);
  return mul(mul(a, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high));
}

// The nearest whole number; of two, the even one.
inline Lanes round(Lanes a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// a * 2^n for a whole number n, for a and results that are normal numbers.
inline Lanes scale_normal_by_power(Lanes a, Lanes n) {
  const __m256i exponents = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponents));
}
// 2^(k / 8) for the whole number k in the lowest bits of from_magic, a sum with 1.5 * 2^20, for
// results that are normal numbers.  The table holds 2^(j / 8) less what j adds to the exponent.
inline Lanes power_of_parts(Lanes from_magic) {
  alignas(32) static constexpr std::uint32_t kPowers[kLanes] = {0x3f800000, 0x3f7b95c2, 0x3f7837f0,
                                                                0x3f75fed7, 0x3f7504f3, 0x3f75672a,
                                                                0x3f7744fd, 0x3f7ac0c7};
  const __m256i k = _mm256_castps_si256(from_magic);
  const __m256i power =
      _mm256_permutevar8x32_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(kPowers)), k);
  return _mm256_castsi256_ps(_mm256_add_epi32(power, _mm256_slli_epi32(k, 20)));
}

// (b, a, d, c, ..) from (a, b, c, d, ..).
inline Lanes swap_pairs(Lanes a) {
  return _mm256_permute_ps(a, 0xb1);
}
// (-a, b, -c, d, ..).
inline Lanes negate_even(Lanes a) {
  const Lanes signs = _mm256_castsi256_ps(_mm256_set1_epi64x(0x80000000));
  return _mm256_xor_ps(a, signs);
}
// (p[0], p[0], p[1], p[1], ..) of p[0 .. n), n <= kLanes / 2.
inline Lanes load_twice(const float* p, int n) {
  return _mm256_permutevar8x32_ps(load(p, n), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}

// a, from a register: the compiler would read a number with several uses from memory every time.
inline Lanes in_register(Lanes a) {
  asm("" : "+x"(a));
  return a;
}
inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}

}  // namespace
}  // namespace hearth::kernels
