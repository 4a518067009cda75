// Goal: every variant of linear equals a sum in double precision, whatever the shape; gives a
// token's row the same bits whatever else is computed; and all vector tiers give the same bits.
//
// Method: random weights written in their format together with their exact values (oracle.hpp),
// packed into panels; odd sizes, strides, groups, bias and accumulation; all inputs end at an
// inaccessible page, and the outputs that are not asked for hold a known value.  Activations of
// the quantised formats are what their blocks say; how far that is from the floats is another test.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

constexpr float kUntouched = 12345.0f;

struct Shape {
  std::int64_t rows, cols, tokens;
  std::int64_t x_gap = 0, y_gap = 0;  // added to the strides
  bool bias = false, accumulate = false;
};

bool takes_floats(WeightFormat format) {
  return block_shape(format).weights == 1;
}

// One matrix with its inputs.
class Case {
 public:
  Case(WeightFormat format, const Shape& shape, Random& random)
      : format_(format),
        shape_(shape),
        stored_(random_weights(format, shape.rows * shape.cols, random)),
        panels_(static_cast<std::size_t>(panel_bytes(format, shape.rows, shape.cols))),
        x_(static_cast<std::size_t>((shape.tokens - 1) * x_stride() + shape.cols)),
        blocks_(static_cast<std::size_t>((block_count() - 1) * block_stride() + shape.tokens)),
        bias_(static_cast<std::size_t>(shape.rows)) {
    pack();
    for (float& value : x_) value = random_float(random);
    for (float& value : bias_) value = random_float(random);
    old_y_.resize(static_cast<std::size_t>(shape.rows * shape.tokens));
    for (float& value : old_y_) value = random_float(random);
    quantize();
  }

  std::int64_t x_stride() const { return shape_.cols + shape_.x_gap; }
  std::int64_t block_stride() const { return shape_.tokens + shape_.x_gap; }
  std::int64_t block_count() const { return (shape_.cols + 255) / 256; }
  GuardedBuffer<float>& x() { return x_; }
  std::vector<unsigned char>& weights() { return stored_.bytes; }

  // The file's rows into panels, and x into blocks: again, after a change.
  void pack() {
    const std::size_t row_bytes = stored_.bytes.size() / static_cast<std::size_t>(shape_.rows);
    const std::int64_t bytes = panel_bytes(format_, kRowGroup, shape_.cols);
    for (std::int64_t row = 0; row < shape_.rows; row += kRowGroup) {
      pack_group({format_, stored_.bytes.data() + static_cast<std::size_t>(row) * row_bytes,
                  std::min<std::int64_t>(kRowGroup, shape_.rows - row), shape_.cols,
                  panels_.data() + row / kRowGroup * bytes});
    }
  }
  void quantize() {
    for (std::int64_t t = 0; t < shape_.tokens; ++t) {
      quantize_activations_ref(
          {x_.data() + t * x_stride(), shape_.cols, blocks_.data() + t, block_stride()});
    }
  }

