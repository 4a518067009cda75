// Goal: of too many checkpoints those go whose loss costs the least: on a path, for want of memory,
// and never another's that holds no more than an equal share.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "cache/cache_upkeep.hpp"
#include "tests/cache/checkpoint_testing.hpp"
#include "tests/cache/system_memory.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000, kBob = 1001, kCarol = 1002;
using Positions = std::vector<std::uint32_t>;

std::uint64_t held(HybridCache& cache, NamespaceId id) {
  std::vector<NamespaceUse> uses;
  cache.store().add_uses(uses);
  const auto found = std::ranges::find(uses, id, &NamespaceUse::id);
  return found == uses.end() ? 0 : found->checkpoints;
}

// A text of its own with one checkpoint, at this position.
void keep_one(HybridCache& cache, NamespaceId id, int number, std::uint32_t position) {
  keep(cache, id, ids(1000 * number, static_cast<int>(position) + 1), {position});
}
bool has_one(HybridCache& cache, NamespaceId id, int number, std::uint32_t position) {
  const Tokens tokens = ids(1000 * number, static_cast<int>(position));
  return positions_of(cache, id, tokens) == Positions{position};
}

// The positions that are left of those taken in this order, at most max on a path.
Positions thinned(const Positions& taken, std::uint32_t max, std::uint32_t turn_start = 0) {
  HybridCache cache(64, 64);
  const Tokens tokens = ids(1, 150);
  keep(cache, kAlice, tokens, taken, max, turn_start);
  cache.check();
  EXPECT_EQ(cache.store().stats().thinned,
            taken.size() - positions_of(cache, kAlice, tokens).size());
  return positions_of(cache, kAlice, tokens);
}

TEST(checkpoint_thinning, drops_the_one_that_saves_the_least_for_its_distance_to_the_end) {
  EXPECT_EQ(thinned({10, 20, 30}, 3), (Positions{10, 20, 30}));
  EXPECT_EQ(thinned({10, 100, 105, 110, 149}, 4), (Positions{10, 100, 110, 149}));
  EXPECT_EQ(thinned({50, 60, 100, 149}, 3), (Positions{50, 100, 149})) << "50 and not 60";
  EXPECT_EQ(thinned({30, 100, 120, 149}, 3), (Positions{100, 120, 149})) << "far from the end";
  EXPECT_EQ(thinned({120, 130, 140, 149}, 3), (Positions{120, 140, 149})) << "behind a long gap";
  EXPECT_EQ(thinned({20, 40, 60, 80}, 3), (Positions{40, 60, 80})) << "of equals the first";
}

TEST(checkpoint_thinning, keeps_the_last_two_as_long_as_there_is_another) {
  EXPECT_EQ(thinned({140, 144, 147, 149}, 3), (Positions{140, 147, 149}));
  EXPECT_EQ(thinned({20, 147, 149}, 2), (Positions{147, 149}));
  EXPECT_EQ(thinned({20, 147, 149}, 1), (Positions{149}));
  EXPECT_EQ(thinned({20, 147, 149}, 0), (Positions{149})) << "as 1";
}

TEST(checkpoint_thinning, keeps_where_the_turn_begins_as_long_as_there_is_another) {
  EXPECT_EQ(thinned({10, 100, 105, 110, 149}, 4, 105), (Positions{100, 105, 110, 149}));
  EXPECT_EQ(thinned({30, 100, 120, 149}, 3, 30), (Positions{30, 120, 149}));
  EXPECT_EQ(thinned({30, 100, 120, 149}, 2, 30), (Positions{120, 149}))
      << "before the ends of the prompt and of the turn";
}

TEST(checkpoint_thinning, a_long_path_stays_within_its_limit) {
  Positions all;
  for (std::uint32_t at = 3; at < 150; at += 3) all.push_back(at);
  const Positions left = thinned(all, 8);
  EXPECT_EQ(left.size(), 8u);
  EXPECT_EQ(left.back(), all.back());
  std::uint32_t above = 0, widest = 0;
  for (const std::uint32_t at : left) widest = std::max(widest, at - std::exchange(above, at));
  EXPECT_LE(widest, 75u) << "they are spread over the path";
  EXPECT_GE(left[left.size() - 4], 120u) << "the denser the nearer to the end";
}

