// delta_gates and delta_net for the vector tiers: see recurrent.hpp for the arithmetic.
//
// A tile stays in the first-level cache for all rows of a call.  A row's change of the state and
// the next row's products with it are one pass, four operations for each vector of the state; only
// the first row of a call needs a pass for its products alone, which gives the same bits.  For one
// row these are two passes: the first reads the tile from memory as fast as that can, the second
// finds it in the cache.  Tried: prefetching the next tile in either of them, no difference; the
// second together with the first of the next tile, slower.
#pragma once

#include "kernels/simd/activations.hpp"
#include "kernels/simd/softplus.hpp"
#include "kernels/simd/state_tile.hpp"

namespace hearth::kernels {
namespace {

void delta_gates(const DeltaGatesArgs& args) {
  for (std::int64_t row = 0; row < args.rows; ++row) {
    for (std::int64_t head = 0; head < args.heads; head += kLanes) {
      const int n = lanes_left(head, args.heads);
      const Lanes a = load(args.a + row * args.a_stride + head, n);
      const Lanes b = load(args.b + row * args.b_stride + head, n);
      const Lanes dt = softplus(add(a, load(args.dt_bias + head, n)));
      store(args.decay + row * args.decay_stride + head, exp(mul(load(args.rate + head, n), dt)),
            n);
      store(args.beta + row * args.beta_stride + head, sigmoid(b), n);
    }
  }
}

inline float dot(const float* a, const float* b, std::int64_t count) {
  Lanes sum = zero();
  for (std::int64_t i = 0; i < count; i += kLanes) {
    const int n = lanes_left(i, count);
    sum = fma(load(a + i, n), load(b + i, n), sum);
  }
  return sum_of(sum);
}

// Rows that the products k . q are made of at once, for all tiles.
constexpr std::int64_t kDeltaRows = 128;

// The products of a row's k and q with the columns of a tile, each of two chains.
struct Found {
  Lanes by_key[2][kTileVectors];
  Lanes by_query[2][kTileVectors];
};

// What a row adds to the columns, and what it leaves of them.
struct Change {
  Lanes decay;
  Lanes u[kTileVectors];
};

class DeltaTile {
 public:
  DeltaTile(const DeltaNetArgs& args, std::int64_t tile)
      : args_(args),
        state_(args.state + tile * args.key_dim * kStateTile),
        column_(tile * kStateTile) {}

  // Rows [begin, end), of which overlaps holds k . q.
  void compute(std::int64_t begin, std::int64_t end, const float* overlaps) const {
    Found found;
    Change change = {};
    pass<false, true>(begin, change, found);
    for (std::int64_t row = begin; row < end; ++row) {
      answer(row, overlaps[row - begin], found, change);
      if (row + 1 < end) {
        pass<true, true>(row, change, found);
      } else {
        pass<true, false>(row, change, found);
      }
    }
  }

 private:
  // Of a row: its output and its change, from what it found.
  void answer(std::int64_t row, float overlap, const Found& found, Change& change) const {
    const Lanes decay = broadcast(args_.decay[row * args_.decay_stride]);
    const Lanes beta = broadcast(args_.beta[row * args_.beta_stride]);
    Lanes v[kTileVectors], out[kTileVectors];
    load_columns(args_.v + row * args_.v_stride, column_, args_.value_dim, v);
#pragma GCC unroll 2
    for (int i = 0; i < kTileVectors; ++i) {
      const Lanes by_key = add(found.by_key[0][i], found.by_key[1][i]);
      const Lanes by_query = add(found.by_query[0][i], found.by_query[1][i]);
      change.u[i] = mul(beta, fma(negate(decay), by_key, v[i]));
      out[i] = fma(broadcast(overlap), change.u[i], mul(decay, by_query));
    }
    change.decay = decay;
    store_columns(args_.out + row * args_.out_stride, column_, args_.value_dim, out);
  }

  // Once over the tile: make a row's change, and find the products of the row after it; or one of
  // these, where only the products are the row's own.
  template <bool kChanges, bool kFinds>
  void pass(std::int64_t row, const Change& change, Found& found) const {
    const std::int64_t finder = kChanges && kFinds ? row + 1 : row;
    const float* changing = args_.k + row * args_.k_stride;
    const float* k = args_.k + finder * args_.k_stride;
    const float* q = args_.q + finder * args_.q_stride;
    const Change by = change;
    Found sums;
#pragma GCC unroll 4
    for (int i = 0; i < 2 * kTileVectors; ++i) {
      sums.by_key[i / kTileVectors][i % kTileVectors] = zero();
      sums.by_query[i / kTileVectors][i % kTileVectors] = zero();
    }
    const auto step = [&](std::int64_t key, int chain) __attribute__((always_inline)) {
      float* at = state_ + key * kStateTile;
#pragma GCC unroll 2
      for (int v = 0; v < kTileVectors; ++v, at += kLanes) {
        Lanes s = load(at);
        if constexpr (kChanges) {
          s = fma(broadcast(changing[key]), by.u[v], mul(by.decay, s));
          store(at, s);
        }
        if constexpr (kFinds) {
          sums.by_key[chain][v] = fma(s, broadcast(k[key]), sums.by_key[chain][v]);
          sums.by_query[chain][v] = fma(s, broadcast(q[key]), sums.by_query[chain][v]);
        }
      }
    };
    in_two_chains(args_.key_dim, step);
    if constexpr (kFinds) found = sums;
  }

  const DeltaNetArgs& args_;
  float* const state_;
  const std::int64_t column_;
};

void delta_net(const DeltaNetArgs& args) {
  for (std::int64_t begin = 0; begin < args.rows; begin += kDeltaRows) {
    const std::int64_t end = smaller(begin + kDeltaRows, args.rows);
    float overlaps[kDeltaRows];
    for (std::int64_t row = begin; row < end; ++row) {
      overlaps[row - begin] =
          dot(args.k + row * args.k_stride, args.q + row * args.q_stride, args.key_dim);
    }
    for (std::int64_t tile = args.tile_begin; tile < args.tile_end; ++tile) {
      DeltaTile(args, tile).compute(begin, end, overlaps);
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
