// Goal: one namespace's use of the cache costs the others no more than an equal share leaves them,
// and none holds more than its quota.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "cache/sequence_pages.hpp"
#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000;
constexpr NamespaceId kBob = 1001;
constexpr NamespaceId kCarol = 1002;
constexpr std::uint64_t kNoBudget = UINT64_MAX >> 1;

// A text of one page of this namespace, which nobody has asked before, computed and let go.
void use_page(PageCache& cache, NamespaceId id, int number) {
  Digest key;
  cache.release(add_page(cache, id, kNoSlot, cache.root_key(id), ids(100 * number, 8), key));
}

// Texts [first, end) of one page each.
void use_pages(PageCache& cache, NamespaceId id, int first, int end) {
  for (int i = first; i < end; ++i) use_page(cache, id, i);
}

bool has_page(PageCache& cache, NamespaceId id, int number) {
  return cache.find_partial(id, kNoSlot, ids(100 * number, 8)).tokens == 8;
}

std::uint64_t held(const PageCache& cache, NamespaceId id) {
  std::vector<NamespaceUse> uses;
  cache.list_uses(uses);
  const auto found = std::ranges::find(uses, id, &NamespaceUse::id);
  return found == uses.end() ? 0 : found->pages_in_use + found->pages_cached;
}

std::int64_t fake_seconds = 0;
NamespaceRules rules_of_quota(std::uint32_t pages) {
  return {.bytes_max = SmallCache::quota(pages), .clock = [] { return fake_seconds; }};
}
const NamespaceRules kNoQuota = {.clock = [] { return fake_seconds; }};

TEST(fair_share, a_long_run_takes_nothing_from_who_holds_less) {
  SmallCache cache(12);
  use_pages(*cache, kBob, 0, 4);
  use_pages(*cache, kAlice, 0, 1000);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(has_page(*cache, kBob, i)) << i;
  for (int i = 992; i < 1000; ++i) EXPECT_TRUE(has_page(*cache, kAlice, i)) << i;
  EXPECT_EQ(held(*cache, kBob), 4u);
  EXPECT_EQ(held(*cache, kAlice), 8u) << "all that is left is hers";
  cache->check();
}

TEST(fair_share, who_comes_later_gets_an_equal_share_of_a_full_cache) {
  SmallCache cache(12);
  use_pages(*cache, kAlice, 0, 100);
  EXPECT_EQ(held(*cache, kAlice), 12u) << "alone she has all of it";
  use_pages(*cache, kBob, 0, 100);
  EXPECT_EQ(held(*cache, kBob), 6u);
  use_pages(*cache, kCarol, 0, 100);
  EXPECT_EQ(held(*cache, kAlice), 4u);
  EXPECT_EQ(held(*cache, kBob), 4u);
  EXPECT_EQ(held(*cache, kCarol), 4u);
  for (int i = 96; i < 100; ++i) EXPECT_TRUE(has_page(*cache, kAlice, i)) << "her latest, " << i;
  cache->check();
}

TEST(fair_share, a_page_is_found_for_who_needs_one_as_long_as_any_could_go) {
  SmallCache cache(6);
  use_page(*cache, kBob, 0);
  std::vector<SlotId> in_use;
  for (int i = 0; i < 6; ++i) {
    const auto slot = cache->take(kAlice);
    ASSERT_TRUE(slot);
    ASSERT_NE(*slot, kNoSlot) << "she holds the most, but only what is in use";
    in_use.push_back(*slot);
  }
  EXPECT_EQ(held(*cache, kBob), 0u);
  EXPECT_EQ(*cache->take(kAlice), kNoSlot);
  for (const SlotId slot : in_use) cache->release(slot);
  cache->check();
}

