// The oracle of these tests is what a payload must hold: computed_pages.hpp.
#include "cache/sequence_pages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "tests/cache/computed_pages.hpp"
#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000;
constexpr NamespaceId kBob = 1001;
constexpr std::uint32_t kPage = SmallCache::kPageTokens;

void adopt(SequencePages& pages, std::span<const std::int32_t> tokens, std::uint32_t limit) {
  pages.adopt_pages(tokens, limit);
  ASSERT_TRUE(pages.adopt_tail(tokens, limit, nullptr, 0));
}

TEST(sequence_pages, a_second_sequence_gets_whole_pages_by_reference_and_the_rest_by_copy) {
  SmallCache cache(16);
  const auto tokens = ids(1, 30);
  {
    SequencePages first(cache.get(), kAlice, 30);
    compute(first, tokens, 30);
    first.release(tokens, /*keep=*/true);
  }
  SequencePages second(cache.get(), kAlice, 40);
  adopt(second, tokens, 29);
  EXPECT_EQ(second.end(), 29u);  // three pages of 8 and 5 of the 6 tokens behind
  expect_right(second, tokens);
  EXPECT_EQ(cache->stats().pages_in_use, 4u);
  cache->check();
}

TEST(sequence_pages, sharing_while_the_first_still_runs_copies_nothing_whole) {
  SmallCache cache(16);
  const auto tokens = ids(1, 24);
  SequencePages first(cache.get(), kAlice, 24);
  compute(first, tokens, 24);
  SequencePages second(cache.get(), kAlice, 24);
  adopt(second, tokens, 23);
  EXPECT_EQ(second.end(), 23u);
  EXPECT_EQ(cache->stats().pages_in_use, 4u) << "two shared, one each";
  EXPECT_EQ(first.payloads()[0], second.payloads()[0]);
  EXPECT_EQ(first.payloads()[1], second.payloads()[1]);
  EXPECT_NE(first.payloads()[2], second.payloads()[2]);
  expect_right(second, tokens);
}

TEST(sequence_pages, a_page_that_another_sequence_is_filling_can_be_copied_from) {
  SmallCache cache(16);
  const auto tokens = ids(1, 30);
  SequencePages first(cache.get(), kAlice, 30);
  compute(first, tokens, 13);
  SequencePages second(cache.get(), kAlice, 30);
  second.adopt_pages(tokens, 29);
  EXPECT_EQ(second.end(), 8u);
  ASSERT_TRUE(second.adopt_tail(tokens, 29, &first, 29));
  EXPECT_EQ(second.end(), 13u) << "as far as the first one has come";
  expect_right(second, tokens);
  // Both go on by themselves.
  auto other = tokens;
  other[20] = 999;
  compute(first, tokens, 30);
  compute(second, other, 30);
  expect_right(first, tokens);
  expect_right(second, other);
}

TEST(sequence_pages, namespaces_share_nothing) {
  SmallCache cache(16);
  const auto tokens = ids(1, 24);
  SequencePages first(cache.get(), kAlice, 24);
  compute(first, tokens, 24);
  first.release(tokens, /*keep=*/true);
  SequencePages second(cache.get(), kBob, 24);
  adopt(second, tokens, 23);
  EXPECT_EQ(second.end(), 0u);
}

TEST(sequence_pages, a_sequence_dropped_without_keeping_leaves_its_full_pages_only) {
  SmallCache cache(16);
  const auto tokens = ids(1, 12);
  SequencePages first(cache.get(), kAlice, 12);
  compute(first, tokens, 12);
  first.release(tokens, /*keep=*/false);
  EXPECT_EQ(cache->stats().pages_cached, 1u);
  EXPECT_EQ(cache->stats().pages_in_use, 0u);
  cache->check();
}

