// Block formats of quantised weights, as they lie in GGUF files: shared by every tier and by CUDA.
// Source: the GGUF specification and the field's documented layouts.  All little-endian.
#pragma once

#include <cstdint>

namespace hearth::kernels {

// Weights of one block: a row's length is a multiple of it.
inline constexpr int kQuantBlock = 32;

// 32 weights w[i] = d * q[i].
struct BlockQ8_0 {
  std::uint16_t d;  // float16 scale
  std::int8_t q[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// 32 weights w[i] = d * (nibble[i] - 8); low nibbles hold i = 0..15, high nibbles i = 16..31.
struct BlockQ4_0 {
  std::uint16_t d;  // float16 scale
  std::uint8_t q[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

}  // namespace hearth::kernels
