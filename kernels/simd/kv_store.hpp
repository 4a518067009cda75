// kv_store for the vector tiers.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/simd/formats.hpp"

namespace hearth::kernels {
namespace {

inline void store_part(F32, unsigned char* out, Lanes x, int n) {
  store(out, x, n);
}
inline void store_part(F16, unsigned char* out, Lanes x, int n) {
  store_halves(out, to_f16(x), n);
}
inline void store_part(Bf16, unsigned char* out, Lanes x, int n) {
  store_halves(out, to_bf16(x), n);
}

// The largest and the smallest number of a block and zero; a NaN is neither.
struct Extent {
  float max, min;
};
inline Extent extent_of(const float* x) {
  Lanes highest = zero();
  Lanes lowest = zero();
  for (int i = 0; i < kQuantBlock; i += kLanes) {
    highest = max(load(x + i), highest);
    lowest = min(load(x + i), lowest);
  }
  return {max_of(highest), -max_of(negate(lowest))};
}

// Stores a block's scale; q[i] = x[i] / scale, rounded to nearest and clamped.
inline void scale_block(const float* x, float scale, float lowest, float highest,
                        unsigned char* out, std::int8_t* q) {
  store_halves(out, to_f16(broadcast(scale)), 1);
  const float stored = f16_at(out);
  const Lanes inverse = broadcast(stored == 0.0f ? 0.0f : 1.0f / stored);
  float rounded[kQuantBlock];
  for (int i = 0; i < kQuantBlock; i += kLanes) {
    const Lanes at_most = min(mul(load(x + i), inverse), broadcast(highest));
    store(rounded + i, round(max(broadcast(lowest), at_most)));
  }
  for (int i = 0; i < kQuantBlock; ++i) q[i] = static_cast<std::int8_t>(rounded[i]);
}

inline void store_block(Q8_0, const float* x, unsigned char* out) {
  const Extent extent = extent_of(x);
  const float magnitude = extent.max > -extent.min ? extent.max : -extent.min;
  std::int8_t q[kQuantBlock];
  scale_block(x, magnitude / 127.0f, -127.0f, 127.0f, out, q);
  __builtin_memcpy(out + offsetof(BlockQ8_0, q), q, sizeof(q));
}

inline void store_block(Q4_0, const float* x, unsigned char* out) {
  constexpr int kHalf = kQuantBlock / 2;
  const Extent extent = extent_of(x);
  const float extreme = extent.max >= -extent.min ? extent.max : extent.min;
  std::int8_t q[kQuantBlock];
  scale_block(x, extreme / -8.0f, -8.0f, 7.0f, out, q);
  unsigned char* nibbles = out + offsetof(BlockQ4_0, q);
  for (int i = 0; i < kHalf; ++i) {
    nibbles[i] = static_cast<unsigned char>((q[i] + 8) | (q[i + kHalf] + 8) << 4);
  }
}

template <class Format>
void kv_store(const KvStoreArgs& args) {
  auto* out = static_cast<unsigned char*>(args.out);
  for (std::int64_t i = 0; i < args.count; i += Format::kColumns, out += Format::kBytes) {
    if constexpr (kBlocked<Format>) {
      store_block(Format{}, args.x + i, out);
    } else {
      const int n = lanes_left(i, args.count);
      store_part(Format{}, out, load(args.x + i, n), n);
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