TEST(checkpoint_thinning, drops_a_fork_late_and_never_what_others_hold) {
  HybridCache cache(64, 64);
  const Tokens a = ids(1, 100), b = joined(ids(1, 30), ids(500, 30));
  keep(cache, kAlice, a, {30, 40, 50, 60});
  keep(cache, kAlice, b, {55});
  keep(cache, kBob, a, {35, 45});
  {
    HybridRequest holder(&cache, kAlice, a);
    holder.restore(50);
    SequencePages pages(cache.pages().get(), kAlice, 160);
    pages.adopt_pages(a, 50);
    const SlotId held_one = cache.store().find({kAlice, pages.keys(), a, 50});
    ASSERT_EQ(cache.store().position(held_one), 50u);
    keep(cache, kAlice, a, {80, 90}, /*max_checkpoints=*/4);
    EXPECT_EQ(positions_of(cache, kAlice, a), (Positions{30, 50, 80, 90})) << "40 and 60 went";
    keep(cache, kAlice, a, {99}, /*max_checkpoints=*/2);
    EXPECT_EQ(positions_of(cache, kAlice, a), (Positions{50, 99})) << "held: one too many may stay";
    cache.store().release(held_one);
  }
  EXPECT_EQ(positions_of(cache, kAlice, b), (Positions{55}));
  EXPECT_EQ(positions_of(cache, kBob, a), (Positions{35, 45}));
  cache.check();
}

// A fork counts four times what the others do: of two alike the other one goes.
TEST(checkpoint_thinning, of_two_alike_the_fork_stays) {
  HybridCache cache(64, 64);
  const Tokens a = ids(1, 100), b = joined(ids(1, 40), ids(500, 30));
  keep(cache, kAlice, a, {20, 40});
  keep(cache, kAlice, b, {55});
  keep(cache, kAlice, a, {60, 80, 90}, 4);
  EXPECT_EQ(positions_of(cache, kAlice, a), (Positions{40, 60, 80, 90})) << "20 is far";
  keep(cache, kAlice, a, {99}, 4);
  EXPECT_EQ(positions_of(cache, kAlice, a), (Positions{40, 80, 90, 99})) << "60, not the fork";
  cache.check();
}

// One that is put between others: they continue it from then on.
TEST(checkpoint_thinning, one_in_the_middle_becomes_the_fork) {
  HybridCache cache(64, 64);
  const Tokens a = ids(1, 100), b = joined(ids(1, 50), ids(500, 50));
  keep(cache, kAlice, a, {20, 90});
  // A text that parts at 50 is told to leave one there; at 44 too, which is no fork.
  keep(cache, kAlice, b, {44, 50, 80});
  EXPECT_EQ(positions_of(cache, kAlice, a), (Positions{20, 44, 50, 90}));
  keep(cache, kAlice, b, {99}, /*max_checkpoints=*/3);
  EXPECT_EQ(positions_of(cache, kAlice, b), (Positions{50, 80, 99})) << "the fork, and the end";
  EXPECT_EQ(positions_of(cache, kAlice, a), (Positions{50, 90}));
  cache.check();
}

TEST(checkpoint_thinning, one_in_the_middle_thins_the_paths_that_go_on_below_it) {
  HybridCache cache(64, 64);
  const Tokens a = ids(1, 100);
  keep(cache, kAlice, a, {70, 80, 99});
  // Its pages are there, but it may not begin behind position 10.
  HybridRequest request(&cache, kAlice, a);
  request.restore(10);
  request.compute(40);
  request.take(/*max_checkpoints=*/3);
  EXPECT_EQ(positions_of(cache, kAlice, a), (Positions{40, 80, 99}));
  request.finish();
  cache.check();
}

TEST(checkpoint_thinning, users_paths_do_not_count_what_is_published) {
  HybridCache cache(64, 64);
  const Tokens text = ids(1, 32), prompt = joined(text, ids(500, 60));
  HybridRequest publisher(&cache, kPublishedNamespace, text);
  std::vector<SlotId> pinned;
  for (const std::uint32_t at : {8u, 16u, 24u, 32u}) {
    publisher.compute(at);
    pinned.push_back(publisher.take(8, /*keep_reference=*/true));
    cache.store().publish(pinned.back());
  }
  keep(cache, kAlice, prompt, {40, 50, 60, 90}, /*max_checkpoints=*/3);
  EXPECT_EQ(positions_of(cache, kAlice, prompt), (Positions{8, 16, 24, 32, 50, 60, 90}));
  for (const SlotId slot : pinned) cache.store().release(slot);
  publisher.finish();
  cache.check();
}

