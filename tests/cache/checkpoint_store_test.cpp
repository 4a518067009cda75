// Goal: a text goes on from its deepest checkpoint, with the state, the keys and the values that
// computing it gives; what cannot be used, or is not of this text, is never used.
#include "cache/checkpoint_store.hpp"

#include <gtest/gtest.h>

#include <random>

#include "cache/cache_upkeep.hpp"
#include "tests/cache/checkpoint_testing.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000, kBob = 1001;
using Positions = std::vector<std::uint32_t>;

TEST(checkpoint_store, an_identical_prompt_computes_one_token) {
  HybridCache cache(16, 8);
  const Tokens prompt = ids(1, 45);
  keep(cache, kAlice, prompt, {20, 44});
  HybridRequest again(&cache, kAlice, prompt);
  EXPECT_EQ(again.restore(), 44u);
  EXPECT_TRUE(again.is_right());
  again.compute();
  EXPECT_TRUE(again.is_right());
  EXPECT_EQ(cache.store().stats().checkpoints_kept, 2u);
  EXPECT_EQ(again.pages().adoption().page_tokens, 40u);
  EXPECT_EQ(again.pages().adoption().copied_tokens, 4u);
}

TEST(checkpoint_store, every_position_can_be_gone_on_from) {
  const Tokens prompt = ids(1, 41);
  for (std::uint32_t position = 1; position <= 40; ++position) {
    SCOPED_TRACE(position);
    HybridCache cache(16, 4);
    keep(cache, kAlice, prompt, {position});
    HybridRequest again(&cache, kAlice, prompt);
    EXPECT_EQ(again.restore(), position);
    EXPECT_TRUE(again.is_right());
    again.compute();
    EXPECT_TRUE(again.is_right());
    // With another end, too.
    EXPECT_EQ(warm_until(cache, kAlice, joined(ids(1, static_cast<int>(position)), {500, 501})),
              position);
    // But not when the last of its tokens is another one.
    Tokens other = ids(1, static_cast<int>(position) + 3);
    other[position - 1] = 700;
    EXPECT_EQ(warm_until(cache, kAlice, other), 0u);
    again.finish();
    cache.check();
  }
}

TEST(checkpoint_store, the_limit_is_kept_and_the_deepest_below_it_taken) {
  HybridCache cache(16, 8);
  const Tokens prompt = ids(1, 40);
  keep(cache, kAlice, prompt, {3, 8, 9, 15, 16, 30});
  const Positions expected = {0, 0, 0, 3, 3, 3, 3, 3, 8, 9, 9, 9, 9, 9, 9, 15, 16, 16};
  for (std::uint32_t limit = 0; limit < expected.size(); ++limit) {
    HybridRequest request(&cache, kAlice, prompt);
    EXPECT_EQ(request.restore(limit), expected[limit]) << limit;
  }
  EXPECT_EQ(positions_of(cache, kAlice, prompt), (Positions{3, 8, 9, 15, 16, 30}));
  EXPECT_EQ(positions_of(cache, kAlice, ids(1, 15)), (Positions{3, 8, 9, 15}));
}

TEST(checkpoint_store, without_the_pages_below_it_none_is_used) {
  HybridCache cache(16, 8);
  const Tokens prompt = ids(1, 40);
  keep(cache, kAlice, prompt, {5, 12, 33, 40});
  std::uint64_t tokens = 0;
  CacheUpkeep upkeep(cache.pages().get());
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 40u);
  upkeep.evict({.id = kAlice}, 1, tokens);
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 40u) << "it brings the last page back";
  upkeep.evict({.id = kAlice}, 2, tokens);
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 12u);
  upkeep.evict({.id = kAlice}, 10, tokens);
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 5u) << "no page is below it";
  // Computed again, all of them are of use again.
  keep(cache, kAlice, prompt, {});
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 40u);
  EXPECT_EQ(cache.store().stats().checkpoints_kept, 4u);
  cache.check();
}

