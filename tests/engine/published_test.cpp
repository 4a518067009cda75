// Goal: published texts are computed once, while nobody else is kept from theirs, and every
// namespace begins with them and has the results of who computes all by themselves.
// Method: small models whose every row is counted.
#include <gtest/gtest.h>

#include "tests/engine/engine_harness.hpp"

namespace hearth {
namespace {

const std::string kModel = HEARTH_TEST_DATA "/models/qwen3.gguf";
constexpr std::uint32_t kPage = 32;
using Tokens = std::vector<TokenId>;

Tokens joined(Tokens first, const Tokens& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

SubmitCommand command_for(std::uint64_t user, std::uint32_t max_tokens) {
  SubmitCommand command = EngineHarness::greedy(max_tokens);
  command.namespace_id = user;
  return command;
}

std::uint64_t page_bytes() {
  static const std::uint64_t bytes = [] {
    EngineHarness probe(kModel, {.context = 256});
    return probe.loaded().page_bytes;
  }();
  return bytes;
}

// Bytes of budget for so many pages of the test's model.
std::uint64_t bytes_of_pages(std::uint64_t count) {
  return count * (page_bytes() + 8192) + 16384;
}

TEST(published, a_text_is_computed_once_and_every_user_computes_only_the_rest) {
  const Tokens text = random_prompt(1, 330);  // ten pages, and ten tokens that are no page
  EngineHarness engine(kModel, {.context = 1024, .published = {text}});
  engine.wait_for_published(1);
  ASSERT_TRUE(engine.published()[0]) << engine.published()[0].error().message;
  EXPECT_EQ(engine.published()[0]->tokens, 320u);
  EXPECT_EQ(engine.published()[0]->computed, 320u);
  EXPECT_EQ(engine.stats().prompt_rows, 320u);
  EngineHarness cold(kModel, {.context = 1024});
  std::uint64_t rows = 320;
  for (unsigned user = 0; user < 4; ++user) {
    const Tokens prompt = joined(text, random_prompt(100 + user, 50));
    const Outcome outcome = engine.run(command_for(1000 + user, 30), prompt);
    ASSERT_TRUE(outcome.done);
    EXPECT_EQ(outcome.done->cached_tokens, 320u);
    EXPECT_EQ(outcome.done->cache.published_tokens, 320u);
    EXPECT_EQ(outcome.done->cache.computed_tokens, 60u);
    EXPECT_EQ(outcome.done->cache.match_end, HEARTH_MATCH_END_NEVER_SEEN);
    rows += 60;
    EXPECT_EQ(engine.stats().prompt_rows, rows);
    EXPECT_EQ(outcome.tokens, cold.run(command_for(1000 + user, 30), prompt).tokens);
    // Another one finds nothing of this user's part.
    const Outcome other = engine.run(command_for(2000 + user, 1), prompt);
    EXPECT_EQ(other.done->cached_tokens, 320u);
    rows += 60;
  }
}

// The request comes when the text has hardly begun: it waits for it as for one of its own.
TEST(published, who_comes_while_it_is_computed_waits_for_it) {
  const Tokens text = random_prompt(2, 960);
  EngineHarness engine(kModel, {.context = 1024, .published = {text}});
  const Outcome first = engine.run(command_for(1, 8), joined(text, random_prompt(3, 20)));
  ASSERT_TRUE(first.done);
  engine.wait_for_published(1);
  EXPECT_EQ(first.done->cached_tokens, 960u);
  EXPECT_EQ(engine.stats().prompt_rows, 960u + 20u);
}

TEST(published, it_is_there_in_the_end_whatever_else_runs) {
  const Tokens text = random_prompt(4, 960);
  EngineHarness engine(kModel, {.context = 1024, .published = {text}});
  std::vector<RequestId> ids;
  for (unsigned user = 0; user < 8; ++user)
    ids.push_back(engine.submit(command_for(user, 100), random_prompt(10 + user, 40)));
  for (const RequestId id : ids) EXPECT_EQ(engine.wait(id).tokens.size(), 100u);
  engine.wait_for_published(1);
  ASSERT_TRUE(engine.published()[0]);
  EXPECT_EQ(engine.published()[0]->computed, 960u);
  EXPECT_EQ(engine.stats().preemptions, 0u);
}

TEST(published, users_who_fill_the_cache_do_not_evict_it) {
  const Tokens text = random_prompt(5, 4 * kPage);
  EngineHarness engine(kModel,
                       {.kv_bytes = bytes_of_pages(16), .context = 256, .published = {text}});
  engine.wait_for_published(1);
  for (unsigned i = 0; i < 30; ++i)
    ASSERT_TRUE(engine.run(command_for(i % 3, 4), random_prompt(100 + i, 200)).done);
  EXPECT_GT(engine.stats().evictions, 50u);
  const Outcome outcome = engine.run(command_for(7, 4), joined(text, {1, 2, 3}));
  EXPECT_EQ(outcome.done->cached_tokens, 4 * kPage);
}

// Pages run out while it is computed: users' requests come first, and it is done when they are.
TEST(published, it_gives_way_where_pages_run_out) {
  const Tokens text = random_prompt(6, 6 * kPage);
  EngineHarness engine(kModel,
                       {.kv_bytes = bytes_of_pages(16), .context = 256, .published = {text}});
  std::vector<RequestId> ids;
  for (unsigned user = 0; user < 6; ++user)
    ids.push_back(engine.submit(command_for(user, 60), random_prompt(10 + user, 150)));
  for (const RequestId id : ids) {
    const Outcome& outcome = engine.wait(id);
    ASSERT_FALSE(outcome.failed) << outcome.failed->message;
    EXPECT_EQ(outcome.tokens.size(), 60u);
  }
  engine.wait_for_published(1);
  ASSERT_TRUE(engine.published()[0]) << engine.published()[0].error().message;
  EXPECT_EQ(engine.run(command_for(7, 4), joined(text, {1})).done->cached_tokens, 6 * kPage);
}

TEST(published, texts_share_their_beginning) {
  const Tokens text = random_prompt(7, 4 * kPage);
  EngineHarness engine(
      kModel, {.context = 512, .published = {text, joined(text, random_prompt(8, 2 * kPage))}});
  engine.wait_for_published(2);
  EXPECT_EQ(engine.stats().prompt_rows, 6 * kPage);
}

TEST(published, what_does_not_fit_is_refused_with_a_reason_and_the_others_are_there) {
  EngineHarness engine(kModel, {.context = 256,
                                .published = {random_prompt(1, 31),
                                              random_prompt(2, 257),
                                              {},
                                              random_prompt(3, 5 * kPage),
                                              random_prompt(4, 2 * kPage)},
                                .published_bytes = 4 * page_bytes()});
  engine.wait_for_published(4);
  const char* why[] = {"less than a page of 32", "the context is 256", "raise kv-bytes"};
  for (int i = 0; i < 3; ++i) {
    ASSERT_FALSE(engine.published()[i]);
    EXPECT_NE(engine.published()[i].error().message.find(why[i]), std::string::npos)
        << engine.published()[i].error().message;
  }
  ASSERT_TRUE(engine.published()[3]);
  EXPECT_EQ(engine.published()[3]->text, 4u);
  EXPECT_EQ(engine.stats().prompt_rows, 2 * kPage);
}

// Owners may evict and check what is theirs; what is published stays.
TEST(published, no_user_evicts_it) {
  const Tokens text = random_prompt(9, 3 * kPage);
  EngineHarness engine(kModel, {.context = 256, .published = {text}});
  engine.wait_for_published(1);
  engine.run(EngineHarness::greedy(1), joined(text, random_prompt(10, kPage)));
  CacheCommand command = {};
  command.action = CacheAction::evict;
  command.bytes_max = UINT64_MAX;
  EXPECT_EQ(engine.ask_cache(command).pages, 1u);
  command.all = 1;
  const CacheDoneNotice all = engine.ask_cache(command);
  EXPECT_EQ(all.pages, 0u);
  EXPECT_EQ(all.pages_in_use, 3u);
  EXPECT_EQ(engine.run(EngineHarness::greedy(1), joined(text, {1})).done->cached_tokens, 96u);
}

}  // namespace
}  // namespace hearth
