// Goal: what a request is told of the cache is what happened; what owners ask of it is done without
// keeping those who generate.
// Method: small models whose every token is counted; numbers must add up.
#include <gtest/gtest.h>

#include "tests/engine/engine_harness.hpp"

namespace hearth {
namespace {

const std::string kModel = HEARTH_TEST_DATA "/models/qwen3.gguf";
constexpr std::uint32_t kPage = 32;

// What must hold of every request that was not stopped.
CacheUse use_of(const Outcome& outcome) {
  EXPECT_TRUE(outcome.done);
  if (!outcome.done) return {};
  const DoneNotice& done = *outcome.done;
  const CacheUse& use = done.cache;
  EXPECT_EQ(use.computed_tokens + done.cached_tokens, done.prompt_tokens);
  EXPECT_EQ((done.cached_tokens - use.copied_tokens) % kPage, 0u) << "whole pages";
  EXPECT_LE(use.waited_tokens, done.cached_tokens);
  EXPECT_EQ(use.tier, static_cast<std::uint32_t>(done.cached_tokens > 0 ? HEARTH_CACHE_TIER_HOST
                                                                        : HEARTH_CACHE_TIER_NONE));
  return use;
}

CacheCommand command_of(CacheAction action) {
  CacheCommand command = {};
  command.action = action;
  command.bytes_max = UINT64_MAX;
  command.limit = 100;
  return command;
}

// Bytes of budget for so many pages of the test's model.
std::uint64_t bytes_of_pages(std::uint64_t count) {
  static const std::uint64_t page = [] {
    EngineHarness probe(kModel, {.context = 256});
    return probe.loaded().page_bytes;
  }();
  return count * (page + 8192) + 16384;
}

TEST(cache_use, a_request_is_told_why_its_match_ended) {
  EngineHarness engine(kModel, {.context = 512});
  const SubmitCommand command = EngineHarness::greedy(1);
  auto prompt = random_prompt(1, 100);
  CacheUse use = use_of(engine.run(command, prompt));
  EXPECT_EQ(use.match_end, HEARTH_MATCH_END_COLD);
  EXPECT_EQ(use.was_empty, 1u);
  EXPECT_EQ(use.computed_tokens, 100u);
  use = use_of(engine.run(command, prompt));
  EXPECT_EQ(use.match_end, HEARTH_MATCH_END_LAST_TOKEN);
  EXPECT_EQ(use.copied_tokens, 3u) << "of the last page all but the last token";
  EXPECT_EQ(use.computed_tokens, 1u);
  prompt[70] = (prompt[70] + 1) % 64;
  use = use_of(engine.run(command, prompt));
  EXPECT_EQ(use.match_end, HEARTH_MATCH_END_NEVER_SEEN);
  EXPECT_EQ(use.copied_tokens, 6u);
  EXPECT_EQ(use.recomputed_tokens, 0u);
  EXPECT_EQ(use_of(engine.run(command, {1})).match_end, HEARTH_MATCH_END_LAST_TOKEN);

  SubmitCommand evaluation = command;
  evaluation.kind = RequestKind::evaluate;
  evaluation.max_tokens = 0;
  use = use_of(engine.run(evaluation, prompt));
  EXPECT_EQ(use.match_end, HEARTH_MATCH_END_EVALUATION);
  EXPECT_EQ(use.computed_tokens, 100u);

  SubmitCommand other = command;
  other.namespace_id = 4711;
  EXPECT_EQ(use_of(engine.run(other, prompt)).match_end, HEARTH_MATCH_END_COLD);
  // What was there and was evicted is no matter of how the cache began.
  EXPECT_GT(engine.ask_cache(command_of(CacheAction::evict)).pages, 4u);
  use = use_of(engine.run(command, prompt));
  EXPECT_EQ(use.match_end, HEARTH_MATCH_END_COLD);
  EXPECT_EQ(use.was_empty, 0u);
}

// Whether the second comes while the first computes is chance: it has so many tries.
TEST(cache_use, tokens_that_another_request_computed_meanwhile_were_waited_for) {
  EngineHarness engine(kModel, {.context = 1024});
  for (unsigned attempt = 0; attempt < 100; ++attempt) {
    const auto prompt = random_prompt(attempt, 600);  // more than two steps
    auto longer = prompt;
    longer.push_back(1);
    const RequestId first = engine.submit(EngineHarness::greedy(1), prompt);
    const RequestId second = engine.submit(EngineHarness::greedy(1), longer);
    EXPECT_EQ(use_of(engine.wait(first)).waited_tokens, 0u);
    const Outcome& outcome = engine.wait(second);
    const std::uint32_t waited = use_of(outcome).waited_tokens;
    EXPECT_GE(outcome.done->cached_tokens, 599u) << "waited for or not";
    EXPECT_EQ(use_of(engine.run(EngineHarness::greedy(1), prompt)).waited_tokens, 0u);
    if (waited > 0) return;
  }
  FAIL() << "nobody ever waited";
}

// All three have their four pages before one may go on, and the next page is another one's.
TEST(cache_use, what_is_computed_again_after_giving_way_is_counted) {
  EngineHarness engine(kModel, {.kv_bytes = bytes_of_pages(12), .context = 200});
  ASSERT_FALSE(engine.load_error()) << engine.load_error()->message;
  std::vector<RequestId> ids;
  for (unsigned i = 0; i < 3; ++i) {
    SubmitCommand command = EngineHarness::greedy(90);
    command.namespace_id = i;
    command.credit = 1;
    command.ignore_eos = 1;
    ids.push_back(engine.submit(command, random_prompt(i, 100)));
  }
  for (const RequestId id : ids)
    while (engine.outcome(id).tokens.empty()) engine.take_notices();
  for (const RequestId id : ids) EXPECT_TRUE(engine.engine().grant(id, 1000));
  std::uint64_t recomputed = 0, computed = 0, generated = 0;
  for (const RequestId id : ids) {
    const Outcome& outcome = engine.wait(id);
    const CacheUse use = use_of(outcome);
    recomputed += use.recomputed_tokens;
    computed += use.computed_tokens;
    generated += outcome.tokens.size();
  }
  const EngineStats stats = engine.stats();
  EXPECT_GT(stats.preemptions, 0u) << "the budget is too large for this test";
  // Every row is the first of its token or one more; the last token of each is never computed.
  EXPECT_EQ(stats.prompt_rows + stats.generated_rows, computed + generated - 3 + recomputed);
}

TEST(cache_use, listing_and_checking_leave_a_generation_as_it_is) {
  EngineHarness engine(kModel, {.context = 1024});
  const auto prompt = random_prompt(7, 300);
  const Outcome alone = engine.run(EngineHarness::greedy(200), prompt);
  const auto other = random_prompt(8, 300);
  const RequestId id = engine.submit(EngineHarness::greedy(200), other);
  while (engine.outcome(id).tokens.empty()) engine.take_notices();
  const CacheDoneNotice checked = engine.ask_cache(command_of(CacheAction::verify));
  EXPECT_GE(checked.pages, 15u);
  EXPECT_EQ(checked.damaged, 0u);
  const CacheDoneNotice listed = engine.ask_cache(command_of(CacheAction::list));
  EXPECT_EQ(listed.text_count, 2u);
  EXPECT_EQ(listed.page_bytes, engine.loaded().page_bytes);
  engine.ask_cache(command_of(CacheAction::evict));
  const std::vector<TokenId> tokens = engine.wait(id).tokens;
  EngineHarness fresh(kModel, {.context = 1024});
  EXPECT_EQ(tokens, fresh.run(EngineHarness::greedy(200), other).tokens);
  EXPECT_EQ(engine.run(EngineHarness::greedy(200), prompt).tokens, alone.tokens);
}

TEST(cache_use, eviction_keeps_to_its_bytes_and_its_prefix) {
  EngineHarness engine(kModel, {.context = 512});
  const auto prompt = random_prompt(1, 100);
  const auto other = random_prompt(2, 100);
  engine.run(EngineHarness::greedy(1), prompt);
  engine.run(EngineHarness::greedy(1), other);
  CacheCommand evict = command_of(CacheAction::evict);
  evict.bytes_max = 2 * engine.loaded().page_bytes + 1;
  EXPECT_EQ(engine.ask_cache(evict, {other[0], other[1]}).pages, 2u);
  EXPECT_EQ(use_of(engine.run(EngineHarness::greedy(1), prompt)).computed_tokens, 1u);
  evict.bytes_max = 1;
  EXPECT_EQ(engine.ask_cache(evict).pages, 0u) << "less than a page";
  evict.bytes_max = UINT64_MAX;
  EXPECT_GE(engine.ask_cache(evict).pages, 6u);
  EXPECT_EQ(engine.stats().pages_cached, 0u);
  EXPECT_EQ(engine.stats().evictions, 0u) << "none for want of room";
}

}  // namespace
}  // namespace hearth