TEST(fair_share, who_was_away_for_a_day_gives_way_first) {
  fake_seconds = 5000;
  SmallCache cache(12, kNoBudget, kNoQuota);
  use_pages(*cache, kBob, 0, 4);
  fake_seconds += Namespaces::kAwaySeconds - 1;
  use_pages(*cache, kAlice, 0, 100);
  EXPECT_EQ(held(*cache, kBob), 4u);
  fake_seconds += 1;
  use_pages(*cache, kAlice, 100, 102);
  EXPECT_EQ(held(*cache, kBob), 2u);
  EXPECT_FALSE(has_page(*cache, kBob, 0)) << "his least recently used one first";
  EXPECT_TRUE(has_page(*cache, kBob, 3));
  use_page(*cache, kBob, 7);  // he is back
  use_pages(*cache, kAlice, 102, 200);
  EXPECT_EQ(held(*cache, kBob), 3u);
  cache->check();
}

TEST(fair_share, finding_a_page_is_a_use_too) {
  fake_seconds = 5000;
  SmallCache cache(8, kNoBudget, kNoQuota);
  Digest key;
  const auto tokens = ids(1, 8);
  cache->release(add_page(*cache, kBob, kNoSlot, cache->root_key(kBob), tokens, key));
  fake_seconds += Namespaces::kAwaySeconds;
  const SlotId found = cache->find(kBob, kNoSlot, key, tokens);
  ASSERT_NE(found, kNoSlot);
  cache->release(found);
  use_pages(*cache, kAlice, 0, 50);
  EXPECT_EQ(held(*cache, kBob), 1u);
  cache->check();
}

TEST(fair_share, a_namespace_over_its_quota_gives_up_its_own_least_recently_used_pages) {
  SmallCache cache(12, kNoBudget, rules_of_quota(3));
  use_pages(*cache, kBob, 0, 2);
  use_pages(*cache, kAlice, 0, 10);
  EXPECT_EQ(held(*cache, kAlice), 3u) << "although the cache is half empty";
  for (int i = 7; i < 10; ++i) EXPECT_TRUE(has_page(*cache, kAlice, i)) << i;
  EXPECT_EQ(held(*cache, kBob), 2u);
  EXPECT_EQ(cache->stats().evictions, 7u);
  cache->check();
}

// What a request needs it gets; what it leaves is the beginning of its text, as far as the quota
// goes.
TEST(fair_share, a_quota_bounds_what_is_kept_and_not_what_runs) {
  SmallCache cache(12, kNoBudget, rules_of_quota(3));
  const auto tokens = ids(1, 8 * 8);
  SequencePages pages(cache.get(), kAlice, 64);
  ASSERT_TRUE(*pages.reserve(64));
  pages.advance(tokens, 64);
  EXPECT_EQ(held(*cache, kAlice), 8u);
  cache->check();
  pages.release(tokens, /*keep=*/true);
  EXPECT_EQ(held(*cache, kAlice), 3u);
  SequencePages again(cache.get(), kAlice, 64);
  EXPECT_EQ(again.adopt_pages(tokens, 64), 3u * 8);
  cache->check();
}

TEST(fair_share, a_quota_of_less_than_a_page_keeps_nothing) {
  SmallCache cache(4, kNoBudget, {.bytes_max = 1});
  use_pages(*cache, kAlice, 0, 3);
  EXPECT_EQ(held(*cache, kAlice), 0u);
  cache->check();
}

TEST(fair_share, the_next_daemon_counts_what_it_finds_and_holds_it_to_its_quota) {
  SmallCache cache(12, kNoBudget);
  use_pages(*cache, kBob, 0, 3);
  {
    const auto tokens = ids(1, 8 * 6);
    SequencePages pages(cache.get(), kAlice, 48);
    ASSERT_TRUE(*pages.reserve(48));
    pages.advance(tokens, 48);
  }
  cache.reopen(12);
  EXPECT_EQ(cache->recovery().kept, 9u);
  EXPECT_EQ(held(*cache, kAlice), 6u);
  EXPECT_EQ(held(*cache, kBob), 3u);
  use_pages(*cache, kCarol, 0, 100);
  EXPECT_EQ(held(*cache, kBob), 3u) << "he holds the least";
  EXPECT_EQ(held(*cache, kAlice) + held(*cache, kCarol), 9u);
  cache->check();

  cache.reopen(12, {9}, rules_of_quota(2));
  for (const NamespaceId id : {kAlice, kBob, kCarol}) EXPECT_EQ(held(*cache, id), 2u) << id;
  EXPECT_EQ(cache->find_partial(kAlice, kNoSlot, ids(1, 8)).tokens, 8u) << "its beginning stays";
  EXPECT_EQ(cache->stats().evictions, 6u);
  cache->check();
}

