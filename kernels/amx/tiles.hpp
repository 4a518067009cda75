// The vocabulary of the AMX kernels: matrices of up to 16 rows of up to 64 bytes in eight
// registers, and sums of their products.
//
//   TileConfig config;                        C, A and B: 16 x 16 sums, 64 products of bytes each
//   config.set(0, 16, 64).set(1, 16, 64).set(2, 16, 64);
//   const Tiles tiles(config);                configured here, released at the end of the scope
//   zero_tile<0>();
//   load_tile<1>(a, a_stride);
//   load_tile<2>(b, b_stride);
//   add_product_of_int8<0, 1, 2>();           C += A * B
//   store_tile<0>(c, c_stride);
//
// Tile by tile, k counts within a row of A:
//   int8   C [m][n] int32,  A [m][k] bytes,  B [k / 4][n][4] bytes,  k a multiple of 4, at most 64
//   bf16   C [m][n] float,  A [m][k] bf16,   B [k / 2][n][2] bf16,   k a multiple of 2, at most 32
// What is not configured to a matching shape faults, natively and in emulation.
//
// HEARTH_EMULATE_AMX builds the same sources on plain C++, with kernels named *_amx_emulated: for
// tests on CPUs without AMX.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
// Anonymous namespace: no function compiled here is shared with code for other CPUs.
#pragma once

#include <cstdint>

namespace hearth::kernels {
namespace {

inline constexpr int kTileCount = 8;
inline constexpr int kTileHeight = 16;
inline constexpr int kTileRowBytes = 64;

// The shapes of all tiles: the 64 bytes that LDTILECFG reads.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;           // where an interrupted load goes on
  std::uint8_t reserved[14] = {};       // zero
  std::uint16_t row_bytes[16] = {};     // of tiles 0 .. 7, 4 .. 64; 0 with rows 0: not in use
  std::uint8_t rows[kTileHeight] = {};  // of tiles 0 .. 7, 1 .. 16

  constexpr TileConfig& set(int tile, int tile_rows, int tile_row_bytes) {
    rows[tile] = static_cast<std::uint8_t>(tile_rows);
    row_bytes[tile] = static_cast<std::uint16_t>(tile_row_bytes);
    return *this;
  }
};
static_assert(sizeof(TileConfig) == 64);

}  // namespace
}  // namespace hearth::kernels

#if defined(HEARTH_EMULATE_AMX)
#define HEARTH_AMX(kernel) kernel##_amx_emulated
#include "kernels/amx/emulated_tiles.hpp"
#else
#define HEARTH_AMX(kernel) kernel##_amx
#include "kernels/amx/native_tiles.hpp"
#endif

namespace hearth::kernels {
namespace {

// Tiles in use, all zero at first.  A thread has one set: no two of these at a time.  The release
// makes switching threads cheap again and lets a core that waits sleep deeply; so every kernel that
// configures tiles releases them, and nothing else has to think of it.
class Tiles {
 public:
  explicit Tiles(const TileConfig& config) { configure_tiles(config); }
  ~Tiles() { release_tiles(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

}  // namespace
}  // namespace hearth::kernels
