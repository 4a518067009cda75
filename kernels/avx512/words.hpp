// Whole numbers in vectors of 512 bits, for AVX-512: what kernels/simd/ says of them, beside
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
using Words = __m512i;

inline Words all_bytes(signed char a) {
  return _mm512_set1_epi8(a);
}
// acc plus, in each word, the products of its four bytes: of a without sign, of b with it.
// Assembly, because gcc 12 puts two copies of registers beside every _mm512_dpbusd_epi32().
inline Words add_products_of_bytes(Words acc, Words a, Words b) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
  return acc;
}
inline std::int32_t first_of_words(Words a) {
  return _mm_cvtsi128_si32(_mm512_castsi512_si128(a));
}

}  // namespace
}  // namespace hearth::kernels
