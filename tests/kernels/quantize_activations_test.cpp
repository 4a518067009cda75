// Goal: every variant of quantize_activations gives the nearest whole numbers, their sums and the
// scale, and says so when a value is no number.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

class quantize_activations : public testing::TestWithParam<Entry<QuantizeActivationsFn>> {
 protected:
  // Blocks of a row, stride apart.
  std::vector<ActivationBlock> run(const std::vector<float>& values, std::int64_t stride = 1) {
    GuardedBuffer<float> x(values.size());
    std::copy(values.begin(), values.end(), x.begin());
    const auto count = static_cast<std::int64_t>(values.size() + 255) / 256;
    GuardedBuffer<ActivationBlock> out(static_cast<std::size_t>((count - 1) * stride + 1));
    std::memset(out.data(), 0x5a, out.size() * sizeof(ActivationBlock));
    GetParam().fn({x.data(), static_cast<std::int64_t>(values.size()), out.data(), stride});
    EXPECT_TRUE(out.guards_intact());
    std::vector<ActivationBlock> blocks;
    for (std::int64_t i = 0; i < std::ssize(out_of(out)); ++i) {
      if (i % stride == 0) {
        blocks.push_back(out[static_cast<std::size_t>(i)]);
      } else {
        EXPECT_EQ(out[static_cast<std::size_t>(i)].q[7], 0x5a);
      }
    }
    return blocks;
  }
  static std::span<ActivationBlock> out_of(GuardedBuffer<ActivationBlock>& out) {
    return {out.data(), out.size()};
  }
  Random random_{20261121};
};

TEST_P(quantize_activations, gives_the_nearest_numbers_and_their_sums) {
  for (std::size_t cols : {1, 31, 32, 255, 256, 257, 300, 512, 1000}) {
    for (float size : {1.0f, 1e-30f, 3e30f}) {
      std::vector<float> x(cols);
      for (float& value : x) value = size * random_float(random_);
      const std::vector<ActivationBlock> blocks = run(x, 3);
      ASSERT_EQ(blocks.size(), (cols + 255) / 256);
      for (std::size_t b = 0; b < blocks.size(); ++b) {
        double max = 0;
        int sums16[16] = {}, sums32[8] = {};
        for (std::size_t k = 0; k < 256; ++k) {
          const double value = b * 256 + k < cols ? x[b * 256 + k] : 0.0;
          max = std::max(max, std::abs(value));
          ASSERT_NEAR(blocks[b].q[k], value / blocks[b].scale, 0.5001);
          sums16[k / 16] += blocks[b].q[k];
          sums32[k / 32] += blocks[b].q[k];
        }
        ASSERT_NEAR(blocks[b].scale, max / 127, 1e-6 * max / 127);
        for (int s = 0; s < 16; ++s) ASSERT_EQ(blocks[b].sums16[s], sums16[s]);
        for (int s = 0; s < 8; ++s) ASSERT_EQ(blocks[b].sums32[s], sums32[s]);
      }
    }
  }
}

TEST_P(quantize_activations, rounds_ties_to_even_and_keeps_the_largest_at_127) {
  std::vector<float> x(256, 0.0f);
  x[0] = -127.0f;
  x[1] = 0.5f;
  x[2] = 1.5f;
  x[3] = -2.5f;
  const ActivationBlock block = run(x).front();
  EXPECT_EQ(block.scale, 1.0f);
  EXPECT_EQ(block.q[0], -127);
  EXPECT_EQ(block.q[1], 0);
  EXPECT_EQ(block.q[2], 2);
  EXPECT_EQ(block.q[3], -2);
}

TEST_P(quantize_activations, is_zero_for_zeros_and_for_what_is_too_small) {
  for (float value : {0.0f, -0.0f, 1e-40f, 1e-38f}) {
    const ActivationBlock block = run(std::vector<float>(256, value)).front();
    EXPECT_EQ(block.scale, 0.0f);
    for (std::int8_t q : block.q) ASSERT_EQ(q, 0);
  }
}

TEST_P(quantize_activations, has_no_scale_where_a_value_is_no_number) {
  for (std::size_t at : {0, 100, 255}) {
    for (float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      std::vector<float> x(512, 1.0f);
      x[at] = bad;
      const std::vector<ActivationBlock> blocks = run(x);
      EXPECT_TRUE(std::isnan(blocks[0].scale));
      EXPECT_FLOAT_EQ(blocks[1].scale, 1.0f / 127);
    }
  }
}

// Under UBSan: sums of what NaNs become must not overflow.
TEST_P(quantize_activations, survives_a_row_of_nan) {
  for (const float sane : {0.0f, 3.0f}) {
    std::vector<float> x(256, std::numeric_limits<float>::quiet_NaN());
    x[7] = sane;
    EXPECT_TRUE(std::isnan(run(x)[0].scale));
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, quantize_activations,
                         testing::ValuesIn(quantize_activations_variants()), VariantName());

}  // namespace
}  // namespace hearth::kernels
