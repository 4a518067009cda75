// The two products of attention, in tiles of heads: scores (keys by queries) and values by weights.
//
// The order of operations of each output is the same in every tile shape.  A score is kLanes
// partial sums of fused multiply-adds in ascending columns, a tail that is zero beyond the end,
// then one order of adding the lanes.  An element of the output is one chain over ascending tokens.
// So a head's result does not depend on what is computed beside it; the speed comes from the tile:
// its outputs are independent chains, and each number loaded serves several.
#pragma once

#include "kernels/simd/formats.hpp"

namespace hearth::kernels {
namespace {

// Heads of a tile.  With kHeadTile heads, two keys (or vectors of values) make 12 chains, which
// with their operands fill the 16 registers of AVX2; four make 24, for the 32 of AVX-512.
constexpr int kHeadTile = 6;
constexpr bool kManyRegisters = kLanes == 16;

constexpr int tile_keys(int heads) {
  if (kManyRegisters) return heads <= 3 ? 8 : 4;
  return heads == 1 ? 8 : heads <= 3 ? 4 : heads == 4 ? 3 : 2;
}
constexpr int tile_vectors(int heads) {
  if (kManyRegisters) return heads <= 3 ? 8 : 4;
  return heads == 1 ? 8 : heads <= 3 ? 4 : 2;
}

// A number that is known when compiling, as an argument.
template <int n>
struct Constant {
  static constexpr int value = n;
};

template <int kHeads, class Body>
inline void with_heads(int heads, std::int64_t head, Body body) {
  if (heads == kHeads) return body(Constant<kHeads>{}, head);
  if constexpr (kHeads > 1) with_heads<kHeads - 1>(heads, head, body);
}

// body(Constant<n>, head) for heads [head, head + n), n <= kHeadTile, until all had their turn; the
// tiles are as even as can be: 7 heads are 4 and 3.
template <class Body>
inline void in_head_tiles(std::int64_t begin, std::int64_t end, Body body) {
  while (begin < end) {
    const std::int64_t tiles = (end - begin + kHeadTile - 1) / kHeadTile;
    const auto heads = static_cast<int>((end - begin + tiles - 1) / tiles);
    with_heads<kHeadTile>(heads, begin, body);
    begin += heads;
  }
}

// The keys or the values of one KV head in a page: rows of head_dim elements.
struct Strip {
  const unsigned char* rows;
  std::int64_t row_bytes;
  const unsigned char* ahead;  // the strip, of as long rows, that is read after this; null: none

