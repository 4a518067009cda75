// A row as it lies in a GGUF file, taken apart into row blocks.  See quant.h for the formats.
//
// explode(format, row, cols, out): cols columns, at most kPanelCols and whole blocks, from row on.
#pragma once

#include <cstring>

#include "kernels/panels/row_block.hpp"
#include "kernels/quant.h"

namespace hearth::kernels {
namespace {

template <class Block>
inline Block read_block(const unsigned char* p) {
  Block block;
  std::memcpy(&block, p, sizeof(block));
  return block;
}
inline std::uint32_t read_bits(const std::uint8_t (&bytes)[4]) {
  std::uint32_t bits;
  std::memcpy(&bits, bytes, sizeof(bits));
  return bits;
}

// The scale of a sub-block of Q3_K, still with 32 added.
inline int q3k_scale(const std::uint8_t (&scales)[12], int s) {
  const int low = s < 8 ? scales[s] & 15 : scales[s - 8] >> 4;
  return low | (scales[8 + s % 4] >> (s / 4 * 2) & 3) << 4;
}

struct ScaleAndMin {
  int scale, min;
};
// Of a sub-block of Q4_K and Q5_K.
inline ScaleAndMin q4k_scale(const std::uint8_t (&scales)[12], int s) {
  if (s < 4) return {scales[s] & 63, scales[s + 4] & 63};
  return {(scales[s + 4] & 15) | scales[s - 4] >> 6 << 4, scales[s + 4] >> 4 | scales[s] >> 6 << 4};
}

template <class Block>
void explode_simple(const unsigned char* row, std::int64_t cols, RowBlock& out) {
  for (int b = 0; b < cols / kQuantBlock; ++b) {
    const auto block = read_block<Block>(row + b * static_cast<int>(sizeof(Block)));
    std::uint8_t* q = out.q + b * kQuantBlock;
    if constexpr (sizeof(block.q) == kQuantBlock) {
      std::memcpy(q, block.q, kQuantBlock);
    } else {
      for (int i = 0; i < 16; ++i) q[i] = block.q[i] & 15;
      for (int i = 0; i < 16; ++i) q[16 + i] = block.q[i] >> 4;
    }
    if constexpr (requires { block.high; }) {
      const std::uint32_t high = read_bits(block.high);
      for (int i = 0; i < kQuantBlock; ++i) q[i] |= (high >> i & 1) << 4;
    }
    if constexpr (requires { block.m; }) out.min[b] = block.m;
    if constexpr (requires { block.e; }) {
      // 2^(e - 128) as bf16: 8 bits of exponent with a bias of 127, subnormal for e < 2.
      out.scale[b] =
          static_cast<std::uint16_t>(block.e < 2 ? 0x20u << block.e : (block.e - 1u) << 7);
    } else {
      out.scale[b] = block.d;
    }
  }
}

// Two bits each of 256 numbers, as Q2_K and Q3_K have them.
inline void explode_pairs(const std::uint8_t (&packed)[64], std::uint8_t* q) {
  for (int h = 0; h < 2; ++h) {
    for (int j = 0; j < 4; ++j) {
      for (int l = 0; l < 32; ++l) q[128 * h + 32 * j + l] = packed[32 * h + l] >> (2 * j) & 3;
    }
  }
}

inline void explode_q2k(const unsigned char* row, RowBlock& out) {
  const auto block = read_block<BlockQ2K>(row);
  explode_pairs(block.q, out.q);
  for (int s = 0; s < 16; ++s) {
    out.small_scale[s] = static_cast<std::int8_t>(block.scales[s] & 15);
    out.small_min[s] = static_cast<std::int8_t>(block.scales[s] >> 4);
  }
  out.d = block.d;
  out.dmin = block.dmin;
}

inline void explode_q3k(const unsigned char* row, RowBlock& out) {
  const auto block = read_block<BlockQ3K>(row);
  explode_pairs(block.q, out.q);
  for (int j = 0; j < 8; ++j) {
    for (int l = 0; l < 32; ++l) {
      out.q[32 * j + l] =
          static_cast<std::uint8_t>(out.q[32 * j + l] | (block.high[l] >> j & 1) << 2);
    }
  }
  for (int s = 0; s < 16; ++s) {
    out.small_scale[s] = static_cast<std::int8_t>(q3k_scale(block.scales, s) - 32);
  }
  out.d = block.d;
}

template <class Block>
void explode_q4k(const unsigned char* row, RowBlock& out) {
  const auto block = read_block<Block>(row);
  for (int g = 0; g < 4; ++g) {
    for (int l = 0; l < 32; ++l) out.q[64 * g + l] = block.q[32 * g + l] & 15;
    for (int l = 0; l < 32; ++l) out.q[64 * g + 32 + l] = block.q[32 * g + l] >> 4;
  }
  if constexpr (requires { block.high; }) {
    for (int s = 0; s < 8; ++s) {
      for (int l = 0; l < 32; ++l) {
        out.q[32 * s + l] =
            static_cast<std::uint8_t>(out.q[32 * s + l] | (block.high[l] >> s & 1) << 4);
      }
    }
  }
  for (int s = 0; s < 8; ++s) {
    const ScaleAndMin small = q4k_scale(block.scales, s);
    out.small_scale[s] = static_cast<std::int8_t>(small.scale);
    out.small_min[s] = static_cast<std::int8_t>(small.min);
  }
  out.d = block.d;
  out.dmin = block.dmin;
}

inline void explode_q6k(const unsigned char* row, RowBlock& out) {
  const auto block = read_block<BlockQ6K>(row);
  for (int h = 0; h < 2; ++h) {
    for (int j = 0; j < 4; ++j) {
      const std::uint8_t* low = block.low + 64 * h + 32 * (j % 2);
      for (int l = 0; l < 32; ++l) {
        const int upper = block.high[32 * h + l] >> (2 * j) & 3;
        out.q[128 * h + 32 * j + l] =
            static_cast<std::uint8_t>((low[l] >> (j / 2 * 4) & 15) | upper << 4);
      }
    }
  }
  std::memcpy(out.small_scale, block.scales, sizeof(block.scales));
  out.d = block.d;
}

inline void explode_iq4xs(const unsigned char* row, RowBlock& out) {
  const auto block = read_block<BlockIq4Xs>(row);
  for (int s = 0; s < 8; ++s) {
    for (int l = 0; l < 16; ++l) out.q[32 * s + l] = block.q[16 * s + l] & 15;
    for (int l = 0; l < 16; ++l) out.q[32 * s + 16 + l] = block.q[16 * s + l] >> 4;
    const int low = block.scales_low[s / 2] >> (s % 2 * 4) & 15;
    const int high = block.scales_high >> (2 * s) & 3;
    out.small_scale[s] = static_cast<std::int8_t>((low | high << 4) - 32);
  }
  out.d = block.d;
}

inline void explode(WeightFormat format, const unsigned char* row, std::int64_t cols,
                    RowBlock& out) {
  using enum WeightFormat;
  switch (format) {
    case q8_0: return explode_simple<BlockQ8_0>(row, cols, out);
    case q4_0: return explode_simple<BlockQ4_0>(row, cols, out);
    case q4_1: return explode_simple<BlockQ4_1>(row, cols, out);
    case q5_0: return explode_simple<BlockQ5_0>(row, cols, out);
    case q5_1: return explode_simple<BlockQ5_1>(row, cols, out);
    case iq4_nl: return explode_simple<BlockIq4Nl>(row, cols, out);
    case mxfp4: return explode_simple<BlockMxfp4>(row, cols, out);
    case q2_k: return explode_q2k(row, out);
    case q3_k: return explode_q3k(row, out);
    case q4_k: return explode_q4k<BlockQ4K>(row, out);
    case q5_k: return explode_q4k<BlockQ5K>(row, out);
    case q6_k: return explode_q6k(row, out);
    case iq4_xs: return explode_iq4xs(row, out);
    case f32:
    case f16:
    case bf16: break;  // not taken apart
  }
}

}  // namespace
}  // namespace hearth::kernels
