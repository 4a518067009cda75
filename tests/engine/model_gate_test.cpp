// Goal: a model of whole numbers says what the same file says in float32: the gates that
// reference/kernels.md, section 9, sets for arithmetic with exact scales, and for weights made int8
// again with coarser ones, as matrix units take them.
//
// Method: our own model in every mix of formats, and each of these files once more with its weights
// widened to F32.  Both read texts that the model has written itself, drawn at temperature 1, and
// their distributions over the next token are compared.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/engine/forward_testing.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

constexpr int kTexts = 9;
constexpr std::size_t kTokens = 250;  // of a text

// A token drawn from softmax(logits).
TokenId draw(std::span<const float> logits, std::mt19937& random) {
  std::vector<double> weights;
  const float max = *std::ranges::max_element(logits);
  for (const float logit : logits) weights.push_back(std::exp(logit - max));
  return std::discrete_distribution<TokenId>(weights.begin(), weights.end())(random);
}

std::vector<TokenId> write_text(ForwardModel& model, std::mt19937& random) {
  ForwardModel::Pages pages = model.make_pages();
  std::vector<TokenId> tokens = {1};  // the beginning of a text
  while (tokens.size() < kTokens) {
    const BatchRow row = {tokens.back(), static_cast<std::int32_t>(tokens.size()) - 1,
                          pages.payloads.data(), RowOutput::logits};
    EXPECT_TRUE(model.executor().forward({&row, 1}));
    tokens.push_back(draw(model.executor().logits(0), random));
  }
  return tokens;
}

// sum p log(p / q) of softmax(wanted) and softmax(got).
double divergence(std::span<const float> wanted, std::span<const float> got) {
  const auto log_sum = [](std::span<const float> logits) {
    const double max = *std::ranges::max_element(logits);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(logit - max);
    return max + std::log(sum);
  };
  const double wanted_sum = log_sum(wanted), got_sum = log_sum(got);
  double kl = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double log_p = wanted[i] - wanted_sum;
    kl += std::exp(log_p) * (log_p - (got[i] - got_sum));
  }
  return kl;
}

// The same for every mix, and on every CPU that has AVX2.
const std::vector<std::vector<TokenId>>& texts() {
  static const std::vector<std::vector<TokenId>> written = [] {
    WorkerPool pool(2, nullptr);
    ForwardModel model(HEARTH_MODELS_DIR "/ember-f16.gguf",
                       kernels::select_kernels(kernels::cpu_features() & kernels::kCpuAvx2), &pool);
    std::mt19937 random(20261121);
    std::vector<std::vector<TokenId>> all;
    for (int i = 0; i < kTexts; ++i) all.push_back(write_text(model, random));
    return all;
  }();
  return written;
}

class ModelGate : public testing::TestWithParam<const char*> {};

// Reads all texts with both models, and holds them to a mean divergence.
void compare(ForwardModel& reference, ForwardModel& model, double kl_max) {
  double kl = 0;
  int same = 0, count = 0;
  for (const std::vector<TokenId>& tokens : texts()) {
    const std::vector<float> wanted = reference.logits(tokens, {96});
    const std::vector<float> got = model.logits(tokens, {96});
    const std::size_t vocab = wanted.size() / tokens.size();
    for (std::size_t i = 0; i < wanted.size(); i += vocab, ++count) {
      const std::span<const float> p(wanted.data() + i, vocab), q(got.data() + i, vocab);
      kl += divergence(p, q);
      same += std::ranges::max_element(p) - p.begin() == std::ranges::max_element(q) - q.begin();
    }
  }
  const std::string name = model.executor().kernels().tier;
  testing::Test::RecordProperty(name + "_kl", std::to_string(kl / count));
  testing::Test::RecordProperty(name + "_top1", std::to_string(100.0 * same / count));
  EXPECT_LE(kl / count, kl_max) << name;
  EXPECT_GE(same, 0.98 * count) << name;
}

TEST_P(ModelGate, says_what_its_weights_say_in_float32) {
  const TemporaryDirectory directory;
  const std::string whole = directory.path() + "/whole.gguf", wide = directory.path() + "/f32.gguf";
  convert_model(HEARTH_MODELS_DIR "/ember-f16.gguf", GetParam(), whole);
  convert_model(whole, "F32", wide);
  WorkerPool pool(2, nullptr);
  for (const kernels::KernelSet& kernels : native_kernels()) {
    // The reference tier is slow, and has the same arithmetic.
    if (kernels.tier == std::string("ref") && kernels::cpu_features() != 0) continue;
    ForwardModel reference(wide, kernels, &pool), model(whole, kernels, &pool);
    compare(reference, model, kernels.tier == std::string("amx") ? 0.01 : 0.002);
  }
  const bool emulate = GetParam() == std::string("Q8_0") || GetParam() == std::string("Q4_K_M");
  if (!emulate) return;
  ForwardModel reference(wide, best_kernels(), &pool);
  ForwardModel model(whole, emulated_amx_kernels(), &pool);
  compare(reference, model, 0.01);
}

INSTANTIATE_TEST_SUITE_P(mixes, ModelGate,
                         testing::Values("F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1",
                                         "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS", "Q3_K_M",
                                         "Q2_K"));

}  // namespace
}  // namespace hearth