  // Ask for bytes [begin, end) of the strip ahead, a little at a time: what is asked for all at
  // once keeps what is needed now waiting.  Strips are too short for the hardware to find their
  // pace.
  void fetch_ahead(std::int64_t begin, std::int64_t end) const {
    constexpr std::int64_t kLineBytes = 64;
    if (ahead == nullptr) return;
    for (std::int64_t at = begin; at < end; at += kLineBytes) prefetch(ahead + at);
  }
};

// dots[h * kKeys + r] = q[h] . keys[r]
template <class Format, int kKeys, int kHeads>
inline void score_tile(const unsigned char* const* keys, const float* q, std::int64_t head_dim,
                       float* dots) {
  static_assert(!kBlocked<Format>);
  constexpr int kChains = kKeys * kHeads;
  constexpr int kPadded = (kChains + 3) / 4 * 4;
  Lanes acc[kPadded];
#pragma GCC unroll 32
  for (Lanes& chain : acc) chain = zero();
  std::int64_t k = 0;
  for (; k + kLanes <= head_dim; k += kLanes) {
    Lanes key[kKeys];
#pragma GCC unroll 8
    for (int r = 0; r < kKeys; ++r) key[r] = Format::widen(keys[r] + bytes_of<Format>(k));
#pragma GCC unroll 8
    for (int h = 0; h < kHeads; ++h) {
      const Lanes query = in_register(load(q + h * head_dim + k));
#pragma GCC unroll 8
      for (int r = 0; r < kKeys; ++r) {
        acc[h * kKeys + r] = fma(key[r], query, acc[h * kKeys + r]);
      }
    }
  }
  if (k < head_dim) {
    const int rest = static_cast<int>(head_dim - k);
#pragma GCC unroll 8
    for (int r = 0; r < kKeys; ++r) {
      const Lanes key = Format::widen(keys[r] + bytes_of<Format>(k), rest);
#pragma GCC unroll 8
      for (int h = 0; h < kHeads; ++h) {
        acc[h * kKeys + r] = fma(key, load(q + h * head_dim + k, rest), acc[h * kKeys + r]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kPadded; i += 4) {
    sums(acc[i], acc[i + 1], acc[i + 2], acc[i + 3], dots + i);
  }
}

// scores[h, j] = q[h] . keys[j] of kHeads heads and the first tokens keys of a strip.
template <class Format, int kHeads>
[[gnu::noinline]] void score_heads(const Strip& keys, std::int64_t tokens, const float* q,
                                   std::int64_t head_dim, float* scores,
                                   std::int64_t score_stride) {
  constexpr int kKeys = tile_keys(kHeads);
  for (std::int64_t token = 0; token < tokens; token += kKeys) {
    const std::int64_t rest = smaller(kKeys, tokens - token);
    keys.fetch_ahead(token * keys.row_bytes, (token + rest) * keys.row_bytes);
    const unsigned char* rows[kKeys];
    for (int r = 0; r < kKeys; ++r) {
      rows[r] = keys.rows + (r < rest ? token + r : tokens - 1) * keys.row_bytes;
    }
    float dots[kKeys * kHeads + 3];
    score_tile<Format, kKeys, kHeads>(rows, q, head_dim, dots);
    for (int h = 0; h < kHeads; ++h) {
      float* to = scores + h * score_stride + token;
      for (int r = 0; r < rest; ++r) to[r] = dots[h * kKeys + r];
    }
  }
}

// The weights of some heads, and where their values are added up.
struct Weighted {
  const float* weights;  // [heads, weight_stride]
  std::int64_t weight_stride;
  const float* factors;  // [heads]: of what out holds already
  float* out;            // [heads, head_dim]
  std::int64_t head_dim;
};

// out = out * factor + weights . values, in kVectors vectors of columns from one column on; with
// kVectors = 1 the vector may be a part, of n columns.
template <class Format, int kHeads, int kVectors>
inline void value_tile(const Strip& values, std::int64_t tokens, const Weighted& to,
                       std::int64_t column, int n) {
  static_assert(!kBlocked<Format>);
  Lanes acc[kHeads][kVectors];
  float* out = to.out + column;
#pragma GCC unroll 8
  for (int h = 0; h < kHeads; ++h) {
    const Lanes factor = broadcast(to.factors[h]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const float* old = out + h * to.head_dim + v * kLanes;
      acc[h][v] = mul(kVectors > 1 ? load(old) : load(old, n), factor);
    }
  }
  const unsigned char* row = values.rows + bytes_of<Format>(column);
  for (std::int64_t j = 0; j < tokens; ++j, row += values.row_bytes) {
    Lanes value[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const unsigned char* at = row + v * Format::kBytes;
      value[v] = kVectors > 1 ? Format::widen(at) : Format::widen(at, n);
    }
#pragma GCC unroll 8
    for (int h = 0; h < kHeads; ++h) {
      const Lanes weight = broadcast(to.weights[h * to.weight_stride + j]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) acc[h][v] = fma(weight, value[v], acc[h][v]);
    }
  }
#pragma GCC unroll 8
  for (int h = 0; h < kHeads; ++h) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      float* at = out + h * to.head_dim + v * kLanes;
      kVectors > 1 ? store(at, acc[h][v]) : store(at, acc[h][v], n);
    }
  }
}

// The columns from one on, in tiles of kVectors vectors, then of half as many, then one by one.
template <class Format, int kHeads, int kVectors>
[[gnu::noinline]] void value_columns(const Strip& values, std::int64_t tokens, const Weighted& to,
                                     std::int64_t column) {
  for (; column + kVectors * kLanes <= to.head_dim; column += kVectors * kLanes) {
    values.fetch_ahead(tokens * bytes_of<Format>(column),
                       tokens * bytes_of<Format>(column + kVectors * kLanes));
    value_tile<Format, kHeads, kVectors>(values, tokens, to, column, kLanes);
  }
  if constexpr (kVectors > 1) {
    value_columns<Format, kHeads, kVectors / 2>(values, tokens, to, column);
  } else if (column < to.head_dim) {
    const int rest = static_cast<int>(to.head_dim - column);
    value_tile<Format, kHeads, 1>(values, tokens, to, column, rest);
  }
}

}  // namespace
}  // namespace hearth::kernels
