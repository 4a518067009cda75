// Goal: the portable conversions of half.hpp are right for every one of the 65536 patterns.
// (Rounding is tested where it is used: kv_store_test.cpp.)
#include "kernels/half.hpp"

#include <gtest/gtest.h>

#include "tests/kernels/oracle.hpp"

namespace hearth::kernels {
namespace {

TEST(half, widens_every_pattern_and_rounds_it_back) {
  for (std::uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    if (std::isnan(f16_value(bits))) {
      EXPECT_TRUE(std::isnan(float_from_f16(bits)));
    } else {
      ASSERT_EQ(float_from_f16(bits), f16_value(bits)) << std::hex << bits;
      ASSERT_EQ(std::signbit(float_from_f16(bits)), bits >> 15 != 0);
      if (std::isfinite(f16_value(bits))) {
        ASSERT_EQ(f16_from_float(float_from_f16(bits)), bits);
      }
    }
    if (std::isnan(bf16_value(bits))) {
      EXPECT_TRUE(std::isnan(float_from_bf16(bits)));
    } else {
      ASSERT_EQ(float_from_bf16(bits), bf16_value(bits)) << std::hex << bits;
      ASSERT_EQ(bf16_from_float(float_from_bf16(bits)), bits);
    }
  }
}

}  // namespace
}  // namespace hearth::kernels
