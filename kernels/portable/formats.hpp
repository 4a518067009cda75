// The block formats, widened by plain C++: for the portable tier, and for formats that a vector
// tier has no instructions of its own for.
//
// Who includes this defines before, in the anonymous namespace of hearth::kernels:
//   float f16_at(const unsigned char* p);   the float16 at p, any alignment
// Everything is compiled once per tier.  Each format widens one block of kColumns weights, kBytes
// bytes at any alignment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/quant.h"

namespace hearth::kernels {
namespace {
namespace portable {

template <class Block>
inline Block read_block(const unsigned char* p) {
  Block block;
  std::memcpy(&block, p, sizeof(block));
  return block;
}
inline float half(const std::uint16_t& bits) {
  unsigned char bytes[2];
  std::memcpy(bytes, &bits, sizeof(bits));
  return f16_at(bytes);
}
inline std::uint32_t read_bits(const std::uint8_t (&bytes)[4]) {
  std::uint32_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return bits;
}

struct Q8_0 {
  static constexpr int kColumns = kQuantBlock, kBytes = sizeof(BlockQ8_0);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ8_0>(p);
    const float d = half(block.d);
    for (int i = 0; i < 32; ++i) out[i] = d * block.q[i];
  }
};

// The numbers of a block of 32: nibbles, those of the first half in the low ones, and a fifth bit
// each in a block that has `high`.
template <class Block>
inline void unpack(const Block& block, int (&q)[kQuantBlock]) {
  for (int i = 0; i < 16; ++i) {
    q[i] = block.q[i] & 15;
    q[i + 16] = block.q[i] >> 4;
  }
  if constexpr (requires { block.high; }) {
    const std::uint32_t high = read_bits(block.high);
    for (int i = 0; i < kQuantBlock; ++i) q[i] |= static_cast<int>(high >> i & 1) << 4;
  }
}

// kZero: the number that stands for 0.
template <class Block, int kZero>
struct Symmetric {
  static constexpr int kColumns = kQuantBlock, kBytes = sizeof(Block);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<Block>(p);
    const float d = half(block.d);
    int q[kQuantBlock];
    unpack(block, q);
    for (int i = 0; i < kQuantBlock; ++i) out[i] = d * static_cast<float>(q[i] - kZero);
  }
};
using Q4_0 = Symmetric<BlockQ4_0, 8>;
using Q5_0 = Symmetric<BlockQ5_0, 16>;

template <class Block>
struct WithOffset {
  static constexpr int kColumns = kQuantBlock, kBytes = sizeof(Block);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<Block>(p);
    const float d = half(block.d), m = half(block.m);
    int q[kQuantBlock];
    unpack(block, q);
    for (int i = 0; i < kQuantBlock; ++i) out[i] = d * static_cast<float>(q[i]) + m;
  }
};
using Q4_1 = WithOffset<BlockQ4_1>;
using Q5_1 = WithOffset<BlockQ5_1>;

struct Iq4Nl {
  static constexpr int kColumns = kQuantBlock, kBytes = sizeof(BlockIq4Nl);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockIq4Nl>(p);
    const float d = half(block.d);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * kIq4Values[block.q[i] & 15];
      out[i + 16] = d * kIq4Values[block.q[i] >> 4];
    }
  }
};

// 2^(e - 128): a subnormal for e < 2.
inline float half_of_e8m0(std::uint8_t e) {
  const std::uint32_t bits = e < 2 ? 0x00200000u << e : (std::uint32_t{e} - 1) << 23;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

struct Mxfp4 {
  static constexpr int kColumns = kQuantBlock, kBytes = sizeof(BlockMxfp4);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockMxfp4>(p);
    const float d = half_of_e8m0(block.e);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * kMxfp4Values[block.q[i] & 15];
      out[i + 16] = d * kMxfp4Values[block.q[i] >> 4];
    }
  }
};

struct Q2K {
  static constexpr int kColumns = kSuperBlock, kBytes = sizeof(BlockQ2K);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ2K>(p);
    const float d = half(block.d), dmin = half(block.dmin);
    for (int s = 0; s < 16; ++s, out += 16) {
      const std::uint8_t* q = block.q + s / 8 * 32 + s % 2 * 16;
      const int shift = s / 2 % 4 * 2;
      const float scale = d * static_cast<float>(block.scales[s] & 15);
      const float min = dmin * static_cast<float>(block.scales[s] >> 4);
      for (int l = 0; l < 16; ++l) out[l] = scale * static_cast<float>(q[l] >> shift & 3) - min;
    }
  }
};

