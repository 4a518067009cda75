// Goal: matrix kernels with an arithmetic of their own are as near to a sum in double precision as
// their format allows, whatever the shape; and give a token's row the same bits whatever else is
// computed.
//
// Method: as in linear_test.cpp.  A single case, which may be one output, has a wide limit that no
// mistake in a place or a length stays within; many outputs together have a tight one.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/linear_case.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

// The largest NMSE of a large product with exact activations, and with those of the blocks: a
// quarter above what is measured.
struct Gate {
  double exact, weights;
};
Gate gate(WeightFormat format) {
  switch (format) {
    case WeightFormat::f32:
    case WeightFormat::f16: return {2e-11, 2e-11};
    case WeightFormat::bf16: return {3e-6, 3e-6};
    case WeightFormat::q8_0:
    case WeightFormat::q4_0: return {1.05e-4, 8.7e-5};
    case WeightFormat::q6_k:
    case WeightFormat::mxfp4: return {8e-5, 6e-5};
    default: return {7.3e-5, 5.1e-5};
  }
}
// Times the gate: the limit of a case, which may be a single output.
constexpr double kSingleOutput = 50;

class linear_prompt : public testing::TestWithParam<Entry<LinearFn, WeightFormat>> {
 protected:
  std::int64_t fit(std::int64_t cols) const {
    const std::int64_t block = block_shape(GetParam().format).weights;
    return (cols + block - 1) / block * block;
  }
  Gate limit() const { return gate(GetParam().format); }
  Random random_{20260901};
};

TEST_P(linear_prompt, is_near_the_float64_oracle_for_every_shape) {
  WorstCase worst;
  int turn = 0;
  for (std::int64_t cols : {1, 3, 31, 32, 33, 64, 96, 100, 257, 512, 544, 1000}) {
    if (cols != fit(cols)) continue;
    for (std::int64_t rows : {1, 5, 16, 17, 33, 70}) {
      for (std::int64_t tokens : {1, 2, 7, 15, 16, 17, 31, 32, 33, 50}) {
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
        worst.add(test.compare(test.run(GetParam().fn), Case::Activations::exact),
                  kSingleOutput * limit().exact);
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(linear_prompt, is_as_accurate_as_its_format_allows) {
  WorstCase worst, worst_of_weights;
  for (std::int64_t cols : {fit(300), std::int64_t{2048}}) {
    Case test(GetParam().format, {.rows = 96, .cols = cols, .tokens = 34}, random_);
    const std::vector<float> got = test.run(GetParam().fn);
    worst.add(test.compare(got, Case::Activations::exact), limit().exact);
    worst_of_weights.add(test.compare(got, Case::Activations::as_multiplied), limit().weights);
  }
}

TEST_P(linear_prompt, gives_a_token_the_same_bits_alone_and_among_others) {
  for (std::int64_t cols : {fit(600), fit(33)}) {
    const Shape shape{.rows = 37, .cols = cols, .tokens = 300, .bias = true, .accumulate = true};
    expect_tokens_alike(GetParam(), shape, random_, {1, 7, 15, 16, 17, 31, 32, 33, 47, 48, 49});
  }
}

// More rows of activations than a row group's panels are made ready for at once.
TEST_P(linear_prompt, gives_a_token_the_same_bits_among_very_many) {
  const Shape shape{.rows = 20, .cols = fit(64), .tokens = 1061};
  Case test(GetParam().format, shape, random_);
  const std::vector<float> together = test.run(GetParam().fn);
  for (std::int64_t token : {0, 500, 511, 512, 513, 1020, 1040, 1060}) {
    const auto alone = test.run(GetParam().fn, token, token + 1, 0, test.groups());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      ASSERT_TRUE(same_bits(alone[i], together[token * shape.rows + i])) << token << ", " << i;
    }
  }
}

TEST_P(linear_prompt, gives_a_row_the_same_bits_in_any_range_of_groups) {
  for (std::int64_t tokens : {1, 20, 40}) {
    const Shape shape{.rows = 16 * 5 + 5, .cols = fit(300), .tokens = tokens, .y_gap = 3};
    expect_ranges_alike(GetParam(), shape, random_);
  }
}

TEST_P(linear_prompt, does_nothing_for_an_empty_range_of_groups) {
  Case test(GetParam().format, {.rows = 50, .cols = fit(64), .tokens = 2}, random_);
  EXPECT_TRUE(test.run(GetParam().fn, 0, 2, 2, 2).empty());
}

// Weights of a hostile file: any bytes.  Rows of numbers beside them must not suffer.
TEST_P(linear_prompt, survives_weights_that_are_no_numbers) {
  const Shape shape{.rows = 12, .cols = fit(128), .tokens = 20};
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

// All bits set are a NaN as a scale, a min or a weight; but no scale of MXFP4 is one.
TEST_P(linear_prompt, passes_weights_that_are_no_numbers_on) {
  if (GetParam().format == WeightFormat::mxfp4) return;
  const Shape shape{.rows = 3, .cols = fit(64), .tokens = 3};
  Case test(GetParam().format, shape, random_);
  std::fill_n(test.weights().begin(), test.weights().size() / 3, 0xff);
  test.pack();
  const std::vector<float> got = test.run(GetParam().fn);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(std::isfinite(got[i]), i % 3 != 0) << i;
}

TEST_P(linear_prompt, passes_infinities_and_nans_of_activations_on) {
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

INSTANTIATE_TEST_SUITE_P(kernels, linear_prompt, testing::ValuesIn(linear_prompt_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
