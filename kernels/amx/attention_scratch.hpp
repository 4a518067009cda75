// The scratch of attention_prompt, laid out; and what is staged there: the split's keys and values
// and the call's queries, as pairs of bf16 for tiles.
//
// Keys and queries are sums of two bf16, 16 bits; keys in bf16 have a high part only.  A pair is a
// column and the one 16 after it, which is what two vectors of columns give without a shuffle.  A
// key is a row of A as it lies in memory; queries, which are staged once for all splits, become B,
// transposed.  Values are rounded to bf16; a pair of them is one column of two tokens.
//
// Columns beyond head_dim are zero.  So are the values of tokens beyond the last one, and before
// the first; their steps' other keys are whatever the scratch holds, since nobody's scores of them
// are taken.
#pragma once

#include "kernels/avx512/pairs.hpp"
#include "kernels/kernels.hpp"
#include "kernels/simd/attention_state.hpp"
#include "kernels/simd/formats.hpp"

namespace hearth::kernels {
namespace {

constexpr int kTileCols = 2 * kLanes;    // of head_dim: what one product of tiles sums up
constexpr int kTileTokens = 2 * kLanes;  // of a split: likewise

template <class Format>
constexpr bool kSplitKeys = !__is_same(Format, Bf16);

// 16 keys [token][column pair], or queries [column pair][head], in 32 columns.
struct SplitTile {
  WordTile high, low;
};
struct alignas(64) ScoreTile {
  float at[kLanes][kLanes];  // [token][head]
};
// Two tiles of heads.
struct HeadPair {
  ScoreTile* scores;  // [token tiles, 2]
  alignas(64) float max[kAttentionTileHeads];
  alignas(64) float sum[kAttentionTileHeads];
};

struct PromptScratch {
  std::int64_t col_steps;  // of 32 columns
  SplitTile* queries;      // [head tiles, col_steps]
  SplitTile* keys;         // [token tiles of a split, col_steps]
  WordTile* values;        // [2 * col_steps][kSplitSteps]: [token pair][column]
  ScoreTile* scores[2];    // of the pair that is scored and the one that is weighed
  WordTile* weights;       // [2][kSplitSteps]: [head][token pair]
  float* out;              // [32, col_steps * 32]: of a pair of head tiles
};
constexpr std::int64_t kSplitSteps = kAttentionSplit / kTileTokens;

// What attention_tile_floats() counts.
inline PromptScratch prompt_scratch(const AttentionArgs& args) {
  const std::int64_t col_steps = (args.head_dim + kTileCols - 1) / kTileCols;
  const std::int64_t pairs =
      (args.rows * args.group + kAttentionTileHeads - 1) / kAttentionTileHeads;
  auto at = (reinterpret_cast<std::uintptr_t>(args.scratch) + 63) / 64 * 64;
  const auto take = [&at]<class T>(T*& part, std::int64_t count) {
    part = reinterpret_cast<T*>(at);
    at += static_cast<std::uintptr_t>(count) * sizeof(T);
  };
  PromptScratch scratch = {};
  scratch.col_steps = col_steps;
  take(scratch.queries, 2 * pairs * col_steps);
  take(scratch.keys, 2 * kSplitSteps * col_steps);
  take(scratch.values, 2 * kSplitSteps * col_steps);
  for (ScoreTile*& scores : scratch.scores) take(scores, 4 * kSplitSteps);
  take(scratch.weights, 2 * kSplitSteps);
  take(scratch.out, kAttentionTileHeads * col_steps * kTileCols);
  return scratch;
}

// 32 columns of a row, as far as it goes.
template <class Format>
inline void widen_columns(const unsigned char* row, std::int64_t column, std::int64_t head_dim,
                          Lanes (&out)[2]) {
  const unsigned char* at = row + bytes_of<Format>(column);
  if constexpr (kBlocked<Format>) {
    static_assert(Format::kColumns == kTileCols);
    Format::widen(at, out);
  } else if (column + kTileCols <= head_dim) {
    out[0] = Format::widen(at);
    out[1] = Format::widen(at + bytes_of<Format>(kLanes));
  } else {
    const int count = static_cast<int>(head_dim - column);
    out[0] = Format::widen(at, count < kLanes ? count : kLanes);
    out[1] =
        count <= kLanes ? zero() : Format::widen(at + bytes_of<Format>(kLanes), count - kLanes);
  }
}

// One key: a row of tiles[step of columns].
template <class Format>
inline void stage_key(const unsigned char* key, std::int64_t head_dim, SplitTile* tiles, int row) {
  for (std::int64_t column = 0; column < head_dim; column += kTileCols, ++tiles) {
    Lanes x[2];
    widen_columns<Format>(key, column, head_dim, x);
    store_pairs(tiles->high.at[row], x[0], x[1]);
    if constexpr (kSplitKeys<Format>) {
      store_pairs(tiles->low.at[row], half_up(sub(x[0], truncated_to_bf16(x[0]))),
                  half_up(sub(x[1], truncated_to_bf16(x[1]))));
    }
  }
}

// The values of two tokens, zeros for null: a row of tiles[kSplitSteps * tile of columns].
template <class Format>
inline void stage_values(const unsigned char* even, const unsigned char* odd, std::int64_t head_dim,
                         WordTile* tiles, int row) {
  for (std::int64_t column = 0; column < head_dim; column += kTileCols) {
    Lanes x[2] = {zero(), zero()}, y[2] = {zero(), zero()};
    if (even != nullptr) widen_columns<Format>(even, column, head_dim, x);
    if (odd != nullptr) widen_columns<Format>(odd, column, head_dim, y);
    for (int i = 0; i < 2; ++i, tiles += kSplitSteps) {
      store_pairs(tiles->at[row], half_up_or_nan(x[i]), half_up_or_nan(y[i]));
    }
  }
}

// All queries of the call, times scale.
inline void stage_queries(const AttentionArgs& args, const PromptScratch& scratch) {
  const std::int64_t heads = args.rows * args.group;
  SplitTile* tile = scratch.queries;
  for (std::int64_t from = 0; from < heads; from += kLanes) {
    for (std::int64_t column = 0; column < args.head_dim; column += kTileCols, ++tile) {
      SplitTile rows;  // [head][column pair]
      for (int i = 0; i < kLanes; ++i) {
        const std::int64_t head = smaller(from + i, heads - 1);
        const float* q =
            args.q + head / args.group * args.q_stride + head % args.group * args.head_dim;
        Lanes x[2], high[2], low[2];
        widen_columns<F32>(reinterpret_cast<const unsigned char*>(q), column, args.head_dim, x);
        for (int half = 0; half < 2; ++half) {
          x[half] = mul(x[half], broadcast(args.scale));
          high[half] = truncated_to_bf16(half_up_or_nan(x[half]));
          low[half] = half_up(sub(x[half], high[half]));
        }
        store_pairs(rows.high.at[i], high[0], high[1]);
        store_pairs(rows.low.at[i], low[0], low[1]);
      }
      transpose(rows.high, tile->high);
      transpose(rows.low, tile->low);
    }
  }
}

// Whether every number of a row is finite in bf16.
template <class Format>
inline bool all_finite(const unsigned char* row, std::int64_t head_dim) {
  Lanes taint = zero();
  for (std::int64_t column = 0; column < head_dim; column += kTileCols) {
    Lanes x[2];
    widen_columns<Format>(row, column, head_dim, x);
    for (const Lanes& lanes : x)
      taint = fma(truncated_to_bf16(half_up_or_nan(lanes)), zero(), taint);
  }
  return sum_of(taint) == 0.0f;  // else a NaN
}

}  // namespace
}  // namespace hearth::kernels
