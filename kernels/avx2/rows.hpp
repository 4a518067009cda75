// The vocabulary of the matrix kernels for AVX2: 16 rows side by side, as panels have them
// (panels/layout.hpp), in two vectors of 256 bits.
//
// kernels/avx512/rows.hpp has the same words.  Anonymous namespace, like lanes.hpp: no function
// compiled here is shared with code for other CPUs.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace hearth::kernels {
namespace {

struct Floats {
  __m256 lo, hi;
};
struct Ints {  // a whole number of 32 bits for each row
  __m256i lo, hi;
};
struct Bytes {  // four columns for each row
  __m256i lo, hi;
};
struct Pairs {  // two whole numbers of 16 bits for each row
  __m256i lo, hi;
};
using Factor = Pairs;  // one number, twice

// Rows of activations that a tile takes: its accumulators are 8 of the 16 registers.
constexpr int kTileRows = 4;
// The same for floats: 12 chains of fused multiply-adds, 2 weights and an activation.
constexpr int kFloatTileRows = 6;
// Signed numbers stay what they are: the products take them with their signs.
constexpr int kSignedZero = 0;

inline Floats splat(float a) {
  return {_mm256_set1_ps(a), _mm256_set1_ps(a)};
}
inline Floats load_floats(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
inline void store_floats(float* p, Floats a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
// Keeps a in registers: GCC 12 would load it again for each of its uses.
inline void settle(Floats& a) {
  asm volatile("" : "+x"(a.lo), "+x"(a.hi));
}
inline Floats add(Floats a, Floats b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
// a * b + c, rounded once.
inline Floats fma(Floats a, Floats b, Floats c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
// c - a * b, rounded once.
inline Floats fnma(Floats a, Floats b, Floats c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
inline Floats mul(Floats a, Floats b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
inline Floats to_floats(Ints a) {
  return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}

inline __m128i load_16_bytes(const unsigned char* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline __m256i load_32_bytes(const unsigned char* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
inline Floats floats_from_f16(const unsigned char* p) {
  return {_mm256_cvtph_ps(load_16_bytes(p)), _mm256_cvtph_ps(load_16_bytes(p + 16))};
}
inline Floats floats_from_bf16(const unsigned char* p) {
  const auto widen = [](__m128i a) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16));
  };
  return {widen(load_16_bytes(p)), widen(load_16_bytes(p + 16))};
}
// Two columns of bf16 for each row: the first and the second.
inline void floats_from_bf16_pairs(const unsigned char* p, Floats& first, Floats& second) {
  const __m256i lo = load_32_bytes(p), hi = load_32_bytes(p + 32);
  const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  first = {_mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
           _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16))};
  second = {_mm256_castsi256_ps(_mm256_and_si256(lo, upper)),
            _mm256_castsi256_ps(_mm256_and_si256(hi, upper))};
}

inline Ints splat_int(std::int32_t a) {
  return {_mm256_set1_epi32(a), _mm256_set1_epi32(a)};
}
inline Ints sub(Ints a, Ints b) {
  return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}
inline Ints shift_left(Ints a, int bits) {
  return {_mm256_slli_epi32(a.lo, bits), _mm256_slli_epi32(a.hi, bits)};
}

inline Bytes load_bytes(const unsigned char* p) {
  return {load_32_bytes(p), load_32_bytes(p + 32)};
}
// Bits [from, from + count) of each byte, moved to bit `to`.
template <int from, int count, int to>
inline Bytes move_bits(Bytes a) {
  const __m256i mask = _mm256_set1_epi8(static_cast<char>(((1 << count) - 1) << to));
  const auto move = [](__m256i v) {
    if constexpr (from > to) return _mm256_srli_epi16(v, from - to);
    if constexpr (from < to) return _mm256_slli_epi16(v, to - from);
    return v;
  };
  return {_mm256_and_si256(move(a.lo), mask), _mm256_and_si256(move(a.hi), mask)};
}
inline Bytes either(Bytes a, Bytes b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
// table[q] of every byte q < 16.
inline Bytes look_up(Bytes q, const std::int8_t (&table)[16]) {
  const __m256i numbers =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
  return {_mm256_shuffle_epi8(numbers, q.lo), _mm256_shuffle_epi8(numbers, q.hi)};
}
// Signed bytes as add_dots() takes them.
inline Bytes from_signed(Bytes a) {
  return a;
}

inline Pairs pairs_from_signed(const unsigned char* p) {
  return {_mm256_cvtepi8_epi16(load_16_bytes(p)), _mm256_cvtepi8_epi16(load_16_bytes(p + 16))};
}
// Bits [from, from + 4) of each byte.
template <int from>
inline Pairs pairs_from_nibbles(const unsigned char* p) {
  const __m128i mask = _mm_set1_epi8(15);
  const auto widen = [&](const unsigned char* at) {
    return _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(load_16_bytes(at), from), mask));
  };
  return {widen(p), widen(p + 16)};
}
inline Factor factor_of_first(Pairs a) {
  const __m256i twice = _mm256_set1_epi32(0x01000100);
  const __m256i to =
      _mm256_add_epi32(twice, _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0,
                                                0x04040404, 0x08080808, 0x0c0c0c0c));
  return {_mm256_shuffle_epi8(a.lo, to), _mm256_shuffle_epi8(a.hi, to)};
}
inline Factor factor_of_second(Pairs a) {
  const __m256i twice = _mm256_set1_epi32(0x03020302);
  const __m256i to =
      _mm256_add_epi32(twice, _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0,
                                                0x04040404, 0x08080808, 0x0c0c0c0c));
  return {_mm256_shuffle_epi8(a.lo, to), _mm256_shuffle_epi8(a.hi, to)};
}
inline Factor factor_one() {
  return {_mm256_set1_epi16(1), _mm256_set1_epi16(1)};
}
// acc + a.first * x[0] + a.second * x[1].
inline Ints add_pairs(Ints acc, Pairs a, const std::int16_t* x) {
  std::int32_t both;
  __builtin_memcpy(&both, x, sizeof(both));
  const __m256i factors = _mm256_set1_epi32(both);
  return {_mm256_add_epi32(acc.lo, _mm256_madd_epi16(a.lo, factors)),
          _mm256_add_epi32(acc.hi, _mm256_madd_epi16(a.hi, factors))};
}

// Has a computed here: GCC 12 would otherwise put off the sums of a tile to where they are used,
// and keep all their terms instead, in memory.
inline void settle(Bytes& a) {
  asm volatile("" : "+x"(a.lo), "+x"(a.hi));
}

// How many products of bytes up to bound with bytes up to 127 can be added to pairs in 16 bits.
constexpr int products_in_16_bits(int bound) {
  return 32767 / (2 * 127 * bound);
}

// acc[t] += factor * (products of 32 columns) for rows x[t] of activations.  numbers.group<g>() are
// columns 4 g .. 4 g + 3.  kBound: the largest number, unsigned; 0: signed ones, -128 .. 127.
// kSubs: 1, or 2 factors for 16 columns each.
//
// VPMADDUBSW adds two products in 16 bits: as many as fit are added there before VPMADDWD widens
// the sums, times the factor.  Signed numbers are made positive, and their signs given to x.
template <int kBound, int g = 0, class Numbers, int kSubs, int kRows>
[[gnu::always_inline]] inline void add_dots(const Numbers& numbers,
                                            const std::int8_t* const (&x)[kRows],
                                            const Factor (&factors)[kSubs], Ints (&acc)[kRows],
                                            Bytes* sums) {
  constexpr int kFit = kBound == 0 ? 1 : products_in_16_bits(kBound);
  constexpr int kRun = kFit < 8 / kSubs ? kFit : 8 / kSubs;
  static_assert(8 / kSubs % kRun == 0);
  const Bytes w = numbers.template group<g>();
  const Bytes positive = kBound == 0 ? Bytes{_mm256_abs_epi8(w.lo), _mm256_abs_epi8(w.hi)} : w;
#pragma GCC unroll 8
  for (int t = 0; t < kRows; ++t) {
    std::int32_t word;
    __builtin_memcpy(&word, x[t] + 4 * g, sizeof(word));
    const __m256i columns = _mm256_set1_epi32(word);
    Bytes products;
    if constexpr (kBound == 0) {
      products = {_mm256_maddubs_epi16(positive.lo, _mm256_sign_epi8(columns, w.lo)),
                  _mm256_maddubs_epi16(positive.hi, _mm256_sign_epi8(columns, w.hi))};
    } else {
      products = {_mm256_maddubs_epi16(positive.lo, columns),
                  _mm256_maddubs_epi16(positive.hi, columns)};
    }
    if constexpr (g % kRun != 0) {
      products = {_mm256_add_epi16(sums[t].lo, products.lo),
                  _mm256_add_epi16(sums[t].hi, products.hi)};
    }
    settle(products);
    if constexpr ((g + 1) % kRun == 0) {
      const Factor& factor = factors[g * kSubs / 8];
      acc[t] = {_mm256_add_epi32(acc[t].lo, _mm256_madd_epi16(products.lo, factor.lo)),
                _mm256_add_epi32(acc[t].hi, _mm256_madd_epi16(products.hi, factor.hi))};
    } else {
      sums[t] = products;
    }
  }
  if constexpr (g < 7) add_dots<kBound, g + 1>(numbers, x, factors, acc, sums);
}
template <int kBound, class Numbers, int kSubs, int kRows>
[[gnu::always_inline]] inline void add_dots(const Numbers& numbers,
                                            const std::int8_t* const (&x)[kRows],
                                            const Factor (&factors)[kSubs], Ints (&acc)[kRows]) {
  Bytes sums[kRows];
  add_dots<kBound, 0>(numbers, x, factors, acc, sums);
}

// The larger of each a and |b|; b is a where it is a NaN.
inline Floats max_abs(Floats a, Floats b) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_max_ps(_mm256_andnot_ps(sign, b.lo), a.lo),
          _mm256_max_ps(_mm256_andnot_ps(sign, b.hi), a.hi)};
}
inline float largest(Floats a) {
  const __m256 both = _mm256_max_ps(a.lo, a.hi);
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
// The nearest whole numbers, -127 .. 127, ties to even; their sum.  A NaN gives any number.
inline int store_as_bytes(std::int8_t* p, Floats a) {
  const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi));
  const __m256i in_order = _mm256_permute4x64_epi64(words, 0xd8);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(p),
      _mm_packs_epi16(_mm256_castsi256_si128(in_order), _mm256_extracti128_si256(in_order, 1)));
  const __m256i fours = _mm256_madd_epi16(words, _mm256_set1_epi16(1));
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

inline void prefetch_line(const unsigned char* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T0);
}

}  // namespace
}  // namespace hearth::kernels
