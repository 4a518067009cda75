// attention_prompt with tiles: see kernels.hpp for the arithmetic.
//
// A split of 512 positions at a time: its keys and values are staged once (attention_scratch.hpp)
// for all query heads of the call, then taken by two tiles of 16 heads at a time, a pair:
//   scores  [token][head] = keys * queries, with the maxima
//   weights [head][token] = exp(scores - maximum), rounded to bf16, with their sums
//   out     [head][column] = weights * values, folded into the call's state
// All of a split's scores are there before the first is weighed, so that no maximum changes and the
// sums of values stay in tiles.  Heads lie side by side in the vectors of scores: maxima and sums
// take no shuffles, keys no transposing.  A pair's weights are made between the products of the
// next pair's scores, which depend on nothing of theirs: vectors and tiles compute at once.
//
// A column of B and a row of A depend on nothing but themselves: a head has the same bits in any
// tile.  What a row does not see has a score of -infinity for it, and so a weight of 0.  With a
// window, steps of 32 tokens that no row sees are left out: they would add zeros.
//
// What a pair of head tiles takes in a split, head_dim 128, F16: an estimate, never measured, from
// what gcc 12 makes of it; in cycles, 16 for a product of tiles and two vector operations in each:
//   scores   768 TDPBF16PS (BF16: 512), 512 loads of tiles, half of them from the L2;
//            1024 maxima                                                                   12800
//   weights  1024 vectors of 16 operations, 8200, and 32 transpositions of 80, 1300; with 4 pairs
//            three quarters of them beside scores, taken to hide 80 %                       3800
//   values   256 TDPBF16PS, 256 loads, most of them from the L2: 65 % of the peak           6300
//   folding  32 heads of 8 vectors                                                          600
//   staging  keys 15000, values 11000 and queries 500 for all pairs of a call; of 4 pairs   6600
// 30100 together for 8.4 million multiplications and additions: at 3.6 GHz 1.00 TFLOPS, 1.13 with 8
// pairs; 1.25 and 1.4 for BF16.  What is staged of a split is 384 KiB, all scratch of 4 pairs
// 624 KiB of the L2's 2 MiB; scores and weights of a step stay in the first-level cache.
#pragma once

#include "kernels/amx/attention_scratch.hpp"
#include "kernels/amx/row_tiles.hpp"

namespace hearth::kernels {
namespace {

// The positions of a split that a call takes.
struct Split {
  std::int64_t begin;
  std::int64_t tokens;
  std::int64_t steps;    // of 32 tokens
  std::int64_t visible;  // tokens up to the last that the first row sees; each row sees one more
  std::int64_t first;    // the first token that the first row sees, or any row
};

// What is done between the products of one step of scores: nothing.
struct Nothing {
  void operator()(std::int64_t, std::int64_t, std::int64_t) const {}
};

template <class Format>
class PromptAttention {
 public:
  PromptAttention(const AttentionArgs& args, const State& state)
      : args_(args),
        state_(state),
        scratch_(prompt_scratch(args)),
        page_bits_(__builtin_ctzll(static_cast<std::uint64_t>(args.page_tokens))) {
    for (int i = 0; i < 2; ++i) pairs_[i].scores = scratch_.scores[i];
  }

  void attend() {
    clear(state_, heads(), args_.head_dim);
    stage_queries(args_, scratch_);
    for (std::int64_t split = args_.begin; split < args_.end; split += kAttentionSplit) {
      const std::int64_t end = smaller(split + kAttentionSplit, args_.end);
      const std::int64_t seen = first_of_row(0);
      if (seen >= end) continue;
      const std::int64_t begin = seen <= split ? split : seen / kTileTokens * kTileTokens;
      const std::int64_t tokens = end - begin;
      attend_split({begin, tokens, (tokens + kTileTokens - 1) / kTileTokens,
                    smaller(tokens, args_.position + 1 - begin), seen <= begin ? 0 : seen - begin});
    }
  }

  // Whether a value that only some rows see is no finite number.
  bool values_taint() const {
    return values_taint(first_of_row(0), first_of_row(args_.rows - 1)) ||
           values_taint(args_.position + 1, args_.position + args_.rows);
  }

