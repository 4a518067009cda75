// Goal: owners see, evict and check their own pages and nobody else's, whatever is in use, and what
// was damaged is never found again.
#include "cache/cache_upkeep.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>

#include "cache/sequence_pages.hpp"
#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000;
constexpr NamespaceId kBob = 1001;
constexpr std::uint32_t kPage = SmallCache::kPageTokens;
constexpr std::int64_t kLong = 60'000'000'000;

using Tokens = std::vector<std::int32_t>;

// "Computes" all of the tokens: each page's payload is its number.
void compute(SequencePages& pages, const Tokens& tokens) {
  const auto end = static_cast<std::uint32_t>(tokens.size());
  const auto room = pages.reserve(end);
  ASSERT_TRUE(room && *room);
  for (std::uint32_t page = pages.end() / kPage; page * kPage < end; ++page) {
    std::memset(pages.payloads()[page], static_cast<int>(page) + 1, SmallCache::kPayloadBytes);
  }
  pages.advance(tokens, end);
}

void keep(SmallCache& cache, NamespaceId id, const Tokens& tokens) {
  SequencePages pages(cache.get(), id, static_cast<std::uint32_t>(tokens.size()));
  pages.adopt_pages(tokens, static_cast<std::uint32_t>(tokens.size()));
  compute(pages, tokens);
  pages.release(tokens, /*keep=*/true);
}

// first, first + 1, ... with another one from position at on.
Tokens parted(int first, int count, int at) {
  Tokens tokens = ids(first, count);
  for (std::size_t i = static_cast<std::size_t>(at); i < tokens.size(); ++i) tokens[i] += 5000;
  return tokens;
}

// The slot of the page that holds these tokens.
SlotId slot_of(SmallCache& cache, const Tokens& tokens) {
  for (SlotId slot = 0; slot < cache.segment().backed_slots(); ++slot) {
    const bool committed =
        cache.segment().record(slot).state == static_cast<std::uint32_t>(SlotState::committed);
    if (committed && std::ranges::equal(cache.segment().tokens(slot), tokens)) return slot;
  }
  ADD_FAILURE() << "no such page";
  return kNoSlot;
}
void damage(SmallCache& cache, const Tokens& tokens) {
  cache.segment().payload(slot_of(cache, tokens))[7] ^= std::byte{0x10};
}

VerifyCounts verify_all(SmallCache& cache, const PageSelection& which) {
  VerifyCounts counts;
  CacheUpkeep upkeep(cache.get());
  EXPECT_EQ(upkeep.verify(which, 0, kLong, counts), upkeep.slot_count());
  cache->check();
  return counts;
}

TEST(cache_upkeep, texts_are_listed_last_used_first_and_to_their_owner_only) {
  SmallCache cache(64);
  CacheUpkeep upkeep(cache.get());
  EXPECT_TRUE(upkeep.list({.id = kAlice}, 10, 4).texts.empty());
  keep(cache, kAlice, ids(1, 20));         // three pages, the last of four tokens
  keep(cache, kAlice, parted(1, 24, 12));  // shares the first
  keep(cache, kBob, ids(1, 9));
  const CacheListing listing = upkeep.list({.id = kAlice}, 10, 10);
  ASSERT_EQ(listing.texts.size(), 2u);
  const CachedText& newer = listing.texts[0];
  EXPECT_EQ(newer.tokens, 24u);
  EXPECT_EQ(newer.pages, 3u);
  EXPECT_EQ(newer.own_pages, 2u);
  EXPECT_EQ(newer.pages_in_use, 0u);
  EXPECT_EQ(newer.first_tokens, ids(1, 10)) << "over the end of a page";
  EXPECT_EQ(listing.texts[1].tokens, 20u);
  EXPECT_EQ(listing.texts[1].own_pages, 2u);
  EXPECT_EQ(listing.pages, 5u) << "the shared one once";
  EXPECT_EQ(listing.tokens, 8u + 12u + 16u);
  EXPECT_EQ(listing.left_out, 0u);

  const CacheListing short_one = upkeep.list({.id = kAlice}, 1, 0);
  EXPECT_EQ(short_one.texts.size(), 1u);
  EXPECT_TRUE(short_one.texts[0].first_tokens.empty());
  EXPECT_EQ(short_one.left_out, 1u);
  EXPECT_EQ(short_one.pages, 5u);
  EXPECT_EQ(upkeep.list({.all = true}, 10, 4).texts.size(), 3u);
  EXPECT_EQ(upkeep.list({.id = 7}, 10, 4).texts.size(), 0u);

  // Used again, it is first.
  keep(cache, kAlice, ids(1, 20));
  EXPECT_EQ(upkeep.list({.id = kAlice}, 10, 0).texts[0].tokens, 20u);
}

