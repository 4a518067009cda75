// The words of tiles.hpp in plain C++, bit for bit.  Included by it alone, in tests.
//
// Source: the pseudo code of LDTILECFG, TILELOADD, TILESTORED, TILEZERO, TDPBSSD and TDPBF16PS in
// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.  Where the CPU would
// raise #UD or #GP the program ends here too.
#pragma once

#include <cstring>

namespace hearth::kernels {
namespace {

// The tiles of a thread.
struct EmulatedTiles {
  TileConfig config;
  bool configured = false;
  unsigned char data[kTileCount][kTileHeight][kTileRowBytes] = {};

  bool has(int tile) const { return configured && config.rows[tile] != 0; }
};
inline thread_local EmulatedTiles emulated;

inline void fault_unless(bool condition) {
  if (!condition) __builtin_trap();
}

inline void configure_tiles(const TileConfig& config) {
  fault_unless(config.palette == 1);
  for (const unsigned char byte : config.reserved) fault_unless(byte == 0);
  for (int tile = 0; tile < 16; ++tile) {
    const int rows = config.rows[tile], row_bytes = config.row_bytes[tile];
    fault_unless(rows <= kTileHeight && row_bytes <= kTileRowBytes);
    fault_unless((rows == 0) == (row_bytes == 0));
    fault_unless(tile < kTileCount || rows == 0);
  }
  emulated.config = config;
  emulated.configured = true;
  std::memset(emulated.data, 0, sizeof(emulated.data));
}
inline void release_tiles() {
  emulated.configured = false;
}

template <int tile>
inline void zero_tile() {
  fault_unless(emulated.has(tile));
  std::memset(emulated.data[tile], 0, sizeof(emulated.data[tile]));
}
template <int tile>
inline void load_tile(const void* p, std::int64_t stride) {
  zero_tile<tile>();
  const auto* row = static_cast<const unsigned char*>(p);
  for (int i = 0; i < emulated.config.rows[tile]; ++i, row += stride) {
    std::memcpy(emulated.data[tile][i], row, emulated.config.row_bytes[tile]);
  }
}
template <int tile>
inline void store_tile(void* p, std::int64_t stride) {
  fault_unless(emulated.has(tile));
  auto* row = static_cast<unsigned char*>(p);
  for (int i = 0; i < emulated.config.rows[tile]; ++i, row += stride) {
    std::memcpy(row, emulated.data[tile][i], emulated.config.row_bytes[tile]);
  }
}

// The element of a tile's row.
template <class T>
inline T element(int tile, int row, int index) {
  T value;
  std::memcpy(&value, emulated.data[tile][row] + sizeof(T) * static_cast<unsigned>(index),
              sizeof(T));
  return value;
}
template <class T>
inline void set_element(int tile, int row, int index, T value) {
  std::memcpy(emulated.data[tile][row] + sizeof(T) * static_cast<unsigned>(index), &value,
              sizeof(T));
}

// Sets each element of C to sum(element, m, n, words), words being the 32-bit columns of A; for
// shapes that match.
template <class T, class Sum>
inline void set_sums(int c, int a, int b, Sum sum) {
  fault_unless(c != a && c != b && a != b && emulated.has(c) && emulated.has(a) && emulated.has(b));
  const TileConfig& config = emulated.config;
  fault_unless(config.row_bytes[a] % 4 == 0 && config.row_bytes[b] % 4 == 0);
  fault_unless(config.rows[c] == config.rows[a] && config.row_bytes[c] == config.row_bytes[b] &&
               config.rows[b] == config.row_bytes[a] / 4);
  for (int m = 0; m < config.rows[c]; ++m) {
    for (int n = 0; n < config.row_bytes[c] / 4; ++n) {
      set_element<T>(c, m, n, sum(element<T>(c, m, n), m, n, config.row_bytes[a] / 4));
    }
  }
}

template <int c, int a, int b>
[[gnu::noinline]] void add_product_of_int8() {
  set_sums<std::uint32_t>(c, a, b, [](std::uint32_t sum, int m, int n, int words) {
    for (int k = 0; k < 4 * words; ++k) {
      const int product =
          element<std::int8_t>(a, m, k) * element<std::int8_t>(b, k / 4, 4 * n + k % 4);
      sum += static_cast<std::uint32_t>(product);
    }
    return sum;
  });
}

// What is left of a number where denormals count as zero.  Of a result it is taken after rounding.
inline float without_denormals(float a) {
  return __builtin_fabsf(a) < 0x1p-126F ? __builtin_copysignf(0.0F, a) : a;
}
inline float bf16_element(int tile, int row, int index) {
  const std::uint32_t bits = std::uint32_t{element<std::uint16_t>(tile, row, index)} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return without_denormals(value);
}

// The products of even k are summed with fused multiply-adds from zero on, those of odd k likewise;
// then both sums are added, and that to C.  All round to nearest even; denormals are zero, as
// inputs and as results, whatever MXCSR says.
template <int c, int a, int b>
[[gnu::noinline]] void add_product_of_bf16() {
  set_sums<float>(c, a, b, [](float sum, int m, int n, int words) {
    float of_even = 0, of_odd = 0;
    for (int k = 0; k < words; ++k) {
      of_even = without_denormals(
          __builtin_fmaf(bf16_element(a, m, 2 * k), bf16_element(b, k, 2 * n), of_even));
      of_odd = without_denormals(
          __builtin_fmaf(bf16_element(a, m, 2 * k + 1), bf16_element(b, k, 2 * n + 1), of_odd));
    }
    return without_denormals(without_denormals(sum) + without_denormals(of_even + of_odd));
  });
}

}  // namespace
}  // namespace hearth::kernels
