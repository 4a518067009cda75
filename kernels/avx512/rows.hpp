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
inline Ints load_ints(const std::int32_t* p) {
  return {_mm512_loadu_si512(p)};
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
  const __m128i bytes = _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a.all));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  // Of the bytes: a NaN is the smallest word, and 16 of them would overflow.
  return _mm512_reduce_add_epi32(_mm512_cvtepi8_epi32(bytes));
}

// The nearest numbers of bf16, ties to even; a NaN stays one.
HEARTH_LONG_WORD Floats to_bf16(Floats a) {
  const __m512i bits = _mm512_castps_si512(a.all);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
  const __m512 rounded = _mm512_castsi512_ps(_mm512_add_epi32(bits, half));
  const __m512 quiet = _mm512_castsi512_ps(_mm512_or_si512(bits, _mm512_set1_epi32(0x400000)));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(a.all, a.all, _CMP_UNORD_Q);
  const __m512 chosen = _mm512_mask_mov_ps(rounded, is_nan, quiet);
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(chosen), upper))};
}
// Numbers of bf16 side by side.
inline Bytes bf16_pairs(Floats first, Floats second) {
  const __m512i lower = _mm512_srli_epi32(_mm512_castps_si512(first.all), 16);
  return {_mm512_or_si512(lower, _mm512_castps_si512(second.all))};
}
inline Floats sub(Floats a, Floats b) {
  return {_mm512_sub_ps(a.all, b.all)};
}

// What requantising takes besides (avx512/requantize.hpp).
inline void store_bytes(void* p, Bytes a) {
  _mm512_storeu_si512(p, a.all);
}
inline Ints add(Ints a, Ints b) {
  return {_mm512_add_epi32(a.all, b.all)};
}
// a - (b << bits)
template <unsigned bits>
inline Ints sub_shifted(Ints a, Ints b) {
  return {_mm512_sub_epi32(a.all, _mm512_slli_epi32(b.all, bits))};
}
// To nearest even; of a NaN any number.
inline Ints round_to_ints(Floats a) {
  return {_mm512_cvtps_epi32(a.all)};
}
// a / b where b is at least smallest, else 0.
inline Floats inverse_or_zero(float a, Floats b, float smallest) {
  const __mmask16 large = _mm512_cmp_ps_mask(b.all, _mm512_set1_ps(smallest), _CMP_GE_OQ);
  const __m512 quotient = _mm512_div_ps(_mm512_set1_ps(a), b.all);
  return {_mm512_mask_mov_ps(_mm512_setzero_ps(), large, quotient)};
}
// The lower 16 bits of each number twice.
inline Bytes in_both_halves(Ints a) {
  const __m512i lower = _mm512_and_si512(a.all, _mm512_set1_epi32(0xffff));
  return {_mm512_or_si512(lower, _mm512_slli_epi32(a.all, 16))};
}
inline Bytes at_least_one(Bytes a) {  // unsigned
  return {_mm512_max_epu8(a.all, _mm512_set1_epi8(1))};
}
// (slope * number + offset) >> 8 of each unsigned byte; slopes and offsets of 16 bits, for two
// bytes each, and results within 16 bits.
HEARTH_LONG_WORD Bytes upper_bytes_of_line(Bytes numbers, Bytes slope, Bytes offset) {
  const __m512i lower = _mm512_set1_epi16(0xff);
  const __m512i even = _mm512_mullo_epi16(_mm512_and_si512(numbers.all, lower), slope.all);
  const __m512i odd = _mm512_mullo_epi16(_mm512_srli_epi16(numbers.all, 8), slope.all);
  const __m512i even_line = _mm512_srli_epi16(_mm512_add_epi16(even, offset.all), 8);
  const __m512i odd_line = _mm512_andnot_si512(lower, _mm512_add_epi16(odd, offset.all));
  return {_mm512_or_si512(even_line, odd_line)};
}

inline void prefetch_line(const unsigned char* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}

}  // namespace
}  // namespace hearth::kernels
