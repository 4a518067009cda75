// Whole numbers in vectors of 256 bits, for AVX2: what kernels/simd/ says of them, beside
// lanes.hpp.
//
// Anonymous namespace, like lanes.hpp: no function compiled here is shared with code for other
// CPUs.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace hearth::kernels {
namespace {

// 32-bit words, and their bytes.
using Words = __m256i;

inline Words all_bytes(signed char a) {
  return _mm256_set1_epi8(a);
}
// acc plus, in each word, the products of its four bytes: of a without sign, of b with it, pairs of
// products within 16 bits.
inline Words add_products_of_bytes(Words acc, Words a, Words b) {
  const Words pairs = _mm256_maddubs_epi16(a, b);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline std::int32_t first_of_words(Words a) {
  return _mm_cvtsi128_si32(_mm256_castsi256_si128(a));
}

}  // namespace
}  // namespace hearth::kernels
