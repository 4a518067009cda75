// state_space for the vector tiers: see recurrent.hpp for the arithmetic.
#pragma once

#include "kernels/simd/softplus.hpp"
#include "kernels/simd/state_tile.hpp"

namespace hearth::kernels {
namespace {

// Rows whose steps are made at once, for all tiles.
constexpr std::int64_t kSpaceRows = 128;
struct SpaceSteps {
  float dt[kSpaceRows];
  float decay[kSpaceRows];
};

inline void make_steps(const StateSpaceArgs& args, std::int64_t begin, std::int64_t end,
                       SpaceSteps& steps) {
  const std::int64_t count = end - begin;
  for (std::int64_t i = 0; i < count; ++i) steps.dt[i] = args.dt[(begin + i) * args.dt_stride];
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const int n = lanes_left(i, count);
    const Lanes dt = softplus(add(load(steps.dt + i, n), broadcast(args.dt_bias)));
    store(steps.dt + i, dt, n);
    store(steps.decay + i, exp(mul(dt, broadcast(args.a))), n);
  }
}

// One row of one tile.  y is two chains.
inline void space_row(const StateSpaceArgs& args, std::int64_t row, std::int64_t tile, float dt,
                      float decay_by) {
  const std::int64_t column = tile * kStateTile;
  float* state = args.state + column * args.state_dim;
  const float* b = args.b + row * args.b_stride;
  const float* c = args.c + row * args.c_stride;
  const Lanes decay = broadcast(decay_by);
  Lanes x[kTileVectors], y[2][kTileVectors];
  load_columns(args.x + row * args.x_stride, column, args.head_dim, x);
#pragma GCC unroll 2
  for (int v = 0; v < kTileVectors; ++v) {
    y[0][v] = mul(broadcast(args.d), x[v]);
    y[1][v] = zero();
    x[v] = mul(broadcast(dt), x[v]);
  }
  const auto step = [&](std::int64_t n, int chain) __attribute__((always_inline)) {
    float* at = state + n * kStateTile;
#pragma GCC unroll 2
    for (int v = 0; v < kTileVectors; ++v, at += kLanes) {
      const Lanes s = fma(broadcast(b[n]), x[v], mul(decay, load(at)));
      store(at, s);
      y[chain][v] = fma(broadcast(c[n]), s, y[chain][v]);
    }
  };
  in_two_chains(args.state_dim, step);
#pragma GCC unroll 2
  for (int v = 0; v < kTileVectors; ++v) y[0][v] = add(y[0][v], y[1][v]);
  store_columns(args.y + row * args.y_stride, column, args.head_dim, y[0]);
}

void state_space(const StateSpaceArgs& args) {
  for (std::int64_t begin = 0; begin < args.rows; begin += kSpaceRows) {
    const std::int64_t end = smaller(begin + kSpaceRows, args.rows);
    SpaceSteps steps;
    make_steps(args, begin, end, steps);
    for (std::int64_t tile = args.tile_begin; tile < args.tile_end; ++tile) {
      for (std::int64_t row = begin; row < end; ++row) {
        space_row(args, row, tile, steps.dt[row - begin], steps.decay[row - begin]);
      }
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
