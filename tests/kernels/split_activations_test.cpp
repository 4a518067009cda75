// Goal: every variant of split_activations gives the nearest bf16 of each number, and that of what
// is left of it; zeros beyond a row; and NaNs and infinities as no finite numbers.
//
// Method: all candidates near a number are tried in double precision; inputs end at an
// inaccessible page.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

class split_activations : public testing::TestWithParam<Entry<SplitActivationsFn>> {};

// No other bf16 is nearer; of two as near, half is the even one.
void expect_nearest(double x, std::uint16_t half) {
  const double distance = std::fabs(bf16_value(half) - x);
  for (int step : {-1, 1}) {
    const double other = std::fabs(bf16_value(static_cast<std::uint16_t>(half + step)) - x);
    if (std::isnan(other)) continue;  // the one below zero
    EXPECT_LE(distance, other) << x;
    if (distance == other) {
      EXPECT_EQ(half % 2, 0) << x;
    }
  }
}

TEST_P(split_activations, gives_the_nearest_halves_of_every_column) {
  Random random(5);
  for (std::int64_t cols : {1, 15, 17, 255, 256, 257, 300, 1000}) {
    GuardedBuffer<float> x(static_cast<std::size_t>(cols));
    for (float& value : x) value = std::ldexp(random_float(random), static_cast<int>(random() % 9));
    x[0] = 1.00390625f;  // between two
    const std::int64_t blocks = (cols + 255) / 256, stride = 3;
    GuardedBuffer<SplitBlock> out(static_cast<std::size_t>((blocks - 1) * stride + 1));
    std::memset(out.bytes(), 0x5a, out.size() * sizeof(SplitBlock));
    GetParam().fn({x.data(), cols, out.data(), stride});
    EXPECT_TRUE(out.guards_intact());
    for (std::int64_t k = 0; k < blocks * 256; ++k) {
      const SplitBlock& block = out[k / 256 * stride];
      const std::uint16_t high = block.high[k % 256], low = block.low[k % 256];
      if (k >= cols) {
        EXPECT_EQ(high, 0) << k;
        EXPECT_EQ(low, 0) << k;
        continue;
      }
      expect_nearest(x[k], high);
      expect_nearest(x[k] - bf16_value(high), low);
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (i % stride != 0) {
        EXPECT_EQ(out[i].high[0], 0x5a5a);
      }
    }
  }
}

TEST_P(split_activations, keeps_what_is_no_finite_number) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan_of_ones = std::bit_cast<float>(0x7fffffffu);
  const float nan_of_one = std::bit_cast<float>(0x7f800001u);
  for (float bad : {infinity, -infinity, nan_of_ones, nan_of_one}) {
    const std::vector<float> x = {1.0f, bad, 2.0f};
    SplitBlock out;
    GetParam().fn({x.data(), 3, &out, 1});
    EXPECT_FALSE(std::isfinite(bf16_value(out.high[1])));
    EXPECT_EQ(bf16_value(out.high[0]), 1);
    EXPECT_EQ(bf16_value(out.high[2]), 2);
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, split_activations,
                         testing::ValuesIn(split_activations_variants()), VariantName());

}  // namespace
}  // namespace hearth::kernels
