// Goal: conversations with recurrent models stay warm, and warm equals cold, bit for bit.
// Method: models of random weights, of every kind of layer; the rows that were computed are
// counted, logits are compared with those of an engine that has never seen anything.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/engine_harness.hpp"

namespace hearth {
namespace {

using Tokens = std::vector<TokenId>;

std::string path_of(const std::string& fixture) {
  return HEARTH_TEST_DATA "/models/" + fixture + ".gguf";
}

Tokens joined(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Tokens first_of(const Tokens& tokens, std::ptrdiff_t count) {
  return {tokens.begin(), tokens.begin() + count};
}

class Checkpoints : public testing::TestWithParam<const char*> {
 protected:
  Checkpoints() : engine_(path_of(GetParam()), {.context = 1024, .with_tokenizer = false}) {}

  static SubmitCommand command(std::uint32_t max_tokens = 4) {
    SubmitCommand command = EngineHarness::greedy(max_tokens);
    command.ignore_eos = 1;
    command.want_logits = 1;
    return command;
  }
  Outcome ask(const Tokens& prompt, const std::vector<std::uint32_t>& marks = {},
              std::uint32_t max_tokens = 4) {
    return engine_.wait(engine_.submit(command(max_tokens), prompt, {}, {}, marks));
  }
  // What an engine says that has seen nothing.
  Outcome cold(const Tokens& prompt, std::uint32_t max_tokens = 4) const {
    EngineHarness fresh(path_of(GetParam()), {.context = 1024, .with_tokenizer = false});
    return fresh.run(command(max_tokens), prompt);
  }
  void expect_as_cold(const Outcome& warm, const Tokens& prompt) const {
    const Outcome expected = cold(prompt);
    EXPECT_EQ(warm.tokens, expected.tokens);
    EXPECT_TRUE(warm.logits == expected.logits) << "bits differ";
  }

  EngineHarness engine_;
};

TEST_P(Checkpoints, the_same_prompt_again_computes_one_token) {
  const Tokens prompt = random_prompt(1, 150);
  const Outcome first = ask(prompt);
  EXPECT_EQ(first.done->cached_tokens, 0u);
  const Outcome again = ask(prompt);
  EXPECT_EQ(again.done->cached_tokens, 149u);
  EXPECT_EQ(again.done->cache.computed_tokens, 1u);
  EXPECT_EQ(again.done->cache.state_tokens, 149u);
  EXPECT_EQ(again.done->cache.match_end, HEARTH_MATCH_END_LAST_TOKEN);
  EXPECT_EQ(again.tokens, first.tokens);
  EXPECT_TRUE(again.logits == first.logits);
}

TEST_P(Checkpoints, a_chat_of_ten_turns_computes_what_is_new) {
  Tokens text;
  for (unsigned turn = 0; turn < 10; ++turn) {
    const auto before = static_cast<std::uint32_t>(text.size());
    text = joined(text, random_prompt(100 + turn, turn == 0 ? 90 : 23));
    const Outcome outcome = ask(text);
    ASSERT_TRUE(outcome.done);
    // The last generated token of the turn before was never computed.
    const std::uint32_t expected = turn == 0 ? 90 : 23 + 1;
    EXPECT_EQ(outcome.done->cache.computed_tokens, expected) << "turn " << turn;
    EXPECT_EQ(outcome.done->cached_tokens, turn == 0 ? 0 : before - 1);
    if (turn == 9) expect_as_cold(outcome, text);
    text = joined(text, outcome.tokens);
  }
}

TEST_P(Checkpoints, another_last_message_begins_where_the_turn_does) {
  const Tokens begin = random_prompt(2, 130);
  const Tokens one = joined(begin, random_prompt(3, 40)),
               other = joined(begin, random_prompt(4, 37));
  ask(one, {130});
  const Outcome edited = ask(other, {130});
  EXPECT_EQ(edited.done->cache.state_tokens, 130u);
  EXPECT_EQ(edited.done->cache.computed_tokens, 37u);
  EXPECT_EQ(edited.done->cache.lost_tokens, 0u);
  expect_as_cold(edited, other);
  EXPECT_EQ(ask(one).done->cache.computed_tokens, 1u) << "the other branch is still there";
}

TEST_P(Checkpoints, what_is_lost_once_is_kept_for_the_next) {
  const Tokens begin = random_prompt(5, 320);
  ask(joined(begin, random_prompt(6, 100)));
  const Tokens second = joined(begin, random_prompt(7, 60));
  const Outcome lost = ask(second);
  EXPECT_EQ(lost.done->cache.state_tokens, 160u) << "4 and a step's rows before the prompt's end";
  EXPECT_EQ(lost.done->cache.lost_tokens, 160u);
  EXPECT_EQ(lost.done->cache.match_end, HEARTH_MATCH_END_NO_CHECKPOINT);
  expect_as_cold(lost, second);
  const Tokens third = joined(begin, random_prompt(8, 50));
  const Outcome kept = ask(third);
  EXPECT_EQ(kept.done->cache.state_tokens, 320u);
  EXPECT_EQ(kept.done->cache.computed_tokens, 50u);
  expect_as_cold(kept, third);
}

TEST_P(Checkpoints, every_position_of_a_page_can_be_gone_on_from) {
  for (const std::uint32_t size : {95u, 96u, 97u, 110u, 127u, 128u}) {
    const Tokens begin = random_prompt(10 + size, size);
    ask(begin, {}, 1);
    const Tokens longer = joined(begin, random_prompt(9, 9));
    const Outcome outcome = ask(longer);
    EXPECT_EQ(outcome.done->cache.state_tokens, size) << "the state after the prompt, as it ended";
    expect_as_cold(outcome, longer);
  }
}

// Of a model that reasons and calls tools: what it thought is in its prompts until the user's next
// message, and then in none.  All of it comes after that message of the user, whose begin is kept.
TEST_P(Checkpoints, reasoning_that_is_stripped_costs_the_turn_it_was_in) {
  SubmitCommand turns = command();
  turns.marks_are_turns = 1;
  Tokens text = random_prompt(60, 150);  // a system prompt
  std::vector<std::uint32_t> starts;
  for (unsigned turn = 0; turn < 4; ++turn) {
    const auto start = static_cast<std::uint32_t>(text.size());
    const std::uint32_t last_start = starts.empty() ? 0 : starts.back();
    starts.push_back(start);
    text = joined(text, random_prompt(70 + turn, 30));  // the user's message
    Tokens stripped = text;
    for (unsigned call = 0; call < 4; ++call) {
      const Outcome outcome = engine_.wait(engine_.submit(turns, text, {}, {}, starts));
      ASSERT_TRUE(outcome.done);
      const auto size = static_cast<std::uint32_t>(text.size());
      if (call > 0) {
        EXPECT_LE(outcome.done->cache.computed_tokens, 70u + 1) << "the answer of a tool";
      } else if (turn > 0) {
        EXPECT_GE(outcome.done->cached_tokens, last_start);
        EXPECT_LE(outcome.done->cache.computed_tokens, size - last_start);
        expect_as_cold(outcome, text);
      }
      const Tokens answer = random_prompt(100 + 10 * turn + call, 70);
      text = joined(joined(text, outcome.tokens), answer);
      stripped = joined(stripped, first_of(answer, 9));
    }
    text = stripped;
  }
}

TEST_P(Checkpoints, without_any_all_is_computed_and_right) {
  SubmitCommand none = command();
  none.checkpoints.max_checkpoints = 0;
  const Tokens prompt = random_prompt(30, 200);
  const Outcome first = engine_.run(none, prompt);
  const Outcome again = engine_.run(none, prompt);
  EXPECT_EQ(again.done->cache.computed_tokens, 200u);
  EXPECT_EQ(again.done->cache.lost_tokens, 192u);
  EXPECT_TRUE(first.logits == again.logits);
}

INSTANTIATE_TEST_SUITE_P(models, Checkpoints,
                         testing::Values("qwen35", "qwen3next", "jamba", "mamba", "mamba2", "lfm2"),
                         [](const auto& info) { return std::string(info.param); });

// Where nothing is recurrent there is nothing to keep.
TEST(checkpoints, a_model_without_recurrent_layers_has_none) {
  for (const char* fixture : {"qwen3", "gemma3"}) {
    EngineHarness engine(path_of(fixture), {.context = 512, .with_tokenizer = false});
    const Tokens prompt = random_prompt(1, 150);
    engine.run(EngineHarness::greedy(2), prompt);
    EXPECT_EQ(engine.run(EngineHarness::greedy(2), prompt).done->cache.computed_tokens, 1u);
    EXPECT_EQ(engine.stats().checkpoints, 0u);
  }
}

}  // namespace
}  // namespace hearth