 private:
  bool values_taint(std::int64_t begin, std::int64_t end) const {
    if (begin < args_.begin) begin = args_.begin;
    end = smaller(end, args_.end);
    for (std::int64_t token = begin; token < end; ++token) {
      if (!all_finite<Format>(row_at(token, args_.v_offset), args_.head_dim)) return true;
    }
    return false;
  }
  std::int64_t first_of_row(std::int64_t row) const {
    return attention_first(args_.position + row, args_.window);
  }
  std::int64_t heads() const { return args_.rows * args_.group; }
  std::int64_t pair_count() const {
    return (heads() + kAttentionTileHeads - 1) / kAttentionTileHeads;
  }
  int tile_count(std::int64_t pair) const {
    return pair * kAttentionTileHeads + kLanes < heads() ? 2 : 1;
  }
  const unsigned char* row_at(std::int64_t token, std::int64_t offset) const {
    const std::byte* page = args_.pages[token >> page_bits_];
    return reinterpret_cast<const unsigned char*>(page) + offset +
           (token & (args_.page_tokens - 1)) * bytes_of<Format>(args_.head_dim);
  }

  void attend_split(const Split& split) {
    stage(split);
    score(split, 0, Nothing{});
    for (std::int64_t pair = 0; pair < pair_count(); ++pair) {
      start_weights(pair);
      if (pair + 1 < pair_count()) {
        score(split, pair + 1, [&](std::int64_t step, std::int64_t part, std::int64_t parts) {
          weigh_part(pair, step, part, parts);
        });
      } else {
        for (std::int64_t step = 0; step < split.steps; ++step) weigh_part(pair, step, 0, 1);
      }
      if (tile_count(pair) == 2) {
        add_values<2>(split);
      } else {
        add_values<1>(split);
      }
      const std::int64_t head = pair * kAttentionTileHeads;
      fold(from_head(state_, head), found(pair), smaller(kAttentionTileHeads, heads() - head),
           args_.head_dim);
    }
  }
  State found(std::int64_t pair) {
    HeadPair& of = pairs_[pair % 2];
    return {scratch_.out, of.max, of.sum, scratch_.col_steps * kTileCols};
  }

  void stage(const Split& split) {
    for (std::int64_t token = split.first; token < split.tokens; ++token) {
      SplitTile* tiles = scratch_.keys + token / kLanes * scratch_.col_steps;
      stage_key<Format>(row_at(split.begin + token, args_.k_offset), args_.head_dim, tiles,
                        static_cast<int>(token % kLanes));
    }
    for (std::int64_t token = 0; token < split.steps * kTileTokens; token += 2) {
      const auto row = static_cast<int>(token % kTileTokens / 2);
      WordTile* tiles = scratch_.values + token / kTileTokens;
      const auto values = [&](std::int64_t at) {
        const bool seen = at >= split.first && at < split.tokens;
        return seen ? row_at(split.begin + at, args_.v_offset) : nullptr;
      };
      stage_values<Format>(values(token), values(token + 1), args_.head_dim, tiles, row);
    }
  }

  // Ask for a share of the next split's rows.
  void fetch_ahead(const Split& split, std::int64_t share, std::int64_t shares) const {
    constexpr std::int64_t kLineBytes = 64;
    const std::int64_t next = split.begin + split.tokens;
    const std::int64_t tokens = smaller(kAttentionSplit, args_.end - next);
    const std::int64_t bytes = bytes_of<Format>(args_.head_dim);
    const std::int64_t offsets[] = {args_.k_offset, args_.v_offset};
    for (std::int64_t i = tokens * share / shares; i < tokens * (share + 1) / shares; ++i) {
      for (const std::int64_t offset : offsets) {
        const unsigned char* row = row_at(next + i, offset);
        for (std::int64_t at = 0; at < bytes; at += kLineBytes) prefetch(row + at);
      }
    }
  }

