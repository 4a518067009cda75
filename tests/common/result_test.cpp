// Goal: Result, HEARTH_TRY and checked arithmetic do what they promise.
#include "common/result.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "common/checked.hpp"

namespace hearth {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error{Code::INVALID, "odd"};
  return value / 2;
}

Result<int> quarter(int value) {
  HEARTH_TRY(const int once, half(value));
  HEARTH_TRY(const int twice, half(once));
  return twice;
}

Status all_even(int value) {
  HEARTH_CHECK(half(value));
  return {};
}

TEST(result, try_passes_values_on_and_errors_up) {
  EXPECT_EQ(*quarter(8), 2);
  ASSERT_FALSE(quarter(6));
  EXPECT_EQ(quarter(6).error().message, "odd");
  EXPECT_TRUE(all_even(2));
  EXPECT_FALSE(all_even(3));
}

TEST(result, holds_what_can_only_be_moved) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 7);
}

TEST(result, every_code_has_its_wire_name) {
  EXPECT_STREQ(code_name(Code::NOT_FOUND), "not_found");
  EXPECT_EQ(static_cast<int>(Code::INTERNAL), HEARTH_EINTERNAL);
}

TEST(checked, refuses_what_does_not_fit) {
  constexpr std::uint64_t kMax = UINT64_MAX;
  EXPECT_FALSE(checked_add<std::uint64_t>(kMax, 1));
  EXPECT_FALSE(checked_mul<std::uint64_t>(kMax / 2 + 1, 2));
  EXPECT_FALSE(checked_align<std::uint64_t>(kMax - 3, 32));
  EXPECT_EQ(checked_align<std::uint64_t>(33, 32), 64u);
  EXPECT_EQ(checked_mul<std::uint64_t>(kMax, 0), 0u);
}

}  // namespace
}  // namespace hearth
