// Goal: the engine computes what is asked, once, whoever asks and however many ask at the same
// time. The oracle for tokens is a run alone on a cold engine; for what was computed, the rows that
// went through the model, as the scheduler counts them.
#include <gtest/gtest.h>

#include <functional>

#include <cmath>

#include <algorithm>
#include <random>

#include "tests/engine/engine_harness.hpp"
#include "tests/engine/fixtures.hpp"

namespace hearth {
namespace {

const std::string kModel = HEARTH_TEST_DATA "/models/qwen3";
constexpr std::uint32_t kContext = 1024;

using Settings = EngineHarness::Settings;

Outcome run_cold(const SubmitCommand& command, const std::vector<TokenId>& prompt) {
  EngineHarness engine(kModel + ".gguf", {.context = kContext});
  return engine.run(command, prompt);
}

TEST(engine, evaluation_gives_every_row_of_logits_and_the_likelihood) {
  const Fixture fixture = read_fixture(kModel);
  EngineHarness engine(fixture.path, {.context = kContext});
  SubmitCommand command = EngineHarness::greedy(0);
  command.kind = RequestKind::evaluate;
  command.want_logits = 1;
  const Outcome outcome = engine.run(command, fixture.tokens);
  ASSERT_TRUE(outcome.done) << outcome.failed->message;
  ASSERT_EQ(outcome.logits.size(), fixture.logits.size());
  EXPECT_LE(nmse(outcome.logits, fixture.logits), 1e-6);
  double nll = 0;
  for (std::size_t i = 0; i + 1 < fixture.tokens.size(); ++i) {
    const float* row = fixture.logits.data() + i * fixture.vocab();
    double sum = 0;
    for (std::size_t v = 0; v < fixture.vocab(); ++v) sum += std::exp(static_cast<double>(row[v]));
    nll += std::log(sum) - static_cast<double>(row[fixture.tokens[i + 1]]);
  }
  EXPECT_NEAR(outcome.done->mean_nll, nll / static_cast<double>(fixture.tokens.size() - 1), 1e-3);
  EXPECT_EQ(engine.stats().prompt_rows, fixture.tokens.size());
}

TEST(engine, evaluation_with_little_credit_sends_row_by_row) {
  const Fixture fixture = read_fixture(kModel);
  EngineHarness engine(fixture.path, {.context = kContext});
  SubmitCommand command = EngineHarness::greedy(0);
  command.kind = RequestKind::evaluate;
  command.want_logits = 1;
  command.credit = 1;
  const RequestId id = engine.submit(command, fixture.tokens);
  for (std::size_t rows = 1; rows <= fixture.tokens.size(); ++rows) {
    while (engine.outcome(id).logits.size() < rows * fixture.vocab()) engine.take_notices();
    EXPECT_EQ(engine.outcome(id).logits.size(), rows * fixture.vocab());
    if (rows < fixture.tokens.size()) {
      EXPECT_FALSE(engine.outcome(id).over());
      ASSERT_TRUE(engine.engine().grant(id, 1));
    }
  }
  EXPECT_LE(nmse(engine.wait(id).logits, fixture.logits), 1e-6);
}

TEST(engine, a_prompt_seen_before_computes_one_row) {
  EngineHarness engine(kModel + ".gguf", {.context = kContext});
  const auto prompt = random_prompt(1, 100);
  const Outcome cold = engine.run(EngineHarness::greedy(1), prompt);
  EXPECT_EQ(cold.done->cached_tokens, 0u);
  EXPECT_EQ(engine.stats().prompt_rows, 100u);
  const Outcome warm = engine.run(EngineHarness::greedy(1), prompt);
  EXPECT_EQ(warm.done->cached_tokens, 99u);
  EXPECT_EQ(engine.stats().prompt_rows, 101u);
  EXPECT_EQ(warm.tokens, cold.tokens);
}

TEST(engine, a_prompt_that_extends_an_answer_computes_the_rest_only) {
  EngineHarness engine(kModel + ".gguf", {.context = kContext});
  auto conversation = random_prompt(2, 50);
  const Outcome first = engine.run(EngineHarness::greedy(40), conversation);
  conversation.insert(conversation.end(), first.tokens.begin(), first.tokens.end());
  const auto question = random_prompt(3, 10);
  conversation.insert(conversation.end(), question.begin(), question.end());
  const EngineStats before = engine.stats();
  const Outcome second = engine.run(EngineHarness::greedy(5), conversation);
  // All 50 + 40 tokens are there but the last generated one, which was never computed.
  EXPECT_EQ(second.done->cached_tokens, 89u);
  EXPECT_EQ(engine.stats().prompt_rows - before.prompt_rows, 11u);
  EXPECT_EQ(second.tokens, run_cold(EngineHarness::greedy(5), conversation).tokens);
}

class EngineModels : public testing::TestWithParam<const char*> {
 protected:
  const std::string path_ = std::string(HEARTH_TEST_DATA "/models/") + GetParam() + ".gguf";
};

TEST_P(EngineModels, warm_logits_are_cold_logits_bit_for_bit) {
  SubmitCommand command = EngineHarness::greedy(20);
  command.want_logits = 1;
  EngineHarness engine(path_, {.context = kContext});
  auto prompt = random_prompt(4, 90);
  const Outcome cold = engine.run(command, prompt);
  const Outcome warm = engine.run(command, prompt);
  EXPECT_EQ(warm.done->cached_tokens, 89u);
  EXPECT_EQ(warm.logits, cold.logits);
  // Another prompt that shares 70 tokens, two pages and a part.
  prompt[70] = (prompt[70] + 1) % 64;
  const Outcome branch = engine.run(command, prompt);
  EXPECT_EQ(branch.done->cached_tokens, 70u);
  EXPECT_EQ(branch.logits, EngineHarness(path_, {.context = kContext}).run(command, prompt).logits);
}

TEST(engine, namespaces_do_not_share) {
  EngineHarness engine(kModel + ".gguf", {.context = kContext});
  const auto prompt = random_prompt(1, 100);
  SubmitCommand command = EngineHarness::greedy(1);
  const Outcome mine = engine.run(command, prompt);
  command.namespace_id = 1001;
  const Outcome theirs = engine.run(command, prompt);
  EXPECT_EQ(theirs.done->cached_tokens, 0u);
  EXPECT_EQ(theirs.tokens, mine.tokens);
}

TEST(engine, requests_that_come_together_compute_their_common_prompt_once) {
  constexpr int kRequests = 12;
  EngineHarness engine(kModel + ".gguf", {.context = kContext});
  const auto prompt = random_prompt(5, 600);  // more than two steps
  std::vector<RequestId> ids;
  for (int i = 0; i < kRequests; ++i) {
    auto mine = prompt;
    mine.push_back(static_cast<TokenId>(i));
    ids.push_back(engine.submit(EngineHarness::greedy(4), mine));
  }
  std::uint64_t cached = 0;
  for (int i = 0; i < kRequests; ++i) {
    auto mine = prompt;
    mine.push_back(static_cast<TokenId>(i));
    const Outcome& outcome = engine.wait(ids[static_cast<std::size_t>(i)]);
    ASSERT_TRUE(outcome.done);
    cached += outcome.done->cached_tokens;
    EXPECT_EQ(outcome.tokens, run_cold(EngineHarness::greedy(4), mine).tokens);
  }
  EXPECT_EQ(engine.stats().prompt_rows, 600u + kRequests);
  EXPECT_EQ(cached, 600u * (kRequests - 1));
}

TEST(engine, who_waits_for_a_prefix_goes_on_when_the_other_is_cancelled) {
  EngineHarness engine(kModel + ".gguf", {.context = kContext});
  const auto prompt = random_prompt(6, 900);
  const RequestId first = engine.submit(EngineHarness::greedy(4), prompt);
  const RequestId second = engine.submit(EngineHarness::greedy(4), prompt);
  ASSERT_TRUE(engine.engine().cancel(first));
  EXPECT_EQ(engine.wait(first).done->stop_reason, HEARTH_STOP_CANCELED);
  EXPECT_EQ(engine.wait(second).tokens, run_cold(EngineHarness::greedy(4), prompt).tokens);
}

TEST_P(EngineModels, many_at_once_get_what_each_gets_alone) {
  constexpr unsigned kRequests = 40;
  EngineHarness engine(path_, {.context = kContext});
  std::vector<RequestId> ids;
  for (unsigned i = 0; i < kRequests; ++i) {
    SubmitCommand command = EngineHarness::greedy(20 + i % 7);
    if (i % 3 == 0) {
      command.temperature = 0.9f;
      command.top_k = 20;
      command.seed = i;
    }
    ids.push_back(engine.submit(command, random_prompt(100 + i, 1 + 5 * i)));
  }
  EngineHarness alone(path_, {.context = kContext});
  for (unsigned i = 0; i < kRequests; ++i) {
    SubmitCommand command = EngineHarness::greedy(20 + i % 7);
    command.namespace_id = 2000 + i;  // nothing shared: truly alone
    if (i % 3 == 0) {
      command.temperature = 0.9f;
      command.top_k = 20;
      command.seed = i;
    }
    const Outcome wanted = alone.run(command, random_prompt(100 + i, 1 + 5 * i));
    EXPECT_EQ(engine.wait(ids[i]).tokens, wanted.tokens) << "request " << i;
  }
  EXPECT_EQ(engine.stats().pages_in_use, 0u);
}

INSTANTIATE_TEST_SUITE_P(models, EngineModels, testing::Values("qwen3", "qwen3moe"));

TEST(engine, a_cache_too_small_for_all_serves_all_in_turn) {
  // About 200 tokens fit; five requests of 100 + 40 want 700.
  EngineHarness probe(kModel + ".gguf", {.context = 256});
  const std::uint64_t page_bytes = probe.loaded().page_bytes + 4096;
  EngineHarness engine(kModel + ".gguf", {.kv_bytes = 10 * page_bytes, .context = 200});
  ASSERT_FALSE(engine.load_error()) << engine.load_error()->message;
  std::vector<RequestId> ids;
  for (unsigned i = 0; i < 5; ++i) {
    ids.push_back(engine.submit(EngineHarness::greedy(40), random_prompt(200 + i, 100)));
  }
  for (unsigned i = 0; i < 5; ++i) {
    const Outcome& outcome = engine.wait(ids[i]);
    ASSERT_TRUE(outcome.done) << outcome.failed->message;
    EXPECT_EQ(outcome.tokens,
              run_cold(EngineHarness::greedy(40), random_prompt(200 + i, 100)).tokens);
  }
  EXPECT_EQ(engine.stats().pages_in_use, 0u);
}

TEST(engine, generation_that_outgrows_the_cache_is_preempted_and_still_right) {
  EngineHarness probe(kModel + ".gguf", {.context = 256});
  const std::uint64_t page_bytes = probe.loaded().page_bytes + 4096;
  EngineHarness engine(kModel + ".gguf", {.kv_bytes = 10 * page_bytes, .context = 200});
  ASSERT_FALSE(engine.load_error()) << engine.load_error()->message;
  std::vector<RequestId> ids;
  for (unsigned i = 0; i < 4; ++i) {
    ids.push_back(engine.submit(EngineHarness::greedy(150), random_prompt(300 + i, 10)));
  }
  for (unsigned i = 0; i < 4; ++i) {
    const Outcome& outcome = engine.wait(ids[i]);
    ASSERT_TRUE(outcome.done) << outcome.failed->message;
    EXPECT_EQ(outcome.tokens.size(), 150u);
    EXPECT_EQ(outcome.tokens,
              run_cold(EngineHarness::greedy(150), random_prompt(300 + i, 10)).tokens);
  }
  EXPECT_GT(engine.stats().preemptions, 0u) << "the test must have run out of pages";
}

TEST(engine, a_stream_without_credit_parks_and_keeps_its_place) {
  EngineHarness engine(kModel + ".gguf", {.context = kContext});
  SubmitCommand command = EngineHarness::greedy(10);
  command.credit = 3;
  const auto prompt = random_prompt(7, 40);
  const RequestId parked = engine.submit(command, prompt);
  while (engine.outcome(parked).tokens.size() < 3) engine.take_notices();
  // Another request runs to its end meanwhile; the parked one says nothing.
  const Outcome other = engine.run(EngineHarness::greedy(20), random_prompt(8, 40));
  EXPECT_EQ(other.tokens.size(), 20u);
  EXPECT_EQ(engine.outcome(parked).tokens.size(), 3u);
  const EngineStats before = engine.stats();
  EXPECT_EQ(before.running, 1u);
  ASSERT_TRUE(engine.engine().grant(parked, 100));
  EXPECT_EQ(engine.wait(parked).tokens, run_cold(EngineHarness::greedy(10), prompt).tokens);
  EXPECT_EQ(engine.stats().prompt_rows, before.prompt_rows) << "nothing was computed again";
}

TEST(engine, parked_streams_do_not_keep_others_from_the_cache) {
  EngineHarness probe(kModel + ".gguf", {.context = 256});
  const std::uint64_t page_bytes = probe.loaded().page_bytes + 4096;
  EngineHarness engine(kModel + ".gguf", {.kv_bytes = 10 * page_bytes, .context = 200});
  SubmitCommand command = EngineHarness::greedy(50);
  command.credit = 1;
  std::vector<RequestId> parked;
  for (unsigned i = 0; i < 3; ++i)
    parked.push_back(engine.submit(command, random_prompt(400 + i, 90)));
  for (const RequestId id : parked) {
    while (engine.outcome(id).tokens.empty()) engine.take_notices();
  }
  const Outcome other = engine.run(EngineHarness::greedy(50), random_prompt(500, 140));
  ASSERT_TRUE(other.done);
  EXPECT_EQ(other.tokens.size(), 50u);
  for (unsigned i = 0; i < 3; ++i) {
    ASSERT_TRUE(engine.engine().grant(parked[i], 1000));
    EXPECT_EQ(engine.wait(parked[i]).tokens,
              run_cold(EngineHarness::greedy(50), random_prompt(400 + i, 90)).tokens);
  }
}

TEST(engine, cancelling_frees_what_was_held) {
  EngineHarness engine(kModel + ".gguf", {.context = kContext});
  SubmitCommand command = EngineHarness::greedy(900);
  const RequestId id = engine.submit(command, random_prompt(9, 40));
  while (engine.outcome(id).tokens.size() < 5) engine.take_notices();
  EXPECT_GT(engine.stats().pages_in_use, 0u);
  ASSERT_TRUE(engine.engine().cancel(id));
  const Outcome& outcome = engine.wait(id);
  EXPECT_EQ(outcome.done->stop_reason, HEARTH_STOP_CANCELED);
  EXPECT_EQ(outcome.done->completion_tokens, outcome.tokens.size());
  EXPECT_EQ(engine.stats().pages_in_use, 0u);
  ASSERT_TRUE(engine.engine().cancel(id));     // twice is no matter
  ASSERT_TRUE(engine.engine().cancel(12345));  // nor is one that never was
  ASSERT_TRUE(engine.engine().grant(12345, 1));
  EXPECT_EQ(engine.stats().running, 0u);
}

TEST(engine, generation_ends_where_the_context_ends) {
  EngineHarness engine(kModel + ".gguf", {.context = 64});
  const Outcome outcome = engine.run(EngineHarness::greedy(1000), random_prompt(10, 50));
  EXPECT_EQ(outcome.done->stop_reason, HEARTH_STOP_CONTEXT);
  EXPECT_EQ(outcome.tokens.size(), 14u);
  const Outcome full = engine.run(EngineHarness::greedy(1000), random_prompt(10, 64));
  EXPECT_EQ(full.done->stop_reason, HEARTH_STOP_CONTEXT);
  EXPECT_EQ(full.tokens.size(), 1u);
}

TEST(engine, memory_and_pages_are_flat_over_rounds) {
  EngineHarness engine(kModel + ".gguf", {.context = kContext});
  std::uint64_t backed = 0;
  for (int round = 0; round < 5; ++round) {
    std::vector<RequestId> ids;
    for (unsigned i = 0; i < 20; ++i) {
      ids.push_back(engine.submit(EngineHarness::greedy(30), random_prompt(600 + i, 50)));
    }
    for (const RequestId id : ids) ASSERT_TRUE(engine.wait(id).done);
    const EngineStats stats = engine.stats();
    EXPECT_EQ(stats.pages_in_use, 0u);
    if (round == 0) backed = stats.pages_backed;
    EXPECT_EQ(stats.pages_backed, backed) << "round " << round;
  }
}

TEST(engine, a_kv_budget_below_one_context_is_an_error_that_says_what_to_do) {
  EngineHarness engine(kModel + ".gguf", {.kv_bytes = 1 << 17, .context = 100000});
  ASSERT_TRUE(engine.load_error());
  EXPECT_EQ(engine.load_error()->code, Code::CONFIG);
  EXPECT_NE(engine.load_error()->message.find("kv-bytes"), std::string::npos);
}

TEST(engine, stopping_in_the_middle_of_everything_is_clean) {
  for (int i = 0; i < 5; ++i) {
    EngineHarness engine(kModel + ".gguf", {.context = kContext});
    for (unsigned j = 0; j < 10; ++j) {
      engine.submit(EngineHarness::greedy(500), random_prompt(700 + j, 300));
    }
    engine.take_notices();
  }
}

// Goal: probabilities are those of the logits, the drawn token's first, then the likeliest.
TEST(engine, probabilities_are_those_of_the_logits) {
  EngineHarness engine(HEARTH_TEST_DATA "/models/llama.gguf", {});
  SubmitCommand command = EngineHarness::greedy(8);
  command.temperature = 2;
  command.seed = 4;
  command.n_probs = 5;
  command.want_logits = 1;
  const Outcome outcome = engine.run(command, {1, 2, 3});
  ASSERT_EQ(outcome.tokens.size(), 8u);
  ASSERT_EQ(outcome.probs.size(), 8u);
  const std::size_t vocab = outcome.logits.size() / 8;
  for (std::size_t i = 0; i < 8; ++i) {
    const float* logits = outcome.logits.data() + i * vocab;
    double sum = 0;
    for (std::size_t k = 0; k < vocab; ++k) sum += std::exp(static_cast<double>(logits[k]));
    const std::vector<TokenProbability>& told = outcome.probs[i];
    ASSERT_EQ(told.size(), 6u);
    EXPECT_EQ(told[0].id, outcome.tokens[i]);
    for (const TokenProbability& one : told) {
      EXPECT_NEAR(one.log_probability, static_cast<double>(logits[one.id]) - std::log(sum), 2e-5);
    }
    std::vector<float> sorted(logits, logits + vocab);
    std::ranges::sort(sorted, std::greater());
    for (std::size_t k = 0; k < 5; ++k) EXPECT_EQ(logits[told[k + 1].id], sorted[k]);
  }
}

// Goal: a text's vector is what the head takes.
// Method: the head is a matrix: times it, the last token's vector gives the last row of logits, and
// the mean of all vectors the mean of all rows.
TEST(engine, a_text_has_a_vector) {
  const std::string path = HEARTH_TEST_DATA "/models/llama.gguf";
  EngineHarness engine(path, {});
  const std::vector<TokenId> prompt = random_prompt(9, 70);
  SubmitCommand command = EngineHarness::greedy(1);
  command.kind = RequestKind::evaluate;
  command.want_logits = 1;
  const std::vector<float> logits = engine.run(command, prompt).logits;
  const auto file = GgufFile::open(path);
  ASSERT_TRUE(file);
  const GgufTensor* head = file->find_tensor("output.weight");
  ASSERT_TRUE(head != nullptr && head->type == 0);
  const auto* weights = reinterpret_cast<const float*>(head->data.data());
  const std::size_t vocab = head->dims[1], hidden = head->dims[0];
  command.want_logits = 0;
  for (const Pooling pooling : {Pooling::last, Pooling::mean}) {
    command.pooling = pooling;
    const Outcome outcome = engine.run(command, prompt);
    ASSERT_EQ(outcome.embedding.size(), hidden);
    for (std::size_t v = 0; v < vocab; ++v) {
      double got = 0, want = 0;
      for (std::size_t k = 0; k < hidden; ++k) {
        got += static_cast<double>(weights[v * hidden + k]) *
               static_cast<double>(outcome.embedding[k]);
      }
      const std::size_t first = pooling == Pooling::last ? prompt.size() - 1 : 0;
      for (std::size_t row = first; row < prompt.size(); ++row) {
        want += static_cast<double>(logits[row * vocab + v]) /
                static_cast<double>(prompt.size() - first);
      }
      ASSERT_NEAR(got, want, 1e-4) << v;
    }
  }
}

TEST(engine, a_bias_and_an_order_of_samplers_reach_the_sampler) {
  EngineHarness engine(HEARTH_TEST_DATA "/models/llama.gguf", {});
  SubmitCommand command = EngineHarness::greedy(6);
  const auto biased = engine.submit(command, {1, 2, 3}, {}, {{7, 1000.0F}, {99999, 5.0F}});
  EXPECT_EQ(engine.wait(biased).tokens, std::vector<TokenId>(6, 7));
  const auto marked = engine.submit(command, {1, 2, 3}, {"stop", "x"}, {{7, 1000.0F}}, {1, 2});
  EXPECT_EQ(engine.wait(marked).tokens, std::vector<TokenId>(6, 7)) << "marks stand between them";
  // With top_k alone every temperature draws the likeliest; without any step it does not.
  command.temperature = 50;
  command.top_k = 1;
  const std::vector<TokenId> greedy = engine.run(EngineHarness::greedy(6), {1, 2, 3}).tokens;
  EXPECT_EQ(engine.run(command, {1, 2, 3}).tokens, greedy);
  command.step_count = 1;
  command.steps[0] = static_cast<std::uint8_t>(SamplerStep::temperature);
  EXPECT_NE(engine.run(command, {1, 2, 3}).tokens, greedy);
}

}  // namespace
}  // namespace hearth
