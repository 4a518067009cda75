// Goal: who waits for whose state, what is kept of it and what is not, in every order of events.
// Method: a scheduler that is driven step by step; what was computed is counted, results are
// compared with those of one that has seen nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "cache/cache_upkeep.hpp"
#include "tests/engine/scheduler_testing.hpp"
#include "tests/random_prompt.hpp"

namespace hearth {
namespace {

using Tokens = std::vector<TokenId>;
constexpr std::uint64_t kUser = 1000;  // as SteppedScheduler::greedy() has it

std::string path_of(const std::string& fixture) {
  return HEARTH_TEST_DATA "/models/" + fixture + ".gguf";
}
const std::string kModel = path_of("qwen35");

Tokens joined(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Tokens first(const Tokens& tokens, std::ptrdiff_t count) {
  return {tokens.begin(), tokens.begin() + count};
}

SubmitCommand greedy(std::uint32_t max_tokens) {
  return SteppedScheduler::greedy(max_tokens);
}

SubmitCommand keeping(std::uint32_t max_checkpoints, std::uint32_t max_tokens = 3) {
  SubmitCommand command = greedy(max_tokens);
  command.checkpoints.max_checkpoints = max_checkpoints;
  return command;
}

void expect_as_cold(const Outcome& warm, const Tokens& prompt, const std::string& path = kModel) {
  SteppedScheduler fresh(path, {});
  const auto& cold = fresh.run(greedy(static_cast<std::uint32_t>(warm.tokens.size())), prompt);
  EXPECT_EQ(warm.tokens, cold.tokens);
  EXPECT_TRUE(warm.logits == cold.logits) << "bits differ";
}

class SchedulerCheckpoints : public testing::TestWithParam<const char*> {};

TEST_P(SchedulerCheckpoints, who_asks_at_the_same_time_waits_and_computes_the_rest) {
  SteppedScheduler engine(path_of(GetParam()), {});
  const Tokens begin = random_prompt(20, 400);
  const Tokens one = joined(begin, random_prompt(21, 30)),
               other = joined(begin, random_prompt(22, 30));
  engine.submit(greedy(3), one);
  const RequestId second = engine.submit(greedy(3), other);
  const RequestId third = engine.submit(greedy(3), one);
  engine.settle();
  const auto& warm = engine.outcome(second);
  ASSERT_TRUE(warm.done && engine.outcome(third).done);
  EXPECT_EQ(warm.done->cache.computed_tokens, 30u);
  EXPECT_EQ(warm.done->cache.waited_tokens, 400u);
  expect_as_cold(warm, other, path_of(GetParam()));
  EXPECT_EQ(engine.outcome(third).done->cache.computed_tokens, 1u);
  engine.check();
}

INSTANTIATE_TEST_SUITE_P(models, SchedulerCheckpoints,
                         testing::Values("qwen35", "qwen3next", "jamba", "mamba", "mamba2", "lfm2"),
                         [](const auto& info) { return std::string(info.param); });

TEST(scheduler_checkpoints, who_waits_for_one_that_waits_gets_its_state_too) {
  SteppedScheduler engine(kModel, {});
  const Tokens begin = random_prompt(1, 200), middle = joined(begin, random_prompt(2, 150));
  engine.submit(greedy(3), joined(begin, random_prompt(3, 200)));
  engine.submit(greedy(3), joined(middle, random_prompt(4, 30)));
  const Tokens prompt = joined(middle, random_prompt(5, 30));
  const RequestId last = engine.submit(greedy(3), prompt);
  engine.settle();
  const auto& outcome = engine.outcome(last);
  ASSERT_TRUE(outcome.done);
  EXPECT_EQ(outcome.done->cache.state_tokens, 350u);
  EXPECT_EQ(outcome.done->cache.computed_tokens, 30u);
  expect_as_cold(outcome, prompt);
  engine.check();
}

TEST(scheduler_checkpoints, nobody_asks_one_that_keeps_none) {
  SteppedScheduler engine(kModel, {});
  const Tokens begin = random_prompt(1, 200);
  engine.run(greedy(3), begin, {64, 128});
  const std::uint64_t before = engine.stats().checkpoints;
  EXPECT_GE(before, 5u);
  const Tokens middle = joined(begin, random_prompt(2, 150));
  const RequestId none = engine.submit(keeping(0), joined(middle, random_prompt(3, 100)));
  const Tokens prompt = joined(middle, random_prompt(4, 30));
  const RequestId other = engine.submit(keeping(100), prompt);
  engine.settle();
  ASSERT_TRUE(engine.outcome(none).done && engine.outcome(other).done);
  EXPECT_EQ(engine.outcome(other).done->cache.waited_tokens, 0u);
  EXPECT_EQ(engine.stats().checkpoints_thinned, 0u) << "by a path of none";
  EXPECT_GT(engine.stats().checkpoints, before);
  expect_as_cold(engine.outcome(other), prompt);
  engine.check();
}

// What is published is held for ever, and found by everybody: no user decides where.
TEST(scheduler_checkpoints, no_user_chooses_where_a_published_text_has_them) {
  SteppedScheduler engine(kModel, {});
  const Tokens text = random_prompt(1, 400);  // 384 in whole pages
  engine.scheduler().add_published(std::span(&text, 1), UINT64_MAX);
  engine.step();  // it is under way
  std::vector<RequestId> ids;
  for (unsigned i = 0; i < 4; ++i)
    ids.push_back(engine.submit(greedy(3), joined(first(text, 200 + 20 * i), {1, 2, 3})));
  ids.push_back(engine.submit(greedy(3), first(text, 384)));
  const Tokens prompt = joined(text, random_prompt(2, 30));
  const RequestId whole = engine.submit(greedy(3), prompt);
  engine.settle();
  for (const RequestId id : ids) EXPECT_TRUE(engine.outcome(id).done);
  EXPECT_EQ(engine.checkpoints().stats().checkpoints_in_use, 1u) << "the one at its end";
  EXPECT_EQ(engine.outcome(whole).done->cache.state_tokens, 384u) << "that was waited for";
  expect_as_cold(engine.outcome(whole), prompt);
  SubmitCommand other = greedy(3);
  other.namespace_id = kUser + 1;
  EXPECT_EQ(engine.run(other, joined(first(text, 220), {5})).done->cache.state_tokens, 0u)
      << "where another user's text parted";
  engine.check();
}

// Two wait for the same tokens.  The first to go on needs pages, and the second, which cannot send
// what it computes, goes back to the queue for them.
TEST(scheduler_checkpoints, one_that_waits_may_give_way_to_another_that_did) {
  SteppedScheduler engine(kModel, {.pages = 32, .limits = {.sequences_max = 3, .context = 1024}});
  const Tokens begin = random_prompt(1, 310), prompt = joined(begin, random_prompt(2, 10));
  SubmitCommand poor = keeping(0);
  poor.credit = 1;
  const RequestId parked = engine.submit(poor, prompt);
  engine.settle();
  EXPECT_EQ(engine.outcome(parked).tokens.size(), 1u);
  const RequestId ahead = engine.submit(greedy(3), joined(begin, random_prompt(3, 60)));
  const RequestId large = engine.submit(greedy(3), joined(begin, random_prompt(4, 650)));
  const RequestId small = engine.submit(greedy(1), random_prompt(5, 8));  // takes its place
  engine.settle();
  for (const RequestId id : {ahead, large, small}) EXPECT_TRUE(engine.outcome(id).done) << id;
  engine.check();
  engine.scheduler().grant({parked, 100, 0});
  engine.settle();
  ASSERT_TRUE(engine.outcome(parked).done);
  EXPECT_GE(engine.stats().preemptions, 2u) << "for its place, and for its pages";
  expect_as_cold(engine.outcome(parked), prompt);
  engine.check();
  EXPECT_EQ(engine.pages().stats().pages_in_use, 0u);
  EXPECT_EQ(engine.checkpoints().stats().checkpoints_in_use, 0u);
}

// Pages run out under several long sequences: those that give way come back warm.
TEST(scheduler_checkpoints, one_that_gives_way_goes_on_from_where_it_was) {
  SteppedScheduler engine(kModel, {.pages = 24, .limits = {.sequences_max = 8, .context = 512}});
  std::vector<RequestId> ids;
  for (unsigned i = 0; i < 4; ++i) ids.push_back(engine.submit(greedy(90), random_prompt(i, 150)));
  engine.settle();
  EXPECT_GT(engine.stats().preemptions, 0u) << "the budget is too large for this test";
  for (unsigned i = 0; i < 4; ++i) expect_as_cold(engine.outcome(ids[i]), random_prompt(i, 150));
  engine.check();
  EXPECT_EQ(engine.pages().stats().pages_in_use, 0u);
}

// A request that wants the state behind every token gets it, some tokens at a time.
TEST(scheduler_checkpoints, a_step_copies_so_much_and_no_more) {
  const std::uint64_t one = SteppedScheduler(kModel, {}).checkpoints().geometry().payload_bytes;
  SteppedScheduler engine(
      kModel,
      {.checkpoints = 200,
       .limits = {.sequences_max = 8, .context = 1024, .snapshot_bytes = 4 * one + one / 2}});
  SubmitCommand every = keeping(1024);  // three tokens: the turn ends in another step
  every.checkpoints.every_n_tokens = 1;
  every.checkpoints.min_tokens = every.checkpoints.min_gap = 0;
  const Tokens prompt = random_prompt(1, 96);
  const RequestId id = engine.submit(every, prompt);
  for (std::uint64_t before = 0; engine.step();) {
    const std::uint64_t now = engine.stats().checkpoints;
    EXPECT_LE(now - before, engine.outcome(id).done ? 1u : 4u);
    before = now;
  }
  EXPECT_EQ(engine.stats().checkpoints, 95u + 1) << "one behind each, and one at the turn's end";
  expect_as_cold(engine.outcome(id), prompt);
  EXPECT_EQ(engine.run(greedy(3), joined(first(prompt, 50), {1})).done->cache.state_tokens, 50u);
  engine.check();
}

// Goal: no order of events breaks an invariant, loses a slot or changes a result.
// Method: a few texts that begin alike, too few pages, checkpoints and places for all; requests of
// every kind come, wait for credit and are cancelled by chance, after every step all is checked.
TEST_P(SchedulerCheckpoints, every_order_of_events_leaves_all_right) {
  constexpr std::uint32_t kTokens = 12;
  const std::string path = path_of(GetParam());
  const Tokens begin = random_prompt(1, 64), longer = joined(begin, random_prompt(2, 96));
  std::vector<Tokens> prompts, expected;
  for (unsigned i = 0; i < 8; ++i) {
    const Tokens& before = i < 3 ? longer : begin;
    prompts.push_back(joined(before, random_prompt(10 + i, 1 + 37 * (i % 4))));
    SteppedScheduler fresh(path, {});
    expected.push_back(fresh.run(greedy(kTokens), prompts.back()).tokens);
  }
  SteppedScheduler engine(
      path, {.pages = 24, .checkpoints = 12, .limits = {.sequences_max = 4, .context = 512}});
  std::mt19937 random(3);
  std::map<RequestId, unsigned> asked;
  const auto end = [&](RequestId id) {
    const auto& outcome = engine.outcome(id);
    const Tokens& wanted = expected[asked[id]];
    EXPECT_TRUE(std::equal(outcome.tokens.begin(), outcome.tokens.end(), wanted.begin()));
    EXPECT_TRUE(outcome.done->stop_reason == HEARTH_STOP_CANCELED ||
                outcome.tokens.size() == kTokens);
    asked.erase(id);
  };
  for (int event = 0; event < 600 && !HasFailure(); ++event) {
    const auto number = random() % 10;
    if (number < 3 && asked.size() < 8) {
      const auto which = static_cast<unsigned>(random() % prompts.size());
      SubmitCommand command = keeping(random() % 4 * 3, kTokens);
      command.credit = random() % 2 == 0 ? 1 : kTokens;
      command.namespace_id = kUser + random() % 2;
      command.marks_are_turns = random() % 2 == 0;
      asked[engine.submit(command, prompts[which], {20, 64})] = which;
    } else if (number < 5 && !asked.empty()) {
      const RequestId id = std::next(asked.begin(), random() % asked.size())->first;
      if (random() % 3 == 0) {
        engine.scheduler().cancel(id);
      } else {
        engine.scheduler().grant({id, kTokens, 0});
      }
    }
    engine.step();
    engine.check();
    while (const auto over = engine.find_over(asked)) end(*over);
  }
  for (const auto& [id, which] : asked) engine.scheduler().grant({id, kTokens, 0});
  engine.settle();
  while (const auto over = engine.find_over(asked)) end(*over);
  EXPECT_TRUE(asked.empty());
  EXPECT_GT(engine.stats().preemptions, 0u);
  EXPECT_GT(engine.stats().checkpoint_evictions, 0u);
  EXPECT_EQ(engine.pages().stats().pages_in_use, 0u);
  EXPECT_EQ(engine.checkpoints().stats().checkpoints_in_use, 0u);
}

class SchedulerDamage : public testing::Test {
 protected:
  // Zero a page of the prompt where it lies.
  void damage(std::uint32_t page) {
    cache::PageCache& pages = engine_.pages();
    cache::Digest key = pages.root_key(kUser);
    for (std::uint32_t i = 0; i <= page; ++i) {
      key = pages.page_key(
          kUser, key,
          std::span(prompt_).subspan(i * SteppedScheduler::kPage, SteppedScheduler::kPage));
    }
    const cache::SlotId slot = pages.look_up_key(key);
    ASSERT_NE(slot, cache::kNoSlot);
    std::memset(pages.payload(slot), 0, pages.payload_bytes());
  }
  cache::VerifyCounts verify() {
    cache::VerifyCounts counts;
    cache::CacheUpkeep upkeep(&engine_.pages());
    for (cache::SlotId slot = 0; slot < upkeep.slot_count();)
      slot = upkeep.verify({.all = true}, slot, /*budget_ns=*/0, counts);
    return counts;
  }
  // Asked twice, for the first one makes again what is missing.
  void expect_right() {
    for (int i = 0; i < 2; ++i) expect_as_cold(engine_.run(greedy(3), prompt_), prompt_);
    engine_.check();
  }

  SteppedScheduler engine_{kModel, {}};
  const Tokens prompt_ = random_prompt(1, 300);
};

TEST_F(SchedulerDamage, what_was_computed_from_a_page_that_is_found_damaged_later_is_not_used) {
  const RequestId id = engine_.submit(greedy(3), prompt_);
  engine_.step();  // 96 rows
  damage(1);
  engine_.settle();
  EXPECT_TRUE(engine_.outcome(id).done);
  EXPECT_EQ(verify().damaged, 1u);
  expect_right();
}

TEST_F(SchedulerDamage, who_has_a_damaged_page_keeps_no_state) {
  const RequestId id = engine_.submit(greedy(3), prompt_);
  engine_.step();
  damage(2);
  EXPECT_EQ(verify().damaged_in_use, 1u);
  engine_.scheduler().cancel(id);  // at the end of that page
  EXPECT_EQ(engine_.checkpoints().stats().checkpoints_kept, 0u);
  expect_right();
}

}  // namespace
}  // namespace hearth
