// The AVX-512 intrinsics: the compiler's, or emulated ones for tests on CPUs without AVX-512.
//
// HEARTH_EMULATE_AVX512 builds the same sources on SIMDe (Debian: libsimde-dev), with kernels named
// *_avx512_emulated.  What follows are the intrinsics that SIMDe 0.7.4 lacks, lane by lane, and two
// that it has otherwise: a fused multiply-add that rounds once on every CPU, and masked accesses
// that touch nothing beyond the mask.  Source: Intel Intrinsics Guide.
#pragma once

#if !defined(HEARTH_EMULATE_AVX512)

#include <immintrin.h>

#define HEARTH_AVX512(kernel) kernel##_avx512
#define HEARTH_LONG_WORD inline

#else

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>

#define HEARTH_AVX512(kernel) kernel##_avx512_emulated
#define __mmask16 simde__mmask16
#if !defined(_MM_FROUND_NO_EXC)
#define _MM_FROUND_NO_EXC SIMDE_MM_FROUND_NO_EXC
#endif

namespace hearth::kernels {
namespace {

// Never inlined: a kernel's thousand unrolled instructions would take the compiler minutes.
#define HEARTH_EMULATED [[gnu::noinline, maybe_unused]] static

// The same for functions of several intrinsics.
#define HEARTH_LONG_WORD HEARTH_EMULATED

// The lanes of a vector as an array, and back.
template <class T, int count>
struct Array {
  T at[count];
};
template <class To, class From>
inline To bits_as(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(to));
  return to;
}
using FloatArray = Array<float, 16>;
using IntArray = Array<std::int32_t, 16>;
using ShortArray = Array<std::uint16_t, 16>;
using ByteArray = Array<std::uint8_t, 16>;

// One lane of a result for each i.
template <class Result, class Vector, class Fn>
inline Vector lane_by_lane(Fn fn) {
  Result result;
  for (int i = 0; i < 16; ++i) result.at[i] = fn(i);
  return bits_as<Vector>(result);
}

HEARTH_EMULATED __m512 emulated_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  const auto x = bits_as<FloatArray>(a), y = bits_as<FloatArray>(b), z = bits_as<FloatArray>(c);
  return lane_by_lane<FloatArray, __m512>(
      [&](int i) { return __builtin_fmaf(x.at[i], y.at[i], z.at[i]); });
}
HEARTH_EMULATED __m512 emulated_fnmadd_ps(__m512 a, __m512 b, __m512 c) {
  const auto x = bits_as<FloatArray>(a), y = bits_as<FloatArray>(b), z = bits_as<FloatArray>(c);
  return lane_by_lane<FloatArray, __m512>(
      [&](int i) { return __builtin_fmaf(-x.at[i], y.at[i], z.at[i]); });
}
HEARTH_EMULATED __m512 emulated_mask_loadu_ps(__m512 rest, unsigned mask, const void* p) {
  const auto* bytes = static_cast<const unsigned char*>(p);
  auto result = bits_as<FloatArray>(rest);
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) __builtin_memcpy(&result.at[i], bytes + 4 * i, 4);
  }
  return bits_as<__m512>(result);
}
HEARTH_EMULATED void emulated_mask_storeu_ps(void* p, unsigned mask, __m512 a) {
  auto* bytes = static_cast<unsigned char*>(p);
  const auto from = bits_as<FloatArray>(a);
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) __builtin_memcpy(bytes + 4 * i, &from.at[i], 4);
  }
}
HEARTH_EMULATED __m256i emulated_maskz_loadu_epi16(unsigned mask, const void* p) {
  const auto* bytes = static_cast<const unsigned char*>(p);
  ShortArray result = {};
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) __builtin_memcpy(&result.at[i], bytes + 2 * i, 2);
  }
  return bits_as<__m256i>(result);
}
HEARTH_EMULATED void emulated_mask_storeu_epi16(void* p, unsigned mask, __m256i a) {
  auto* bytes = static_cast<unsigned char*>(p);
  const auto from = bits_as<ShortArray>(a);
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) __builtin_memcpy(bytes + 2 * i, &from.at[i], 2);
  }
}

