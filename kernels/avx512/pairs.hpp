// Pairs of bf16 in 32-bit words, for AVX-512: what amx/ says of them, beside lanes.hpp.
//
// A number of bf16 is a float whose lower half is zero.  Anonymous namespace, like lanes.hpp.
#pragma once

#include <cstdint>

#include "kernels/avx512/lanes.hpp"

namespace hearth::kernels {
namespace {

// A tile of words, the operand of one product of tiles.
struct alignas(64) WordTile {
  std::uint32_t at[kLanes][kLanes];
};

// The lower half cut off: the number of bf16 next to a towards zero.  a minus it is exact.
inline Lanes truncated_to_bf16(Lanes a) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), upper));
}
// What truncates to the nearest number of bf16, of two the larger in magnitude: a quarter of what
// ties to even would take.  A NaN stays one if its lower half is zero, as in what bf16 gave.
inline Lanes half_up(Lanes a) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_set1_epi32(0x8000)));
}
// The same for any a: of what is no finite number, none.
inline Lanes half_up_or_nan(Lanes a) {
  const __m512i bits = _mm512_castps_si512(a);
  const __mmask16 numbers = _mm512_cmp_ps_mask(a, a, _CMP_ORD_Q);
  return _mm512_castsi512_ps(_mm512_mask_add_epi32(bits, numbers, bits, _mm512_set1_epi32(0x8000)));
}
// Two numbers, truncated to bf16, in each word; the lower half first.
inline void store_pairs(std::uint32_t* p, Lanes lower, Lanes upper) {
  const __m512i half = _mm512_srli_epi32(_mm512_castps_si512(lower), 16);
  _mm512_storeu_si512(p, _mm512_or_si512(half, _mm512_castps_si512(truncated_to_bf16(upper))));
}

// Four words from each of rows i, i + 4, i + 8 and i + 12, from column k on.  Inserting from memory
// leaves the port of the shuffles free.
inline __m512i every_fourth_row(const WordTile& tile, int i, int k) {
  const auto words = [&](int row) {
    return _mm_load_si128(reinterpret_cast<const __m128i*>(&tile.at[row][k]));
  };
  __m512i all = _mm512_castsi128_si512(words(i));
  all = _mm512_inserti32x4(all, words(i + 4), 1);
  all = _mm512_inserti32x4(all, words(i + 8), 2);
  return _mm512_inserti32x4(all, words(i + 12), 3);
}
// to[k][i] = from[i][k]
inline void transpose(const WordTile& from, WordTile& to) {
  for (int k = 0; k < kLanes; k += 4) {
    const __m512i a = every_fourth_row(from, 0, k), b = every_fourth_row(from, 1, k);
    const __m512i c = every_fourth_row(from, 2, k), d = every_fourth_row(from, 3, k);
    const __m512i ab = _mm512_unpacklo_epi32(a, b), cd = _mm512_unpacklo_epi32(c, d);
    const __m512i ab_2 = _mm512_unpackhi_epi32(a, b), cd_2 = _mm512_unpackhi_epi32(c, d);
    _mm512_store_si512(to.at[k], _mm512_unpacklo_epi64(ab, cd));
    _mm512_store_si512(to.at[k + 1], _mm512_unpackhi_epi64(ab, cd));
    _mm512_store_si512(to.at[k + 2], _mm512_unpacklo_epi64(ab_2, cd_2));
    _mm512_store_si512(to.at[k + 3], _mm512_unpackhi_epi64(ab_2, cd_2));
  }
}

}  // namespace
}  // namespace hearth::kernels
