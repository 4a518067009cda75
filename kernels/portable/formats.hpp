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

struct Q4_0 {
  static constexpr int kColumns = kQuantBlock, kBytes = sizeof(BlockQ4_0);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ4_0>(p);
    const float d = half(block.d);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>((block.q[i] & 15) - 8);
      out[i + 16] = d * static_cast<float>((block.q[i] >> 4) - 8);
    }
  }
};

struct Q4_1 {
  static constexpr int kColumns = kQuantBlock, kBytes = sizeof(BlockQ4_1);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ4_1>(p);
    const float d = half(block.d), m = half(block.m);
    for (int i = 0; i < 16; ++i) {
      out[i] = d * static_cast<float>(block.q[i] & 15) + m;
      out[i + 16] = d * static_cast<float>(block.q[i] >> 4) + m;
    }
  }
};

struct Q5_0 {
  static constexpr int kColumns = kQuantBlock, kBytes = sizeof(BlockQ5_0);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ5_0>(p);
    const std::uint32_t high = read_bits(block.high);
    const float d = half(block.d);
    for (int i = 0; i < 16; ++i) {
      const int low_weight = (block.q[i] & 15) | static_cast<int>(high >> i & 1) << 4;
      const int high_weight = block.q[i] >> 4 | static_cast<int>(high >> (i + 16) & 1) << 4;
      out[i] = d * static_cast<float>(low_weight - 16);
      out[i + 16] = d * static_cast<float>(high_weight - 16);
    }
  }
};

struct Q5_1 {
  static constexpr int kColumns = kQuantBlock, kBytes = sizeof(BlockQ5_1);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ5_1>(p);
    const std::uint32_t high = read_bits(block.high);
    const float d = half(block.d), m = half(block.m);
    for (int i = 0; i < 16; ++i) {
      const int low_weight = (block.q[i] & 15) | static_cast<int>(high >> i & 1) << 4;
      const int high_weight = block.q[i] >> 4 | static_cast<int>(high >> (i + 16) & 1) << 4;
      out[i] = d * static_cast<float>(low_weight) + m;
      out[i + 16] = d * static_cast<float>(high_weight) + m;
    }
  }
};

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

struct Q4K {
  static constexpr int kColumns = kSuperBlock, kBytes = sizeof(BlockQ4K);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ4K>(p);
    const float d = half(block.d), dmin = half(block.dmin);
    for (int s = 0; s < 8; ++s, out += 32) {
      const std::uint8_t* q = block.q + s / 2 * 32;
      const int shift = s % 2 * 4;
      const ScaleAndMin small = q4k_scale(block.scales, s);
      const float scale = d * static_cast<float>(small.scale);
      const float min = dmin * static_cast<float>(small.min);
      for (int l = 0; l < 32; ++l) out[l] = scale * static_cast<float>(q[l] >> shift & 15) - min;
    }
  }
};

struct Q5K {
  static constexpr int kColumns = kSuperBlock, kBytes = sizeof(BlockQ5K);
  static void widen(const unsigned char* p, float* out) {
    const auto block = read_block<BlockQ5K>(p);
    const float d = half(block.d), dmin = half(block.dmin);
    for (int s = 0; s < 8; ++s, out += 32) {
      const std::uint8_t* q = block.q + s / 2 * 32;
      const int shift = s % 2 * 4;
      const ScaleAndMin small = q4k_scale(block.scales, s);
      const float scale = d * static_cast<float>(small.scale);
      const float min = dmin * static_cast<float>(small.min);
      for (int l = 0; l < 32; ++l) {
        const int weight = (q[l] >> shift & 15) | (block.high[l] >> s & 1) << 4;
        out[l] = scale * static_cast<float>(weight) - min;
      }
    }
  }
};

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