TEST(checkpoint_store, the_same_one_is_kept_once) {
  HybridCache cache(16, 8);
  const Tokens prompt = ids(1, 20);
  HybridRequest one(&cache, kAlice, prompt), two(&cache, kAlice, prompt);
  one.compute(13);
  two.compute(13);
  const PageIdentity identity = one.pages().checkpoint_identity(prompt);
  EXPECT_FALSE(cache.store().has(identity));
  const auto first = cache.store().begin(kAlice), second = cache.store().begin(kAlice);
  ASSERT_TRUE(first && second && *first != *second);
  EXPECT_EQ(cache.store().commit(*first, identity, 8), *first);
  EXPECT_TRUE(cache.store().has(identity));
  EXPECT_EQ(cache.store().commit(*second, identity, 8), *first);
  cache.store().release(*first);
  EXPECT_EQ(cache.store().stats().checkpoints_in_use, 1u);
  cache.store().release(*first);
  EXPECT_EQ(cache.store().stats().checkpoints_kept, 1u);
  cache.check();
}

TEST(checkpoint_store, an_abandoned_one_is_free_again) {
  HybridCache cache(16, 1);
  for (int i = 0; i < 5; ++i) {
    const auto slot = cache.store().begin(kAlice);
    ASSERT_TRUE(slot && *slot != kNoSlot);
    EXPECT_EQ(*cache.store().begin(kBob), kNoSlot) << "the only one is in use";
    cache.store().release(*slot);
    cache.check();
  }
  EXPECT_EQ(cache.store().stats().evictions, 0u);
}

TEST(checkpoint_store, forks_share_what_lies_above_them) {
  HybridCache cache(32, 16);
  const Tokens system = ids(1, 20);
  const Tokens a = joined(system, ids(100, 20)), b = joined(system, ids(200, 30));
  keep(cache, kAlice, a, {20, 39});
  keep(cache, kAlice, b, {49});
  EXPECT_EQ(warm_until(cache, kAlice, a), 39u) << "the other branch took nothing away";
  EXPECT_EQ(warm_until(cache, kAlice, b), 49u);
  EXPECT_EQ(warm_until(cache, kAlice, joined(system, {7, 8})), 20u);
  EXPECT_EQ(cache.store().stats().checkpoints_kept, 3u);
  cache.check();
}

TEST(checkpoint_store, each_namespace_finds_its_own_only) {
  HybridCache cache(32, 16);
  const Tokens prompt = ids(1, 30);
  keep(cache, kAlice, prompt, {5, 29});
  EXPECT_EQ(warm_until(cache, kBob, prompt), 0u);
  keep(cache, kBob, prompt, {9});
  EXPECT_EQ(warm_until(cache, kBob, prompt), 9u);
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 29u);
}

TEST(checkpoint_store, published_ones_are_found_by_everybody_once_they_are_published) {
  HybridCache cache(32, 16);
  const Tokens text = ids(1, 24), prompt = joined(text, ids(300, 10));
  HybridRequest publisher(&cache, kPublishedNamespace, text);
  publisher.compute(5);
  const SlotId early = publisher.take(1000, /*keep_reference=*/true);
  publisher.compute();
  const SlotId last = publisher.take(1000, /*keep_reference=*/true);
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 0u);
  cache.store().publish(early);
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 5u);
  cache.store().publish(last);
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 24u);
  EXPECT_EQ(positions_of(cache, kAlice, prompt), (Positions{5, 24}));

  // What goes on from it is the user's alone.
  keep(cache, kAlice, prompt, {33});
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 33u);
  EXPECT_EQ(warm_until(cache, kBob, prompt), 24u);
  cache.check();

  // It is pinned: users never push it out.
  for (int i = 0; i < 40; ++i) keep(cache, kBob, ids(1000 + 100 * i, 20), {19});
  EXPECT_GT(cache.store().stats().evictions, 10u);
  EXPECT_EQ(warm_until(cache, kAlice, text), 24u);
  cache.store().release(early);
  cache.store().release(last);
  publisher.finish();
  cache.check();
}

TEST(checkpoint_store, uses_are_counted_for_who_has_them) {
  HybridCache cache(32, 16);
  keep(cache, kAlice, ids(1, 30), {5, 29});
  keep(cache, kBob, ids(1, 30), {9});
  const CheckpointStats stats = cache.store().stats();
  EXPECT_EQ(stats.checkpoints_total, 16u);
  EXPECT_EQ(stats.checkpoints_kept, 3u);
  EXPECT_EQ(stats.checkpoints_in_use, 0u);
  EXPECT_EQ(stats.checkpoint_bytes, HybridCache::capacity(1) - HybridCache::capacity(0));
  std::vector<NamespaceUse> uses = {{.id = kBob, .pages_cached = 3}};
  cache.store().add_uses(uses);
  ASSERT_EQ(uses.size(), 2u);
  EXPECT_EQ(uses[0].checkpoints, 1u);
  EXPECT_EQ(uses[0].pages_cached, 3u);
  EXPECT_EQ(uses[1].id, kAlice);
  EXPECT_EQ(uses[1].checkpoints, 2u);
  EXPECT_EQ(uses[1].checkpoint_bytes, 2 * stats.checkpoint_bytes);
}