TEST(sequence_pages, a_full_cache_says_so_and_loses_nothing) {
  SmallCache cache(2);
  const auto tokens = ids(1, 24);
  SequencePages first(cache.get(), kAlice, 24);
  compute(first, tokens, 16);
  const auto room = first.reserve(17);
  ASSERT_TRUE(room);
  EXPECT_FALSE(*room);
  expect_right(first, tokens);
}

TEST(sequence_pages, keys_are_those_of_the_full_pages) {
  SmallCache cache(16);
  const auto tokens = ids(1, 30);
  SequencePages first(cache.get(), kAlice, 30);
  EXPECT_TRUE(first.keys().empty());
  compute(first, tokens, 23);
  ASSERT_EQ(first.keys().size(), 2u);
  EXPECT_EQ(first.keys()[0],
            cache->page_key(kAlice, cache->root_key(kAlice), std::span(tokens).first(8)));
  EXPECT_EQ(first.keys()[1],
            cache->page_key(kAlice, first.keys()[0], std::span(tokens).subspan(8, 8)));
  PageIdentity identity = first.checkpoint_identity(tokens);
  EXPECT_EQ(identity.first_token, 16u);
  EXPECT_EQ(identity.parent_key, first.keys()[1]);
  EXPECT_TRUE(std::ranges::equal(identity.tokens, std::span(tokens).subspan(16, 7)));
  compute(first, tokens, 24);
  identity = first.checkpoint_identity(tokens);
  EXPECT_EQ(identity.parent_key, first.keys()[1]) << "it lies in the last page";
  EXPECT_EQ(identity.key, first.keys()[2]);
  EXPECT_EQ(identity.tokens.size(), 8u);
  SequencePages second(cache.get(), kAlice, 30);
  second.adopt_pages(tokens, 30);
  EXPECT_TRUE(std::ranges::equal(first.keys(), second.keys()));
  second.release(tokens, /*keep=*/false);
  EXPECT_TRUE(second.keys().empty());
}

TEST(sequence_pages, pages_that_cannot_be_gone_on_from_are_given_up_in_good_order) {
  SmallCache cache(16);
  const auto tokens = ids(1, 40);
  {
    SequencePages first(cache.get(), kAlice, 40);
    compute(first, tokens, 40);
  }
  SequencePages second(cache.get(), kAlice, 40);
  EXPECT_EQ(second.adopt_pages(tokens, 39), 32u);
  second.truncate(32);
  EXPECT_EQ(second.end(), 32u);
  second.truncate(64);
  EXPECT_EQ(second.end(), 32u) << "there is no more";
  second.truncate(8);
  EXPECT_EQ(second.end(), 8u);
  EXPECT_EQ(second.keys().size(), 1u);
  EXPECT_EQ(second.adoption().page_tokens, 8u);
  EXPECT_EQ(cache->stats().pages_in_use, 1u);
  EXPECT_EQ(cache->stats().pages_cached, 4u);
  cache->check();  // of the LRU list, too
  // Computed again, the pages that were given up are found.
  compute(second, tokens, 40);
  expect_right(second, tokens);
  EXPECT_EQ(cache->stats().pages_in_use, 5u);
  EXPECT_EQ(cache->stats().pages_cached, 0u);
  cache->check();
  second.truncate(0);
  EXPECT_EQ(second.end(), 0u);
  EXPECT_EQ(second.adopt_pages(tokens, 40), 40u) << "it can begin anew";
  cache->check();
}

TEST(sequence_pages, a_page_is_filled_with_what_a_checkpoint_holds) {
  SmallCache cache(4);
  const auto tokens = ids(1, 30);
  SequencePages first(cache.get(), kAlice, 30);
  compute(first, tokens, 13);
  const std::vector<std::byte> held(first.payloads()[1],
                                    first.payloads()[1] + SmallCache::kPayloadBytes);
  SequencePages second(cache.get(), kAlice, 30);
  second.adopt_pages(tokens, 12);
  const auto filled = second.adopt_payload(tokens, 13, held);
  ASSERT_TRUE(filled && *filled);
  EXPECT_EQ(second.end(), 13u);
  EXPECT_EQ(second.adoption().copied_tokens, 5u);
  EXPECT_FALSE(second.adoption().no_room);
  expect_right(second, tokens);
  compute(second, tokens, 16);
  expect_right(second, tokens);
  second.truncate(8);
  EXPECT_EQ(second.adoption().copied_tokens, 5u) << "a page of its own by now";

  compute(first, tokens, 30);  // all pages are in use
  const auto refused = second.adopt_payload(tokens, 13, held);
  ASSERT_TRUE(refused);
  EXPECT_FALSE(*refused);
  EXPECT_EQ(second.end(), 8u);
  EXPECT_TRUE(second.adoption().no_room);
  cache->check();
}

