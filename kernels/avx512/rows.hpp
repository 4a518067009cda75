// The vocabulary of the matrix kernels for AVX-512 with VNNI: 16 rows side by side, as panels have
// them (panels/layout.hpp), in one vector.  See kernels/avx2/rows.hpp for what each word means.
#pragma once

#include <cstdint>

#include "kernels/avx512/intrinsics.hpp"

namespace hearth::kernels {
namespace {

struct Floats {
  __m512 all;
};
struct Ints {
  __m512i all;
};
struct Bytes {
  __m512i all;
};
struct Pairs {
  __m512i all;
};
using Factor = Ints;

// 8 accumulators, 8 sums and what is multiplied: of 32 registers.
constexpr int kTileRows = 8;
constexpr int kFloatTileRows = 12;
// VPDPBUSD takes unsigned numbers: signed ones have 128 added, which is subtracted again.
constexpr int kSignedZero = 128;

inline Floats splat(float a) {
  return {_mm512_set1_ps(a)};
}
inline Floats load_floats(const float* p) {
  return {_mm512_loadu_ps(p)};
}
inline void store_floats(float* p, Floats a) {
  _mm512_storeu_ps(p, a.all);
}
inline void settle(Floats& a) {
#if !defined(HEARTH_EMULATE_AVX512)
  asm volatile("" : "+v"(a.all));
#else
  (void)a;
#endif
}
inline Floats add(Floats a, Floats b) {
  return {_mm512_add_ps(a.all, b.all)};
}
inline Floats fma(Floats a, Floats b, Floats c) {
  return {_mm512_fmadd_ps(a.all, b.all, c.all)};
}
inline Floats fnma(Floats a, Floats b, Floats c) {
  return {_mm512_fnmadd_ps(a.all, b.all, c.all)};
}
inline Floats mul(Floats a, Floats b) {
  return {_mm512_mul_ps(a.all, b.all)};
}
inline Floats to_floats(Ints a) {
  return {_mm512_cvtepi32_ps(a.all)};
}

inline __m256i load_32_bytes(const unsigned char* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline Floats floats_from_f16(const unsigned char* p) {
  return {_mm512_cvtph_ps(load_32_bytes(p))};
}
inline Floats floats_from_bf16(const unsigned char* p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_32_bytes(p)), 16))};
}
inline void floats_from_bf16_pairs(const unsigned char* p, Floats& first, Floats& second) {
  const __m512i both = _mm512_loadu_si512(p);
  first = {_mm512_castsi512_ps(_mm512_slli_epi32(both, 16))};
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  second = {_mm512_castsi512_ps(_mm512_and_si512(both, upper))};
}

inline Ints splat_int(std::int32_t a) {
  return {_mm512_set1_epi32(a)};
}
inline Ints sub(Ints a, Ints b) {
  return {_mm512_sub_epi32(a.all, b.all)};
}
inline Ints shift_left(Ints a, int bits) {
  return {_mm512_slli_epi32(a.all, static_cast<unsigned>(bits))};
}

inline Bytes load_bytes(const unsigned char* p) {
  return {_mm512_loadu_si512(p)};
}
template <int from, int count, int to>
inline Bytes move_bits(Bytes a) {
  const __m512i mask = _mm512_set1_epi8(static_cast<char>(((1 << count) - 1) << to));
  if constexpr (from > to) a.all = _mm512_srli_epi16(a.all, from - to);
  if constexpr (from < to) a.all = _mm512_slli_epi16(a.all, to - from);
  return {_mm512_and_si512(a.all, mask)};
}
inline Bytes either(Bytes a, Bytes b) {
  return {_mm512_or_si512(a.all, b.all)};
}
inline Bytes look_up(Bytes q, const std::int8_t (&table)[16]) {
  const __m512i numbers =
      _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return {_mm512_shuffle_epi8(numbers, q.all)};
}
inline Bytes from_signed(Bytes a) {
  return {_mm512_xor_si512(a.all, _mm512_set1_epi8(static_cast<char>(0x80)))};
}

inline Pairs pairs_from_signed(const unsigned char* p) {
  return {_mm512_cvtepi8_epi16(load_32_bytes(p))};
}
template <int from>
inline Pairs pairs_from_nibbles(const unsigned char* p) {
  const __m256i nibbles =
      _mm256_and_si256(_mm256_srli_epi16(load_32_bytes(p), from), _mm256_set1_epi8(15));
  return {_mm512_cvtepu8_epi16(nibbles)};
}
inline Factor factor_of_first(Pairs a) {
  return {_mm512_srai_epi32(_mm512_slli_epi32(a.all, 16), 16)};
}
inline Factor factor_of_second(Pairs a) {
  return {_mm512_srai_epi32(a.all, 16)};
}
// A factor that add_dots() need not multiply with.
struct FactorOne {};
inline FactorOne factor_one() {
  return {};
}
inline Ints add_pairs(Ints acc, Pairs a, const std::int16_t* x) {
  std::int32_t both;
  __builtin_memcpy(&both, x, sizeof(both));
  return {_mm512_add_epi32(acc.all, _mm512_madd_epi16(a.all, _mm512_set1_epi32(both)))};
}

template <int kBound, int g = 0, class Numbers, class AnyFactor, int kSubs, int kRows>
[[gnu::always_inline]] inline void add_dots(const Numbers& numbers,
                                            const std::int8_t* const (&x)[kRows],
                                            const AnyFactor (&factors)[kSubs], Ints (&acc)[kRows],
                                            Ints* sums) {
  constexpr bool kPlain = __is_same(AnyFactor, FactorOne);
  constexpr int kRun = 8 / kSubs;
  const Bytes w = numbers.template group<g>();
#pragma GCC unroll 16
  for (int t = 0; t < kRows; ++t) {
    std::int32_t word;
    __builtin_memcpy(&word, x[t] + 4 * g, sizeof(word));
    const Ints before = g % kRun != 0 ? sums[t] : kPlain ? acc[t] : splat_int(0);
    sums[t] = {_mm512_dpbusd_epi32(before.all, w.all, _mm512_set1_epi32(word))};
    if constexpr ((g + 1) % kRun == 0) {
      if constexpr (kPlain) {
        acc[t] = sums[t];
      } else {
        const Ints product = {_mm512_mullo_epi32(sums[t].all, factors[g * kSubs / 8].all)};
        acc[t] = {_mm512_add_epi32(acc[t].all, product.all)};
      }
    }
  }
  if constexpr (g < 7) add_dots<kBound, g + 1>(numbers, x, factors, acc, sums);
}
template <int kBound, class Numbers, class AnyFactor, int kSubs, int kRows>
[[gnu::always_inline]] inline void add_dots(const Numbers& numbers,
                                            const std::int8_t* const (&x)[kRows],
                                            const AnyFactor (&factors)[kSubs], Ints (&acc)[kRows]) {
  Ints sums[kRows];
  add_dots<kBound, 0>(numbers, x, factors, acc, sums);
}

inline Floats max_abs(Floats a, Floats b) {
  return {_mm512_max_ps(_mm512_abs_ps(b.all), a.all)};
}
inline float largest(Floats a) {
  return _mm512_reduce_max_ps(a.all);
}
inline int store_as_bytes(std::int8_t* p, Floats a) {
  const __m512i words = _mm512_cvtps_epi32(a.all);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(words));
  return _mm512_reduce_add_epi32(words);
}

inline void prefetch_line(const unsigned char* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}

}  // namespace
}  // namespace hearth::kernels
