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

#include "tests/kernels/linear_case.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

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
    expect_tokens_alike(GetParam(), shape, random_,
                        {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 32, 33, 96, 97});
  }
}

TEST_P(linear, gives_a_row_the_same_bits_in_any_range_of_groups) {
  for (std::int64_t tokens : {1, 3, 5, 20}) {
    const Shape shape{.rows = 16 * 7 + 5, .cols = fit(600), .tokens = tokens, .y_gap = 3};
    expect_ranges_alike(GetParam(), shape, random_);
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
