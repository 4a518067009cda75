// How the attention of a batch is cut into pieces of work, the same for every layer with the same
// window and every KV head.
//
// Adjacent rows of one sequence and role at consecutive positions of one page are a tile: they read
// the pages before them once for all.  The positions that a tile sees, with a window from the split
// on that the first row's begins in, are taken in splits of kAttentionSplit; a tile of several
// splits is spread, a piece for each split, so that few long sequences keep many workers busy.
// Spread pieces leave states that are merged when the last of them is done; room for these is
// bounded, and a tile that finds none is one piece.
//
// Nothing of this changes a result: the kernels compute a row alike in any tile and piece.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/batch.hpp"
#include "kernels/kernels.hpp"

namespace hearth {

// States that spread tiles of a batch may leave, one for each row and split.
inline constexpr std::int64_t kAttentionParts = 512;

struct AttentionTile {
  std::int64_t row;    // the first one's index in the batch
  std::int64_t rows;   // 1 .. tile_rows
  std::int64_t begin;  // position where the first split begins
  std::int64_t splits;
  std::int64_t part;    // of a spread tile: the first of its rows * splits parts
  std::int64_t spread;  // its number among the spread tiles; -1: it is one piece
};

struct AttentionPiece {
  std::int64_t tile;
  std::int64_t split;  // of a spread tile: from begin + split * kAttentionSplit on
};

class AttentionTiling {
 public:
  AttentionTiling() = default;
  // rows_max of a batch; page_tokens of a page, tile_rows at most in a tile; the layers' window, 0
  // for none.
  AttentionTiling(std::int64_t rows_max, std::int64_t page_tokens, std::int64_t tile_rows,
                  std::int64_t window = 0);

  // Cut a batch of up to rows_max rows.  Allocates nothing.
  void cut(std::span<const BatchRow> rows);

  std::int64_t window() const { return window_; }
  std::span<const AttentionTile> tiles() const { return tiles_; }
  std::span<const AttentionPiece> pieces() const { return pieces_; }
  std::int64_t spread_tiles() const { return spread_tiles_; }  // at most kAttentionParts / 2

 private:
  std::int64_t page_tokens_ = 1;
  std::int64_t tile_rows_ = 1;
  std::int64_t window_ = 0;
  std::int64_t spread_tiles_ = 0;
  std::vector<AttentionTile> tiles_;
  std::vector<AttentionPiece> pieces_;
};

}  // namespace hearth
