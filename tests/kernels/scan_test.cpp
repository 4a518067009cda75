// Goal: every variant of scan finds what a plain loop finds, at every length, with NaN and
// infinities among the values; sums are those of float64.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void fill(GuardedBuffer<float>& x, Random& random) {
  for (float& value : x) {
    value = 10 * random_float(random);
    if (random() % 16 == 0) value = random() % 2 == 0 ? std::nanf("") : -kInfinity;
  }
}

class scan : public testing::TestWithParam<Entry<ScanFn>> {};

TEST_P(scan, finds_the_largest_of_every_block_and_sums_all) {
  Random random(20261122);
  for (std::size_t count = 0; count < 1500; count += count < 300 ? 1 : 97) {
    GuardedBuffer<float> x(count);
    fill(x, random);
    const float shift = static_cast<float>(random() % 20) - 5;
    std::vector<float> want((count + kScanBlock - 1) / kScanBlock, -kInfinity);
    double want_sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const float value = x.begin()[i];
      float& top = want[i / kScanBlock];
      top = value > top ? value : top;
      if (!std::isnan(value)) want_sum += std::exp(double{value} - double{shift});
    }
    GuardedBuffer<float> tops(want.size());
    double sum = -1;
    GetParam().fn({x.begin(), static_cast<std::int64_t>(count), tops.begin(), shift, &sum});
    ASSERT_TRUE(std::equal(tops.begin(), tops.end(), want.begin())) << count;
    ASSERT_NEAR(sum, want_sum, 3e-6 * want_sum + 1e-35) << count;
    std::fill(tops.begin(), tops.end(), 0.0f);
    GetParam().fn({x.begin(), static_cast<std::int64_t>(count), tops.begin(), shift, nullptr});
    ASSERT_TRUE(std::equal(tops.begin(), tops.end(), want.begin())) << count;
    ASSERT_TRUE(tops.guards_intact() && x.guards_intact());
  }
}

TEST_P(scan, sums_a_large_vocabulary_exactly_enough) {
  Random random(20261123);
  std::vector<float> x(150'000), tops(x.size() / kScanBlock + 1);
  for (const double shift : {-47.3, 0.0, 33.33}) {
    double want = 0;
    for (float& value : x) {
      value = 8 * random_float(random);
      want += std::exp(double{value} - double{static_cast<float>(shift)});
    }
    double sum = 0;
    GetParam().fn({x.data(), std::ssize(x), tops.data(), static_cast<float>(shift), &sum});
    EXPECT_NEAR(sum, want, 1e-6 * want);
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, scan, testing::ValuesIn(scan_variants()), VariantName());

}  // namespace
}  // namespace hearth::kernels
