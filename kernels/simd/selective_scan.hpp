// selective_scan for the vector tiers: see recurrent.hpp for the arithmetic.
//
// Tiles in blocks of 8, whose states and rates stay in the first-level cache for all rows of a
// call: a row's steps are made for all of them at once, and its inputs and outputs are whole lines
// beside each other.  exp(dt * a) is 2^(dt / ln 2 * a): one multiplication less for every number of
// the state.
#pragma once

#include "kernels/simd/softplus.hpp"
#include "kernels/simd/state_tile.hpp"

namespace hearth::kernels {
namespace {

constexpr std::int64_t kScanTiles = 8;
constexpr std::int64_t kScanColumns = kScanTiles * kStateTile;
constexpr int kScanVectors = 4;  // computed at once, as independent chains

// Of a row and the columns of a block of tiles.
struct ScanSteps {
  float dt[kScanColumns];     // over ln 2
  float input[kScanColumns];  // dt * x
  float y[kScanColumns];      // d * x, then the whole output
};

// Of columns [begin, end).
inline void make_scan_steps(const SelectiveScanArgs& args, std::int64_t row, std::int64_t begin,
                            std::int64_t end, ScanSteps& steps) {
  static_assert(kScanColumns % (kScanVectors * kLanes) == 0);
  for (std::int64_t i = 0; i < end - begin; i += kScanVectors * kLanes) {
    Lanes dt[kScanVectors];
    for (int v = 0; v < kScanVectors; ++v) {
      const std::int64_t column = begin + i + v * kLanes;
      dt[v] = load(args.dt + row * args.dt_stride + column, columns_left(column, end));
    }
    to_softplus(dt);
    for (int v = 0; v < kScanVectors; ++v) {
      const std::int64_t at = i + v * kLanes;
      const int n = columns_left(begin + at, end);
      const Lanes x = load(args.x + row * args.x_stride + begin + at, n);
      store(steps.dt + at, mul(dt[v], broadcast(kPerLn2)));
      store(steps.input + at, mul(dt[v], x));
      store(steps.y + at, mul(load(args.d + begin + at, n), x));
    }
  }
}

// A row's step of one tile, whose part of the steps begins at an offset.  y is two chains, which
// the n take turns in.
inline void scan_tile(const SelectiveScanArgs& args, std::int64_t row, std::int64_t tile,
                      ScanSteps& steps, std::int64_t offset) {
  constexpr int kKeys = kScanVectors / kTileVectors;
  const float* b = args.b + row * args.b_stride;
  const float* c = args.c + row * args.c_stride;
  const float* a = args.a + tile * args.state_dim * kStateTile;
  float* state = args.state + tile * args.state_dim * kStateTile;
  Lanes dt[kTileVectors], input[kTileVectors], y[2][kTileVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kTileVectors; ++v) {
    dt[v] = load(steps.dt + offset + v * kLanes);
    input[v] = load(steps.input + offset + v * kLanes);
    y[0][v] = load(steps.y + offset + v * kLanes);
    y[1][v] = zero();
  }
  // The vectors of one n or of some.
  const auto step = [&]<int kVectors>(std::int64_t n, Lanes(&decay)[kVectors])
      __attribute__((always_inline)) {
    const float* rates = a + n * kStateTile;
    float* at = state + n * kStateTile;
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      decay[i] = mul(dt[i % kTileVectors], load(rates + i * kLanes));
    }
    to_negative_powers_of_two(decay);
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) {
      const int v = i % kTileVectors, key = i / kTileVectors;
      const Lanes added = mul(broadcast(b[n + key]), input[v]);
      const Lanes h = fma(decay[i], load(at + i * kLanes), added);
      store(at + i * kLanes, h);
      y[key % 2][v] = fma(broadcast(c[n + key]), h, y[key % 2][v]);
    }
  };
  std::int64_t n = 0;
  for (; n + kKeys <= args.state_dim; n += kKeys) {
    Lanes decay[kKeys * kTileVectors];
    step(n, decay);
  }
  for (; n < args.state_dim; ++n) {
    Lanes decay[kTileVectors];
    step(n, decay);
  }
#pragma GCC unroll 2
  for (int v = 0; v < kTileVectors; ++v) {
    store(steps.y + offset + v * kLanes, add(y[0][v], y[1][v]));
  }
}

void selective_scan(const SelectiveScanArgs& args) {
  for (std::int64_t first = args.tile_begin; first < args.tile_end; first += kScanTiles) {
    const std::int64_t last = smaller(first + kScanTiles, args.tile_end);
    const std::int64_t begin = first * kStateTile;
    const std::int64_t end = smaller(last * kStateTile, args.channels);
    for (std::int64_t row = 0; row < args.rows; ++row) {
      ScanSteps steps;
      make_scan_steps(args, row, begin, end, steps);
      for (std::int64_t tile = first; tile < last; ++tile) {
        scan_tile(args, row, tile, steps, (tile - first) * kStateTile);
      }
      float* y = args.y + row * args.y_stride + begin;
      for (std::int64_t i = 0; i < end - begin; i += kLanes) {
        store(y + i, load(steps.y + i), columns_left(begin + i, end));
      }
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
