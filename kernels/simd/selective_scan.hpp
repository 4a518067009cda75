// selective_scan for the vector tiers: see recurrent.hpp for the arithmetic.
//
// exp(dt * a) is 2^(dt / ln 2 * a): one multiplication less for every number of the state.
#pragma once

#include "kernels/simd/softplus.hpp"
#include "kernels/simd/state_tile.hpp"

namespace hearth::kernels {
namespace {

// One row of one tile.  y is two chains, of the even n and of the odd ones.
inline void scan_row(const SelectiveScanArgs& args, std::int64_t row, std::int64_t tile) {
  const std::int64_t column = tile * kStateTile;
  const float* b = args.b + row * args.b_stride;
  const float* c = args.c + row * args.c_stride;
  const float* a = args.a + column * args.state_dim;
  float* state = args.state + column * args.state_dim;
  Lanes x[kTileVectors], dt[kTileVectors], d[kTileVectors], input[kTileVectors];
  Lanes y[2][kTileVectors];
  load_columns(args.x + row * args.x_stride, column, args.channels, x);
  load_columns(args.dt + row * args.dt_stride, column, args.channels, dt);
  load_columns(args.d, column, args.channels, d);
#pragma GCC unroll 2
  for (int v = 0; v < kTileVectors; ++v) {
    dt[v] = softplus(dt[v]);
    input[v] = mul(dt[v], x[v]);
    dt[v] = mul(dt[v], broadcast(kPerLn2));
    y[0][v] = mul(d[v], x[v]);
    y[1][v] = zero();
  }
  const auto step = [&](std::int64_t n, int chain) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int v = 0; v < kTileVectors; ++v) {
      const std::int64_t at = n * kStateTile + v * kLanes;
      const Lanes decay = negative_power_of_two(mul(dt[v], load(a + at)));
      const Lanes h = fma(decay, load(state + at), mul(broadcast(b[n]), input[v]));
      store(state + at, h);
      y[chain][v] = fma(broadcast(c[n]), h, y[chain][v]);
    }
  };
  std::int64_t n = 0;
  for (; n + 2 <= args.state_dim; n += 2) {
    step(n, 0);
    step(n + 1, 1);
  }
  if (n < args.state_dim) step(n, 0);
#pragma GCC unroll 2
  for (int v = 0; v < kTileVectors; ++v) y[0][v] = add(y[0][v], y[1][v]);
  store_columns(args.y + row * args.y_stride, column, args.channels, y[0]);
}

void selective_scan(const SelectiveScanArgs& args) {
  for (std::int64_t tile = args.tile_begin; tile < args.tile_end; ++tile) {
    for (std::int64_t row = 0; row < args.rows; ++row) scan_row(args, row, tile);
  }
}

}  // namespace
}  // namespace hearth::kernels