  // The scores of a pair and their maxima; beside(step, k, col_steps) between the products.
  template <class Beside>
  void score(const Split& split, std::int64_t pair, Beside beside) {
    HeadPair& to = pairs_[pair % 2];
    for (float& max : to.max) max = -__builtin_inff();
    for (std::int64_t step = 0; step < split.steps; ++step) {
      const auto between = [&](std::int64_t k) { beside(step, k, scratch_.col_steps); };
      if (tile_count(pair) == 2) {
        multiply_keys<2>(pair, step, between);
      } else {
        multiply_keys<1>(pair, step, between);
      }
      hide(split, pair, step);
      raise_max(pair, step);
      fetch_ahead(split, pair * split.steps + step, pair_count() * split.steps);
    }
  }
  // In each step of columns low * high, then high * high, then high * low.
  template <int kTiles, class Between>
  void multiply_keys(std::int64_t pair, std::int64_t step, Between between) {
    const std::int64_t steps = scratch_.col_steps;
    const SplitTile* keys = scratch_.keys + 2 * step * steps;
    const SplitTile* queries = scratch_.queries + 2 * pair * steps;
    zero_sums<2, kTiles>();
    for (std::int64_t k = 0; k < steps; ++k) {
      const void *high[kTiles], *low[kTiles];
      for (int t = 0; t < kTiles; ++t) {
        high[t] = &queries[t * steps + k].high;
        low[t] = &queries[t * steps + k].low;
      }
      load_rows<2>({&keys[k].high, &keys[steps + k].high}, kTileRowBytes);
      load_weights(low);
      add_products_of_bf16<2, kTiles>();
      load_weights(high);
      add_products_of_bf16<2, kTiles>();
      if constexpr (kSplitKeys<Format>) {
        load_rows<2>({&keys[k].low, &keys[steps + k].low}, kTileRowBytes);
        add_products_of_bf16<2, kTiles>();
      }
      between(k);
    }
    float* to[2][kTiles];
    for (int tokens = 0; tokens < 2; ++tokens) {
      for (int t = 0; t < kTiles; ++t) to[tokens][t] = scores_at(pair, step, tokens, t).at[0];
    }
    store_sums(to);
  }
  ScoreTile& scores_at(std::int64_t pair, std::int64_t step, int half, int tile) const {
    return pairs_[pair % 2].scores[4 * step + 2 * half + tile];
  }

  // -infinity for what rows do not see: of tokens after theirs the first rows, which are the first
  // heads; of tokens before their windows the last ones.
  void hide(const Split& split, std::int64_t pair, std::int64_t step) const {
    hide_later(split, pair, step);
    if (args_.window != 0) hide_earlier(split, pair, step);
  }
  void hide_earlier(const Split& split, std::int64_t pair, std::int64_t step) const {
    const std::int64_t end =
        smaller((step + 1) * kTileTokens, first_of_row(args_.rows - 1) - split.begin);
    for (std::int64_t token = step * kTileTokens; token < end; ++token) {
      // The first row whose window begins after the token.
      const std::int64_t row = split.begin + token + args_.window - args_.position;
      const std::int64_t head = (row < 0 ? 0 : row) * args_.group - pair * kAttentionTileHeads;
      const auto half = static_cast<int>(token % kTileTokens / kLanes);
      for (int tile = 0; tile < tile_count(pair); ++tile) {
        float* scores = scores_at(pair, step, half, tile).at[token % kLanes];
        const std::int64_t from = head - tile * kLanes;
        for (std::int64_t i = from < 0 ? 0 : from; i < kLanes; ++i) scores[i] = -__builtin_inff();
      }
    }
  }
  void hide_later(const Split& split, std::int64_t pair, std::int64_t step) const {
    const std::int64_t end = (step + 1) * kTileTokens;
    std::int64_t token = step * kTileTokens;
    if (token < split.visible) token = smaller(split.visible, end);
    for (; token < end; ++token) {
      const std::int64_t hidden =
          (token - split.visible + 1) * args_.group - pair * kAttentionTileHeads;
      const auto half = static_cast<int>(token % kTileTokens / kLanes);
      for (int tile = 0; tile < tile_count(pair) && hidden > tile * kLanes; ++tile) {
        float* scores = scores_at(pair, step, half, tile).at[token % kLanes];
        store(scores, broadcast(-__builtin_inff()), lanes_left(tile * kLanes, hidden));
      }
    }
  }
  void raise_max(std::int64_t pair, std::int64_t step) {
    for (int tile = 0; tile < tile_count(pair); ++tile) {
      float* at = pairs_[pair % 2].max + tile * kLanes;
      Lanes top[2] = {load(at), load(at)};
      for (int token = 0; token < kLanes; ++token) {
        for (int half = 0; half < 2; ++half) {
          top[half] = max(load(scores_at(pair, step, half, tile).at[token]), top[half]);
        }
      }
      store(at, max(top[0], top[1]));
    }
  }

