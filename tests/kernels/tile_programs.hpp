// Small programs on tiles that tiles_test.cpp runs, native (*_amx) and emulated (*_amx_emulated).
#pragma once

#include <cstdint>

namespace hearth::kernels {

// C += A * B: load all three, multiply, store C.  Strides are in bytes.
struct TileProduct {
  int rows;     // of A and C
  int columns;  // of C, in sums
  int words;    // of 32 bits in a row of A
  int b_rows;   // as words, or it faults
  const void* a;
  std::int64_t a_stride;
  const void* b;
  std::int64_t b_stride;
  void* c;
  std::int64_t c_stride;
  bool from_zero;  // C is written, not read
};

// Every tile, tile i being of i + 1 rows of 8 * (i + 1) bytes: load all, then store all.
struct TileCopies {
  const unsigned char* from[8];
  unsigned char* to[8];
  std::int64_t from_stride;
  std::int64_t to_stride;
};

// tile_configuration: one tile of a shape, and nothing done with it.
#define HEARTH_DECLARE_TILE_PROGRAMS(tier)                              \
  void tile_product_of_int8_##tier(const TileProduct&);                 \
  void tile_product_of_bf16_##tier(const TileProduct&);                 \
  void tile_copies_##tier(const TileCopies&);                           \
  void tile_configuration_##tier(int palette, int rows, int row_bytes); \
  void tile_use_after_release_##tier(); /* faults */

HEARTH_DECLARE_TILE_PROGRAMS(amx)
HEARTH_DECLARE_TILE_PROGRAMS(amx_emulated)

}  // namespace hearth::kernels
