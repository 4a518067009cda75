// linear and dequant_row for the vector tiers; see dot_tile.hpp for the arithmetic.
//
// Columns are summed in blocks of kColumnBlock, the blocks' sums one after the other: the inner
// loops then work within the first-level cache, and rounding errors grow more slowly.
//
// A few tokens: weights are widened in registers while the rows of a tile stream from memory.
// More tokens: a tile of weights is widened once into a small panel, and all tokens use it.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/simd/dot_tile.hpp"

namespace hearth::kernels {
namespace {

constexpr std::int64_t kColumnBlock = 512;
constexpr int kPanelRows = 4;

// The sums of so many rows and tokens are kept while all columns are gone through, so that a block
// of activations stays in the second-level cache for all these rows.
constexpr std::int64_t kRowBlock = 32;
constexpr std::int64_t kTokenBlock = 96;
// Up to so many tokens have small activations: rows then stream from memory a panel at a time.
constexpr std::int64_t kStreamTokens = 16;

static_assert(kColumnBlock % kSuperBlock == 0 && kColumnBlock % kLanes == 0);
static_assert(kRowBlock % kPanelRows == 0 && kTokenBlock % kTileTokens == 0);

inline void finish(const LinearArgs& args, std::int64_t row, std::int64_t token, float sum) {
  float* y = args.y + token * args.y_stride + row;
  if (args.bias != nullptr) sum += args.bias[row];
  *y = args.accumulate ? sum + *y : sum;
}

// The rows of a tile at a column.  Past row_end the last row stands in, its results unused.
template <class Format, int kRows>
inline void tile_rows_at(const LinearArgs& args, std::int64_t row, std::int64_t column,
                         const unsigned char* (&rows)[kRows]) {
  const auto* weights = static_cast<const unsigned char*>(args.weights);
  for (int r = 0; r < kRows; ++r) {
    const std::int64_t at = smaller(row + r, args.row_end - 1);
    rows[r] = weights + at * bytes_of<Format>(args.cols) + bytes_of<Format>(column);
  }
}

// Exactly kTokens tokens.
template <class Format, int kTokens>
void linear_few_tokens(const LinearArgs& args) {
  constexpr int kRows = tile_rows(kTokens);
  for (std::int64_t row = args.row_begin; row < args.row_end; row += kRows) {
    float total[kRows * kTokens] = {};
    for (std::int64_t column = 0; column < args.cols; column += kColumnBlock) {
      const unsigned char* rows[kRows];
      tile_rows_at<Format>(args, row, column, rows);
      const float* x[kTokens];
      for (int t = 0; t < kTokens; ++t) x[t] = args.x + t * args.x_stride + column;
      float dots[kRows * kTokens];
      dot_tile<Format, kRows, kTokens>(rows, x, smaller(kColumnBlock, args.cols - column), dots);
      for (int i = 0; i < kRows * kTokens; ++i) total[i] += dots[i];
    }
    for (int r = 0; r < kRows && row + r < args.row_end; ++r) {
      for (int t = 0; t < kTokens; ++t) finish(args, row + r, t, total[r * kTokens + t]);
    }
  }
}

// Widens cols columns, at most kColumnBlock, of one row.
template <class Format>
inline void widen_row(const unsigned char* row, std::int64_t cols, float* out) {
  std::int64_t k = 0;
  if constexpr (Portable<Format>) {
    for (; k < cols; k += Format::kColumns, row += Format::kBytes) Format::widen(row, out + k);
    return;
  } else {
    for (; k + Format::kColumns <= cols; k += Format::kColumns, row += Format::kBytes) {
      Lanes weights[Format::kColumns / kLanes];
      widen_step<Format>(row, weights);
      for (int v = 0; v < Format::kColumns / kLanes; ++v) store(out + k + v * kLanes, weights[v]);
    }
    if constexpr (!kBlocked<Format>) {
      const int rest = static_cast<int>(cols - k);
      if (rest > 0) store(out + k, Format::widen(row, rest), rest);
    }
  }
}

// total[r][t] += the products of a panel's rows with tokens [token, token + kTokens).
template <int kTokens>
inline void add_tile(const LinearArgs& args, const unsigned char* const* rows, std::int64_t token,
                     std::int64_t column, float* total) {
  const float* x[kTokens];
  for (int t = 0; t < kTokens; ++t) x[t] = args.x + (token + t) * args.x_stride + column;
  float dots[kPanelRows * kTokens];
  dot_tile<F32, kPanelRows, kTokens>(rows, x, smaller(kColumnBlock, args.cols - column), dots);
  for (int r = 0; r < kPanelRows; ++r) {
    for (int t = 0; t < kTokens; ++t) total[r * kTokenBlock + t] += dots[r * kTokens + t];
  }
}

// The same for tokens [token, token_end), in tiles.
template <int kTokens>
inline void add_tiles(const LinearArgs& args, const unsigned char* const* rows, std::int64_t token,
                      std::int64_t token_end, std::int64_t column, float* total) {
  for (; token + kTokens <= token_end; token += kTokens, total += kTokens) {
    add_tile<kTokens>(args, rows, token, column, total);
  }
  if constexpr (kTokens > 1) {
    add_tiles<kTokens - 1>(args, rows, token, token_end, column, total);
  }
}

// Adds one block of columns of kPanelRows rows, for all tokens of a block.
template <class Format>
void add_panel(const LinearArgs& args, std::int64_t row, std::int64_t token, std::int64_t token_end,
               std::int64_t column, float* total) {
  const unsigned char* rows[kPanelRows];
  tile_rows_at<Format>(args, row, column, rows);
  alignas(64) float panel[kPanelRows][kColumnBlock];
  // Floats too: rows a power of two apart compete for the same lines of the cache.
  if (!__is_same(Format, F32) || args.tokens > kStreamTokens) {
    for (int r = 0; r < kPanelRows; ++r) {
      widen_row<Format>(rows[r], smaller(kColumnBlock, args.cols - column), panel[r]);
      rows[r] = reinterpret_cast<const unsigned char*>(panel[r]);
    }
  }
  add_tiles<kTileTokens>(args, rows, token, token_end, column, total);
}

template <class Format>
void linear_many_tokens(const LinearArgs& args) {
  float total[kRowBlock * kTokenBlock];  // [kRowBlock, kTokenBlock]
  const std::int64_t row_block = args.tokens > kStreamTokens ? kRowBlock : kPanelRows;
  for (std::int64_t token = 0; token < args.tokens; token += kTokenBlock) {
    const std::int64_t token_end = smaller(token + kTokenBlock, args.tokens);
    for (std::int64_t row = args.row_begin; row < args.row_end; row += row_block) {
      const std::int64_t row_end = smaller(row + row_block, args.row_end);
      for (float& sum : total) sum = 0.0f;
      for (std::int64_t column = 0; column < args.cols; column += kColumnBlock) {
        for (std::int64_t r = row; r < row_end; r += kPanelRows) {
          add_panel<Format>(args, r, token, token_end, column, total + (r - row) * kTokenBlock);
        }
      }
      for (std::int64_t t = token; t < token_end; ++t) {
        for (std::int64_t r = row; r < row_end; ++r) {
          finish(args, r, t, total[(r - row) * kTokenBlock + t - token]);
        }
      }
    }
  }
}

template <class Format, int kTokens = kFewTokens>
void linear(const LinearArgs& args) {
  if constexpr (Portable<Format>) {
    linear_many_tokens<Format>(args);
  } else {
    if (args.tokens > kTokens) return linear_many_tokens<Format>(args);
    if (args.tokens == kTokens) return linear_few_tokens<Format, kTokens>(args);
    if constexpr (kTokens > 1) linear<Format, kTokens - 1>(args);
  }
}

template <class Format>
void dequant_row(const DequantRowArgs& args) {
  widen_row<Format>(static_cast<const unsigned char*>(args.row), args.cols, args.out);
}

}  // namespace
}  // namespace hearth::kernels
