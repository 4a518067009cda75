// Goal: a published text is computed once and found by everybody, and nothing else crosses users;
// it is nobody's to evict or to pay for; what is published no more is found no more.
// Method: payloads are a function of all tokens up to there, so that any wrong hit shows.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "cache/cache_upkeep.hpp"
#include "tests/cache/computed_pages.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000;
constexpr NamespaceId kBob = 1001;
constexpr std::uint32_t kPage = SmallCache::kPageTokens;
using Tokens = std::vector<std::int32_t>;

std::uint32_t size_of(const Tokens& tokens) {
  return static_cast<std::uint32_t>(tokens.size());
}

Tokens joined(Tokens first, const Tokens& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

// What publishes a text, and holds it.
std::unique_ptr<SequencePages> publish(SmallCache& cache, const Tokens& tokens) {
  auto pages = std::make_unique<SequencePages>(cache.get(), kPublishedNamespace, size_of(tokens));
  pages->adopt_pages(tokens, size_of(tokens));
  compute(*pages, tokens, size_of(tokens));
  return pages;
}

// A request of all tokens; what of them was there.
Adoption ask(SmallCache& cache, NamespaceId id, const Tokens& tokens) {
  SequencePages pages(cache.get(), id, size_of(tokens));
  pages.adopt_pages(tokens, size_of(tokens) - 1);
  EXPECT_TRUE(pages.adopt_tail(tokens, size_of(tokens) - 1, nullptr, 0));
  expect_right(pages, tokens);
  const Adoption adoption = pages.adoption();
  compute(pages, tokens, size_of(tokens));
  cache->check();
  pages.release(tokens, /*keep=*/true);
  cache->check();
  return adoption;
}

std::uint64_t held(SmallCache& cache, NamespaceId id) {
  std::vector<NamespaceUse> uses;
  cache->list_uses(uses);
  const auto found = std::ranges::find(uses, id, &NamespaceUse::id);
  return found == uses.end() ? 0 : found->pages_in_use + found->pages_cached;
}

const Tokens kText = ids(1, 3 * kPage);

TEST(published, everybody_gets_the_pages_and_nobody_the_rest_of_others) {
  SmallCache cache(64);
  const auto published = publish(cache, kText);
  const Tokens alices = joined(kText, ids(500, 20));
  Adoption first = ask(cache, kAlice, alices);
  EXPECT_EQ(first.published_tokens, 3 * kPage);
  EXPECT_EQ(first.page_tokens + first.copied_tokens, 3 * kPage);
  const Adoption bobs = ask(cache, kBob, alices);
  EXPECT_EQ(bobs.published_tokens, 3 * kPage);
  EXPECT_EQ(bobs.page_tokens + bobs.copied_tokens, 3 * kPage) << "a hit tells what Alice asked";
  EXPECT_EQ(held(cache, kAlice), 3u) << "of the 20 tokens alone";
  EXPECT_EQ(held(cache, kBob), 3u);
  EXPECT_EQ(held(cache, kPublishedNamespace), 3u);
  // Her own is warm: two pages and all but the last token of the begun one.
  first = ask(cache, kAlice, alices);
  EXPECT_EQ(first.published_tokens, 3 * kPage);
  EXPECT_EQ(first.page_tokens, 5 * kPage);
  EXPECT_EQ(first.copied_tokens, 3u);
}

TEST(published, who_parts_within_it_gets_the_pages_before) {
  SmallCache cache(64);
  const auto published = publish(cache, kText);
  Tokens tokens = joined(kText, ids(500, 20));
  tokens[2 * kPage + 3] = 77;
  EXPECT_EQ(ask(cache, kAlice, tokens).published_tokens, 2 * kPage);
  EXPECT_EQ(held(cache, kAlice), 4u);
  EXPECT_EQ(held(cache, kPublishedNamespace), 3u) << "nothing is added to it";
  tokens[0] = 77;
  EXPECT_EQ(ask(cache, kBob, tokens).page_tokens, 0u);
}

// What begins with no published page is looked for among the own ones alone, of any length.
TEST(published, what_has_nothing_to_do_with_it_is_as_warm_as_without) {
  SmallCache cache(64);
  const auto published = publish(cache, kText);
  const Tokens others = joined(ids(300, kPage), kText);
  ask(cache, kAlice, others);
  const Adoption adopted = ask(cache, kAlice, others);
  EXPECT_EQ(adopted.published_tokens, 0u) << "its pages stand elsewhere in the text";
  EXPECT_EQ(adopted.page_tokens, 3 * kPage) << "all but the last token's page";
  EXPECT_EQ(adopted.copied_tokens, kPage - 1);
  EXPECT_EQ(ask(cache, kBob, ids(300, 5)).page_tokens, 0u) << "shorter than a page";
}

// What a user had computed before it was published, and what they go on with.
TEST(published, the_longer_of_the_own_and_the_published_way_is_taken) {
  SmallCache cache(64);
  const Tokens before = joined(kText, ids(500, 20));
  ask(cache, kAlice, before);
  ask(cache, kBob, joined(ids(1, kPage), ids(900, kPage)));
  const auto published = publish(cache, kText);
  Adoption adopted = ask(cache, kAlice, before);
  EXPECT_EQ(adopted.published_tokens, 0u);
  EXPECT_EQ(adopted.page_tokens, 5 * kPage);
  adopted = ask(cache, kAlice, joined(kText, ids(700, 20)));
  EXPECT_EQ(adopted.published_tokens, 3 * kPage) << "of equal ones";
  EXPECT_EQ(ask(cache, kBob, before).published_tokens, 3 * kPage) << "his own is shorter";
}

// Only who came the same way has use for what another one computes next.
TEST(published, sequences_go_together_as_long_as_their_pages_are_the_same) {
  SmallCache cache(64);
  ask(cache, kAlice, joined(ids(1, kPage), ids(900, kPage)));
  SequencePages publisher(cache.get(), kPublishedNamespace, size_of(kText));
  SequencePages early(cache.get(), kAlice, size_of(kText));
  early.adopt_pages(kText, size_of(kText));
  ASSERT_EQ(early.end(), kPage) << "her own";
  EXPECT_FALSE(early.goes_with(publisher));
  SequencePages bobs(cache.get(), kBob, size_of(kText));
  EXPECT_TRUE(bobs.goes_with(publisher)) << "he has none";
  compute(publisher, kText, 2 * kPage);
  EXPECT_FALSE(early.goes_with(publisher));
  bobs.adopt_pages(kText, size_of(kText));
  EXPECT_EQ(bobs.end(), 2 * kPage);
  EXPECT_TRUE(bobs.goes_with(publisher));
  SequencePages late(cache.get(), kAlice, size_of(kText));
  late.adopt_pages(kText, size_of(kText));
  EXPECT_EQ(late.adoption().published_tokens, 2 * kPage);
  EXPECT_TRUE(late.goes_with(publisher));
  EXPECT_FALSE(late.goes_with(early));
  compute(publisher, kText, 3 * kPage);
  EXPECT_EQ(bobs.adopt_pages(kText, size_of(kText)), 3 * kPage);
  cache->check();
}

TEST(published, a_full_cache_of_users_pages_does_not_evict_it) {
  SmallCache cache(12);
  const auto published = publish(cache, kText);
  for (int i = 0; i < 50; ++i) ask(cache, i % 2 == 0 ? kAlice : kBob, ids(1000 + 100 * i, 30));
  EXPECT_GT(cache->stats().evictions, 50u);
  EXPECT_EQ(ask(cache, kAlice, joined(kText, {5})).published_tokens, 3 * kPage);
}

TEST(published, it_counts_for_nobodys_quota) {
  SmallCache cache(64, UINT64_MAX >> 1, {.bytes_max = SmallCache::quota(2)});
  {
    const auto published = publish(cache, kText);
    ask(cache, kAlice, joined(kText, ids(500, 2 * kPage)));
    EXPECT_EQ(held(cache, kAlice), 2u);
  }
  EXPECT_EQ(held(cache, kPublishedNamespace), 3u) << "nor is it bound by one";
  EXPECT_EQ(ask(cache, kAlice, joined(kText, ids(500, 2 * kPage))).published_tokens, 3 * kPage);
}

TEST(published, the_next_daemon_finds_it_once_it_is_published_again) {
  SmallCache cache(64);
  const Tokens alices = joined(kText, ids(500, 20));
  publish(cache, kText);
  ask(cache, kAlice, alices);
  cache.reopen(64);
  EXPECT_EQ(cache->recovery().kept, 6u);
  EXPECT_EQ(cache->recovery().orphaned, 0u);
  cache->check();
  EXPECT_EQ(ask(cache, kBob, alices).page_tokens, 0u) << "it is not configured any more";
  cache->check();

  cache.reopen(64);
  SequencePages published(cache.get(), kPublishedNamespace, size_of(kText));
  EXPECT_EQ(published.adopt_pages(kText, size_of(kText)), 3 * kPage) << "nothing to compute";
  expect_right(published, kText);
  const Adoption adopted = ask(cache, kAlice, alices);
  EXPECT_EQ(adopted.published_tokens, 3 * kPage);
  EXPECT_EQ(adopted.page_tokens + adopted.copied_tokens, size_of(alices) - 1);
  EXPECT_EQ(adopted.restored_pages, 3u) << "her own: the published ones were checked before";
}

TEST(published, another_secret_finds_nothing) {
  SmallCache cache(64);
  publish(cache, kText);
  ask(cache, kAlice, joined(kText, ids(500, 20)));
  cache.reopen(64, Digest{10});
  EXPECT_EQ(cache->recovery().orphaned, 6u);
  cache->check();
}

// Old pages go by use as a user's do, and what was built on them with them.
TEST(published, what_is_published_no_more_is_evicted_with_what_users_continued) {
  SmallCache cache(12);
  publish(cache, kText);
  ask(cache, kAlice, joined(kText, ids(500, 20)));
  cache.reopen(12);
  for (int i = 0; i < 50; ++i) ask(cache, kBob, ids(1000 + 100 * i, 30));
  EXPECT_LE(held(cache, kPublishedNamespace), 4u);
  for (int i = 0; i < 50; ++i) ask(cache, 2000 + static_cast<NamespaceId>(i), ids(1, 30));
  EXPECT_LE(held(cache, kPublishedNamespace), 1u);
  cache->check();
}

TEST(published, a_damaged_page_goes_with_all_that_continue_it_and_comes_back) {
  SmallCache cache(64);
  const Tokens alices = joined(kText, ids(500, 20));
  publish(cache, kText);
  ask(cache, kAlice, alices);
  cache.reopen(64);
  for (SlotId slot = 0; slot < cache.segment().backed_slots(); ++slot) {
    if (std::ranges::equal(cache.segment().tokens(slot), ids(1 + kPage, kPage)))
      cache.segment().payload(slot)[3] ^= std::byte{1};
  }
  const auto published = publish(cache, kText);
  EXPECT_EQ(cache->stats().damaged, 5u) << "two of the text, three of Alice's";
  cache->check();
  EXPECT_EQ(ask(cache, kAlice, alices).page_tokens, 3 * kPage);

  // One that is in use is told to who holds it.
  EXPECT_FALSE(published->has_damage());
  cache.segment().payload(0)[3] ^= std::byte{1};
  VerifyCounts counts;
  CacheUpkeep(cache.get()).verify({.all = true}, 0, INT64_MAX / 2, counts);
  EXPECT_EQ(counts.damaged_in_use, 1u);
  EXPECT_TRUE(published->has_damage());
  cache->check();
}

TEST(published, users_see_and_evict_their_part_of_a_text_only) {
  SmallCache cache(64);
  const auto published = publish(cache, kText);
  const Tokens alices = joined(kText, ids(500, 20));
  ask(cache, kAlice, alices);
  ask(cache, kBob, joined(kText, ids(700, 20)));
  CacheUpkeep upkeep(cache.get());
  const CacheListing listing = upkeep.list({.id = kAlice}, 10, 64);
  ASSERT_EQ(listing.texts.size(), 1u);
  EXPECT_EQ(listing.texts[0].tokens, size_of(alices));
  EXPECT_EQ(listing.texts[0].first_tokens, alices);
  EXPECT_EQ(listing.texts[0].pages, 6u);
  EXPECT_EQ(listing.texts[0].published_pages, 3u);
  EXPECT_EQ(listing.texts[0].own_pages, 3u);
  EXPECT_EQ(listing.texts[0].pages_in_use, 0u);
  EXPECT_EQ(listing.pages, 3u);
  EXPECT_EQ(upkeep.list({.all = true}, 10, 0).texts.size(), 3u);
  const auto pages = [&](const PageSelection& which) { return upkeep.list(which, 10, 0).pages; };
  EXPECT_EQ(pages({.id = kAlice, .prefix = kText}), 3u) << "the way leads through the text";
  EXPECT_EQ(pages({.id = kAlice, .prefix = joined(kText, ids(500, 9))}), 2u);
  EXPECT_EQ(pages({.id = kAlice, .prefix = joined(kText, ids(700, 9))}), 0u);
  EXPECT_EQ(pages({.all = true, .prefix = kText}), 7u) << "and the last page of the text";

  std::uint64_t tokens = 0;
  EXPECT_EQ(upkeep.evict({.id = kAlice}, 100, tokens), 3u);
  EXPECT_EQ(tokens, 20u);
  EXPECT_EQ(upkeep.evict({.all = true}, 100, tokens), 3u) << "what is published is in use";
  EXPECT_EQ(held(cache, kPublishedNamespace), 3u);
  cache->check();
}

TEST(published, an_administrator_evicts_what_is_published_no_more) {
  SmallCache cache(64);
  publish(cache, kText);
  ask(cache, kAlice, joined(kText, ids(500, 20)));
  CacheUpkeep upkeep(cache.get());
  std::uint64_t tokens = 0;
  EXPECT_EQ(upkeep.evict({.id = kPublishedNamespace}, 100, tokens), 0u) << "Alice goes on with it";
  cache->check();
  EXPECT_EQ(upkeep.evict({.all = true}, 100, tokens), 6u);
  EXPECT_EQ(tokens, size_of(kText) + 20u);
  cache->check();
}

// Goal: no order of operations finds another's page, or breaks an invariant.
// Method: random texts over a small alphabet, published ones and users', in a cache that is too
// small, over attaches between them.
TEST(published, random_lives_share_what_is_published_and_nothing_else) {
  std::uint64_t from_published = 0;
  std::uint64_t evictions = 0;
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
    const auto text = [&](std::uint32_t size) {
      Tokens tokens;
      while (tokens.size() < size) {
        // The beginnings of texts are few: pages are met again.
        const std::uint32_t kinds = tokens.size() < 3 * kPage ? 20 : 2;
        tokens.push_back(below(kinds) == 0 ? 1 : 0);
      }
      return tokens;
    };
    SmallCache cache(40);
    std::vector<std::unique_ptr<SequencePages>> published;
    for (int step = 0; step < 1500 && !testing::Test::HasFailure(); ++step) {
      switch (below(12)) {
        case 0: {
          if (published.size() > 3) published.erase(published.begin());
          const Tokens tokens = text((1 + below(4)) * kPage);
          published.push_back(
              std::make_unique<SequencePages>(cache.get(), kPublishedNamespace, size_of(tokens)));
          published.back()->adopt_pages(tokens, size_of(tokens));
          expect_right(*published.back(), tokens);
          compute(*published.back(), tokens, size_of(tokens));
          break;
        }
        case 1:
          if (below(20) == 0) {
            published.clear();
            evictions += cache->stats().evictions;
            cache.reopen(40);
          }
          break;
        default:
          from_published += ask(cache, kAlice + below(3), text(1 + below(60))).published_tokens;
      }
      cache->check();
    }
    evictions += cache->stats().evictions;
  }
  EXPECT_GT(from_published, 10000u) << "the test must have been about something";
  EXPECT_GT(evictions, 1000u);
}

}  // namespace
}  // namespace hearth::cache
