// Block formats of quantised weights, as they lie in GGUF files: shared by every tier and by CUDA.
// Source: the GGUF specification and the field's documented layouts.  All little-endian; "f16" is
// an IEEE binary16.
//
// The simple formats have blocks of 32 weights; the K formats have super-blocks of 256, cut into
// sub-blocks of 16 or 32 whose small scales are quantised themselves.
#pragma once

#include <cstdint>

namespace hearth::kernels {

// Weights of a block of the simple formats, and of a super-block.
inline constexpr int kQuantBlock = 32;
inline constexpr int kSuperBlock = 256;

// w[i] = d * q[i].
struct BlockQ8_0 {
  std::uint16_t d;  // f16
  std::int8_t q[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// In the 4-bit formats low nibbles hold i = 0..15 and high nibbles i = 16..31.

// w[i] = d * (q[i] - 8).
struct BlockQ4_0 {
  std::uint16_t d;  // f16
  std::uint8_t q[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

// w[i] = d * q[i] + m.
struct BlockQ4_1 {
  std::uint16_t d, m;  // f16
  std::uint8_t q[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

// w[i] = d * (q[i] - 16); bit i of high is the fifth bit of q[i].
struct BlockQ5_0 {
  std::uint16_t d;  // f16
  std::uint8_t high[4];
  std::uint8_t q[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

// w[i] = d * q[i] + m; bit i of high is the fifth bit of q[i].
struct BlockQ5_1 {
  std::uint16_t d, m;  // f16
  std::uint8_t high[4];
  std::uint8_t q[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

// w[i] = d * kIq4Values[q[i]].
struct BlockIq4Nl {
  std::uint16_t d;  // f16
  std::uint8_t q[16];
};
static_assert(sizeof(BlockIq4Nl) == 18);

// w[i] = 2^(e - 128) * kMxfp4Values[q[i]]: the OCP microscaling format, its table doubled.
struct BlockMxfp4 {
  std::uint8_t e;  // E8M0
  std::uint8_t q[16];
};
static_assert(sizeof(BlockMxfp4) == 17);

// 16 sub-blocks of 16: w = d * (scales[s] & 15) * q - dmin * (scales[s] >> 4), q of 2 bits.
struct BlockQ2K {
  std::uint8_t scales[16];
  std::uint8_t q[64];     // byte 32 h + l, bits 2 j: weight 128 h + 32 j + l
  std::uint16_t d, dmin;  // f16
};
static_assert(sizeof(BlockQ2K) == 84);

// 16 sub-blocks of 16: w = d * (scale[s] - 32) * (q - 4), q of 3 bits, scales of 6 bits.
struct BlockQ3K {
  std::uint8_t high[32];    // byte l, bit 4 h + j: the third bit of weight 128 h + 32 j + l
  std::uint8_t q[64];       // the lower two, as in BlockQ2K
  std::uint8_t scales[12];  // bytes 0..7: low 4 bits of s = 0..7 and, in high nibbles, of 8..15;
                            // bytes 8..11: byte 8 + s % 4, bits 2 (s / 4): the upper two
  std::uint16_t d;          // f16
};
static_assert(sizeof(BlockQ3K) == 110);

// 8 sub-blocks of 32: w = d * scale[s] * q - dmin * min[s], q of 4 bits, scales and mins of 6.
struct BlockQ4K {
  std::uint16_t d, dmin;    // f16
  std::uint8_t scales[12];  // s < 4: scale in byte s, min in byte 4 + s, 6 bits each; s >= 4: low
                            // nibbles in byte 4 + s, upper 2 bits atop bytes s - 4 and s
  std::uint8_t q[128];      // byte 32 g + l: weight 64 g + l low, weight 64 g + 32 + l high
};
static_assert(sizeof(BlockQ4K) == 144);

// The same with q of 5 bits.
struct BlockQ5K {
  std::uint16_t d, dmin;    // f16
  std::uint8_t scales[12];  // as in BlockQ4K
  std::uint8_t high[32];    // byte l, bit s: the fifth bit of weight 32 s + l
  std::uint8_t q[128];      // as in BlockQ4K
};
static_assert(sizeof(BlockQ5K) == 176);

// 16 sub-blocks of 16: w = d * scales[s] * (q - 32), q of 6 bits.
struct BlockQ6K {
  std::uint8_t low[128];  // byte 64 h + l (l < 64): weight 128 h + l low, 128 h + 64 + l high
  std::uint8_t high[64];  // byte 32 h + l, bits 2 j: the upper two of weight 128 h + 32 j + l
  std::int8_t scales[16];
  std::uint16_t d;  // f16
};
static_assert(sizeof(BlockQ6K) == 210);

// 8 sub-blocks of 32: w = d * (scale[s] - 32) * kIq4Values[q], scales of 6 bits.
struct BlockIq4Xs {
  std::uint16_t d;             // f16
  std::uint16_t scales_high;   // bits 2 s: the upper two
  std::uint8_t scales_low[4];  // nibble s: the lower four
  std::uint8_t q[128];         // byte 16 s + l: weight 32 s + l low, 32 s + 16 + l high
};
static_assert(sizeof(BlockIq4Xs) == 136);

// A grid that is finer around zero, for weights that are distributed like a bell.
inline constexpr std::int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};
// Twice the values of E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6.
inline constexpr std::int8_t kMxfp4Values[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                 0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace hearth::kernels
