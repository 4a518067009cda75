// Goal: whatever comes together in too little memory (prefixes of each other, evaluations, streams
// that stall, cancels), every request gets what it gets alone, and nothing stays behind.
// Method: random requests; the oracle is an engine with room for all that serves one at a time.
#include <gtest/gtest.h>

#include "tests/engine/engine_harness.hpp"

namespace hearth {
namespace {

const std::string kModel = HEARTH_TEST_DATA "/models/qwen3.gguf";
constexpr std::uint32_t kContext = 200;
constexpr int kRequests = 100;

struct Asked {
  RequestId id;
  SubmitCommand command;
  std::vector<TokenId> prompt;
  bool cancelled = false;
};

class Storm {
 public:
  explicit Storm(unsigned seed)
      : random_(seed),
        engine_(kModel, {.kv_bytes = (10 + draw(40)) * kPageBytes,
                         .context = kContext,
                         .sequences_max = 2 + draw(12)}) {}

  void ask_everything() {
    for (int i = 0; i < kRequests; ++i) {
      ask();
      Asked& other = asked_[draw(asked_.size())];
      if (draw(3) == 0) engine_.engine().grant(other.id, 1 + draw(20));
      if (draw(6) == 0) other.cancelled = engine_.engine().cancel(other.id);
    }
  }

  // Parked streams go on as they are granted credit, a little at a time.
  void wait_for_all() {
    const auto open = [&](const Asked& asked) { return !engine_.outcome(asked.id).over(); };
    while (std::ranges::any_of(asked_, open)) {
      for (const Asked& asked : asked_) {
        if (open(asked)) engine_.engine().grant(asked.id, 1 + draw(30));
      }
      engine_.take_notices();
      ASSERT_FALSE(testing::Test::HasFatalFailure());
    }
    const EngineStats stats = engine_.engine().stats();
    EXPECT_EQ(stats.pages_in_use, 0u);
    EXPECT_EQ(stats.running + stats.queued, 0u);
  }

  void compare_with(EngineHarness& alone) {
    for (const Asked& asked : asked_) {
      const Outcome& got = engine_.outcome(asked.id);
      ASSERT_TRUE(got.done) << got.failed->message;
      SubmitCommand command = asked.command;
      command.credit = 1u << 30;
      command.namespace_id = next_namespace_++;  // finds nothing of earlier ones
      Outcome want = alone.run(command, asked.prompt);
      if (asked.cancelled && got.done->stop_reason == HEARTH_STOP_CANCELED) {
        want.tokens.resize(got.tokens.size());
        want.logits.resize(got.logits.size());
      } else {
        EXPECT_EQ(got.done->mean_nll, want.done->mean_nll);
      }
      EXPECT_EQ(got.tokens, want.tokens) << asked.id;
      EXPECT_TRUE(got.logits == want.logits) << asked.id;
    }
  }

 private:
  // 0 .. count - 1
  std::uint32_t draw(std::size_t count) { return static_cast<std::uint32_t>(random_() % count); }

  // Most prompts begin like an earlier one.
  std::vector<TokenId> make_prompt() {
    if (asked_.empty() || draw(3) == 0) return random_prompt(draw(1 << 30), 1 + draw(180));
    std::vector<TokenId> prompt = asked_[draw(asked_.size())].prompt;
    prompt.resize(1 + draw(prompt.size()));
    const std::vector<TokenId> rest = random_prompt(draw(1 << 30), draw(40));
    prompt.insert(prompt.end(), rest.begin(), rest.end());
    if (prompt.size() >= kContext) prompt.resize(kContext - 1);
    return prompt;
  }

  void ask() {
    SubmitCommand command = EngineHarness::greedy(1 + draw(60));
    command.namespace_id = 1 + draw(2);
    command.want_logits = draw(4) == 0;
    if (draw(4) == 0) command.kind = RequestKind::evaluate;
    if (draw(2) == 0) command.credit = draw(5);
    std::vector<TokenId> prompt = make_prompt();
    const RequestId id = engine_.submit(command, prompt);
    asked_.push_back({id, command, std::move(prompt)});
  }

  static constexpr std::uint64_t kPageBytes = 24 << 10;  // of the test's model, about
  std::mt19937 random_;
  EngineHarness engine_;
  std::vector<Asked> asked_;
  std::uint64_t next_namespace_ = 1000;
};

TEST(storm, everybody_gets_what_they_get_alone) {
  for (unsigned seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    Storm storm(seed);
    EngineHarness alone(kModel, {.kv_bytes = 64 << 20, .context = kContext});
    storm.ask_everything();
    storm.wait_for_all();
    storm.compare_with(alone);
  }
}

}  // namespace
}  // namespace hearth