TEST(cache_upkeep, a_prefix_means_texts_that_begin_with_all_of_it) {
  SmallCache cache(64);
  CacheUpkeep upkeep(cache.get());
  keep(cache, kAlice, ids(1, 20));
  keep(cache, kAlice, parted(1, 24, 12));
  keep(cache, kAlice, ids(700, 30));
  const auto pages = [&](const Tokens& prefix) {
    return upkeep.list({.id = kAlice, .prefix = prefix}, 10, 0).pages;
  };
  EXPECT_EQ(pages({}), 9u);
  EXPECT_EQ(pages(ids(1, 1)), 5u);
  EXPECT_EQ(pages(ids(1, 8)), 5u) << "a whole page is one that begins so";
  EXPECT_EQ(pages(ids(1, 9)), 4u) << "the first page holds less than that";
  EXPECT_EQ(pages(ids(1, 13)), 2u) << "where they part";
  EXPECT_EQ(pages(ids(1, 20)), 1u);
  EXPECT_EQ(pages(ids(1, 21)), 0u);
  EXPECT_EQ(pages(ids(2, 3)), 0u) << "not at the begin";
  const Tokens other = ids(1, 3);
  EXPECT_EQ(upkeep.list({.id = kBob, .prefix = other}, 10, 0).pages, 0u);
  EXPECT_EQ(upkeep.list({.all = true, .prefix = other}, 10, 0).pages, 5u);
}

TEST(cache_upkeep, eviction_takes_the_longest_unused_first_and_no_other_owners) {
  SmallCache cache(64);
  CacheUpkeep upkeep(cache.get());
  keep(cache, kAlice, ids(1, 20));
  keep(cache, kBob, ids(1, 20));
  keep(cache, kAlice, ids(500, 16));
  std::uint64_t tokens = 0;
  EXPECT_EQ(upkeep.evict({.id = kAlice}, 2, tokens), 2u);
  EXPECT_EQ(tokens, 4u + 8u) << "the end of the older text";
  cache->check();
  SequencePages warm(cache.get(), kAlice, 20);
  EXPECT_EQ(warm.adopt_pages(ids(1, 20), 20), 8u) << "its begin is there";
  warm.release({}, false);
  tokens = 0;
  const Tokens prefix = ids(500, 3);
  EXPECT_EQ(upkeep.evict({.id = kAlice, .prefix = prefix}, 100, tokens), 2u);
  EXPECT_EQ(upkeep.evict({.id = kAlice}, 100, tokens), 1u);
  EXPECT_EQ(upkeep.evict({.id = kAlice}, 100, tokens), 0u);
  EXPECT_FALSE(cache->has_pages(kAlice));
  EXPECT_TRUE(cache->had_pages(kAlice));
  EXPECT_EQ(upkeep.list({.id = kBob}, 10, 0).pages, 3u);
  EXPECT_EQ(cache->stats().evictions, 0u) << "none for want of room";
  cache->check();
}

TEST(cache_upkeep, pages_in_use_stay_and_are_counted) {
  SmallCache cache(64);
  CacheUpkeep upkeep(cache.get());
  const Tokens tokens = ids(1, 24);
  keep(cache, kAlice, tokens);
  SequencePages user(cache.get(), kAlice, 24);
  EXPECT_EQ(user.adopt_pages(tokens, 16), 16u);
  CacheListing listing = upkeep.list({.id = kAlice}, 10, 0);
  EXPECT_EQ(listing.texts.at(0).pages_in_use, 2u);
  EXPECT_EQ(listing.pages_in_use, 2u);
  std::uint64_t evicted = 0;
  EXPECT_EQ(upkeep.evict({.id = kAlice}, 100, evicted), 1u);
  EXPECT_EQ(upkeep.count_in_use({.id = kAlice}), 2u);
  listing = upkeep.list({.id = kAlice}, 10, 0);
  EXPECT_EQ(listing.texts.at(0).tokens, 16u) << "in use, and the end of its text now";
  user.release({}, false);
  EXPECT_EQ(upkeep.evict({.id = kAlice}, 100, evicted), 2u);
  cache->check();
}

