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

// acc[h * kKeys + r] += q[h] . keys[r] in the columns of one step, of Format::kColumns.  Each
// number that is in memory once for several products is read once: the queries where a step is a
// vector, the keys where it is a block.
template <class Format, int kKeys, int kHeads>
inline void score_step(const unsigned char* const* keys, std::int64_t k, const float* q,
                       std::int64_t head_dim, Lanes* acc) {
  if constexpr (kBlocked<Format>) {
#pragma GCC unroll 8
    for (int r = 0; r < kKeys; ++r) {
      Lanes key[kBlockVectors];
      Format::widen(keys[r] + bytes_of<Format>(k), key);
#pragma GCC unroll 4
      for (int v = 0; v < kBlockVectors; ++v) {
#pragma GCC unroll 8
        for (int h = 0; h < kHeads; ++h) {
          const Lanes query = load(q + h * head_dim + k + v * kLanes);
          acc[h * kKeys + r] = fma(key[v], query, acc[h * kKeys + r]);
        }
      }
    }
  } else {
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
}

// dots[h * kKeys + r] = q[h] . keys[r]
template <class Format, int kKeys, int kHeads>
inline void score_tile(const unsigned char* const* keys, const float* q, std::int64_t head_dim,
                       float* dots) {
  constexpr int kChains = kKeys * kHeads;
  constexpr int kPadded = (kChains + 3) / 4 * 4;
  Lanes acc[kPadded];
#pragma GCC unroll 32
  for (Lanes& chain : acc) chain = zero();
  std::int64_t k = 0;
  for (; k + Format::kColumns <= head_dim; k += Format::kColumns) {
    score_step<Format, kKeys, kHeads>(keys, k, q, head_dim, acc);
  }
  if constexpr (!kBlocked<Format>) {
    const int rest = static_cast<int>(head_dim - k);
#pragma GCC unroll 8
    for (int r = 0; r < kKeys && rest > 0; ++r) {
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

// kVectors vectors of a row from one column on: of single elements, of whole blocks, or of a part
// of a block that begins with its vector kPart.
template <class Format, int kVectors, int kPart>
inline void widen_vectors(const unsigned char* row, std::int64_t column, Lanes (&out)[kVectors]) {
  if constexpr (kBlocked<Format>) {
    constexpr int kUsed = kVectors < kBlockVectors ? kVectors : kBlockVectors;
#pragma GCC unroll 8
    for (int b = 0; b < kVectors / kUsed; ++b) {
      Lanes block[kBlockVectors];
      Format::widen(row + bytes_of<Format>(column - kPart * kLanes + b * kQuantBlock), block);
#pragma GCC unroll 8
      for (int v = 0; v < kUsed; ++v) out[b * kUsed + v] = block[kPart + v];
    }
  } else {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      out[v] = Format::widen(row + bytes_of<Format>(column + v * kLanes));
    }
  }
}

// out = out * factor + weights . values, in kVectors vectors of columns from one column on.
template <class Format, int kHeads, int kVectors, int kPart>
inline void value_tile(const Strip& values, std::int64_t tokens, const Weighted& to,
                       std::int64_t column) {
  Lanes acc[kHeads][kVectors];
  float* out = to.out + column;
#pragma GCC unroll 8
  for (int h = 0; h < kHeads; ++h) {
    const Lanes factor = broadcast(to.factors[h]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      acc[h][v] = mul(load(out + h * to.head_dim + v * kLanes), factor);
    }
  }
  const unsigned char* row = values.rows;
  for (std::int64_t j = 0; j < tokens; ++j, row += values.row_bytes) {
    Lanes value[kVectors];
    widen_vectors<Format, kVectors, kPart>(row, column, value);
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
    for (int v = 0; v < kVectors; ++v) store(out + h * to.head_dim + v * kLanes, acc[h][v]);
  }
}

// The same for the last n < kLanes columns.
template <class Format, int kHeads>
inline void value_rest(const Strip& values, std::int64_t tokens, const Weighted& to,
                       std::int64_t column, int n) {
  for (int h = 0; h < kHeads; ++h) {
    float* out = to.out + h * to.head_dim + column;
    const float* weights = to.weights + h * to.weight_stride;
    Lanes acc = mul(load(out, n), broadcast(to.factors[h]));
    const unsigned char* at = values.rows + bytes_of<Format>(column);
    for (std::int64_t j = 0; j < tokens; ++j, at += values.row_bytes) {
      acc = fma(broadcast(weights[j]), Format::widen(at, n), acc);
    }
    store(out, acc, n);
  }
}

// The columns from one on, in tiles of kVectors vectors, then of half as many, then the rest. Parts
// of a block take turns.
template <class Format, int kHeads, int kVectors>
[[gnu::noinline]] void value_columns(const Strip& values, std::int64_t tokens, const Weighted& to,
                                     std::int64_t column) {
  constexpr bool kParts = kBlocked<Format> && kVectors < kBlockVectors;
  constexpr int kStepVectors = kParts ? kBlockVectors : kVectors;
  constexpr int kStep = kStepVectors * kLanes;
  for (; column + kStep <= to.head_dim; column += kStep) {
    values.fetch_ahead(tokens * bytes_of<Format>(column),
                       tokens * bytes_of<Format>(column + kStep));
    value_tile<Format, kHeads, kVectors, 0>(values, tokens, to, column);
    if constexpr (kParts) {
      static_assert(2 * kVectors == kBlockVectors);
      value_tile<Format, kHeads, kVectors, kVectors>(values, tokens, to,
                                                     column + kVectors * kLanes);
    }
  }
  if constexpr (kBlocked<Format>) {
    if constexpr (kVectors > kBlockVectors) {
      value_columns<Format, kHeads, kVectors / 2>(values, tokens, to, column);
    }
  } else if constexpr (kVectors > 1) {
    value_columns<Format, kHeads, kVectors / 2>(values, tokens, to, column);
  } else if (column < to.head_dim) {
    const int rest = static_cast<int>(to.head_dim - column);
    value_rest<Format, kHeads>(values, tokens, to, column, rest);
  }
}

}  // namespace
}  // namespace hearth::kernels