TEST(checkpoint_store, sizes_that_cannot_be_are_refused) {
  EXPECT_FALSE(CheckpointStore::geometry_of(SmallCache::geometry(), 0));
  EXPECT_FALSE(CheckpointStore::geometry_of(SmallCache::geometry(), UINT64_MAX));
  EXPECT_FALSE(CheckpointStore::geometry_of(SmallCache::geometry(), UINT64_MAX - 100));
  const auto geometry = CheckpointStore::geometry_of(SmallCache::geometry(), 200);
  ASSERT_TRUE(geometry);
  EXPECT_EQ(geometry->payload_bytes, 256u + SmallCache::kPayloadBytes);
  EXPECT_EQ(geometry->kind, ObjectKind::checkpoint);
}

TEST(checkpoint_store, a_new_daemon_finds_all_of_them) {
  HybridCache cache(32, 16);
  const Tokens a = ids(1, 40), b = joined(ids(1, 20), ids(200, 30));
  keep(cache, kAlice, a, {7, 16, 20, 39});
  keep(cache, kAlice, b, {49});
  keep(cache, kBob, a, {39});
  cache.reopen(32, 16);
  cache.check();
  EXPECT_EQ(cache.store().recovery().cold, ColdReason::none);
  EXPECT_EQ(cache.store().recovery().kept, 6u);
  EXPECT_EQ(warm_until(cache, kAlice, a), 39u);
  EXPECT_EQ(cache.store().checks().intact, 1u) << "held to its checksum at its first use";
  EXPECT_EQ(warm_until(cache, kAlice, a), 39u);
  EXPECT_EQ(cache.store().checks().intact, 1u);
  EXPECT_EQ(warm_until(cache, kAlice, b), 49u);
  EXPECT_EQ(warm_until(cache, kBob, a), 39u);
  EXPECT_EQ(positions_of(cache, kAlice, b), (Positions{7, 16, 20, 49}));
  cache.reopen(32, 3);
  cache.check();
  EXPECT_EQ(cache.store().recovery().over_budget, 3u);
  cache.reopen(32, 16, /*secret=*/{8});
  cache.check();
  EXPECT_EQ(cache.store().recovery().orphaned, 3u);
  EXPECT_EQ(cache.store().recovery().kept, 0u);
}

// The tree that was made again is the one there was: it is thinned alike.
TEST(checkpoint_store, a_new_daemon_knows_forks_and_paths) {
  for (const bool restart : {false, true}) {
    SCOPED_TRACE(restart);
    HybridCache cache(64, 32);
    const Tokens a = ids(1, 60), b = joined(ids(1, 20), ids(200, 30));
    keep(cache, kAlice, a, {10, 20, 30, 40, 50});
    keep(cache, kAlice, b, {49});
    if (restart) cache.reopen(64, 32);
    keep(cache, kAlice, a, {59}, /*max_checkpoints=*/3);
    EXPECT_EQ(positions_of(cache, kAlice, a), (Positions{20, 50, 59}))
        << "the fork stays, and the last two";
    EXPECT_EQ(warm_until(cache, kAlice, b), 49u);
    cache.check();
  }
}

TEST(checkpoint_store, a_damaged_one_is_dropped_and_a_shallower_one_found) {
  HybridCache cache(32, 16);
  const Tokens prompt = ids(1, 40);
  keep(cache, kAlice, prompt, {12, 26, 39});
  cache.reopen(32, 16);
  for (SlotId slot = 0; slot < 3; ++slot) {
    if (cache.store().position(slot) == 39) cache.store().page(slot)[3] ^= std::byte{4};
    if (cache.store().position(slot) == 26) cache.store().state(slot)[100] ^= std::byte{1};
  }
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 12u);
  EXPECT_EQ(cache.store().stats().damaged, 2u);
  EXPECT_EQ(cache.store().checks().damaged, 2u);
  EXPECT_EQ(cache.store().stats().checkpoints_kept, 1u);
  keep(cache, kAlice, prompt, {39});
  EXPECT_EQ(warm_until(cache, kAlice, prompt), 39u);
  cache.check();
}