TEST(cache_upkeep, an_evicted_page_is_zeroed_before_another_owner_gets_it) {
  SmallCache cache(2);
  CacheUpkeep upkeep(cache.get());
  keep(cache, kAlice, ids(1, 16));
  std::uint64_t tokens = 0;
  EXPECT_EQ(upkeep.evict({.id = kAlice}, 100, tokens), 2u);
  SequencePages theirs(cache.get(), kBob, 16);
  ASSERT_TRUE(*theirs.reserve(16));
  for (int page = 0; page < 2; ++page) {
    for (std::uint64_t i = 0; i < SmallCache::kPayloadBytes; ++i) {
      ASSERT_EQ(theirs.payloads()[page][i], std::byte{0}) << page << ", " << i;
    }
  }
}

TEST(cache_upkeep, verification_drops_what_is_damaged_and_what_continues_it) {
  SmallCache cache(64);
  keep(cache, kAlice, ids(1, 32));
  keep(cache, kAlice, ids(500, 8));
  keep(cache, kBob, ids(900, 8));
  VerifyCounts counts = verify_all(cache, {.id = kAlice});
  EXPECT_EQ(counts.checked, 5u);
  EXPECT_EQ(counts.damaged, 0u);
  damage(cache, ids(9, 8));  // the second of four
  damage(cache, ids(900, 8));
  counts = verify_all(cache, {.id = kAlice});
  EXPECT_EQ(counts.damaged, 1u) << "Bob's is not looked at";
  EXPECT_EQ(counts.dropped, 3u);
  EXPECT_EQ(counts.damaged_in_use, 0u);
  EXPECT_EQ(cache->stats().damaged, 3u);
  SequencePages warm(cache.get(), kAlice, 32);
  EXPECT_EQ(warm.adopt_pages(ids(1, 32), 32), 8u);
  EXPECT_EQ(verify_all(cache, {.all = true}).damaged, 1u);
  EXPECT_FALSE(cache->has_pages(kBob));
}

TEST(cache_upkeep, verification_goes_on_where_it_was) {
  SmallCache cache(64);
  keep(cache, kAlice, ids(1, 80));
  CacheUpkeep upkeep(cache.get());
  VerifyCounts counts;
  SlotId slot = 0;
  int parts = 0;
  for (; slot < upkeep.slot_count(); ++parts) {
    slot = upkeep.verify({.id = kAlice}, slot, /*budget_ns=*/0, counts);
    EXPECT_LE(counts.checked, static_cast<std::uint64_t>(parts + 1)) << "one page at a time";
  }
  EXPECT_GE(parts, 10);
  EXPECT_EQ(counts.checked, 10u);
}

TEST(cache_upkeep, a_damaged_page_in_use_is_found_no_more_and_goes_with_its_users) {
  SmallCache cache(64);
  const Tokens tokens = ids(1, 24);
  keep(cache, kAlice, tokens);
  SequencePages user(cache.get(), kAlice, 40);
  EXPECT_EQ(user.adopt_pages(tokens, 16), 16u);
  damage(cache, ids(9, 8));
  VerifyCounts counts = verify_all(cache, {.id = kAlice});
  EXPECT_EQ(counts.damaged, 1u);
  EXPECT_EQ(counts.damaged_in_use, 1u);
  EXPECT_EQ(counts.dropped, 0u);
  SequencePages other(cache.get(), kAlice, 40);
  EXPECT_EQ(other.adopt_pages(tokens, 24), 8u);
  ASSERT_TRUE(other.adopt_tail(tokens, 24, &user, 16));
  EXPECT_EQ(other.end(), 8u) << "not even copied from who uses it";
  EXPECT_TRUE(other.adoption().damaged);
  EXPECT_EQ(other.adoption().restored_pages, 0u);
  // Both go on; nothing of the damaged page's own outlives its user.
  compute(other, tokens);
  compute(user, ids(1, 40));
  user.release(ids(1, 40), /*keep=*/true);
  cache->check();
  other.release(tokens, /*keep=*/true);
  cache->check();
  SequencePages warm(cache.get(), kAlice, 40);
  EXPECT_EQ(warm.adopt_pages(ids(1, 40), 40), 24u) << "what the other one has computed";
  EXPECT_EQ(verify_all(cache, {.all = true}).damaged, 0u);
}

