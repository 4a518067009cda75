// delta_gates and delta_net for the vector tiers: see recurrent.hpp for the arithmetic.
//
// A tile stays in the first-level cache for all rows of a call.  A row's change of the state and
// the next row's products with it are one pass, four operations for each vector of the state; only
// the first row of a call needs a pass for its products alone, which gives the same bits.
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

// The products of a row's k and q with the columns of a state: each two chains, of the even keys
// and of the odd ones.
template <int kVectors>
struct Found {
  Lanes by_key[2][kVectors];
  Lanes by_query[2][kVectors];
};

// What a row adds to the columns, and what it leaves of them.
template <int kVectors>
struct Change {
  const float* k;
  Lanes decay;
  Lanes u[kVectors];
};

template <int kTiles>
class DeltaTiles {
 public:
  static constexpr int kVectors = TileRows<kTiles>::kVectors;

  DeltaTiles(const DeltaNetArgs& args, std::int64_t tile)
      : args_(args),
        state_{args.state + tile * args.key_dim * kStateTile, args.key_dim * kStateTile},
        column_(tile * kStateTile) {}

  // Rows [begin, end), of which overlaps holds k . q.
  void compute(std::int64_t begin, std::int64_t end, const float* overlaps) const {
    Found<kVectors> found;
    Change<kVectors> change = {};
    pass<false, true>(change, begin, found);
    for (std::int64_t row = begin; row < end; ++row) {
      answer(row, overlaps[row - begin], found, change);
      if (row + 1 < end) {
        pass<true, true>(change, row + 1, found);
      } else {
        pass<true, false>(change, row, found);
      }
    }
  }

 private:
  // Of a row: its output and its change, from what it found.
  void answer(std::int64_t row, float overlap, const Found<kVectors>& found,
              Change<kVectors>& change) const {
    change.k = args_.k + row * args_.k_stride;
    change.decay = broadcast(args_.decay[row * args_.decay_stride]);
    const Lanes beta = broadcast(args_.beta[row * args_.beta_stride]);
    Lanes v[kVectors], out[kVectors];
    load_columns(args_.v + row * args_.v_stride, column_, args_.value_dim, v);
#pragma GCC unroll 2
    for (int i = 0; i < kVectors; ++i) {
      const Lanes by_key = add(found.by_key[0][i], found.by_key[1][i]);
      const Lanes by_query = add(found.by_query[0][i], found.by_query[1][i]);
      change.u[i] = mul(beta, fma(negate(change.decay), by_key, v[i]));
      out[i] = fma(broadcast(overlap), change.u[i], mul(change.decay, by_query));
    }
    store_columns(args_.out + row * args_.out_stride, column_, args_.value_dim, out);
  }

  // Once over the tiles: make the change, and find the products of a row with what is then there.
  template <bool kChanges, bool kFinds>
  void pass(const Change<kVectors>& change, std::int64_t row, Found<kVectors>& found) const {
    const float* k = args_.k + row * args_.k_stride;
    const float* q = args_.q + row * args_.q_stride;
    Lanes by_key[2][kVectors], by_query[2][kVectors];
#pragma GCC unroll 4
    for (int i = 0; i < 2 * kVectors; ++i) {
      by_key[i / kVectors][i % kVectors] = by_query[i / kVectors][i % kVectors] = zero();
    }
    const auto step = [&](std::int64_t key, int chain) __attribute__((always_inline)) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        float* at = state_.at(key, v);
        Lanes s = load(at);
        if constexpr (kChanges) {
          s = fma(broadcast(change.k[key]), change.u[v], mul(change.decay, s));
          store(at, s);
        }
        if constexpr (kFinds) {
          by_key[chain][v] = fma(s, broadcast(k[key]), by_key[chain][v]);
          by_query[chain][v] = fma(s, broadcast(q[key]), by_query[chain][v]);
        }
      }
    };
    std::int64_t key = 0;
    for (; key + 2 <= args_.key_dim; key += 2) {
      step(key, 0);
      step(key + 1, 1);
    }
    if (key < args_.key_dim) step(key, 0);
    if constexpr (kFinds) {
#pragma GCC unroll 4
      for (int i = 0; i < 2 * kVectors; ++i) {
        const int chain = i / kVectors, v = i % kVectors;
        found.by_key[chain][v] = by_key[chain][v];
        found.by_query[chain][v] = by_query[chain][v];
      }
    }
  }

  const DeltaNetArgs& args_;
  const TileRows<kTiles> state_;
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
    for_each_tiles(args.tile_begin, args.tile_end, end - begin > 1, [&](auto tiles, auto tile) {
      DeltaTiles<decltype(tiles)::value>(args, tile).compute(begin, end, overlaps);
    });
  }
}

}  // namespace
}  // namespace hearth::kernels
