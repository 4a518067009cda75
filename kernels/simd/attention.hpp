// attention for the vector tiers: one token's query heads over the pages of its sequence.
//
// A page's scores are a tile of dot products (dot_tile.hpp), keys by queries; its values are added
// up in columns of lanes, in ascending tokens.  Every head goes through the same operations
// whatever the size of its group, and each key and value loaded serves up to kGroupTile heads.
//
// Source: M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax", 2018: a new
// maximum rescales what was summed so far.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/simd/dot_tile.hpp"
#include "kernels/simd/exp.hpp"

namespace hearth::kernels {
namespace {

constexpr int kGroupTile = 4;

// Lanes of a value's columns that one pass over a page's tokens adds up.
constexpr int value_vectors(int heads) {
  return heads <= 2 ? 4 : 2;
}

// One page of the sequence, seen by one KV head.
struct Page {
  const unsigned char* keys;    // [tokens, head_dim]
  const unsigned char* values;  // [tokens, head_dim]
  std::int64_t tokens;          // visible, 1 .. page_tokens
};

// The scratch of one head: page_tokens scores, then what the online softmax carries on.
struct HeadState {
  float* scores;  // [page_tokens], then the weights
  float* max;     // of all scores so far
  float* sum;     // of exp(score - max) so far
};

inline HeadState head_state(const AttentionArgs& args, std::int64_t head) {
  float* scores = args.scratch + head * (args.page_tokens + 2);
  return {scores, scores + args.page_tokens, scores + args.page_tokens + 1};
}

// scores[j] = q . k[j] of kHeads heads.
template <class Format, int kHeads>
void score_page(const AttentionArgs& args, const Page& page, std::int64_t head) {
  constexpr int kRows = tile_rows(kHeads);
  const std::int64_t row_bytes = bytes_of<Format>(args.head_dim);
  const float* q[kHeads];
  for (int h = 0; h < kHeads; ++h) q[h] = args.q + (head + h) * args.head_dim;
  for (std::int64_t token = 0; token < page.tokens; token += kRows) {
    const std::int64_t rest = page.tokens - token;
    const unsigned char* rows[kRows];
    for (int r = 0; r < kRows; ++r) {
      rows[r] = page.keys + (r < rest ? token + r : page.tokens - 1) * row_bytes;
    }
    float dots[kRows * kHeads];
    dot_tile<Format, kRows, kHeads>(rows, q, args.head_dim, dots);
    for (int r = 0; r < kRows && r < rest; ++r) {
      for (int h = 0; h < kHeads; ++h) {
        head_state(args, head + h).scores[token + r] = dots[r * kHeads + h];
      }
    }
  }
}

// Scores to weights exp(scale * score - max), added to the sum; returns the factor that brings what
// was summed before to the new maximum.
inline float weigh_page(const HeadState& state, std::int64_t tokens, float scale) {
  constexpr float kInfinity = __builtin_inff();
  Lanes top = broadcast(*state.max);
  for (std::int64_t j = 0; j < tokens; j += kLanes) {
    const int n = lanes_left(j, tokens);
    const Lanes scaled = mul(load(state.scores + j, n, -kInfinity), broadcast(scale));
    store(state.scores + j, scaled, n);
    top = max(scaled, top);
  }
  const float page_max = max_of(top);
  Lanes sum = zero();
  for (std::int64_t j = 0; j < tokens; j += kLanes) {
    const int n = lanes_left(j, tokens);
    const Lanes weights = exp(sub(load(state.scores + j, n, -kInfinity), broadcast(page_max)));
    store(state.scores + j, weights, n);
    sum = add(sum, weights);
  }
  const float factor = first_of(exp(broadcast(*state.max - page_max)));
  *state.sum = *state.sum * factor + sum_of(sum);
  *state.max = page_max;
  return factor;
}

// out = out * factor + weights . values, in kVectors vectors of columns from one column on; with
// kVectors = 1 the vector may be a part, of n columns.
template <class Format, int kHeads, int kVectors>
inline void add_values(const AttentionArgs& args, const Page& page, std::int64_t head,
                       std::int64_t column, int n, const float* factors) {
  static_assert(!kBlocked<Format>);
  const std::int64_t row_bytes = bytes_of<Format>(args.head_dim);
  const unsigned char* values = page.values + bytes_of<Format>(column);
  float* out = args.out + head * args.head_dim + column;
  const float* weights[kHeads];
  Lanes acc[kHeads][kVectors];
  for (int h = 0; h < kHeads; ++h) {
    weights[h] = head_state(args, head + h).scores;
    for (int v = 0; v < kVectors; ++v) {
      const float* old = out + h * args.head_dim + v * kLanes;
      acc[h][v] = mul(kVectors > 1 ? load(old) : load(old, n), broadcast(factors[h]));
    }
  }
  for (std::int64_t j = 0; j < page.tokens; ++j, values += row_bytes) {
    Lanes value[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      const unsigned char* at = values + v * Format::kBytes;
      value[v] = kVectors > 1 ? Format::widen(at) : Format::widen(at, n);
    }
    for (int h = 0; h < kHeads; ++h) {
      for (int v = 0; v < kVectors; ++v) {
        acc[h][v] = fma(broadcast(weights[h][j]), value[v], acc[h][v]);
      }
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int v = 0; v < kVectors; ++v) {
      float* to = out + h * args.head_dim + v * kLanes;
      kVectors > 1 ? store(to, acc[h][v]) : store(to, acc[h][v], n);
    }
  }
}

// One page for heads [head, head + kHeads), then the rest of the group in tiles that fit.
template <class Format, int kHeads>
void attend_page(const AttentionArgs& args, const Page& page, std::int64_t head) {
  constexpr int kVectors = value_vectors(kHeads);
  for (; head + kHeads <= args.group; head += kHeads) {
    score_page<Format, kHeads>(args, page, head);
    float factors[kHeads];
    for (int h = 0; h < kHeads; ++h) {
      factors[h] = weigh_page(head_state(args, head + h), page.tokens, args.scale);
    }
    std::int64_t column = 0;
    for (; column + kVectors * kLanes <= args.head_dim; column += kVectors * kLanes) {
      add_values<Format, kHeads, kVectors>(args, page, head, column, kLanes, factors);
    }
    for (; column < args.head_dim; column += kLanes) {
      const int n = lanes_left(column, args.head_dim);
      add_values<Format, kHeads, 1>(args, page, head, column, n, factors);
    }
  }
  if constexpr (kHeads > 1) attend_page<Format, kHeads - 1>(args, page, head);
}

template <class Format>
void attention(const AttentionArgs& args) {
  for (std::int64_t i = 0; i < args.group * args.head_dim; ++i) args.out[i] = 0.0f;
  for (std::int64_t head = 0; head < args.group; ++head) {
    *head_state(args, head).max = -__builtin_inff();
    *head_state(args, head).sum = 0.0f;
  }
  for (std::int64_t token = 0; token < args.tokens; token += args.page_tokens) {
    const auto* payload =
        reinterpret_cast<const unsigned char*>(args.pages[token / args.page_tokens]);
    const Page page{payload + args.k_offset, payload + args.v_offset,
                    smaller(args.page_tokens, args.tokens - token)};
    attend_page<Format, kGroupTile>(args, page, 0);
  }
  for (std::int64_t head = 0; head < args.group; ++head) {
    const Lanes sum = broadcast(*head_state(args, head).sum);
    float* out = args.out + head * args.head_dim;
    for (std::int64_t k = 0; k < args.head_dim; k += kLanes) {
      const int n = lanes_left(k, args.head_dim);
      store(out + k, div(load(out + k, n), sum), n);
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
