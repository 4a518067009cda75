// What the tests of recurrent layers share: matrices that fault beyond their end, ways to cut rows
// and tiles into calls, and what every operation on a state [tiles][keys][16] has to hold.
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

struct RecurrentShape {
  std::int64_t rows, keys, columns;
};

struct RecurrentOutcome {
  std::vector<float> out, state;  // out [rows][columns]; state as it lies in memory
};

// One operation with random inputs.  Its values [rows][columns] are what out may take the place of.
class RecurrentCase {
 public:
  RecurrentCase(const RecurrentShape& shape, Random& random)
      : shape_(shape),
        values_(shape.rows, shape.columns, random, -1, 1),
        before_(shape.keys, shape.columns, random, -1, 1) {}
  virtual ~RecurrentCase() = default;
  RecurrentCase(const RecurrentCase&) = delete;
  RecurrentCase& operator=(const RecurrentCase&) = delete;

  const RecurrentShape& shape() const { return shape_; }
  RecurrentOutcome run(const Cuts& cuts, bool in_place = false) {
    Rows out(shape_.rows, shape_.columns);
    TiledState state(shape_.keys, shape_.columns);
    state.set(before_.values());
    for (std::int64_t row = 0; in_place && row < shape_.rows; ++row) {
      std::copy_n(values_.row(row), shape_.columns, out.row(row));
    }
    for_each_call(cuts, [&](auto begin, auto end, auto tile_begin, auto tile_end) {
      call({in_place ? out : values_, out, state.data(), begin, end, tile_begin, tile_end});
    });
    return {out.values(), state.values()};
  }
  RecurrentOutcome run() { return run({{0, shape_.rows}, {0, state_tiles(shape_.columns)}}); }

  // Outputs and the last state, beside the oracle's.  Sum up some shapes: an output alone may be
  // next to nothing, and its error is relative to it.
  void compare(const RecurrentOutcome& got, ErrorEnergy& error) {
    TiledState last(shape_.keys, shape_.columns);
    last.set(got.state);
    for (std::int64_t column = 0; column < shape_.columns; ++column) {
      std::vector<double> s(static_cast<std::size_t>(shape_.keys));
      for (std::int64_t key = 0; key < shape_.keys; ++key) {
        s[static_cast<std::size_t>(key)] = before_.at(key, column);
      }
      for (std::int64_t row = 0; row < shape_.rows; ++row) {
        const double want = step(s, row, column);
        error.add(got.out[static_cast<std::size_t>(row * shape_.columns + column)], want);
      }
      for (std::int64_t key = 0; key < shape_.keys; ++key) {
        error.add(last.at(key, column), s[static_cast<std::size_t>(key)]);
      }
    }
  }

 protected:
  // Rows [begin, end) of all inputs, tiles [tile_begin, tile_end) of the state.
  struct Call {
    Rows& values;
    Rows& out;
    float* state;
    std::int64_t begin, end, tile_begin, tile_end;
  };
  virtual void call(const Call& of) = 0;
  // The oracle: what a row makes of a column of the state, and its output.
  virtual double step(std::vector<double>& s, std::int64_t row, std::int64_t column) = 0;

  Rows& values() { return values_; }

 private:
  const RecurrentShape shape_;
  Rows values_;
  TiledState before_;
};

inline void expect_cuts_change_nothing(RecurrentCase& test) {
  const RecurrentOutcome whole = test.run();
  for (const Cuts& cuts : ways_to_cut(test.shape().rows, state_tiles(test.shape().columns))) {
    for (const bool in_place : {false, true}) {
      const RecurrentOutcome got = test.run(cuts, in_place);
      expect_same_bits(got.out, whole.out, "outputs");
      expect_same_bits(got.state, whole.state, "state");
    }
  }
}

// Of at least 50 columns: tiles 1 and 2 alone are computed.
inline void expect_other_tiles_left_alone(RecurrentCase& test) {
  const RecurrentShape& shape = test.shape();
  const RecurrentOutcome nothing = test.run({{0, shape.rows}, {0, 0}});
  const RecurrentOutcome whole = test.run();
  const RecurrentOutcome some = test.run({{0, shape.rows}, {1, 3}});
  const auto tile_floats = static_cast<std::size_t>(shape.keys * kStateTile);
  for (std::size_t i = 0; i < some.state.size(); ++i) {
    const bool ours = i / tile_floats == 1 || i / tile_floats == 2;
    ASSERT_TRUE(same_bits(some.state[i], ours ? whole.state[i] : nothing.state[i])) << i;
  }
  const auto columns = static_cast<std::size_t>(shape.columns);
  for (std::size_t i = 0; i < some.out.size(); ++i) {
    const bool ours = i % columns >= 16 && i % columns < 48;
    ASSERT_EQ(std::isnan(some.out[i]), !ours) << i;
  }
}

inline double softplus_of(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

}  // namespace hearth::kernels