// Goal: the tree that a daemon makes from what it finds is the one that grew.
// Method: random texts of common beginnings, checkpoints at random places, also between others; one
// of two caches is attached to anew after each.  What is thinned depends on who continues whom.
TEST(checkpoint_thinning, a_new_daemon_thins_as_the_old_one_would) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    std::mt19937 random(seed);
    const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    HybridCache grown(600, 500), renewed(600, 500);
    std::vector<Tokens> texts;
    for (int step = 0; step < 120; ++step) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", step " << step);
      Tokens tokens = texts.empty() ? Tokens() : texts[below(static_cast<std::uint32_t>(step))];
      tokens.resize(std::min<std::size_t>(tokens.size(), below(60)));
      while (tokens.size() < 60) tokens.push_back(static_cast<std::int32_t>(below(3)));
      texts.push_back(tokens);
      Positions positions;
      for (std::uint32_t at = 1 + below(20); at < 60; at += 1 + below(25)) positions.push_back(at);
      const std::uint32_t limit = below(60), max = 1 + below(5);
      for (HybridCache* cache : {&grown, &renewed}) {
        HybridRequest request(cache, kAlice, tokens);
        request.restore(limit);
        request.run(positions, max);
        ASSERT_TRUE(request.is_right());
        request.finish();
      }
      renewed.reopen(600, 500);
      renewed.check();
      for (const Tokens& text : texts) {
        ASSERT_EQ(positions_of(grown, kAlice, text), positions_of(renewed, kAlice, text));
      }
    }
    grown.check();
    EXPECT_GT(grown.store().stats().thinned, 50u);
    EXPECT_EQ(grown.store().stats().evictions, 0u);
    EXPECT_EQ(grown.pages()->stats().evictions, 0u);
  }
}

TEST(checkpoint_eviction, takes_the_one_that_saves_the_least_for_its_age) {
  HybridCache cache(64, 3);
  keep_one(cache, kAlice, 1, 90);
  keep_one(cache, kAlice, 2, 5);
  keep_one(cache, kAlice, 3, 20);
  keep_one(cache, kAlice, 4, 60);
  EXPECT_FALSE(has_one(cache, kAlice, 2, 5)) << "5 / 2 is less than 20 / 1 and 90 / 3";
  EXPECT_TRUE(has_one(cache, kAlice, 1, 90));
  EXPECT_TRUE(has_one(cache, kAlice, 3, 20));
  keep_one(cache, kAlice, 5, 60);
  EXPECT_FALSE(has_one(cache, kAlice, 3, 20)) << "20 / 2 is less than 90 / 4";
  // Used again, the oldest is young.
  EXPECT_EQ(warm_until(cache, kAlice, ids(1000, 90)), 90u);
  keep_one(cache, kAlice, 6, 60);
  EXPECT_TRUE(has_one(cache, kAlice, 1, 90));
  EXPECT_FALSE(has_one(cache, kAlice, 4, 60));
  EXPECT_EQ(cache.store().stats().evictions, 3u);
  cache.check();
}

TEST(checkpoint_eviction, counts_what_is_saved_against_the_one_above) {
  HybridCache cache(64, 3);
  keep(cache, kAlice, ids(1, 100), {80, 84, 99});
  keep_one(cache, kBob, 1, 3);  // takes from who has the most
  EXPECT_EQ(positions_of(cache, kAlice, ids(1, 100)), (Positions{80, 99}));
  cache.check();
}

TEST(checkpoint_eviction, one_without_its_pages_goes_first) {
  HybridCache cache(64, 2);
  keep_one(cache, kAlice, 1, 90);
  keep_one(cache, kAlice, 2, 9);
  std::uint64_t tokens = 0;
  const Tokens prefix = ids(1000, 3);
  CacheUpkeep(cache.pages().get()).evict({.id = kAlice, .prefix = prefix}, 100, tokens);
  keep_one(cache, kAlice, 3, 12);
  EXPECT_TRUE(has_one(cache, kAlice, 2, 9));
  EXPECT_TRUE(has_one(cache, kAlice, 3, 12));
  cache.check();
}