  // Outputs [tokens, rows] of some tokens and groups; fails if any other output is touched.
  std::vector<float> run(LinearFn fn, std::int64_t token_begin, std::int64_t token_end,
                         std::int64_t group_begin, std::int64_t group_end) {
    const std::int64_t row_begin = group_begin * kRowGroup;
    const std::int64_t row_end = std::min(group_end * kRowGroup, shape_.rows);
    const std::int64_t stride = shape_.rows + shape_.y_gap;
    const std::int64_t tokens = token_end - token_begin;
    GuardedBuffer<float> y(static_cast<std::size_t>((tokens - 1) * stride + shape_.rows));
    for (float& value : y) value = kUntouched;
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t r = row_begin; r < row_end; ++r) {
        y[t * stride + r] = old_y_[(t + token_begin) * shape_.rows + r];
      }
    }
    const bool floats = takes_floats(format_);
    fn({.panels = panels_.data(),
        .rows = shape_.rows,
        .cols = shape_.cols,
        .group_begin = group_begin,
        .group_end = group_end,
        .x = floats ? x_.data() + token_begin * x_stride() : nullptr,
        .x_stride = x_stride(),
        .blocks = floats ? nullptr : blocks_.data() + token_begin,
        .block_stride = block_stride(),
        .y = y.data(),
        .y_stride = stride,
        .tokens = tokens,
        .bias = shape_.bias ? bias_.data() : nullptr,
        .accumulate = shape_.accumulate});
    EXPECT_TRUE(y.guards_intact());
    std::vector<float> out;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::int64_t r = static_cast<std::int64_t>(i) % stride;
      if (r >= row_begin && r < row_end) {
        out.push_back(y[i]);
      } else {
        EXPECT_EQ(y[i], kUntouched) << "element " << i;
      }
    }
    return out;
  }
  std::vector<float> run(LinearFn fn) { return run(fn, 0, shape_.tokens, 0, groups()); }
  std::int64_t groups() const { return (shape_.rows + kRowGroup - 1) / kRowGroup; }

  // What a product is made of: the floats, or what stands in the blocks.
  enum class Activations : std::uint8_t { as_multiplied, exact };
  double activation(Activations kind, std::int64_t token, std::int64_t k) {
    if (kind == Activations::exact || takes_floats(format_)) return x_[token * x_stride() + k];
    const ActivationBlock& block = blocks_[k / 256 * block_stride() + token];
    return double{block.scale} * block.q[k % 256];
  }

  ErrorEnergy compare(const std::vector<float>& got,
                      Activations kind = Activations::as_multiplied) {
    ErrorEnergy error;
    for (std::int64_t t = 0; t < shape_.tokens; ++t) {
      for (std::int64_t r = 0; r < shape_.rows; ++r) {
        double want = 0, energy = 0;
        const auto add = [&](double term) { want += term, energy += term * term; };
        for (std::int64_t k = 0; k < shape_.cols; ++k) {
          add(stored_.values[r * shape_.cols + k] * activation(kind, t, k));
        }
        if (shape_.bias) add(bias_[r]);
        if (shape_.accumulate) add(old_y_[t * shape_.rows + r]);
        error.add(got[t * shape_.rows + r], want, energy);
      }
    }
    return error;
  }

 private:
  WeightFormat format_;
  Shape shape_;
  Stored stored_;
  GuardedBuffer<unsigned char> panels_;
  GuardedBuffer<float> x_;
  GuardedBuffer<ActivationBlock> blocks_;
  GuardedBuffer<float> bias_;
  std::vector<float> old_y_;  // [tokens, rows]
};

class linear : public testing::TestWithParam<Entry<LinearFn, WeightFormat>> {
 protected:
  std::int64_t block() const { return block_shape(GetParam().format).weights; }
  // The next count of columns that the format allows.
  std::int64_t fit(std::int64_t cols) const { return (cols + block() - 1) / block() * block(); }
  // Column counts that the format allows.
  std::vector<std::int64_t> all_cols() const {
    std::vector<std::int64_t> allowed;
    for (std::int64_t cols : {1, 3, 7, 8, 31, 32, 33, 63, 64, 96, 100, 257, 512, 544, 768, 1000}) {
      if (cols % block() == 0) allowed.push_back(cols);
    }
    return allowed;
  }
  Random random_{20260801};
};

TEST_P(linear, equals_the_float64_oracle_for_every_shape) {
  WorstCase worst;
  int turn = 0;
  for (std::int64_t cols : all_cols()) {
    for (std::int64_t rows : {1, 2, 3, 5, 8, 13, 64, 257}) {
      for (std::int64_t tokens : {1, 2, 3, 4, 5, 7, 16, 33}) {
        ++turn;
        const Shape shape{.rows = rows,
                          .cols = cols,
                          .tokens = tokens,
                          .x_gap = turn % 3,
                          .y_gap = turn % 5,
                          .bias = turn % 2 == 0,
                          .accumulate = turn / 2 % 2 == 0};
        SCOPED_TRACE(testing::Message() << rows << " x " << cols << ", tokens " << tokens);
        Case test(GetParam().format, shape, random_);
        worst.add(test.compare(test.run(GetParam().fn)), 1e-12);
        if (HasFailure()) return;
      }
    }
  }
}

// What eight bits for each activation cost.
TEST_P(linear, is_near_the_product_with_exact_activations) {
  WorstCase worst;
  for (std::int64_t cols : {fit(256), fit(1000)}) {
    Case test(GetParam().format, {.rows = 64, .cols = cols, .tokens = 9}, random_);
    worst.add(test.compare(test.run(GetParam().fn), Case::Activations::exact), 5e-4);
  }
}

TEST_P(linear, stays_accurate_for_long_rows_and_many_tokens) {
  WorstCase worst;
  for (std::int64_t tokens : {1, 97, 100}) {
    Case test(GetParam().format, {.rows = 37, .cols = 4096, .tokens = tokens}, random_);
    worst.add(test.compare(test.run(GetParam().fn)), 1e-12);
  }
}

