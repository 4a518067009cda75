// Goal: every position that a row sees is in exactly one piece, tiles hold what the kernels take,
// and the states of spread tiles have their room.
#include "engine/attention_tiling.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace hearth {
namespace {

constexpr std::int64_t kSplit = kernels::kAttentionSplit;
constexpr std::int64_t kPageTokens = 32;

class Batch {
 public:
  // count rows of a sequence from a position on.
  void add(int sequence, std::int64_t position, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      rows_.push_back(
          {0, static_cast<std::int32_t>(position + i), &pages_[sequence], RowOutput::none});
    }
  }
  const std::vector<BatchRow>& rows() const { return rows_; }

 private:
  std::byte* pages_[8] = {};  // only their addresses matter
  std::vector<BatchRow> rows_;
};

// What the pieces of a tiling cover, and whether each tile is one that a kernel takes.
void check(const AttentionTiling& tiling, const Batch& batch, std::int64_t tile_rows) {
  std::int64_t next_row = 0, next_part = 0;
  for (const AttentionTile& tile : tiling.tiles()) {
    ASSERT_EQ(tile.row, next_row);
    ASSERT_TRUE(tile.rows >= 1 && tile.rows <= tile_rows);
    next_row += tile.rows;
    const BatchRow& first = batch.rows()[static_cast<std::size_t>(tile.row)];
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      const BatchRow& row = batch.rows()[static_cast<std::size_t>(tile.row + i)];
      EXPECT_EQ(row.pages, first.pages);
      EXPECT_EQ(row.position, first.position + i);
      EXPECT_EQ(row.position / kPageTokens, first.position / kPageTokens);
    }
    EXPECT_EQ(tile.begin % kSplit, 0);
    const std::int64_t seen =
        tiling.window() == 0 ? 0 : std::max<std::int64_t>(0, first.position + 1 - tiling.window());
    EXPECT_TRUE(tile.begin <= seen && seen < tile.begin + kSplit);
    EXPECT_EQ(tile.splits, (first.position - tile.begin + kSplit) / kSplit);
    if (tile.spread < 0) continue;
    EXPECT_EQ(tile.part, next_part);
    next_part += tile.rows * tile.splits;
  }
  EXPECT_EQ(next_row, std::ssize(batch.rows()));
  EXPECT_LE(next_part, kAttentionParts);
  EXPECT_LE(tiling.spread_tiles(), kAttentionParts / 2);
  std::set<std::pair<std::int64_t, std::int64_t>> seen, wanted;
  for (const AttentionPiece& piece : tiling.pieces()) {
    EXPECT_TRUE(seen.insert({piece.tile, piece.split}).second);
  }
  for (std::int64_t i = 0; i < std::ssize(tiling.tiles()); ++i) {
    const AttentionTile& tile = tiling.tiles()[static_cast<std::size_t>(i)];
    for (std::int64_t split = 0; split < (tile.spread < 0 ? 1 : tile.splits); ++split) {
      wanted.insert({i, split});
    }
  }
  EXPECT_EQ(seen, wanted);
}

TEST(attention_tiling, rows_of_a_page_are_a_tile) {
  Batch batch;
  batch.add(0, 20, 50);  // 12 to the end of a page, a page, 6
  AttentionTiling tiling(256, kPageTokens, 32);
  tiling.cut(batch.rows());
  check(tiling, batch, 32);
  ASSERT_EQ(tiling.tiles().size(), 3u);
  EXPECT_EQ(tiling.tiles()[1].rows, 32);
  EXPECT_EQ(tiling.spread_tiles(), 0);
}

TEST(attention_tiling, keeps_sequences_gaps_and_long_runs_apart) {
  Batch batch;
  batch.add(0, 5, 1);
  batch.add(1, 6, 1);  // the next position, but of another sequence
  batch.add(1, 9, 1);
  batch.add(2, 64, 32);
  AttentionTiling tiling(256, kPageTokens, 10);
  tiling.cut(batch.rows());
  check(tiling, batch, 10);
  EXPECT_EQ(tiling.tiles().size(), 3u + 4u);
}

TEST(attention_tiling, spreads_long_rows_as_far_as_there_is_room) {
  Batch batch;
  batch.add(0, kSplit - 1, 1);  // one split: nothing to spread
  batch.add(1, kSplit, 1);
  for (int i = 0; i < 40; ++i) batch.add(2 + i % 2, 20 * kSplit + 7, 1);
  AttentionTiling tiling(64, kPageTokens, 32);
  tiling.cut(batch.rows());
  check(tiling, batch, 32);
  EXPECT_EQ(tiling.tiles()[0].spread, -1);
  EXPECT_EQ(tiling.tiles()[1].splits, 2);
  EXPECT_EQ(tiling.spread_tiles(), 1 + (kAttentionParts - 2) / 21);
  EXPECT_EQ(tiling.pieces()[0].tile, 0);
  EXPECT_EQ(tiling.tiles()[static_cast<std::size_t>(tiling.pieces()[1].tile)].spread, -1);
  tiling.cut(std::span(batch.rows()).first(1));
  EXPECT_EQ(tiling.pieces().size(), 1u);
}

TEST(attention_tiling, begins_in_the_split_of_the_first_position_in_the_window) {
  for (const std::int64_t window : {std::int64_t{1}, std::int64_t{40}, kSplit, 3 * kSplit + 1}) {
    Batch batch;
    batch.add(0, kSplit - 1, 1);
    batch.add(1, 5 * kSplit, 32);  // the rows' windows begin in two splits
    batch.add(2, 5 * kSplit + 38, 20);
    AttentionTiling tiling(64, kPageTokens, 32, window);
    tiling.cut(batch.rows());
    check(tiling, batch, 32);
  }
  Batch batch;
  batch.add(0, 20 * kSplit + 7, 1);
  AttentionTiling tiling(64, kPageTokens, 32, 8);
  tiling.cut(batch.rows());
  check(tiling, batch, 32);
  EXPECT_EQ(tiling.tiles()[0].begin, 20 * kSplit);
  EXPECT_EQ(tiling.pieces().size(), 1u);
}

// Sequences with a common prefix read it one behind the other.
TEST(attention_tiling, takes_a_split_of_all_tiles_before_the_next) {
  Batch batch;
  for (int sequence = 0; sequence < 3; ++sequence) batch.add(sequence, (2 + sequence) * kSplit, 1);
  AttentionTiling tiling(64, kPageTokens, 32);
  tiling.cut(batch.rows());
  check(tiling, batch, 32);
  for (std::size_t i = 1; i < tiling.pieces().size(); ++i) {
    EXPECT_GE(tiling.pieces()[i].split, tiling.pieces()[i - 1].split);
  }
}

}  // namespace
}  // namespace hearth
