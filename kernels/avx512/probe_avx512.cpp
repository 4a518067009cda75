// The probes for AVX-512: see simd/probe.hpp.
#include "kernels/avx512/lanes.hpp"

#include "kernels/simd/probe.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void read_probe_avx512(const ReadProbeArgs& args) {
  *args.out = read_all(args);
}

std::int64_t peak_probe_f32_avx512(std::int64_t rounds, float* out) {
  return peak_of_floats(rounds, out);
}

// As for AVX2, on vectors twice as long.
std::int64_t peak_probe_int8_avx512(std::int64_t rounds, float* out) {
  constexpr int kChains = 12;
  __m512i acc[kChains];
  for (__m512i& chain : acc) chain = _mm512_setzero_si512();
  __m512i a = _mm512_set1_epi8(1);
  const __m512i ones = _mm512_set1_epi16(1);
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (__m512i& chain : acc) {
      asm volatile("" : "+x"(a));
      chain = _mm512_add_epi32(chain, _mm512_madd_epi16(_mm512_maddubs_epi16(a, a), ones));
    }
  }
  for (__m512i& chain : acc) acc[0] = _mm512_max_epi32(acc[0], chain);
  *out = static_cast<float>(_mm_cvtsi128_si32(_mm512_castsi512_si128(acc[0])));
  return rounds * kChains * 64 * 2;
}

}  // namespace hearth::kernels
