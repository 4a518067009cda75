// The probes for AVX2: see simd/probe.hpp.
#include "kernels/avx2/lanes.hpp"

#include "kernels/simd/probe.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void read_probe_avx2(const ReadProbeArgs& args) {
  *args.out = read_all(args);
}

std::int64_t peak_probe_f32_avx2(std::int64_t rounds, float* out) {
  return peak_of_floats(rounds, out);
}

// Products of bytes in pairs to 16 bits, those in pairs to 32, and a sum: three instructions for
// 32 products.  Sums of 16 bits could be taken together first, but not without overflow.
std::int64_t peak_probe_int8_avx2(std::int64_t rounds, float* out) {
  constexpr int kChains = 8;
  __m256i acc[kChains];
  for (__m256i& chain : acc) chain = _mm256_setzero_si256();
  __m256i a = _mm256_set1_epi8(1);
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 8
    for (__m256i& chain : acc) {
      asm volatile("" : "+x"(a));  // or all eight products were one
      chain = _mm256_add_epi32(chain, _mm256_madd_epi16(_mm256_maddubs_epi16(a, a), ones));
    }
  }
  for (__m256i& chain : acc) acc[0] = _mm256_max_epi32(acc[0], chain);
  *out = static_cast<float>(_mm256_extract_epi32(acc[0], 0));
  return rounds * kChains * 32 * 2;
}

}  // namespace hearth::kernels