// Goal: no order of operations breaks an invariant, takes a page from another than who has the most
// or from who has no more than the taker, or refuses one that could be had.
// Method: random texts of common beginnings, of five namespaces, in a cache that is too small; what
// each holds is compared before and after every page that is taken.
class RandomLives {
 public:
  RandomLives(unsigned seed, const NamespaceRules& rules)
      : random_(seed), cache_(kPages, kNoBudget, rules) {}

  void step() {
    if (lives_.size() < 7 && below(2) == 0) {
      Life life = {{}, std::make_unique<SequencePages>(cache_.get(), 1 + below(5), kTokens)};
      while (life.tokens.size() < kTokens)
        life.tokens.push_back(static_cast<std::int32_t>(below(2)));
      life.pages->adopt_pages(life.tokens, kTokens - 1);
      lives_.push_back(std::move(life));
    } else if (!lives_.empty()) {
      const std::uint32_t which = below(static_cast<std::uint32_t>(lives_.size()));
      Life& life = lives_[which];
      const bool grown = grow(life);
      if (!grown || life.pages->end() == kTokens || below(6) == 0) {
        life.pages->release(life.tokens, below(4) != 0);
        lives_.erase(lives_.begin() + which);
      }
    }
    cache_->check();
  }
  SmallCache& cache() { return cache_; }
  int taken_from_others = 0;

 private:
  static constexpr std::uint32_t kPages = 20;
  static constexpr std::uint32_t kTokens = 32;
  struct Life {
    std::vector<std::int32_t> tokens;
    std::unique_ptr<SequencePages> pages;
  };
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }

  // One page more; false when there is none.
  bool grow(Life& life) {
    const std::uint32_t end =
        std::min(kTokens, (life.pages->end() / SmallCache::kPageTokens + 1) * 8);
    std::vector<NamespaceUse> before;
    cache_->list_uses(before);
    const auto room = life.pages->reserve(end);
    EXPECT_TRUE(room);
    if (*room) life.pages->advance(life.tokens, end);
    const NamespaceId taker = life.pages->namespace_id();
    std::uint64_t cached = 0, most = 0, of_taker = 0;
    for (const NamespaceUse& use : before) {
      cached += use.pages_cached;
      if (use.pages_cached == 0) continue;
      most = std::max(most, use.pages_in_use + use.pages_cached);
      if (use.id == taker) of_taker = use.pages_in_use + use.pages_cached;
    }
    EXPECT_TRUE(*room || cached == 0);
    for (const NamespaceUse& use : before) {
      const std::uint64_t had = use.pages_in_use + use.pages_cached;
      if (use.id == taker || held(*cache_, use.id) == had) continue;
      ++taken_from_others;
      EXPECT_EQ(had, most);
      EXPECT_GT(had, of_taker) << "who takes a page has pages to give, too";
    }
    return *room;
  }

  std::mt19937 random_;
  SmallCache cache_;
  std::vector<Life> lives_;
};

TEST(fair_share, random_lives_keep_shares_and_quotas) {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    for (const std::uint32_t quota : {5u, 1000u}) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", quota " << quota);
      RandomLives lives(seed, {.bytes_max = SmallCache::quota(quota)});
      for (int i = 0; i < 2000 && !testing::Test::HasFailure(); ++i) lives.step();
      EXPECT_GT(lives.taken_from_others, 50) << "the test must have been about something";
      EXPECT_GT(lives.cache()->stats().evictions, 300u);
    }
  }
}

}  // namespace
}  // namespace hearth::cache
