// attention and attention_merge for the vector tiers: see kernels.hpp.
//
// A call's query heads (those of all its rows, "heads" below) are laid out one after another in the
// scratch, and every page is taken for all of them at once: scores, weights, values
// (attention_tile.hpp).  Where many heads share a page, its keys and then its values are widened to
// floats first, into scratch that stays in the first-level cache; widening is exact, so that it
// changes no result.
//
// Source: M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax", 2018: a new
// maximum rescales what was summed so far.  T. Dao et al., "Flash-Decoding", 2023: splits.
#pragma once

#include "kernels/simd/attention_state.hpp"
#include "kernels/simd/attention_tile.hpp"

namespace hearth::kernels {
namespace {

// So many heads read the page's format itself: widening it once for all of them is faster beyond
// (Zen 3).
template <class Format>
constexpr std::int64_t kDirectHeads = kBlocked<Format> ? kHeadTile : 2 * kHeadTile;

// A call's scratch, and its constants.
struct Tile {
  std::int64_t heads;  // rows * group
  float* q;            // [heads, head_dim]
  float* scores;       // [heads, page_tokens], then the weights
  float* factors;      // [heads]
  float* wide;         // [page_tokens, head_dim]
  float* part;         // [attention_state_floats]: of the splits after the first
};

inline Tile tile_of(const AttentionArgs& args) {
  Tile tile;
  tile.heads = args.rows * args.group;
  tile.q = args.scratch;
  tile.wide = tile.q + tile.heads * args.head_dim;
  tile.part = tile.wide + args.page_tokens * args.head_dim;
  tile.scores = tile.part + attention_state_floats(tile.heads, args.head_dim);
  tile.factors = tile.scores + tile.heads * args.page_tokens;
  return tile;
}

// One page of the sequence, seen by one KV head.
struct Page {
  Strip keys, values;
  std::int64_t position;  // of its first token
  std::int64_t visible;   // tokens of it up to the last that the first row sees, 1 .. page_tokens
  bool own;  // of the rows themselves: each row sees one token more than the one before
};

// Heads that see the same tokens of a page, [begin, end).
struct Sight {
  std::int64_t head_begin, head_end;
  std::int64_t begin, end;
};

// body(Sight) for all heads at once; or for each row that sees something, in the rows' own page and
// where a row's window begins.
template <class Body>
inline void for_each_sight(const AttentionArgs& args, const Page& page, Body body) {
  const auto begin = [&](std::int64_t row) {
    const std::int64_t first = attention_first(args.position + row, args.window) - page.position;
    return first < 0 ? 0 : first;
  };
  if (!page.own && begin(args.rows - 1) == 0) {
    return body(Sight{0, args.rows * args.group, 0, page.visible});
  }
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const std::int64_t end = page.own ? page.visible + row : page.visible;
    if (begin(row) >= end) continue;
    body(Sight{row * args.group, (row + 1) * args.group, begin(row), end});
  }
}
inline std::int64_t tokens_of(const AttentionArgs& args, const Page& page) {
  return page.own ? page.visible + args.rows - 1 : page.visible;
}

// Scores to scaled ones, -infinity before the first token seen; the largest so far, and what that
// takes from the one before.
[[gnu::noinline]] void raise_max(const AttentionArgs& args, const Tile& tile, const State& state,
                                 const Sight& sight) {
  constexpr float kInfinity = __builtin_inff();
  for (std::int64_t head = sight.head_begin; head < sight.head_end; ++head) {
    float* scores = tile.scores + head * args.page_tokens;
    for (std::int64_t j = 0; j < sight.begin; ++j) scores[j] = -kInfinity;
    Lanes top = broadcast(state.max[head]);
    for (std::int64_t j = 0; j < sight.end; j += kLanes) {
      const int n = lanes_left(j, sight.end);
      const Lanes scaled = mul(load(scores + j, n, -kInfinity), broadcast(args.scale));
      store(scores + j, scaled, n);
      top = max(scaled, top);
    }
    const float old = state.max[head];
    state.max[head] = max_of(top);
    tile.factors[head] = old - state.max[head];
  }
}

// Factors to exp(old maximum - new one).
[[gnu::noinline]] void finish_factors(const Tile& tile) {
  for (std::int64_t head = 0; head < tile.heads; head += kLanes) {
    const int n = lanes_left(head, tile.heads);
    store(tile.factors + head, exp(load(tile.factors + head, n)), n);
  }
}

// Scores to weights exp(score - max), added to the sum.
[[gnu::noinline]] void weigh(const AttentionArgs& args, const Tile& tile, const State& state,
                             const Sight& sight) {
  constexpr float kInfinity = __builtin_inff();
  for (std::int64_t head = sight.head_begin; head < sight.head_end; ++head) {
    float* scores = tile.scores + head * args.page_tokens;
    const Lanes top = broadcast(state.max[head]);
    Lanes sum = zero();
    for (std::int64_t j = 0; j < sight.end; j += kLanes) {
      const int n = lanes_left(j, sight.end);
      const Lanes weights = exp(sub(load(scores + j, n, -kInfinity), top));
      store(scores + j, weights, n);
      sum = add(sum, weights);
    }
    state.sum[head] = state.sum[head] * tile.factors[head] + sum_of(sum);
  }
}

template <class Format>
[[gnu::noinline]] void widen_rows(const Strip& strip, std::int64_t tokens, std::int64_t head_dim,
                                  float* wide) {
  for (std::int64_t token = 0; token < tokens; ++token, wide += head_dim) {
    strip.fetch_ahead(token * strip.row_bytes, (token + 1) * strip.row_bytes);
    const unsigned char* row = strip.rows + token * strip.row_bytes;
    std::int64_t k = 0;
    for (; k + Format::kColumns <= head_dim; k += Format::kColumns) {
      Lanes vectors[Format::kColumns / kLanes];
      widen_step<Format>(row + bytes_of<Format>(k), vectors);
#pragma GCC unroll 4
      for (int v = 0; v < Format::kColumns / kLanes; ++v) store(wide + k + v * kLanes, vectors[v]);
    }
    if constexpr (!kBlocked<Format>) {
      const int rest = static_cast<int>(head_dim - k);
      if (rest > 0) store(wide + k, Format::widen(row + bytes_of<Format>(k), rest), rest);
    }
  }
}
inline Strip wide_strip(const AttentionArgs& args, const Tile& tile) {
  return {reinterpret_cast<const unsigned char*>(tile.wide), bytes_of<F32>(args.head_dim), nullptr};
}

// Whether the tiles read the page's format itself.
template <class Format>
inline bool reads_directly(const Tile& tile) {
  return Format::kBytes == F32::kBytes || tile.heads <= kDirectHeads<Format>;
}

template <class Format>
void score_strip(const AttentionArgs& args, const Tile& tile, Strip keys, std::int64_t tokens) {
  in_head_tiles(0, tile.heads, [&](auto heads, std::int64_t head) {
    score_heads<Format, heads.value>(keys, tokens, tile.q + head * args.head_dim, args.head_dim,
                                     tile.scores + head * args.page_tokens, args.page_tokens);
    keys.ahead = nullptr;  // asked for
  });
}

template <class Format>
void score_page(const AttentionArgs& args, const Tile& tile, const Page& page) {
  const std::int64_t tokens = tokens_of(args, page);
  if (reads_directly<Format>(tile)) {
    return score_strip<Format>(args, tile, page.keys, tokens);
  }
  widen_rows<Format>(page.keys, tokens, args.head_dim, tile.wide);
  score_strip<F32>(args, tile, wide_strip(args, tile), tokens);
}

// What a row does not see must not take part, not even with a weight of zero: a NaN would.
template <class Format>
void add_strip(const AttentionArgs& args, const Tile& tile, const State& state, const Page& page,
               Strip values) {
  for_each_sight(args, page, [&](const Sight& sight) {
    in_head_tiles(sight.head_begin, sight.head_end, [&](auto heads, std::int64_t head) {
      const Weighted to = {tile.scores + head * args.page_tokens + sight.begin, args.page_tokens,
                           tile.factors + head, state.out + head * args.head_dim, args.head_dim};
      Strip seen = values;
      seen.rows += sight.begin * values.row_bytes;
      value_columns<Format, heads.value, tile_vectors(heads.value)>(seen, sight.end - sight.begin,
                                                                    to, 0);
      values.ahead = nullptr;  // asked for
    });
  });
}

template <class Format>
void add_values(const AttentionArgs& args, const Tile& tile, const State& state, const Page& page) {
  if (reads_directly<Format>(tile)) {
    return add_strip<Format>(args, tile, state, page, page.values);
  }
  widen_rows<Format>(page.values, tokens_of(args, page), args.head_dim, tile.wide);
  add_strip<F32>(args, tile, state, page, wide_strip(args, tile));
}

// The pages of one split, from nothing; from the first on that the first row sees.
template <class Format>
void attend_split(const AttentionArgs& args, const Tile& tile, const State& state,
                  std::int64_t begin, std::int64_t end) {
  clear(state, tile.heads, args.head_dim);
  const std::int64_t row_bytes = bytes_of<Format>(args.head_dim);
  const auto strip = [&](std::int64_t page, std::int64_t offset) {
    return reinterpret_cast<const unsigned char*>(args.pages[page]) + offset;
  };
  const std::int64_t own = args.position / args.page_tokens;
  const std::int64_t last = (end - 1) / args.page_tokens;
  const std::int64_t first = attention_first(args.position, args.window) / args.page_tokens;
  std::int64_t i = begin / args.page_tokens;
  for (i = i < first ? first : i; i <= last; ++i) {
    const unsigned char* keys = strip(i, args.k_offset);
    const unsigned char* values = strip(i, args.v_offset);
    const unsigned char* next = i < last ? strip(i + 1, args.k_offset) : nullptr;
    const Page page = {{keys, row_bytes, values},
                       {values, row_bytes, next},
                       i * args.page_tokens,
                       i == own ? args.position % args.page_tokens + 1 : args.page_tokens,
                       i == own};
    score_page<Format>(args, tile, page);
    for_each_sight(args, page, [&](const Sight& s) { raise_max(args, tile, state, s); });
    finish_factors(tile);
    for_each_sight(args, page, [&](const Sight& s) { weigh(args, tile, state, s); });
    add_values<Format>(args, tile, state, page);
  }
}

template <class Format>
void attention(const AttentionArgs& args) {
  const Tile tile = tile_of(args);
  const std::int64_t row_floats = args.group * args.head_dim;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    for (std::int64_t k = 0; k < row_floats; k += kLanes) {
      const int n = lanes_left(k, row_floats);
      store(tile.q + row * row_floats + k, load(args.q + row * args.q_stride + k, n), n);
    }
  }
  const State state = state_at(args.state, tile.heads, args.head_dim);
  const State part = state_at(tile.part, tile.heads, args.head_dim);
  const std::int64_t seen = attention_first_split(args.position, args.window);
  const std::int64_t from = seen < args.begin ? args.begin : seen;
  if (from >= args.end) clear(state, tile.heads, args.head_dim);
  for (std::int64_t begin = from; begin < args.end; begin += kAttentionSplit) {
    const std::int64_t end = smaller(begin + kAttentionSplit, args.end);
    attend_split<Format>(args, tile, begin == from ? state : part, begin, end);
    if (begin != from) fold(state, part, tile.heads, args.head_dim);
  }
}

void attention_merge(const AttentionMergeArgs& args) {
  const std::int64_t heads = args.rows * args.group;
  const State state = state_at(args.states, heads, args.head_dim);
  for (std::int64_t i = 1; i < args.count; ++i) {
    float* other = args.states + i * attention_state_floats(heads, args.head_dim);
    fold(state, state_at(other, heads, args.head_dim), heads, args.head_dim);
  }
  for (std::int64_t head = 0; head < heads; ++head) {
    const Lanes sum = broadcast(state.sum[head]);
    const float* from = state.out + head * args.head_dim;
    float* out = args.out + head / args.group * args.out_stride + head % args.group * args.head_dim;
    for (std::int64_t k = 0; k < args.head_dim; k += kLanes) {
      const int n = lanes_left(k, args.head_dim);
      store(out + k, div(load(from + k, n), sum), n);
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
