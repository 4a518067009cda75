// The storage formats of keys and values, as the vector kernels read them.
//
// A tier's source includes its lanes.hpp, then this: everything here is compiled once per tier, in
// an anonymous namespace.
//
// Each format says how to widen one step: kColumns columns, kBytes bytes at any alignment,
// into kColumns / kLanes vectors of floats.  The product of a block's float16 scale (11 bits) and
// an 8-bit weight fits the 24 bits of a float, so that widening is exact in every format.
#pragma once

#include <cstddef>

#include "kernels/quant.h"
#include "kernels/simd/steps.hpp"

namespace hearth::kernels {
namespace {

inline float f16_at(const unsigned char* p) {
  float lanes[kLanes];
  store(lanes, broadcast_f16(p));
  return lanes[0];
}

struct F32 {
  static constexpr int kColumns = kLanes;
  static constexpr int kBytes = 4 * kLanes;
  static Lanes widen(const unsigned char* p) { return load(p); }
  static Lanes widen(const unsigned char* p, int n) { return load(p, n); }
};

struct F16 {
  static constexpr int kColumns = kLanes;
  static constexpr int kBytes = 2 * kLanes;
  static Lanes widen(const unsigned char* p) { return from_f16(load_halves(p)); }
  static Lanes widen(const unsigned char* p, int n) { return from_f16(load_halves(p, n)); }
};

struct Bf16 {
  static constexpr int kColumns = kLanes;
  static constexpr int kBytes = 2 * kLanes;
  static Lanes widen(const unsigned char* p) { return from_bf16(load_halves(p)); }
  static Lanes widen(const unsigned char* p, int n) { return from_bf16(load_halves(p, n)); }
};

constexpr int kBlockVectors = kQuantBlock / kLanes;

struct Q8_0 {
  static constexpr int kColumns = kQuantBlock;
  static constexpr int kBytes = sizeof(BlockQ8_0);
  static void widen(const unsigned char* p, Lanes (&out)[kBlockVectors]) {
    const Lanes scale = broadcast_f16(p);
    from_int8(p + offsetof(BlockQ8_0, q), out);
    for (Lanes& weights : out) weights = mul(weights, scale);
  }
};

struct Q4_0 {
  static constexpr int kColumns = kQuantBlock;
  static constexpr int kBytes = sizeof(BlockQ4_0);
  static void widen(const unsigned char* p, Lanes (&out)[kBlockVectors]) {
    const Lanes scale = broadcast_f16(p);
    const Lanes eight = mul(scale, broadcast(-8.0f));
    from_nibbles(p + offsetof(BlockQ4_0, q), out);
    for (Lanes& weights : out) weights = fma(weights, scale, eight);
  }
};

// Bytes of cols columns, a whole number of elements or blocks.
template <class Format>
inline std::int64_t bytes_of(std::int64_t cols) {
  return cols * Format::kBytes / Format::kColumns;
}

// A block format's rows end with a whole block, the others' rows anywhere.
template <class Format>
constexpr bool kBlocked = Format::kColumns != kLanes;

template <class Format>
inline void widen_step(const unsigned char* p, Lanes (&out)[Format::kColumns / kLanes]) {
  if constexpr (kBlocked<Format>) {
    Format::widen(p, out);
  } else {
    out[0] = Format::widen(p);
  }
}

}  // namespace
}  // namespace hearth::kernels