HEARTH_EMULATED __m512 emulated_cvtepi32_ps(__m512i a) {
  const auto from = bits_as<IntArray>(a);
  return lane_by_lane<FloatArray, __m512>([&](int i) { return static_cast<float>(from.at[i]); });
}
HEARTH_EMULATED __m512i emulated_cvtepi8_epi32(__m128i a) {
  const auto from = bits_as<ByteArray>(a);
  return lane_by_lane<IntArray, __m512i>(
      [&](int i) { return static_cast<std::int8_t>(from.at[i]); });
}
HEARTH_EMULATED __m512i emulated_cvtepu8_epi32(__m128i a) {
  const auto from = bits_as<ByteArray>(a);
  return lane_by_lane<IntArray, __m512i>([&](int i) { return from.at[i]; });
}
HEARTH_EMULATED __m512i emulated_cvtepu16_epi32(__m256i a) {
  const auto from = bits_as<ShortArray>(a);
  return lane_by_lane<IntArray, __m512i>([&](int i) { return from.at[i]; });
}
HEARTH_EMULATED __m256i emulated_cvtepi32_epi16(__m512i a) {
  const auto from = bits_as<IntArray>(a);
  return lane_by_lane<ShortArray, __m256i>(
      [&](int i) { return static_cast<std::uint16_t>(from.at[i]); });
}
HEARTH_EMULATED __m512i emulated_srai_epi32(__m512i a, unsigned count) {
  const auto from = bits_as<IntArray>(a);
  return lane_by_lane<IntArray, __m512i>([&](int i) { return from.at[i] >> count; });
}
HEARTH_EMULATED __m512i emulated_cvtps_epi32(__m512 a) {  // a NaN gives any number
  const auto from = bits_as<FloatArray>(a);
  return lane_by_lane<IntArray, __m512i>([&](int i) {
    const float whole = __builtin_rintf(from.at[i]);
    return __builtin_fabsf(whole) < 2147483648.0f ? static_cast<std::int32_t>(whole) : -1;
  });
}
HEARTH_EMULATED __m128i emulated_cvtsepi32_epi8(__m512i a) {
  const auto from = bits_as<IntArray>(a);
  ByteArray to;
  for (int i = 0; i < 16; ++i) {
    const std::int32_t value = from.at[i] < -128 ? -128 : from.at[i] > 127 ? 127 : from.at[i];
    to.at[i] = static_cast<std::uint8_t>(value);
  }
  return bits_as<__m128i>(to);
}
HEARTH_EMULATED float emulated_reduce_max_ps(__m512 a) {
  const auto from = bits_as<FloatArray>(a);
  float max = from.at[0];
  for (const float value : from.at) max = value > max ? value : max;
  return max;
}
HEARTH_EMULATED std::int32_t emulated_reduce_add_epi32(__m512i a) {
  std::int32_t sum = 0;
  for (const std::int32_t value : bits_as<IntArray>(a).at) sum += value;
  return sum;
}
// 16 products of two pairs of 16 bits.
HEARTH_EMULATED __m512i emulated_madd_epi16(__m512i a, __m512i b) {
  const auto x = bits_as<IntArray>(a), y = bits_as<IntArray>(b);
  return lane_by_lane<IntArray, __m512i>([&](int i) {
    const auto low = [](std::int32_t pair) {
      return std::int32_t{static_cast<std::int16_t>(pair)};
    };
    return low(x.at[i]) * low(y.at[i]) + low(x.at[i] >> 16) * low(y.at[i] >> 16);
  });
}
// Sums of four products each, of a without signs and b with them.
HEARTH_EMULATED __m512i emulated_dpbusd_epi32(__m512i acc, __m512i a, __m512i b) {
  const auto sums = bits_as<IntArray>(acc), x = bits_as<IntArray>(a), y = bits_as<IntArray>(b);
  return lane_by_lane<IntArray, __m512i>([&](int i) {
    std::int32_t sum = sums.at[i];
    for (int byte = 0; byte < 4; ++byte) {
      sum += static_cast<std::uint8_t>(x.at[i] >> 8 * byte) *
             static_cast<std::int8_t>(y.at[i] >> 8 * byte);
    }
    return sum;
  });
}
HEARTH_EMULATED __m512i emulated_cvtepu8_epi16(__m256i a) {
  const auto from = bits_as<ShortArray>(a);  // pairs of bytes
  return lane_by_lane<IntArray, __m512i>(
      [&](int i) { return (from.at[i] & 0xff) | (from.at[i] >> 8) << 16; });
}
struct TwoHalves {
  __m128i low, high;
};
struct TwoFloats {
  __m256 low, high;
};
HEARTH_EMULATED __m512 emulated_cvtph_ps(__m256i a) {
  const auto from = bits_as<TwoHalves>(a);
  return bits_as<__m512>(TwoFloats{_mm256_cvtph_ps(from.low), _mm256_cvtph_ps(from.high)});
}
HEARTH_EMULATED __m256i emulated_cvtps_ph(__m512 a,
                                          int) {  // to nearest even: SIMDe's only rounding
  const auto from = bits_as<TwoFloats>(a);
  return bits_as<__m256i>(TwoHalves{_mm256_cvtps_ph(from.low, _MM_FROUND_TO_NEAREST_INT),
                                    _mm256_cvtps_ph(from.high, _MM_FROUND_TO_NEAREST_INT)});
}
HEARTH_EMULATED __m512 emulated_roundscale_ps(__m512 a,
                                              int) {  // to the nearest even: all that is used
  const auto from = bits_as<FloatArray>(a);
  return lane_by_lane<FloatArray, __m512>([&](int i) { return __builtin_rintf(from.at[i]); });
}
HEARTH_EMULATED __m512 emulated_scalef_ps(__m512 a, __m512 n) {
  const auto x = bits_as<FloatArray>(a), y = bits_as<FloatArray>(n);
  return lane_by_lane<FloatArray, __m512>([&](int i) {
    return __builtin_ldexpf(x.at[i], static_cast<int>(__builtin_floorf(y.at[i])));
  });
}
HEARTH_EMULATED __m512 emulated_permute_ps(__m512 a, unsigned control) {
  const auto from = bits_as<FloatArray>(a);
  return lane_by_lane<FloatArray, __m512>(
      [&](int i) { return from.at[i / 4 * 4 + (control >> 2 * (i % 4) & 3)]; });
}

}  // namespace
}  // namespace hearth::kernels

