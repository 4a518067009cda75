// Goal: nobody keeps anybody from their turn: neither streams that nobody reads, nor evaluations,
// nor a model that filled the memory first; and files that lie cannot stop the engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/engine/engine_harness.hpp"
#include "tests/files/gguf_builder.hpp"

namespace hearth {
namespace {

const std::string kModel = HEARTH_TEST_DATA "/models/qwen3.gguf";

Outcome run_alone(const SubmitCommand& command, const std::vector<TokenId>& prompt) {
  EngineHarness engine(kModel, {.context = 1024});
  return engine.run(command, prompt);
}

void wait_for_first_token(EngineHarness& engine, RequestId id) {
  while (engine.outcome(id).tokens.empty()) engine.take_notices();
}

// Bytes of budget for so many pages of the test's model.
std::uint64_t pages(std::uint64_t count) {
  static const std::uint64_t page = [] {
    EngineHarness probe(kModel, {.context = 256});
    return probe.loaded().page_bytes;
  }();
  return count * (page + 8192) + 16384;
}

TEST(fairness, streams_that_nobody_reads_keep_nobody_out) {
  EngineHarness engine(kModel, {.context = 1024, .sequences_max = 4});
  SubmitCommand unread = EngineHarness::greedy(10);
  unread.credit = 1;
  std::vector<RequestId> ids;
  for (unsigned i = 0; i < 6; ++i) ids.push_back(engine.submit(unread, random_prompt(i, 40)));
  for (const RequestId id : ids) wait_for_first_token(engine, id);
  SubmitCommand other = EngineHarness::greedy(10);
  other.namespace_id = 2;
  EXPECT_EQ(engine.run(other, random_prompt(99, 40)).tokens.size(), 10u);
  for (unsigned i = 0; i < 6; ++i) {
    ASSERT_TRUE(engine.engine().grant(ids[i], 100));
    EXPECT_EQ(engine.wait(ids[i]).tokens,
              run_alone(EngineHarness::greedy(10), random_prompt(i, 40)).tokens);
  }
}

TEST(fairness, a_stream_that_parks_after_it_displaced_another_keeps_nobody_out) {
  EngineHarness engine(kModel, {.kv_bytes = pages(12), .context = 200});
  ASSERT_FALSE(engine.load_error()) << engine.load_error()->message;
  SubmitCommand parks = EngineHarness::greedy(100);
  parks.credit = 90;
  const RequestId first = engine.submit(parks, random_prompt(1, 100));
  SubmitCommand goes_on = EngineHarness::greedy(100);
  goes_on.namespace_id = 2;
  const RequestId second = engine.submit(goes_on, random_prompt(2, 100));
  SubmitCommand late = EngineHarness::greedy(1);
  late.namespace_id = 3;
  const RequestId third = engine.submit(late, random_prompt(3, 3));
  EXPECT_EQ(engine.wait(second).tokens.size(), 100u);
  EXPECT_EQ(engine.wait(third).tokens.size(), 1u);
  ASSERT_TRUE(engine.engine().grant(first, 100));
  EXPECT_EQ(engine.wait(first).tokens.size(), 100u);
}

TEST(fairness, a_short_prompt_takes_turns_with_a_long_evaluation) {
  EngineHarness engine(kModel, {.kv_bytes = 512 << 20, .context = 8000});
  SubmitCommand evaluation = EngineHarness::greedy(0);
  evaluation.kind = RequestKind::evaluate;
  const RequestId busy = engine.submit(evaluation, random_prompt(5, 8000));
  while (engine.stats().steps < 3) continue;
  const std::uint64_t steps = engine.stats().steps;
  EXPECT_TRUE(engine.run(EngineHarness::greedy(1), random_prompt(6, 10)).done);
  EXPECT_LT(engine.stats().steps, steps + 12);
  EXPECT_FALSE(engine.outcome(busy).over()) << "too short a test";
}

TEST(fairness, a_model_finds_its_share_of_memory_when_another_has_filled_the_rest) {
  cache::MemoryBudget budget(pages(40));
  const EngineHarness::Settings settings = {
      .context = 256, .budget = &budget, .aside_bytes = budget.limit() / 2};
  EngineHarness greedy(kModel, settings), modest(kModel, settings);
  ASSERT_FALSE(greedy.load_error()) << greedy.load_error()->message;
  ASSERT_FALSE(modest.load_error()) << modest.load_error()->message;
  for (unsigned i = 0; i < 20; ++i) {
    ASSERT_TRUE(greedy.run(EngineHarness::greedy(1), random_prompt(i, 250)).done);
  }
  EXPECT_GT(greedy.stats().evictions, 0u) << "the test fills too little";
  const Outcome outcome = modest.run(EngineHarness::greedy(200), random_prompt(1, 50));
  EXPECT_EQ(outcome.tokens.size(), 200u) << (outcome.failed ? outcome.failed->message : "");
}

TEST(fairness, the_smallest_budget_that_is_accepted_holds_a_whole_context) {
  int accepted = 0;
  for (std::uint64_t slack = 0; slack <= 16 * 6144; slack += 6144) {
    EngineHarness engine(kModel, {.kv_bytes = pages(4) + slack, .context = 256});
    if (engine.load_error()) continue;
    ++accepted;
    const Outcome outcome = engine.run(EngineHarness::greedy(1), random_prompt(1, 256));
    EXPECT_FALSE(outcome.failed) << slack << ": " << outcome.failed->message;
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 17);
}

// A llama of one layer with random weights.
std::string tiny_llama(const std::string& architecture, std::uint64_t rows, std::size_t tokens) {
  std::mt19937 random(1);
  const auto weights = [&](std::uint64_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = (static_cast<float>(random() % 2001) - 1000) / 3000;
    return GgufBuilder::floats(values);
  };
  GgufBuilder file;
  file.string("general.architecture", architecture)
      .u32("llama.block_count", 1)
      .u32("llama.embedding_length", 32)
      .u32("llama.feed_forward_length", 32)
      .u32("llama.attention.head_count", 2)
      .u32("llama.context_length", 128)
      .f32("llama.attention.layer_norm_rms_epsilon", 1e-5F)
      .string("tokenizer.ggml.model", "llama");
  std::vector<std::string> texts;
  std::string scores = GgufBuilder::number<std::uint32_t>(6) + GgufBuilder::number(tokens);
  for (std::size_t i = 0; i < tokens; ++i) {
    texts.push_back("t" + std::to_string(i));
    scores += GgufBuilder::number(0.0F);
  }
  file.strings("tokenizer.ggml.tokens", texts).raw("tokenizer.ggml.scores", 9, scores);
  file.tensor("token_embd.weight", {32, rows}, 0, weights(32 * rows));
  for (const char* name : {"blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"}) {
    file.tensor(std::string(name) + ".weight", {32}, 0, weights(32));
  }
  for (const char* name :
       {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
    file.tensor("blk.0." + std::string(name) + ".weight", {32, 32}, 0, weights(1024));
  }
  return file.bytes();
}

TEST(fairness, a_token_from_the_padding_of_the_embedding_has_no_text) {
  const TemporaryDirectory directory;
  EngineHarness engine(write_file(directory.path() + "/m.gguf", tiny_llama("llama", 64, 40)), {});
  ASSERT_FALSE(engine.load_error()) << engine.load_error()->message;
  SubmitCommand command = EngineHarness::greedy(100);
  command.temperature = 100;
  command.ignore_eos = 1;
  const Outcome outcome = engine.run(command, {3, 4, 5});
  ASSERT_TRUE(outcome.done);
  EXPECT_TRUE(std::ranges::any_of(outcome.tokens, [](TokenId id) { return id >= 40; }));
}

TEST(fairness, a_failure_of_any_length_is_told) {
  const TemporaryDirectory directory;
  const std::string name = std::string(9 << 20, 'x') + "\xC3\xA4";
  EngineHarness engine(write_file(directory.path() + "/m.gguf", tiny_llama(name, 64, 40)),
                       {.with_tokenizer = false});
  ASSERT_TRUE(engine.load_error());
  EXPECT_LE(engine.load_error()->message.size(), NoticeWriter::kErrorBytesMax);
}

}  // namespace
}  // namespace hearth
