// The words of tiles.hpp as instructions.  Included by it alone.
//
// Assembly, because gcc 12 knows too little of its own intrinsics: for _tile_loadconfig only 8 of
// the 64 bytes are read, so that it drops the stores to the others, and _tile_loadd reads no memory
// at all, so that stores to what it loads may come after it.  Here the configuration is an operand
// as a whole, and loads and stores are barriers to the compiler.  All are volatile: their order is
// that of the source, which is what makes tiles, of which the compiler knows nothing, hold what
// they should.
#pragma once

namespace hearth::kernels {
namespace {

inline void configure_tiles(const TileConfig& config) {
  asm volatile("ldtilecfg %0" : : "m"(config));
}
inline void release_tiles() {
  asm volatile("tilerelease");
}

template <int tile>
inline void zero_tile() {
  static_assert(tile >= 0 && tile < kTileCount);
  asm volatile("tilezero %%tmm%c0" : : "i"(tile));
}
// Row r is at p + r * stride; stride in bytes.
template <int tile>
inline void load_tile(const void* p, std::int64_t stride) {
  static_assert(tile >= 0 && tile < kTileCount);
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
inline void store_tile(void* p, std::int64_t stride) {
  static_assert(tile >= 0 && tile < kTileCount);
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(tile) : "memory");
}

// C += A * B in whole numbers with sign; sums wrap at 32 bits.
template <int c, int a, int b>
inline void add_product_of_int8() {
  static_assert(c != a && c != b && a != b);
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
}
// C += A * B.  The order of additions is in emulated_tiles.hpp.
template <int c, int a, int b>
inline void add_product_of_bf16() {
  static_assert(c != a && c != b && a != b);
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
}

}  // namespace
}  // namespace hearth::kernels