TEST(cache_upkeep, what_was_adopted_is_told_apart) {
  SmallCache cache(64);
  const Tokens tokens = ids(1, 30);
  keep(cache, kAlice, tokens);
  const auto adopt = [&](const Tokens& wanted) {
    SequencePages pages(cache.get(), kAlice, 40);
    pages.adopt_pages(wanted, static_cast<std::uint32_t>(wanted.size()));
    EXPECT_TRUE(pages.adopt_tail(wanted, static_cast<std::uint32_t>(wanted.size()), nullptr, 0));
    return pages.adoption();
  };
  Adoption adopted = adopt(parted(1, 30, 20));
  EXPECT_EQ(adopted.page_tokens, 16u);
  EXPECT_EQ(adopted.copied_tokens, 4u);
  EXPECT_EQ(adopted.restored_pages, 0u) << "computed by this cache";
  cache.reopen(64);
  adopted = adopt(parted(1, 30, 20));
  EXPECT_EQ(adopted.restored_pages, 3u) << "the page that was copied from, too";
  EXPECT_EQ(adopted.restored_tokens, 20u);
  EXPECT_GT(adopted.restore_ns, 0);
  EXPECT_EQ(adopt(parted(1, 30, 20)).restored_pages, 0u) << "only the first use";
  cache.reopen(64);
  damage(cache, ids(9, 8));
  adopted = adopt(tokens);
  EXPECT_TRUE(adopted.damaged);
  EXPECT_EQ(adopted.page_tokens, 8u);
  EXPECT_EQ(adopted.restored_tokens, 8u);
  EXPECT_FALSE(adopt(tokens).damaged) << "it is gone";
}

// Goal: no order of lives, evictions, damages and checks breaks an invariant or revives damage.
TEST(cache_upkeep, random_upkeep_among_random_lives_keeps_every_invariant) {
  std::mt19937 random(20261122);
  const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  SmallCache cache(24);
  CacheUpkeep upkeep(cache.get());
  struct Live {
    Tokens tokens;
    std::unique_ptr<SequencePages> pages;
  };
  std::vector<Live> lives;
  VerifyCounts counts;
  std::uint64_t evicted = 0;
  for (int step = 0; step < 4000; ++step) {
    const NamespaceId id = below(3) == 0 ? kBob : kAlice;
    if (lives.size() < 5 && below(2) == 0) {
      Live live;
      while (live.tokens.size() < 60) live.tokens.push_back(static_cast<std::int32_t>(below(2)));
      live.pages = std::make_unique<SequencePages>(cache.get(), id, 60);
      live.pages->adopt_pages(live.tokens, 59);
      ASSERT_TRUE(live.pages->adopt_tail(live.tokens, 59, nullptr, 0));
      lives.push_back(std::move(live));
    } else if (!lives.empty() && below(2) == 0) {
      const std::uint32_t which = below(static_cast<std::uint32_t>(lives.size()));
      Live& live = lives[which];
      const std::uint32_t end = std::min(60u, live.pages->end() + 1 + below(20));
      const auto room = live.pages->reserve(end);
      ASSERT_TRUE(room);
      if (*room) live.pages->advance(live.tokens, end);
      if (!*room || below(4) == 0) {
        live.pages->release(live.tokens, below(2) == 0);
        lives.erase(lives.begin() + which);
      }
    } else if (below(3) == 0) {
      const SlotId slot = below(cache.segment().backed_slots());
      cache.segment().payload(slot)[0] ^= std::byte{1};
    } else if (below(2) == 0) {
      upkeep.verify({.all = below(2) == 0, .id = id}, 0, below(2) * kLong, counts);
    } else {
      std::uint64_t tokens = 0;
      evicted += upkeep.evict({.id = id}, below(4), tokens);
    }
    const CacheListing listing = upkeep.list({.all = true}, 5, 3);
    EXPECT_GE(listing.pages, listing.texts.size());
    if (step % 20 == 0) cache->check();
  }
  for (Live& live : lives) live.pages->release(live.tokens, true);
  cache->check();
  EXPECT_GT(counts.damaged_in_use, 20u);
  EXPECT_GT(counts.dropped, 20u);
  EXPECT_GT(evicted, 20u);
}

}  // namespace
}  // namespace hearth::cache