// Goal: no order of operations gives a wrong hit, loses a page or breaks an invariant.
// Method: random sequences over a small alphabet (many shared prefixes) in a cache that is too
// small, each started from the cache, or from a live sequence, grown, finished or dropped.
TEST(sequence_pages, random_lives_keep_every_invariant) {
  for (const unsigned seed : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u}) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    SmallCache cache(24);
    struct Live {
      std::vector<std::int32_t> tokens;
      std::unique_ptr<SequencePages> pages;
    };
    std::vector<Live> lives;
    std::uint64_t adopted = 0;
    for (int step = 0; step < 3000; ++step) {
      if (lives.size() < 6 && below(3) == 0) {
        Live live;
        // Half of the time a prefix of somebody else's tokens, then random ones of a small
        // alphabet.
        if (!lives.empty() && below(2) == 0) live.tokens = lives[below(lives.size())].tokens;
        live.tokens.resize(std::min<std::size_t>(live.tokens.size(), below(40)));
        while (live.tokens.size() < 60) live.tokens.push_back(static_cast<std::int32_t>(below(2)));
        live.pages =
            std::make_unique<SequencePages>(cache.get(), below(4) == 0 ? kBob : kAlice, 60);
        live.pages->adopt_pages(live.tokens, 59);
        const SequencePages* other = nullptr;
        std::uint32_t common = 0;
        for (const Live& candidate : lives) {
          if (candidate.pages->namespace_id() != live.pages->namespace_id()) continue;
          const auto same = static_cast<std::uint32_t>(
              std::ranges::mismatch(live.tokens, candidate.tokens).in1 - live.tokens.begin());
          if (same > common) {
            common = same;
            other = candidate.pages.get();
          }
        }
        ASSERT_TRUE(live.pages->adopt_tail(live.tokens, 59, other, common));
        adopted += live.pages->end();
        expect_right(*live.pages, live.tokens);
        lives.push_back(std::move(live));
      } else if (!lives.empty()) {
        const std::uint32_t which = below(lives.size());
        Live& live = lives[which];
        if (below(10) == 0) {  // as one that can go on from earlier only
          const std::uint32_t kept = below(8) * kPage;
          const bool any = live.pages->end() > kept;
          live.pages->truncate(kept);
          if (any && below(2) == 0) live.pages->adopt_pages(live.tokens, 59);
        }
        const std::uint32_t end = std::min(60u, live.pages->end() + 1 + below(12));
        const auto room = live.pages->reserve(end);
        ASSERT_TRUE(room);
        if (*room) compute(*live.pages, live.tokens, end);
        expect_right(*live.pages, live.tokens);
        if (!*room || live.pages->end() == 60 || below(8) == 0) {
          live.pages->release(live.tokens, below(4) != 0);
          lives.erase(lives.begin() + which);
        }
      }
      if (step % 50 == 0) cache->check();
    }
    for (Live& live : lives) live.pages->release(live.tokens, true);
    lives.clear();
    cache->check();
    EXPECT_EQ(cache->stats().pages_in_use, 0u);
    EXPECT_GT(adopted, 1000u) << "the test must have shared something";
    EXPECT_GT(cache->stats().evictions, 100u) << "and run out of pages";
  }
}

}  // namespace
}  // namespace hearth::cache
