// What the machine can do at most: reading for the sake of reading, and multiply-adds on registers.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/simd/steps.hpp"

namespace hearth::kernels {
namespace {

// Four chains of whole lines; prefetched a KiB ahead, which on the machines measured so far is
// worth up to a third and never costs (reference/kernels.md, section 2.1).
inline float read_all(const ReadProbeArgs& args) {
  constexpr std::int64_t kStep = 256;
  constexpr int kChains = 4;
  Lanes sum[kChains];
  for (Lanes& chain : sum) chain = zero();
  const auto* at = static_cast<const unsigned char*>(args.data);
  for (const unsigned char* end = at + args.bytes / kStep * kStep; at != end; at += kStep) {
    for (int line = 0; line < kStep; line += 64) prefetch(at + 1024 + line);
    for (int offset = 0; offset < kStep; offset += kChains * kLanes * 4) {
      for (int i = 0; i < kChains; ++i) {
        sum[i] = max(load(at + offset + i * kLanes * 4), sum[i]);  // one instruction, no denormals
      }
    }
  }
  return max_of(max(max(sum[0], sum[1]), max(sum[2], sum[3])));
}

// Chains enough for two units with a latency of four or five; the compiler must not see that their
// values do not matter.
inline std::int64_t peak_of_floats(std::int64_t rounds, float* out) {
  constexpr int kChains = 12;
  Lanes acc[kChains];
  for (Lanes& chain : acc) chain = zero();
  Lanes a = broadcast(1.0F);
  for (std::int64_t i = 0; i < rounds; ++i) {
    asm volatile("" : "+x"(a));
#pragma GCC unroll 12
    for (Lanes& chain : acc) chain = fma(a, a, chain);
  }
  for (Lanes& chain : acc) acc[0] = max(acc[0], chain);
  *out = max_of(acc[0]);
  return rounds * kChains * kLanes * 2;
}

// Sums of four products of bytes.  AVX2 has no instruction for them: products in pairs to 16 bits,
// those in pairs to 32, and a sum.  Sums of 16 bits could be taken together first, but not without
// overflow.
inline std::int64_t peak_of_bytes(std::int64_t rounds, float* out) {
  constexpr int kChains = 12;
  Words acc[kChains];
  for (Words& chain : acc) chain = all_bytes(0);
  Words a = all_bytes(1);
  for (std::int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (Words& chain : acc) {
      asm volatile("" : "+x"(a));  // or all twelve products were one
      chain = add_products_of_bytes(chain, a, a);
    }
  }
#pragma GCC unroll 12  // or the compiler keeps a copy of them in memory
  for (const Words& chain : acc) acc[0] = add_products_of_bytes(acc[0], chain, chain);
  *out = static_cast<float>(first_of_words(acc[0]));
  return rounds * kChains * 4 * kLanes * 2;
}

}  // namespace
}  // namespace hearth::kernels
