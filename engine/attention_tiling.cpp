// See attention_tiling.hpp.
#include "engine/attention_tiling.hpp"

#include <algorithm>
#include <cassert>

namespace hearth {
namespace {

// Rows from one on that can be a tile.
std::int64_t tile_length(std::span<const BatchRow> rows, std::int64_t page_tokens,
                         std::int64_t tile_rows) {
  const BatchRow& first = rows.front();
  std::int64_t length = 1;
  while (length < tile_rows && length < std::ssize(rows)) {
    const BatchRow& row = rows[static_cast<std::size_t>(length)];
    if (row.role != first.role || row.pages != first.pages ||
        row.position != first.position + length)
      break;
    if (row.position % page_tokens == 0) break;
    ++length;
  }
  return length;
}

}  // namespace

AttentionTiling::AttentionTiling(std::int64_t rows_max, std::int64_t page_tokens,
                                 std::int64_t tile_rows, std::int64_t window)
    : page_tokens_(page_tokens), tile_rows_(tile_rows), window_(window) {
  assert(tile_rows >= 1 && tile_rows <= kernels::kAttentionRows);
  tiles_.reserve(static_cast<std::size_t>(rows_max));
  pieces_.reserve(static_cast<std::size_t>(rows_max + kAttentionParts));
}

// Tiles that are one piece come first: a long piece that is begun last keeps everyone waiting. Then
// the same split of all tiles: sequences with a common prefix read the same pages, which the cache
// of the processor still holds for the second of them.
void AttentionTiling::cut(std::span<const BatchRow> rows) {
  tiles_.clear();
  pieces_.clear();
  spread_tiles_ = 0;
  std::int64_t parts = 0, splits_max = 0;
  for (std::int64_t row = 0; row < std::ssize(rows);) {
    const auto rest = rows.subspan(static_cast<std::size_t>(row));
    const std::int64_t length = tile_length(rest, page_tokens_, tile_rows_);
    const std::int64_t position = rest.front().position;
    const std::int64_t begin = kernels::attention_first_split(position, window_);
    const std::int64_t splits = (position - begin) / kernels::kAttentionSplit + 1;
    const bool spreads = splits > 1 && parts + length * splits <= kAttentionParts;
    if (!spreads) pieces_.push_back({std::ssize(tiles_), 0});
    tiles_.push_back({row, length, begin, splits, parts, spreads ? spread_tiles_++ : -1});
    if (spreads) {
      parts += length * splits;
      splits_max = std::max(splits_max, splits);
    }
    row += length;
  }
  for (std::int64_t split = 0; split < splits_max; ++split) {
    for (std::int64_t tile = 0; tile < std::ssize(tiles_); ++tile) {
      const AttentionTile& spread = tiles_[static_cast<std::size_t>(tile)];
      if (spread.spread >= 0 && split < spread.splits) pieces_.push_back({tile, split});
    }
  }
}

}  // namespace hearth
