// What the tests of recurrent layers share: matrices that fault beyond their end, and ways to cut
// rows and tiles into calls.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"

namespace hearth::kernels {

// Rows with a gap of NaNs between them; memory ends with the last number.
class Rows {
 public:
  Rows(std::int64_t rows, std::int64_t cols)
      : rows_(rows), cols_(cols), buffer_(static_cast<std::size_t>(rows * stride() - kGap)) {
    for (float& value : buffer_) value = std::numeric_limits<float>::quiet_NaN();
  }
  Rows(std::int64_t rows, std::int64_t cols, Random& random, float low, float high)
      : Rows(rows, cols) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = 0; col < cols; ++col) {
        at(row, col) = low + (high - low) * (random_float(random) + 1) / 2;
      }
    }
  }

  float* data() { return buffer_.data(); }
  float* row(std::int64_t row) { return data() + row * stride(); }
  float& at(std::int64_t row, std::int64_t col) { return data()[row * stride() + col]; }
  std::int64_t stride() const { return cols_ + kGap; }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }

  // All numbers, without the gaps; these are as they were.
  std::vector<float> values() {
    EXPECT_TRUE(buffer_.guards_intact());
    std::vector<float> all;
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t i = 0; row + 1 < rows_ && i < kGap; ++i) {
        EXPECT_TRUE(std::isnan(at(row, cols_ + i)));
      }
      all.insert(all.end(), data() + row * stride(), data() + row * stride() + cols_);
    }
    return all;
  }
  // Each row of length 1 times a factor.
  void normalise(float factor) {
    for (std::int64_t row = 0; row < rows_; ++row) {
      double squares = 0;
      for (std::int64_t col = 0; col < cols_; ++col) squares += at(row, col) * at(row, col);
      const auto scale = static_cast<float>(factor / std::sqrt(squares));
      for (std::int64_t col = 0; col < cols_; ++col) at(row, col) *= scale;
    }
  }

 private:
  static constexpr std::int64_t kGap = 3;

  std::int64_t rows_;
  std::int64_t cols_;
  GuardedBuffer<float> buffer_;
};

// A state [tiles][keys][16], zero beyond its columns; memory ends with it.
class TiledState {
 public:
  TiledState(std::int64_t keys, std::int64_t columns)
      : keys_(keys),
        columns_(columns),
        buffer_(static_cast<std::size_t>(state_floats(keys, columns))) {}
  TiledState(std::int64_t keys, std::int64_t columns, Random& random, float low, float high)
      : TiledState(keys, columns) {
    for (std::int64_t key = 0; key < keys; ++key) {
      for (std::int64_t column = 0; column < columns; ++column) {
        at(key, column) = low + (high - low) * (random_float(random) + 1) / 2;
      }
    }
  }

  float* data() { return buffer_.data(); }
  float& at(std::int64_t key, std::int64_t column) {
    return data()[(column / kStateTile * keys_ + key) * kStateTile + column % kStateTile];
  }
  std::vector<float> values() {
    EXPECT_TRUE(buffer_.guards_intact());
    for (std::int64_t key = 0; key < keys_; ++key) {
      for (std::int64_t i = columns_; i < state_tiles(columns_) * kStateTile; ++i) {
        EXPECT_EQ(at(key, i), 0.0f) << "beyond the last column";
      }
    }
    return {buffer_.begin(), buffer_.end()};
  }
  void set(const std::vector<float>& values) {
    std::copy(values.begin(), values.end(), buffer_.begin());
  }

 private:
  std::int64_t keys_;
  std::int64_t columns_;
  GuardedBuffer<float> buffer_;
};

// Where rows and tiles are cut into calls: rising, from 0 to their number.
struct Cuts {
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> tiles;
};

// One call; rows in some calls; row by row; tiles in some calls, the last first.
inline std::vector<Cuts> ways_to_cut(std::int64_t rows, std::int64_t tiles) {
  std::vector<Cuts> all = {{{0, rows}, {0, tiles}}};
  Cuts each = {{0}, {0}};
  for (std::int64_t row = 1; row <= rows; ++row) each.rows.push_back(row);
  for (std::int64_t tile = 1; tile <= tiles; ++tile) each.tiles.push_back(tile);
  all.push_back({each.rows, {0, tiles}});
  all.push_back({{0, rows}, each.tiles});
  if (rows > 2) all.push_back({{0, rows / 3, rows - 1, rows}, {0, tiles}});
  if (tiles > 2) all.push_back({{0, rows / 2 + 1, rows}, {0, tiles - 2, tiles}});
  return all;
}

// body(row_begin, row_end, tile_begin, tile_end) for each call of a cut.
template <class Body>
void for_each_call(const Cuts& cuts, Body body) {
  for (std::size_t tile = cuts.tiles.size() - 1; tile > 0; --tile) {
    for (std::size_t row = 1; row < cuts.rows.size(); ++row) {
      if (cuts.rows[row] == cuts.rows[row - 1]) continue;
      body(cuts.rows[row - 1], cuts.rows[row], cuts.tiles[tile - 1], cuts.tiles[tile]);
    }
  }
}

inline void expect_same_bits(const std::vector<float>& got, const std::vector<float>& want,
                             const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_TRUE(same_bits(got[i], want[i])) << what << ", element " << i;
  }
}

inline double softplus_of(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

}  // namespace hearth::kernels