// The scale of a sub-block of Q3_K, still with 32 added.
inline int q3k_scale(const std::uint8_t (&scales)[12], int s) {
  const int low = s < 8 ? scales[s] & 15 : scales[s - 8] >> 4;
  return low | (scales[8 + s % 4] >> (s / 4 * 2) & 3) << 4;
}

struct Q3K {
  static constexpr int kColumns = kSuperBlock, kBytes = sizeof(BlockQ3K);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ3K>(p);
    const float d = half(block.d);
    for (int s = 0; s < 16; ++s, out += 16) {
      const std::uint8_t* q = block.q + s / 8 * 32 + s % 2 * 16;
      const std::uint8_t* high = block.high + s % 2 * 16;
      const int shift = s / 2 % 4 * 2;
      const int bit = s / 2;
      const float scale = d * static_cast<float>(q3k_scale(block.scales, s) - 32);
      for (int l = 0; l < 16; ++l) {
        const int weight = (q[l] >> shift & 3) | (high[l] >> bit & 1) << 2;
        out[l] = scale * static_cast<float>(weight - 4);
      }
    }
  }
};

struct ScaleAndMin {
  int scale, min;
};
// Of a sub-block of Q4_K and Q5_K.
inline ScaleAndMin q4k_scale(const std::uint8_t (&scales)[12], int s) {
  if (s < 4) return {scales[s] & 63, scales[s + 4] & 63};
  return {(scales[s + 4] & 15) | scales[s - 4] >> 6 << 4, scales[s + 4] >> 4 | scales[s] >> 6 << 4};
}

// Nibbles, and a fifth bit each in a block that has `high`.
template <class Block>
struct ScaledWithMin {
  static constexpr int kColumns = kSuperBlock, kBytes = sizeof(Block);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<Block>(p);
    const float d = half(block.d), dmin = half(block.dmin);
    for (int s = 0; s < 8; ++s, out += 32) {
      const std::uint8_t* q = block.q + s / 2 * 32;
      const int shift = s % 2 * 4;
      const ScaleAndMin small = q4k_scale(block.scales, s);
      const float scale = d * static_cast<float>(small.scale);
      const float min = dmin * static_cast<float>(small.min);
      for (int l = 0; l < 32; ++l) {
        int weight = q[l] >> shift & 15;
        if constexpr (requires { block.high; }) weight |= (block.high[l] >> s & 1) << 4;
        out[l] = scale * static_cast<float>(weight) - min;
      }
    }
  }
};
using Q4K = ScaledWithMin<BlockQ4K>;
using Q5K = ScaledWithMin<BlockQ5K>;

struct Q6K {
  static constexpr int kColumns = kSuperBlock, kBytes = sizeof(BlockQ6K);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ6K>(p);
    const float d = half(block.d);
    for (int s = 0; s < 16; ++s, out += 16) {
      const std::uint8_t* low = block.low + s / 8 * 64 + s % 4 * 16;
      const std::uint8_t* high = block.high + s / 8 * 32 + s % 2 * 16;
      const int low_shift = s / 4 % 2 * 4;
      const int high_shift = s / 2 % 4 * 2;
      const float scale = d * static_cast<float>(block.scales[s]);
      for (int l = 0; l < 16; ++l) {
        const int weight = (low[l] >> low_shift & 15) | (high[l] >> high_shift & 3) << 4;
        out[l] = scale * static_cast<float>(weight - 32);
      }
    }
  }
};

struct Iq4Xs {
  static constexpr int kColumns = kSuperBlock, kBytes = sizeof(BlockIq4Xs);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockIq4Xs>(p);
    const float d = half(block.d);
    for (int s = 0; s < 8; ++s, out += 32) {
      const int low = block.scales_low[s / 2] >> (s % 2 * 4) & 15;
      const int high = block.scales_high >> (2 * s) & 3;
      const float scale = d * static_cast<float>((low | high << 4) - 32);
      const std::uint8_t* q = block.q + 16 * s;
      for (int l = 0; l < 16; ++l) {
        out[l] = scale * kIq4Values[q[l] & 15];
        out[l + 16] = scale * kIq4Values[q[l] >> 4];
      }
    }
  }
};

}  // namespace portable
}  // namespace
}  // namespace hearth::kernels
