// Goal: every variant of rms_norm equals the formula in double precision, in place too, and
// normalises a row to the same bits whatever rows are beside it.
#include <gtest/gtest.h>

#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

constexpr float kUntouched = 12345.0f;
constexpr double kLimit = 1e-12;

class rms_norm : public testing::TestWithParam<Entry<RmsNormFn>> {
 protected:
  void fill(GuardedBuffer<float>& values, float scale = 1) {
    for (float& value : values) value = scale * random_float(random_);
  }
  static void compare(const float* x, const float* weight, float eps, const float* y,
                      std::int64_t cols, ErrorEnergy& error) {
    double squares = 0;
    for (std::int64_t k = 0; k < cols; ++k) squares += double{x[k]} * x[k];
    const double scale = 1 / std::sqrt(squares / static_cast<double>(cols) + eps);
    for (std::int64_t k = 0; k < cols; ++k) error.add(y[k], x[k] * scale * weight[k]);
  }
  Random random_{20260803};
};

TEST_P(rms_norm, equals_the_float64_oracle_for_every_shape) {
  WorstCase worst;
  for (std::int64_t cols : {1, 3, 7, 8, 31, 32, 33, 63, 64, 100, 257, 768, 1000, 4096}) {
    for (std::int64_t rows : {1, 2, 3, 5, 8}) {
      const std::int64_t x_stride = cols + rows % 3;
      const std::int64_t y_stride = cols + rows % 2;
      GuardedBuffer<float> x(static_cast<std::size_t>((rows - 1) * x_stride + cols));
      GuardedBuffer<float> y(static_cast<std::size_t>((rows - 1) * y_stride + cols));
      GuardedBuffer<float> weight(static_cast<std::size_t>(cols));
      const float scale = std::ldexp(1.0f, static_cast<int>(random_below(random_, 41)) - 20);
      fill(x, scale);
      fill(weight);
      for (float& value : y) value = kUntouched;
      const float eps = 1e-5f;
      GetParam().fn({x.data(), y.data(), weight.data(), rows, cols, x_stride, y_stride, eps});
      ErrorEnergy error;
      for (std::int64_t row = 0; row < rows; ++row) {
        compare(x.data() + row * x_stride, weight.data(), eps, y.data() + row * y_stride, cols,
                error);
      }
      for (std::size_t i = 0; i < y.size(); ++i) {
        if (static_cast<std::int64_t>(i) % y_stride >= cols) {
          EXPECT_EQ(y[i], kUntouched);
        }
      }
      EXPECT_TRUE(y.guards_intact());
      worst.add(error, kLimit);
      if (HasFailure()) return;
    }
  }
}

TEST_P(rms_norm, gives_a_row_the_same_bits_in_place_and_among_others) {
  constexpr std::int64_t kRows = 9, kCols = 107;
  GuardedBuffer<float> x(kRows * kCols), y(kRows * kCols), weight(kCols);
  fill(x);
  fill(weight);
  GetParam().fn({x.data(), y.data(), weight.data(), kRows, kCols, kCols, kCols, 1e-6f});
  for (std::int64_t row = 0; row < kRows; ++row) {
    float* alone = x.data() + row * kCols;
    GetParam().fn({alone, alone, weight.data(), 1, kCols, kCols, kCols, 1e-6f});
  }
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(same_bits(x[i], y[i])) << "element " << i;
}

TEST_P(rms_norm, turns_a_row_of_zeros_into_zeros) {
  GuardedBuffer<float> x(33), weight(33);
  for (float& value : x) value = 0;
  fill(weight);
  GetParam().fn({x.data(), x.data(), weight.data(), 1, 33, 33, 33, 1e-6f});
  for (float value : x) EXPECT_EQ(value, 0.0f);
}

INSTANTIATE_TEST_SUITE_P(kernels, rms_norm, testing::ValuesIn(rms_norm_variants()), VariantName());

}  // namespace
}  // namespace hearth::kernels
