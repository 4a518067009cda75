// Goal: pages are found by what they hold and by their owner, shared, and evicted in order.
#include "cache/page_cache.hpp"

#include <gtest/gtest.h>

#include "tests/cache/system_memory.hpp"
#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000;
constexpr NamespaceId kBob = 1001;

TEST(page_cache, a_page_is_found_by_what_it_holds_and_by_its_owner_only) {
  SmallCache cache(4);
  Digest key;
  const auto tokens = ids(1, 8);
  const SlotId slot = add_page(*cache, kAlice, kNoSlot, cache->root_key(kAlice), tokens, key);
  EXPECT_EQ(cache->find(kAlice, kNoSlot, key, tokens), slot);
  EXPECT_EQ(cache->references(slot), 2u);
  EXPECT_EQ(cache->find(kBob, kNoSlot, key, tokens), kNoSlot);
  EXPECT_EQ(cache->find_partial(kBob, kNoSlot, tokens).tokens, 0u);
  EXPECT_EQ(cache->find_partial(kAlice, kNoSlot, std::span(tokens).first(3)).tokens, 3u);
  cache->check();
}

TEST(page_cache, a_key_alone_is_no_hit) {
  SmallCache cache(4);
  Digest key;
  add_page(*cache, kAlice, kNoSlot, cache->root_key(kAlice), ids(1, 8), key);
  EXPECT_EQ(cache->find(kAlice, kNoSlot, key, ids(2, 8)), kNoSlot) << "a collision of the hash";
}

TEST(page_cache, the_same_page_computed_twice_is_kept_once) {
  SmallCache cache(4);
  Digest key;
  const SlotId first = add_page(*cache, kAlice, kNoSlot, cache->root_key(kAlice), ids(1, 8), key);
  const SlotId second = add_page(*cache, kAlice, kNoSlot, cache->root_key(kAlice), ids(1, 8), key);
  EXPECT_EQ(first, second);
  EXPECT_EQ(cache->references(first), 2u);
  EXPECT_EQ(cache->stats().pages_in_use, 1u);
  cache->check();
}

TEST(page_cache, pages_in_use_are_never_evicted) {
  SmallCache cache(3);
  std::vector<SlotId> held;
  for (int i = 0; i < 3; ++i) {
    const auto slot = cache->take(kAlice);
    ASSERT_TRUE(slot);
    ASSERT_NE(*slot, kNoSlot);
    held.push_back(*slot);
  }
  EXPECT_EQ(*cache->take(kAlice), kNoSlot);
  cache->release(held[1]);
  EXPECT_EQ(*cache->take(kBob), held[1]);
  cache->check();
}

TEST(page_cache, the_least_recently_used_page_goes_first) {
  SmallCache cache(2);
  Digest a;
  Digest b;
  const SlotId first = add_page(*cache, kAlice, kNoSlot, cache->root_key(kAlice), ids(1, 8), a);
  const SlotId second = add_page(*cache, kAlice, kNoSlot, cache->root_key(kAlice), ids(50, 8), b);
  cache->release(first);
  cache->release(second);
  // Using the first one makes the second the older one.
  EXPECT_EQ(cache->find(kAlice, kNoSlot, a, ids(1, 8)), first);
  cache->release(first);
  EXPECT_EQ(*cache->take(kAlice), second);
  EXPECT_EQ(cache->find(kAlice, kNoSlot, b, ids(50, 8)), kNoSlot);
  EXPECT_EQ(cache->stats().evictions, 1u);
  cache->check();
}

TEST(page_cache, a_system_without_memory_for_more_takes_what_there_is_from_the_oldest) {
  SmallCache cache(4096);  // more than are taken at a time
  int count = 0;
  const auto add_one = [&] {
    Digest key;
    const SlotId slot =
        add_page(*cache, kAlice, kNoSlot, cache->root_key(kAlice), ids(++count * 10, 8), key);
    cache->release(slot);
    return slot;
  };
  do add_one();
  while (cache->stats().pages_cached < cache.segment().backed_slots());
  ASSERT_LT(count, 4096);
  const NoSystemMemory full;
  EXPECT_NE(add_one(), kNoSlot);
  EXPECT_EQ(cache->stats().evictions, 1u);
  cache->check();
}

TEST(page_cache, a_longer_page_replaces_the_shorter_ones_it_holds) {
  SmallCache cache(4);
  Digest key;
  const auto tokens = ids(1, 8);
  const SlotId part =
      add_page(*cache, kAlice, kNoSlot, cache->root_key(kAlice), std::span(tokens).first(3), key);
  cache->release(part);
  EXPECT_EQ(cache->stats().pages_cached, 1u);
  const SlotId whole = add_page(*cache, kAlice, kNoSlot, cache->root_key(kAlice), tokens, key);
  cache->release(whole);
  EXPECT_EQ(cache->stats().pages_cached, 1u);
  EXPECT_EQ(cache->find_partial(kAlice, kNoSlot, tokens).slot, whole);
  cache->check();
}

TEST(page_cache, memory_grows_with_use_up_to_the_budget) {
  SmallCache cache(1000, /*budget_bytes=*/300000);
  std::vector<SlotId> held;
  for (;;) {
    const auto slot = cache->take(kAlice);
    ASSERT_TRUE(slot);
    if (*slot == kNoSlot) break;
    held.push_back(*slot);
  }
  EXPECT_GT(held.size(), 30u);
  EXPECT_LT(held.size(), 1000u);
  EXPECT_LE(cache.budget().used(), 300000u);
  for (const SlotId slot : held) cache->release(slot);
  cache->check();
}

}  // namespace
}  // namespace hearth::cache