  void start_weights(std::int64_t pair) {
    for (float& sum : pairs_[pair % 2].sum) sum = 0.0f;
  }
  // One part of so many of a step's weights, which are made 16 tokens of 16 heads at a time.
  void weigh_part(std::int64_t pair, std::int64_t step, std::int64_t part, std::int64_t parts) {
    const int count = 2 * tile_count(pair);
    for (std::int64_t i = count * part / parts; i < count * (part + 1) / parts; ++i) {
      weigh_tile(pair, step, static_cast<int>(i) / 2, static_cast<int>(i) % 2);
    }
  }
  void weigh_tile(std::int64_t pair, std::int64_t step, int tile, int half) {
    const ScoreTile& scores = scores_at(pair, step, half, tile);
    // A number for rows that see nothing of the split.
    const Lanes top = max(broadcast(-3e38f), load(pairs_[pair % 2].max + tile * kLanes));
    float* sum = pairs_[pair % 2].sum + tile * kLanes;
    Lanes total = load(sum);
    for (int token = 0; token < kLanes; token += 2) {
      const Lanes even = weight(load(scores.at[token]), top);
      const Lanes odd = weight(load(scores.at[token + 1]), top);
      total = add(total, add(even, odd));
      store_pairs(by_token_.at[half * kLanes / 2 + token / 2], even, odd);
    }
    store(sum, total);
    if (half == 1) transpose(by_token_, scratch_.weights[tile * kSplitSteps + step]);
  }
  // exp(score - top) in bf16; 0 below 2^-200, which is 0 in float.  A NaN, from tiles of bf16,
  // stays one.
  static Lanes weight(Lanes score, Lanes top) {
    const Lanes t = mul(sub(score, top), broadcast(kPerLn2));
    return truncated_to_bf16(half_up(rough_power_of_two(max(broadcast(-200.0f), t))));
  }

  template <int kTiles>
  void add_values(const Split& split) {
    const std::int64_t stride = scratch_.col_steps * kTileCols;
    for (std::int64_t column = 0; column < stride; column += kTileCols) {
      const WordTile* values = scratch_.values + column / kLanes * kSplitSteps;
      zero_sums<kTiles, 2>();
      for (std::int64_t step = 0; step < split.steps; ++step) {
        const void* weights[kTiles];
        for (int t = 0; t < kTiles; ++t) weights[t] = &scratch_.weights[t * kSplitSteps + step];
        load_rows(weights, kTileRowBytes);
        load_weights<2>({&values[step], &values[kSplitSteps + step]});
        add_products_of_bf16<kTiles, 2>();
      }
      float* to[kTiles][2];
      for (int t = 0; t < kTiles; ++t) {
        for (int i = 0; i < 2; ++i) {
          to[t][i] = scratch_.out + t * kLanes * stride + column + i * kLanes;
        }
      }
      store_sums(to, stride * static_cast<std::int64_t>(sizeof(float)));
    }
  }

  const AttentionArgs& args_;
  const State state_;
  const PromptScratch scratch_;
  const int page_bits_;
  HeadPair pairs_[2];  // which take turns
  WordTile by_token_;  // a step's weights of one tile of heads: [token pair][head]
};

// A weight of 0 does not keep a NaN or an infinity out of a sum of products.  Where a value that
// some rows do not see is one, each row is computed alone, from what it sees; to the same bits.
template <class Format>
void attention_prompt(const AttentionArgs& args) {
  TileConfig config;
  for (int tile = 0; tile < kTileCount; ++tile) config.set(tile, kTileHeight, kTileRowBytes);
  const Tiles in_use(config);
  const State state = state_at(args.state, args.rows * args.group, args.head_dim);
  PromptAttention<Format> all(args, state);
  if (!all.values_taint()) return all.attend();
  for (std::int64_t row = 0; row < args.rows; ++row) {
    AttentionArgs alone = args;
    alone.q += row * args.q_stride;
    alone.position += row;
    alone.rows = 1;
    alone.end = smaller(args.end, alone.position + 1);
    PromptAttention<Format>(alone, from_head(state, row * args.group)).attend();
  }
}

}  // namespace
}  // namespace hearth::kernels
