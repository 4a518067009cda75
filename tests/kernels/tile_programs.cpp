// See tile_programs.hpp.
#include "tests/kernels/tile_programs.hpp"

#include "kernels/amx/tiles.hpp"

namespace hearth::kernels {
namespace {

template <void (*add_product)()>
void run_product(const TileProduct& args) {
  TileConfig config;
  config.set(2, args.rows, 4 * args.columns);
  config.set(5, args.rows, 4 * args.words);
  config.set(7, args.b_rows, 4 * args.columns);
  const Tiles tiles(config);
  if (!args.from_zero) load_tile<2>(args.c, args.c_stride);
  load_tile<5>(args.a, args.a_stride);
  load_tile<7>(args.b, args.b_stride);
  if (args.from_zero) {
    add_product();  // something to make zero again
    zero_tile<2>();
  }
  add_product();
  store_tile<2>(args.c, args.c_stride);
}

template <int tile>
void load_all(const TileCopies& args) {
  load_tile<tile>(args.from[tile], args.from_stride);
  if constexpr (tile + 1 < kTileCount) load_all<tile + 1>(args);
}
template <int tile>
void store_all(const TileCopies& args) {
  store_tile<tile>(args.to[tile], args.to_stride);
  if constexpr (tile + 1 < kTileCount) store_all<tile + 1>(args);
}

}  // namespace

void HEARTH_AMX(tile_product_of_int8)(const TileProduct& args) {
  run_product<add_product_of_int8<2, 5, 7>>(args);
}
void HEARTH_AMX(tile_product_of_bf16)(const TileProduct& args) {
  run_product<add_product_of_bf16<2, 5, 7>>(args);
}

void HEARTH_AMX(tile_copies)(const TileCopies& args) {
  TileConfig config;
  for (int tile = 0; tile < kTileCount; ++tile) config.set(tile, tile + 1, 8 * (tile + 1));
  const Tiles tiles(config);
  load_all<0>(args);
  store_all<0>(args);
}

void HEARTH_AMX(tile_configuration)(int palette, int rows, int row_bytes) {
  TileConfig config;
  config.palette = static_cast<std::uint8_t>(palette);
  config.set(3, rows, row_bytes);
  const Tiles tiles(config);
}

void HEARTH_AMX(tile_use_after_release)() {
  {
    TileConfig config;
    config.set(0, 1, 4);
    const Tiles tiles(config);
    zero_tile<0>();
  }
  zero_tile<0>();
}

}  // namespace hearth::kernels