#undef _mm512_fmadd_ps
#define _mm512_fmadd_ps emulated_fmadd_ps
#undef _mm512_fnmadd_ps
#define _mm512_fnmadd_ps emulated_fnmadd_ps
#define _mm512_cvtps_epi32 emulated_cvtps_epi32
#undef _mm512_cvtsepi32_epi8
#define _mm512_cvtsepi32_epi8 emulated_cvtsepi32_epi8
#define _mm512_reduce_max_ps emulated_reduce_max_ps
#define _mm512_reduce_add_epi32 emulated_reduce_add_epi32
#undef _mm512_madd_epi16
#define _mm512_madd_epi16 emulated_madd_epi16
#undef _mm512_dpbusd_epi32
#define _mm512_dpbusd_epi32 emulated_dpbusd_epi32
#define _mm512_cvtepu8_epi16 emulated_cvtepu8_epi16
#define _mm512_maskz_loadu_ps(mask, p) emulated_mask_loadu_ps(_mm512_setzero_ps(), mask, p)
#define _mm512_mask_loadu_ps emulated_mask_loadu_ps
#define _mm512_mask_storeu_ps emulated_mask_storeu_ps
#define _mm256_maskz_loadu_epi16 emulated_maskz_loadu_epi16
#define _mm256_mask_storeu_epi16 emulated_mask_storeu_epi16
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32
#define _mm512_cvtepi32_epi16 emulated_cvtepi32_epi16
#define _mm512_srai_epi32 emulated_srai_epi32
#define _mm512_cvtph_ps emulated_cvtph_ps
#define _mm512_cvtps_ph emulated_cvtps_ph
#define _mm512_permute_ps emulated_permute_ps
#undef _mm512_roundscale_ps
#define _mm512_roundscale_ps emulated_roundscale_ps
#undef _mm512_scalef_ps
#define _mm512_scalef_ps emulated_scalef_ps

#endif
