// Goal: what an owner erases takes its checkpoints with it, nobody else's, and none in use; what
// has changed in memory is never found again.
#include "cache/checkpoint_upkeep.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cache/checkpoint_testing.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000, kBob = 1001;
constexpr std::int64_t kLong = 60'000'000'000;
using Positions = std::vector<std::uint32_t>;

class CheckpointUpkeepTest : public testing::Test {
 protected:
  CheckpointUpkeepTest() {
    keep(cache_, kAlice, a_, {3, 20, 59});
    keep(cache_, kAlice, b_, {50});
    keep(cache_, kAlice, c_, {6});
    keep(cache_, kBob, a_, {59});
  }
  // What CACHE evict does.
  std::uint32_t evict(const PageSelection& which, std::uint32_t pages = 1000) {
    std::uint64_t tokens = 0;
    const bool all = CacheUpkeep(cache_.pages().get()).evict(which, pages, tokens) < pages;
    const std::uint32_t evicted = upkeep().evict(which, /*orphans_only=*/!all);
    cache_.check();
    return evicted;
  }
  CheckpointUpkeep upkeep() { return CheckpointUpkeep(&cache_.store()); }

  const Tokens a_ = ids(1, 60), b_ = joined(ids(1, 30), ids(500, 30)), c_ = ids(900, 7);
  HybridCache cache_{64, 32};
};

TEST_F(CheckpointUpkeepTest, all_of_an_owner_goes) {
  EXPECT_EQ(upkeep().count({.id = kAlice}).checkpoints, 5u);
  EXPECT_EQ(evict({.id = kAlice}), 5u);
  EXPECT_EQ(upkeep().count({.id = kAlice}).checkpoints, 0u);
  EXPECT_EQ(warm_until(cache_, kAlice, a_), 0u);
  EXPECT_EQ(warm_until(cache_, kAlice, c_), 0u);
  EXPECT_EQ(warm_until(cache_, kBob, a_), 59u);
  EXPECT_EQ(upkeep().count({.all = true}).checkpoints, 1u);
  EXPECT_EQ(evict({.all = true}), 1u);
  EXPECT_EQ(cache_.store().stats().evictions, 0u) << "none for want of memory";
}

TEST_F(CheckpointUpkeepTest, a_prefix_means_the_texts_that_begin_so) {
  const auto count = [&](const Tokens& prefix) {
    return upkeep().count({.id = kAlice, .prefix = prefix}).checkpoints;
  };
  EXPECT_EQ(count({1}), 4u);
  EXPECT_EQ(count({1, 2, 3}), 4u);
  EXPECT_EQ(count({1, 2, 3, 4}), 3u) << "the first ends before";
  EXPECT_EQ(count(ids(1, 20)), 3u);
  EXPECT_EQ(count(ids(1, 21)), 2u);
  EXPECT_EQ(count(ids(1, 31)), 1u) << "where they part";
  EXPECT_EQ(count(joined(ids(1, 30), {500})), 1u);
  EXPECT_EQ(count(ids(1, 59)), 1u);
  EXPECT_EQ(count(ids(1, 60)), 0u);
  EXPECT_EQ(count({900}), 1u);
  EXPECT_EQ(count({7}), 0u);
  const Tokens prefix = joined(ids(1, 30), {500});
  EXPECT_EQ(evict({.id = kAlice, .prefix = prefix}), 1u);
  EXPECT_EQ(warm_until(cache_, kAlice, a_), 59u);
  EXPECT_EQ(warm_until(cache_, kAlice, b_), 20u);
}

TEST_F(CheckpointUpkeepTest, with_a_limit_those_go_whose_pages_went) {
  EXPECT_EQ(evict({.id = kAlice}, 4), 1u) << "the end of the text that was used first";
  EXPECT_EQ(warm_until(cache_, kAlice, c_), 6u);
}

TEST_F(CheckpointUpkeepTest, one_in_use_stays) {
  const SlotId slot = cache_.store().find({kAlice, {}, c_, 6});
  ASSERT_NE(slot, kNoSlot);
  EXPECT_EQ(upkeep().count({.id = kAlice}).in_use, 1u);
  EXPECT_EQ(evict({.id = kAlice}), 4u);
  EXPECT_EQ(warm_until(cache_, kAlice, c_), 6u);
  cache_.store().release(slot);
  EXPECT_EQ(evict({.id = kAlice}), 1u);
}

TEST_F(CheckpointUpkeepTest, what_was_erased_is_zeroed_before_another_gets_it) {
  evict({.id = kAlice});
  for (int i = 0; i < 5; ++i) {
    const auto slot = cache_.store().begin(kBob);
    ASSERT_TRUE(slot && *slot != kNoSlot);
    EXPECT_TRUE(std::ranges::all_of(cache_.store().state(*slot),
                                    [](std::byte byte) { return byte == std::byte{0}; }));
    EXPECT_TRUE(std::ranges::all_of(cache_.store().page(*slot),
                                    [](std::byte byte) { return byte == std::byte{0}; }));
  }
}

TEST_F(CheckpointUpkeepTest, verify_drops_what_has_changed) {
  const SlotId held = cache_.store().find({kAlice, {}, c_, 6});
  ASSERT_NE(held, kNoSlot);
  cache_.store().state(held)[5] ^= std::byte{1};
  SequencePages pages(cache_.pages().get(), kAlice, 160);
  pages.adopt_pages(a_, 60);
  std::vector<SlotId> slots;
  cache_.store().list({kAlice, pages.keys(), a_, 60}, slots);
  ASSERT_EQ(slots.size(), 3u);
  cache_.store().page(slots[2])[9] ^= std::byte{1};
  pages.release({}, false);

  VerifyCounts none;
  EXPECT_EQ(upkeep().verify({.id = kBob}, 0, kLong, none), upkeep().slot_count());
  EXPECT_EQ(none.checked, 1u);
  EXPECT_EQ(none.damaged, 0u);
  VerifyCounts counts;
  SlotId next = 0;
  int parts = 0;
  while (next < upkeep().slot_count()) {
    next = upkeep().verify({.id = kAlice}, next, /*budget_ns=*/0, counts);
    ++parts;
  }
  EXPECT_GE(parts, 5) << "one at a time";
  EXPECT_EQ(counts.checked, 5u);
  EXPECT_EQ(counts.damaged, 2u);
  EXPECT_EQ(counts.damaged_in_use, 1u);
  EXPECT_EQ(counts.dropped, 1u);
  EXPECT_TRUE(cache_.store().is_damaged(held));
  EXPECT_EQ(warm_until(cache_, kAlice, c_), 0u) << "found no more, though it is still held";
  EXPECT_EQ(warm_until(cache_, kAlice, a_), 20u);
  cache_.check();
  cache_.store().release(held);
  EXPECT_EQ(cache_.store().stats().damaged, 2u);
  EXPECT_EQ(cache_.store().stats().checkpoints_in_use, 0u);
  cache_.check();
}

}  // namespace
}  // namespace hearth::cache
