// The probes of AMX: products of whole tiles, nothing loaded.
//
// Two by two sums, as the matrix kernels keep them: four chains, which is enough for the latency of
// a product (52 cycles against 16 from one to the next).
#include "kernels/amx/tiles.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {
namespace {

// Tiles 0 .. 3 are the sums, 4 and 5 A, 6 and 7 B.
inline void add_four_products_of_int8() {
  add_product_of_int8<0, 4, 6>();
  add_product_of_int8<1, 4, 7>();
  add_product_of_int8<2, 5, 6>();
  add_product_of_int8<3, 5, 7>();
}
inline void add_four_products_of_bf16() {
  add_product_of_bf16<0, 4, 6>();
  add_product_of_bf16<1, 4, 7>();
  add_product_of_bf16<2, 5, 6>();
  add_product_of_bf16<3, 5, 7>();
}

// ones: 32 bits full of ones in the kind's type, of which there are per_word.  *out: how many
// products went into one sum.
template <class Sum, void (*add_four_products)()>
std::int64_t peak(std::int64_t rounds, std::uint32_t ones, int per_word, float* out) {
  alignas(64) std::uint32_t operand[kTileHeight][kTileRowBytes / 4];
  for (auto& row : operand) {
    for (std::uint32_t& word : row) word = ones;
  }
  TileConfig config;
  for (int tile = 0; tile < kTileCount; ++tile) config.set(tile, kTileHeight, kTileRowBytes);
  const Tiles tiles(config);
  load_tile<4>(operand, kTileRowBytes);
  load_tile<5>(operand, kTileRowBytes);
  load_tile<6>(operand, kTileRowBytes);
  load_tile<7>(operand, kTileRowBytes);
  for (std::int64_t i = 0; i < rounds; ++i) add_four_products();
  alignas(64) Sum sums[kTileHeight][kTileRowBytes / 4];
  store_tile<0>(sums, kTileRowBytes);
  *out = static_cast<float>(sums[0][0]);
  return rounds * 4 * kTileHeight * (kTileRowBytes / 4) * (kTileRowBytes / 4) * per_word * 2;
}

}  // namespace

std::int64_t HEARTH_AMX(peak_probe_int8)(std::int64_t rounds, float* out) {
  return peak<std::int32_t, add_four_products_of_int8>(rounds, 0x01010101, 4, out);
}
std::int64_t HEARTH_AMX(peak_probe_bf16)(std::int64_t rounds, float* out) {
  return peak<float, add_four_products_of_bf16>(rounds, 0x3f803f80, 2, out);
}

}  // namespace hearth::kernels