TEST_P(linear, gives_a_token_the_same_bits_alone_and_among_others) {
  for (std::int64_t cols : {fit(1000), fit(33)}) {
    const Shape shape{.rows = 13, .cols = cols, .tokens = 110, .bias = true, .accumulate = true};
    Case test(GetParam().format, shape, random_);
    const std::vector<float> together = test.run(GetParam().fn);
    for (std::int64_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 32, 33, 96, 97}) {
      for (std::int64_t token : {std::int64_t{0}, 110 - tokens}) {
        const auto part = test.run(GetParam().fn, token, token + tokens, 0, test.groups());
        for (std::size_t i = 0; i < part.size(); ++i) {
          ASSERT_TRUE(same_bits(part[i], together[token * shape.rows + i]))
              << "cols " << cols << ", tokens " << tokens << ", element " << i;
        }
      }
    }
  }
}

TEST_P(linear, gives_a_row_the_same_bits_in_any_range_of_groups) {
  for (std::int64_t tokens : {1, 3, 5, 20}) {
    const Shape shape{.rows = 16 * 7 + 5, .cols = fit(600), .tokens = tokens, .y_gap = 3};
    Case test(GetParam().format, shape, random_);
    const std::vector<float> together = test.run(GetParam().fn);
    for (std::int64_t begin = 0; begin < test.groups(); ++begin) {
      const std::int64_t end = begin + 1 + random_below(random_, test.groups() - begin);
      const std::int64_t row_begin = begin * kRowGroup;
      const std::int64_t row_end = std::min(end * kRowGroup, shape.rows);
      const auto part = test.run(GetParam().fn, 0, tokens, begin, end);
      for (std::int64_t t = 0; t < tokens; ++t) {
        for (std::int64_t r = row_begin; r < row_end; ++r) {
          ASSERT_TRUE(same_bits(part[t * (row_end - row_begin) + r - row_begin],
                                together[t * shape.rows + r]))
              << "groups " << begin << " .. " << end << ", token " << t << ", row " << r;
        }
      }
    }
  }
}

TEST_P(linear, does_nothing_for_an_empty_range_of_groups) {
  Case test(GetParam().format, {.rows = 50, .cols = fit(64), .tokens = 2}, random_);
  EXPECT_TRUE(test.run(GetParam().fn, 0, 2, 2, 2).empty());
}

// The order of operations is the same everywhere but in the portable tier.
TEST_P(linear, gives_the_same_bits_as_every_other_vector_tier) {
  if ((GetParam().needs & kCpuAvx2) == 0) return;
  for (std::int64_t tokens : {1, 2, 7, 70}) {
    const Shape shape{.rows = 40, .cols = fit(800), .tokens = tokens, .bias = true};
    Case test(GetParam().format, shape, random_);
    const std::vector<float> mine = test.run(GetParam().fn);
    for (const auto& other : linear_variants()) {
      const bool portable = std::string_view(other.name).ends_with("_ref");
      if (other.format != GetParam().format || portable) continue;
      const std::vector<float> theirs = test.run(other.fn);
      for (std::size_t i = 0; i < mine.size(); ++i) {
        ASSERT_TRUE(same_bits(mine[i], theirs[i])) << other.name << ", element " << i;
      }
    }
  }
}

// Weights of a hostile file: any bytes.  Rows of numbers beside them must not suffer.
TEST_P(linear, survives_weights_that_are_no_numbers) {
  const Shape shape{.rows = 12, .cols = fit(128), .tokens = 7};
  Case test(GetParam().format, shape, random_);
  const std::vector<float> clean = test.run(GetParam().fn);
  const std::size_t row_bytes = test.weights().size() / 12;
  for (std::int64_t row : {0, 5, 11}) {
    for (std::size_t i = 0; i < row_bytes; ++i) {
      test.weights()[row * row_bytes + i] = random_() % 4 == 0 ? random_() : 0xff;
    }
  }
  test.pack();
  const std::vector<float> got = test.run(GetParam().fn);
  for (std::size_t i = 0; i < got.size(); ++i) {
    const std::size_t row = i % shape.rows;
    if (row == 0 || row == 5 || row == 11) continue;
    ASSERT_TRUE(same_bits(got[i], clean[i])) << "element " << i;
  }
}

TEST_P(linear, passes_infinities_and_nans_of_activations_on) {
  const Shape shape{.rows = 3, .cols = fit(64), .tokens = 3};
  Case test(GetParam().format, shape, random_);
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    test.x()[63] = bad;
    test.quantize();
    const std::vector<float> got = test.run(GetParam().fn);
    for (int row = 0; row < 3; ++row) EXPECT_FALSE(std::isfinite(got[row]));
    for (std::size_t i = 3; i < got.size(); ++i) EXPECT_TRUE(std::isfinite(got[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, linear, testing::ValuesIn(linear_variants()), VariantName());

}  // namespace
}  // namespace hearth::kernels
