// Goal: every architecture and weight format gives the logits that transformers gives, in every
// tier, however the tokens are cut into batches and whoever else is in the batch.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "engine/engine.hpp"
#include "tests/engine/fixtures.hpp"
#include "tests/engine/forward_testing.hpp"

namespace hearth {
namespace {

constexpr double kGate = 1e-6;  // NMSE for exact weights and float32 arithmetic
// For weights of whole numbers, whose activations are rounded to 8 bits before every matrix.
constexpr double kQuantizedGate = 3e-3;

// For weights in bf16 whose activations are rounded to bf16 before every matrix.
constexpr double kBf16Gate = 3e-4;

double gate(std::string_view fixture, const kernels::KernelSet& kernels) {
  if (fixture.ends_with("_0")) return kQuantizedGate;
  return fixture.ends_with("bf16") && kernels.prompt_takes_splits ? kBf16Gate : kGate;
}

class Forward : public testing::TestWithParam<const char*> {
 protected:
  WorkerPool pool_{2, nullptr};
};

TEST_P(Forward, logits_agree_with_transformers_in_every_tier) {
  const Fixture fixture = read_fixture(std::string(HEARTH_TEST_DATA "/models/") + GetParam());
  ASSERT_FALSE(fixture.logits.empty());
  for (const kernels::KernelSet& kernels : all_kernels()) {
    ForwardModel model(fixture.path, kernels, &pool_);
    const std::vector<float> got = model.logits(fixture.tokens, {96});
    ASSERT_EQ(got.size(), fixture.logits.size());
    const double error = nmse(got, fixture.logits);
    RecordProperty(kernels.tier, std::to_string(error));
    EXPECT_LE(error, gate(GetParam(), kernels)) << kernels.tier;
  }
}

TEST_P(Forward, uneven_chunks_and_single_tokens_give_the_same_bits) {
  const Fixture fixture = read_fixture(std::string(HEARTH_TEST_DATA "/models/") + GetParam());
  for (const kernels::KernelSet& kernels : all_kernels()) {
    ForwardModel model(fixture.path, kernels, &pool_);
    const std::vector<float> whole = model.logits(fixture.tokens, {96});
    EXPECT_EQ(whole, model.logits(fixture.tokens, {1}));
    EXPECT_EQ(whole, model.logits(fixture.tokens, {3, 31, 1, 2, 17}));
    EXPECT_EQ(whole, model.logits(fixture.tokens, {32, 32, 6}));
  }
}

INSTANTIATE_TEST_SUITE_P(fixtures, Forward, testing::ValuesIn(kFixtures), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

// A row among rows of other sequences has the bits that it has alone.
void company_changes_nothing(const std::string& name) {
  const Fixture fixture = read_fixture(HEARTH_TEST_DATA "/models/" + name);
  WorkerPool pool(2, nullptr);
  for (const kernels::KernelSet& kernels : all_kernels()) {
    ForwardModel model(fixture.path, kernels, &pool);
    const std::vector<float> alone = model.logits(fixture.tokens, {1});
    ForwardModel::Pages mine = model.make_pages();
    ForwardModel::Pages other = model.make_pages();
    for (std::size_t i = 0; i < fixture.tokens.size(); ++i) {
      std::vector<BatchRow> rows;
      const auto position = static_cast<std::int32_t>(i);
      rows.push_back({fixture.tokens[i], position, mine.payloads.data(), RowOutput::logits,
                      RowRole::prompt, mine.state.data()});
      for (std::int32_t extra = 0; extra < 1 + position % 3; ++extra) {
        rows.push_back({static_cast<TokenId>((7 * i) % fixture.vocab()), extra,
                        other.payloads.data(), static_cast<RowOutput>(extra % 3), RowRole::prompt,
                        other.state.data()});
      }
      ASSERT_TRUE(model.executor().forward(rows));
      const auto row = model.executor().logits(0);
      ASSERT_TRUE(std::equal(row.begin(), row.end(),
                             alone.begin() + static_cast<std::ptrdiff_t>(i * fixture.vocab())))
          << "position " << i;
    }
  }
}

TEST(forward, company_in_the_batch_changes_nothing) {
  for (const char* name : {"qwen3", "qwen3moe", "qwen3moe-q8_0"}) company_changes_nothing(name);
}

// Rows of prompts and generated ones, each computed as its role asks, whoever else is there.
TEST(forward, roles_choose_the_arithmetic) {
  const std::string path = HEARTH_MODELS_DIR "/ember-q8_0.gguf";
  std::vector<TokenId> tokens;
  for (int i = 0; i < 40; ++i) tokens.push_back(10 + i * 37 % 200);
  WorkerPool pool(2, nullptr);
  ForwardModel model(path, emulated_amx_kernels(), &pool);
  const std::vector<float> of_prompt = model.logits(tokens, {96});
  const std::vector<float> generated = model.logits(tokens, {96}, RowRole::generated);
  ASSERT_EQ(ForwardModel(path, best_kernels(), &pool).logits(tokens, {96}), generated);
  ASSERT_NE(of_prompt, generated);
  const auto vocab = static_cast<std::ptrdiff_t>(of_prompt.size() / tokens.size());
  const auto expect_row = [&](std::int64_t row, const std::vector<float>& all, std::size_t token) {
    EXPECT_TRUE(std::ranges::equal(model.executor().logits(row),
                                   std::span(all).subspan(token * static_cast<std::size_t>(vocab),
                                                          static_cast<std::size_t>(vocab))))
        << "token " << token;
  };
  ForwardModel::Pages mine = model.make_pages(), other = model.make_pages();
  for (std::size_t i = 0; i + 1 < tokens.size(); i += 2) {
    const auto position = static_cast<std::int32_t>(i);
    std::vector<BatchRow> rows;
    for (const std::int32_t more : {0, 1}) {
      rows.push_back({tokens[i + static_cast<std::size_t>(more)], position + more,
                      mine.payloads.data(), RowOutput::logits, RowRole::generated});
    }
    for (const std::int32_t more : {0, 1}) {
      rows.push_back({tokens[i + static_cast<std::size_t>(more)], position + more,
                      other.payloads.data(), RowOutput::logits, RowRole::prompt});
    }
    ASSERT_TRUE(model.executor().forward(rows));
    for (const std::size_t more : {0, 1}) {
      expect_row(static_cast<std::int64_t>(more), generated, i + more);
      expect_row(static_cast<std::int64_t>(2 + more), of_prompt, i + more);
    }
  }
}

// Long enough for splits, spread over workers and not: 90 times the last row leaves no room to
// spread them all.  One worker or three, alone or among rows like it, the bits are the same.
TEST(forward, a_row_after_many_splits_has_its_bits_in_any_batch) {
  const Fixture fixture = read_fixture(HEARTH_TEST_DATA "/models/qwen3");
  constexpr std::int32_t kTokens = 5 * kernels::kAttentionSplit + 77;
  const auto token = [&](std::int32_t i) {
    return static_cast<TokenId>((i * 7919 + i / 13) % static_cast<std::int32_t>(fixture.vocab()));
  };
  for (const kernels::KernelSet& kernels : native_kernels()) {
#if defined(__SANITIZE_THREAD__)
    if (kernels.tier == std::string("ref")) continue;  // takes minutes; the threads are the same
#endif
    std::vector<float> expected;
    for (const int workers : {1, 3}) {
      WorkerPool pool(workers, nullptr);
      ForwardModel model(fixture.path, kernels, &pool);
      ForwardModel::Pages pages = model.make_pages(kTokens / 32 + 1);
      std::vector<BatchRow> rows;
      for (std::int32_t i = 0; i < kTokens; ++i) {
        rows.push_back({token(i), i, pages.payloads.data(),
                        i == kTokens - 1 ? RowOutput::logits : RowOutput::none});
        if (rows.size() < 96 && i < kTokens - 1) continue;
        ASSERT_TRUE(model.executor().forward(rows));
        if (i < kTokens - 1) rows.clear();
      }
      const auto in_tile = model.executor().logits(0);
      if (expected.empty()) expected.assign(in_tile.begin(), in_tile.end());
      ASSERT_TRUE(std::ranges::equal(in_tile, expected)) << workers << " workers, in a tile";
      for (const std::size_t count : {1, 90}) {
        // Each has the last page for itself: they all write to it.
        std::vector<std::vector<std::byte>> last(count, pages.memory.back());
        std::vector<std::vector<std::byte*>> payloads(count, pages.payloads);
        std::vector<BatchRow> alike(count, rows.back());
        for (std::size_t i = 0; i < count; ++i) {
          payloads[i].back() = last[i].data();
          alike[i].pages = payloads[i].data();
        }
        ASSERT_TRUE(model.executor().forward(alike));
        for (std::size_t i = 0; i < count; ++i) {
          const auto row = model.executor().logits(static_cast<std::int64_t>(i));
          ASSERT_TRUE(std::ranges::equal(row, expected)) << workers << " workers, row " << i;
        }
      }
    }
  }
}

GatedMlp& mlp_of(Layer& layer) {
  return std::get<GatedMlp>(layer.branches.back().mixers.front());
}

// Files mix formats as they like: the two matrices of a gated pair, too.
TEST(forward, gate_and_up_may_have_different_formats) {
  WorkerPool one(1, nullptr), three(3, nullptr);
  std::vector<TokenId> tokens(20);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i * 37 % 2000);
  const kernels::KernelSet kernels = emulated_amx_kernels();
  const std::string quantized = HEARTH_MODELS_DIR "/ember-q8_0.gguf";
  ForwardModel half(HEARTH_MODELS_DIR "/ember-f16.gguf", kernels, &one);
  const std::vector<float> plain = ForwardModel(quantized, kernels, &one).logits(tokens, {96});
  for (const bool gate : {false, true}) {
    const auto change = [&](LayerTable& table) {
      for (std::size_t i = 0; i < table.layers.size(); ++i) {
        LayerTable other = half.table();
        const GatedMlp& from = mlp_of(other.layers[i]);
        GatedMlp& to = mlp_of(table.layers[i]);
        gate ? to.gate = from.gate : to.up = from.up;
      }
    };
    using enum kernels::KvFormat;
    ForwardModel alone(quantized, kernels, &one, f32, change);
    ForwardModel together(quantized, kernels, &three, f32, change);
    const std::vector<float> logits = alone.logits(tokens, {96});
    EXPECT_LE(nmse(logits, plain), 1e-2);
    EXPECT_EQ(alone.logits(tokens, {1}), logits);
    EXPECT_EQ(together.logits(tokens, {96}), logits);
    EXPECT_EQ(together.logits(tokens, {7}), logits);
  }
}

// Whenever another thread says so; what was given up can be computed again.
void steps_can_be_given_up(const std::string& name) {
  const Fixture fixture = read_fixture(HEARTH_TEST_DATA "/models/" + name);
  WorkerPool pool(3, nullptr);
  ForwardModel model(fixture.path, best_kernels(), &pool);
  const std::vector<float> expected = model.logits(fixture.tokens, {96});
  ForwardModel::Pages pages = model.make_pages();
  std::vector<BatchRow> rows;
  for (std::size_t i = 0; i < std::min<std::size_t>(fixture.tokens.size(), 64); ++i) {
    rows.push_back({fixture.tokens[i], static_cast<std::int32_t>(i), pages.payloads.data(),
                    i % 8 == 7 ? RowOutput::logits : RowOutput::none});
  }
  std::atomic<bool> give_up = true, end = false;
  EXPECT_FALSE(model.executor().forward(rows, &give_up));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(model.executor().forward(rows));
  const auto step = std::chrono::steady_clock::now() - begin;
  std::thread other([&] {
    std::mt19937 random(1);
    while (!end) {
      std::this_thread::sleep_for(step * (random() % 300) / 100);
      give_up = !give_up;
    }
  });
  int finished = 0, given_up = 0;
  while (finished < 20 || given_up < 20) {
    if (!model.executor().forward(rows, &give_up)) {
      ++given_up;
      continue;
    }
    ++finished;
    const auto row = model.executor().logits(3);
    ASSERT_TRUE(std::equal(row.begin(), row.end(),
                           expected.begin() + static_cast<std::ptrdiff_t>(31 * fixture.vocab())));
  }
  end = true;
  other.join();
}

TEST(forward, a_step_can_be_given_up_anywhere) {
  for (const char* name : {"qwen3", "qwen3moe"}) steps_can_be_given_up(name);
}

TEST(forward, half_precision_kv_stays_close) {
  const Fixture fixture = read_fixture(HEARTH_TEST_DATA "/models/llama");
  WorkerPool pool(1, nullptr);
  for (const kernels::KernelSet& kernels : all_kernels()) {
    ForwardModel f16(fixture.path, kernels, &pool, kernels::KvFormat::f16);
    const bool rounds = kernels.attention_prompt[1] != kernels.attention[1];  // to bf16
    EXPECT_LE(nmse(f16.logits(fixture.tokens, {96}), fixture.logits), rounds ? 3e-5 : 1e-5);
    ForwardModel bf16(fixture.path, kernels, &pool, kernels::KvFormat::bf16);
    EXPECT_LE(nmse(bf16.logits(fixture.tokens, {96}), fixture.logits), 1e-3);
  }
}

TEST(forward, quantised_kv_stays_close_and_keeps_its_bits_in_chunks) {
  const std::string path = HEARTH_MODELS_DIR "/ember-f16.gguf";
  std::vector<TokenId> tokens;
  for (int i = 0; i < 80; ++i) tokens.push_back(10 + i * 37 % 200);
  WorkerPool pool(2, nullptr);
  for (const kernels::KernelSet& kernels : native_kernels()) {
    ForwardModel exact(path, kernels, &pool, kernels::KvFormat::f32);
    const std::vector<float> expected = exact.logits(tokens, {80});
    for (const auto& [format, limit] :
         {std::pair(kernels::KvFormat::q8_0, 1e-4), std::pair(kernels::KvFormat::q4_0, 3e-2)}) {
      ForwardModel model(path, kernels, &pool, format);
      const std::vector<float> got = model.logits(tokens, {80});
      EXPECT_LE(nmse(got, expected), limit) << kernels::kv_format_info(format).name;
      EXPECT_EQ(got, model.logits(tokens, {3, 31, 1, 2, 17}));
    }
  }
}

TEST(forward, blocks_of_kv_must_fit_the_heads) {
  LayerTable table;
  FullAttention attention;
  attention.head_dim = 80;
  table.layers = {{{{{}, {attention}}}}};
  const auto refused = choose_kv_format(kernels::KvFormat::q8_0, table);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::CONFIG);
  for (const char* word : {"kv-type", "q8_0", "80", "f16"}) {
    EXPECT_NE(refused.error().message.find(word), std::string::npos) << refused.error().message;
  }
  EXPECT_EQ(*choose_kv_format(kernels::KvFormat::f16, table), kernels::KvFormat::f16);
  std::get<FullAttention>(table.layers[0].branches[0].mixers[0]).head_dim = 96;
  EXPECT_EQ(*choose_kv_format(kernels::KvFormat::q4_0, table), kernels::KvFormat::q4_0);
}

// Files that the ecosystem's own tools wrote, and another engine's logits for them.
class Parity : public testing::TestWithParam<const char*> {};

TEST_P(Parity, logits_agree_with_the_peer) {
  const std::string stem = std::string(HEARTH_SHARED_DIR "/parity/") + GetParam();
  if (!std::ifstream(stem + ".gguf")) GTEST_SKIP() << stem << ".gguf is not here";
  const Fixture fixture = read_fixture(stem);
  WorkerPool pool(2, nullptr);
  for (const kernels::KernelSet& kernels : all_kernels()) {
    ForwardModel model(fixture.path, kernels, &pool);
    const std::vector<float> got = model.logits(fixture.tokens, {48});
    ASSERT_EQ(got.size(), fixture.logits.size());
    const double error = nmse(got, fixture.logits);
    RecordProperty(kernels.tier, fmt::format("{:.2g}", error));
    EXPECT_LE(error, kGate) << kernels.tier;
    EXPECT_EQ(got, model.logits(fixture.tokens, {3, 31, 1, 2})) << kernels.tier;
  }
}

INSTANTIATE_TEST_SUITE_P(peer, Parity,
                         testing::Values("llama-dense", "qwen35-dense", "jamba-dense",
                                         "mamba2-dense", "lfm2-dense"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace hearth