TEST(checkpoint_eviction, never_takes_what_is_held) {
  HybridCache cache(64, 2);
  keep_one(cache, kAlice, 1, 5);
  keep_one(cache, kAlice, 2, 60);
  const Tokens tokens = ids(1000, 6);
  const SlotId slot = cache.store().find({kAlice, {}, tokens, 5});
  ASSERT_NE(slot, kNoSlot);
  keep_one(cache, kAlice, 3, 60);
  EXPECT_TRUE(has_one(cache, kAlice, 1, 5));
  EXPECT_FALSE(has_one(cache, kAlice, 2, 60));
  cache.store().release(slot);
  cache.check();
}

TEST(checkpoint_eviction, makes_room_where_the_system_has_no_memory_for_more) {
  HybridCache cache(64, 2000);  // more than are taken at a time
  int taken = 0;
  while (taken == 0 ||
         cache.store().stats().checkpoints_kept < cache.store().stats().checkpoints_backed)
    keep_one(cache, kAlice, ++taken, 5);
  ASSERT_LT(taken, 2000);
  const NoSystemMemory full;
  keep_one(cache, kAlice, ++taken, 5);
  EXPECT_EQ(cache.store().stats().evictions, 1u);
  EXPECT_TRUE(has_one(cache, kAlice, taken, 5));
  cache.check();
}

TEST(checkpoint_fair_share, a_long_run_takes_nothing_from_who_holds_less) {
  HybridCache cache(64, 12);
  for (int i = 0; i < 4; ++i) keep_one(cache, kBob, i, 3);
  for (int i = 0; i < 200; ++i) keep_one(cache, kAlice, i, 7);
  EXPECT_EQ(held(cache, kBob), 4u);
  EXPECT_EQ(held(cache, kAlice), 8u);
  for (int i = 0; i < 200; ++i) keep_one(cache, kCarol, i, 7);
  EXPECT_EQ(held(cache, kBob), 4u);
  EXPECT_EQ(held(cache, kAlice), 4u);
  EXPECT_EQ(held(cache, kCarol), 4u);
  cache.check();
}

TEST(checkpoint_fair_share, a_quota_is_kept_and_found_again_by_the_next_daemon) {
  const std::uint64_t bytes = HybridCache::capacity(3) - HybridCache::capacity(0);
  HybridCache cache(64, 12, {.bytes_max = bytes});
  keep_one(cache, kBob, 1, 7);
  for (int i = 0; i < 10; ++i) keep_one(cache, kAlice, i, 7);
  EXPECT_EQ(held(cache, kAlice), 3u);
  EXPECT_EQ(held(cache, kBob), 1u);
  EXPECT_TRUE(has_one(cache, kAlice, 9, 7));
  cache.reopen(64, 12);
  EXPECT_EQ(held(cache, kAlice), 3u);
  EXPECT_EQ(held(cache, kBob), 1u);
  cache.check();
}

std::int64_t fake_seconds = 0;
TEST(checkpoint_fair_share, who_was_away_for_a_day_gives_way_first) {
  fake_seconds = 5000;
  HybridCache cache(64, 12, {.clock = [] { return fake_seconds; }});
  for (int i = 0; i < 4; ++i) keep_one(cache, kBob, i, 3);
  fake_seconds += Namespaces::kAwaySeconds;
  for (int i = 0; i < 100; ++i) keep_one(cache, kAlice, i, 7);
  EXPECT_EQ(held(cache, kBob), 0u);
  EXPECT_EQ(held(cache, kAlice), 12u);
  cache.check();
}

TEST(checkpoint_fair_share, who_may_not_hold_one_takes_none) {
  HybridCache cache(64, 8, {.bytes_max = SmallCache::quota(1) - 1});
  const auto slot = cache.store().begin(kAlice);
  ASSERT_TRUE(slot);
  EXPECT_EQ(*slot, kNoSlot);
  keep(cache, kAlice, ids(1, 50), {20, 40});
  EXPECT_EQ(cache.store().stats().evictions, 0u) << "nothing was copied to go at once";
  EXPECT_EQ(held(cache, kAlice), 0u);
  const auto published = cache.store().begin(kPublishedNamespace);
  ASSERT_TRUE(published && *published != kNoSlot) << "it has no quota";
  cache.store().release(*published);
  cache.check();
}

}  // namespace
}  // namespace hearth::cache
