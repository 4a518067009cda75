// Goal: a segment keeps what was committed, within its budget, and refuses what cannot be.
#include "cache/segment.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

PageIdentity identity(NamespaceId id, std::span<const std::int32_t> tokens) {
  return {.namespace_id = id, .key = {5}, .parent_key = {6}, .first_token = 16, .tokens = tokens};
}

TEST(segment, a_committed_page_carries_its_identity) {
  SmallCache cache(4);
  Segment& segment = cache.segment();
  ASSERT_TRUE(segment.grow());
  segment.begin_fill(0, 42);
  EXPECT_EQ(segment.record(0).state, static_cast<std::uint32_t>(SlotState::filling));
  std::memset(segment.payload(0), 0x5a, segment.payload_bytes());
  const auto tokens = ids(100, 5);
  segment.commit(0, identity(42, tokens));

  const Record& record = segment.record(0);
  EXPECT_EQ(record.state, static_cast<std::uint32_t>(SlotState::committed));
  EXPECT_EQ(record.generation, 1u);
  EXPECT_EQ(record.namespace_id, 42u);
  EXPECT_EQ(record.key, Digest{5});
  EXPECT_EQ(record.token_count, 5);
  EXPECT_TRUE(std::ranges::equal(segment.tokens(0), tokens));
  EXPECT_TRUE(segment.payload_intact(0));
  segment.payload(0)[17] ^= std::byte{1};
  EXPECT_FALSE(segment.payload_intact(0));
}

TEST(segment, a_page_is_zeroed_before_another_namespace_gets_it) {
  SmallCache cache(4);
  Segment& segment = cache.segment();
  ASSERT_TRUE(segment.grow());
  segment.begin_fill(0, 1);
  std::memset(segment.payload(0), 0x5a, segment.payload_bytes());
  segment.free_slot(0);
  segment.begin_fill(0, 1);
  EXPECT_EQ(segment.payload(0)[0], std::byte{0x5a}) << "the same namespace need not pay for it";
  segment.free_slot(0);
  segment.begin_fill(0, 2);
  for (std::uint64_t i = 0; i < segment.payload_bytes(); ++i) {
    ASSERT_EQ(segment.payload(0)[i], std::byte{0}) << i;
  }
  EXPECT_EQ(segment.record(0).generation, 3u);
}

TEST(segment, memory_is_taken_from_the_budget_and_given_back) {
  MemoryBudget budget(1 << 20);
  const TemporaryDirectory root;
  const auto store = SegmentStore::open(root.path() + "/state", root.path());
  ASSERT_TRUE(store);
  const SegmentGeometry geometry = {
      .fingerprint = {}, .kv_format = 0, .page_tokens = 8, .payload_bytes = 100000};
  {
    auto segment = Segment::create(*store, "s", geometry, 8 << 20, BudgetShare(&budget));
    ASSERT_TRUE(segment) << segment.error().message;
    const std::uint64_t table = budget.used();
    EXPECT_GT(table, 0u);
    const auto grown = (*segment)->grow();
    ASSERT_TRUE(grown);
    EXPECT_EQ(budget.used(), table + *grown * (*segment)->slot_bytes());
    while (*(*segment)->grow() > 0) {
    }
    EXPECT_LE(budget.used(), budget.limit());
    EXPECT_GE((*segment)->backed_slots(), 8u) << "eight pages fit the megabyte";
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(segment, a_share_can_be_split_and_nothing_is_lost) {
  MemoryBudget budget(1000);
  {
    BudgetShare share(&budget);
    ASSERT_TRUE(share.set_aside(700));
    BudgetShare part = share.split(200);
    EXPECT_EQ(share.aside(), 500u);
    EXPECT_EQ(part.aside(), 200u);
    EXPECT_TRUE(part.take(300)) << "200 of its own, 100 that nobody has";
    EXPECT_EQ(budget.used(), 800u);
    const BudgetShare rest = share.split(9000);
    EXPECT_EQ(rest.aside(), 500u);
    EXPECT_EQ(share.aside(), 0u);
    EXPECT_EQ(budget.used(), 800u);
  }
  EXPECT_EQ(budget.used(), 0u);
}

TEST(segment, a_budget_for_no_page_is_an_error_that_names_the_setting) {
  MemoryBudget budget(1000);
  const TemporaryDirectory root;
  const auto store = SegmentStore::open(root.path() + "/state", root.path());
  ASSERT_TRUE(store);
  const SegmentGeometry geometry = {
      .fingerprint = {}, .kv_format = 0, .page_tokens = 8, .payload_bytes = 100000};
  const auto segment = Segment::create(*store, "s", geometry, 1000, BudgetShare(&budget));
  ASSERT_FALSE(segment);
  EXPECT_NE(segment.error().message.find("kv-bytes"), std::string::npos);
}

TEST(segment, impossible_geometry_is_an_error_not_an_overflow) {
  MemoryBudget budget(UINT64_MAX >> 1);
  const TemporaryDirectory root;
  const auto store = SegmentStore::open(root.path() + "/state", root.path());
  ASSERT_TRUE(store);
  const SegmentGeometry geometry = {
      .fingerprint = {}, .kv_format = 0, .page_tokens = 8, .payload_bytes = UINT64_MAX - 100};
  EXPECT_FALSE(Segment::create(*store, "s", geometry, UINT64_MAX, BudgetShare(&budget)));
}

}  // namespace
}  // namespace hearth::cache