TEST(checkpoint_store, one_that_was_damaged_is_taken_again) {
  HybridCache cache(32, 16);
  const Tokens prompt = ids(1, 40);
  keep(cache, kAlice, prompt, {39});
  cache.reopen(32, 16);
  cache.store().state(0)[0] ^= std::byte{1};
  HybridRequest request(&cache, kAlice, prompt);
  request.compute(39);
  const auto slot = cache.store().begin(kAlice);
  ASSERT_TRUE(slot && *slot != kNoSlot);
  const PageIdentity identity = request.pages().checkpoint_identity(prompt);
  EXPECT_EQ(cache.store().commit(*slot, identity, 8), *slot) << "not the damaged one";
  cache.store().release(*slot);
  EXPECT_EQ(cache.store().stats().damaged, 1u);
  EXPECT_EQ(cache.store().stats().checkpoints_kept, 1u);
  cache.check();
}

TEST(checkpoint_store, what_does_not_fit_is_cold) {
  HybridCache cache(32, 16);
  keep(cache, kAlice, ids(1, 40), {39});
  const auto reason = [&](const char* name, const SegmentGeometry& geometry) {
    MemoryBudget budget(UINT64_MAX >> 1);
    auto segment = Segment::open(cache.pages().store(), name, geometry, HybridCache::capacity(9),
                                 BudgetShare(&budget));
    EXPECT_TRUE(segment) << segment.error().message;
    return (*segment)->recovery().cold;
  };
  EXPECT_EQ(reason("test-state", HybridCache::geometry()), ColdReason::none);
  // The same bytes in all, parted otherwise.
  SegmentGeometry parted = HybridCache::geometry(sizeof(State) + 8);
  ASSERT_EQ(parted.payload_bytes, HybridCache::geometry().payload_bytes);
  EXPECT_EQ(reason("test-state", parted), ColdReason::geometry);
  EXPECT_EQ(reason("test-state", parted), ColdReason::none) << "it was made anew";
  EXPECT_EQ(reason("test-state", SmallCache::geometry()), ColdReason::geometry) << "of pages";
  EXPECT_EQ(reason("test", SmallCache::geometry()), ColdReason::none);
  EXPECT_EQ(reason("test", HybridCache::geometry()), ColdReason::geometry);
  const auto segment = Segment::open(cache.pages().store(), "small", HybridCache::geometry(), 100,
                                     BudgetShare(&cache.pages().budget()));
  ASSERT_FALSE(segment);
  EXPECT_NE(segment.error().message.find("checkpoint-bytes"), std::string::npos);
}

// Goal: whatever happens in whatever order, a restored sequence is what computing it gives, and the
// deepest usable checkpoint is the one that is found.
// Method: random texts of common beginnings, of three namespaces, in stores that are too small,
// with daemons that die in between; a list of all that was taken says what may be found.
TEST(checkpoint_store, random_lives_go_on_right) {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    HybridCache cache(40, 24);
    int restored = 0, deep = 0;
    for (int life = 0; life < 1500; ++life) {
      Tokens tokens;
      for (std::uint32_t i = 20 + below(40); i > 0; --i) {
        tokens.push_back(static_cast<std::int32_t>(below(12) / 11));
      }
      HybridRequest request(&cache, 1 + below(3), tokens);
      const std::uint32_t position = request.restore();
      restored += position > 0;
      deep += position > HybridRequest::kPage;
      ASSERT_TRUE(request.is_right());
      Positions positions;
      for (std::uint32_t at = 1 + below(10); at < tokens.size(); at += 1 + below(20)) {
        positions.push_back(at);
      }
      request.run(positions, 2 + below(6));
      ASSERT_TRUE(request.is_right());
      request.finish();
      cache.check();
      if (below(100) == 0) {
        cache.reopen(36 + below(8), 20 + below(8));
        cache.check();
      }
    }
    EXPECT_GT(restored, 300) << "the test must have been about something";
    EXPECT_GT(deep, 50);
    EXPECT_GT(cache.store().stats().evictions + cache.store().stats().thinned, 5u);
  }
}

}  // namespace
}  // namespace hearth::cache
