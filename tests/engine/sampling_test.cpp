// Goal: every step of a sampler does what it is defined to do; the field's own cases hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>

#include "engine/sampler.hpp"
#include "tests/daemon/daemon_process.hpp"

namespace hearth {
namespace {

kernels::ScanFn best_scan() {
  return kernels::select_kernels(kernels::cpu_features()).scan;
}

std::vector<double> doubles_at(const cJSON* object, const char* key) {
  std::vector<double> values;
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, cJSON_GetObjectItem(object, key)) values.push_back(item->valuedouble);
  return values;
}
std::vector<TokenId> ids_of(const cJSON* array) {
  std::vector<TokenId> ids;
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, array) ids.push_back(item->valueint);
  return ids;
}

Candidates candidates_of(const std::vector<double>& probabilities) {
  Candidates candidates;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    candidates.list.push_back(
        {static_cast<TokenId>(i), static_cast<float>(std::log(probabilities[i])), 0});
  }
  return candidates;
}

// One case but "chain": what is left, as probabilities in the order that the step leaves.
void check_step(const cJSON* one) {
  const std::string name = string_at(one, "sampler");
  const auto number = [&](const char* key) { return static_cast<float>(number_at(one, key)); };
  const auto whole = [&](const char* key) {
    return static_cast<std::int32_t>(number_at(one, key));
  };
  Candidates candidates = candidates_of(doubles_at(one, "probs"));
  const std::vector<TokenId> history = ids_of(cJSON_GetObjectItem(one, "last_tokens"));
  std::mt19937 generator(0);
  if (name == "temp") temperature(candidates, number("temperature"));
  if (name == "temp_ext") {
    dynamic_temperature(candidates, number("temperature"), number("range"), number("exponent"));
  }
  if (name == "top_k") top_k(candidates, whole("k"));
  if (name == "top_p") top_p(candidates, number("p"));
  if (name == "min_p") min_p(candidates, number("p"));
  if (name == "typical") typical_p(candidates, number("p"));
  if (name == "top_n_sigma") top_n_sigma(candidates, number("n"));
  if (name == "xtc") xtc(candidates, number("probability"), number("threshold"), generator);
  if (name == "penalties") {
    penalize(candidates, history,
             {static_cast<std::int32_t>(history.size()), number("repeat"), number("frequency"),
              number("presence")});
  }
  if (name == "dry") {
    Dry settings;
    settings.multiplier = number("multiplier");
    settings.base = number("base");
    settings.allowed_length = whole("allowed_length");
    settings.last_n = whole("last_n");
    const auto breakers = std::make_shared<BreakerIndex>();
    settings.breakers = breakers;
    const cJSON* breaker = nullptr;
    cJSON_ArrayForEach(breaker, cJSON_GetObjectItem(one, "breakers")) {
      breakers->add(ids_of(breaker));
    }
    dry(candidates, history, settings);
  }
  std::vector<double> want = doubles_at(one, "expect");
  ASSERT_EQ(candidates.list.size(), want.size());
  candidates.normalize();
  double sum = 0;  // some cases keep what the probabilities were before
  for (const double value : want) sum += value;
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(candidates.list[i].probability), want[i] / sum, 2e-5) << i;
  }
}

// Steps in an order over many tokens, the logit of token i being ln(i).
void check_chain(const cJSON* one) {
  const auto vocab = static_cast<std::size_t>(number_at(one, "n_vocab"));
  Candidates candidates;
  for (std::size_t i = 0; i < vocab; ++i) {
    candidates.list.push_back({static_cast<TokenId>(i), std::log(static_cast<float>(i)), 0});
  }
  double least = 0;         // the lowest id that must be left, by the definitions
  double first = 0;         // of the range that is left
  const auto total = [&] {  // of the ids that are left
    double sum = 0;
    for (double id = first; id < static_cast<double>(vocab); ++id) sum += id;
    return sum;
  };
  for (const char step : string_at(one, "order")) {
    const auto last = static_cast<double>(vocab) - 1;
    if (step == 'k') {
      const double k = number_at(one, "top_k");
      top_k(candidates, static_cast<std::int32_t>(k));
      least = std::max(first, last - k + 1);
    } else if (step == 'p') {
      const double p = number_at(one, "top_p"), sum = total();
      top_p(candidates, static_cast<float>(p));
      double reached = 0;
      least = last + 1;
      do reached += --least / sum;
      while (reached < p && least > first);
      if (p >= 1) least = first;
    } else {
      const double p = number_at(one, "min_p");
      min_p(candidates, static_cast<float>(p));
      least = std::max(first, std::ceil(p * last - 1e-6));
    }
    first = least;
  }
  const auto left = static_cast<double>(candidates.list.size());
  EXPECT_NEAR(left, static_cast<double>(vocab) - first, 1 + 0.001 * left);
  TokenId lowest = static_cast<TokenId>(vocab);
  for (const Candidate& candidate : candidates.list) lowest = std::min(lowest, candidate.id);
  EXPECT_EQ(static_cast<double>(lowest), static_cast<double>(vocab) - left) << "the top, all of it";
}

TEST(sampling, the_cases_of_the_field_hold) {
  const std::string path = HEARTH_SHARED_DIR "/conformance/sampler_cases.jsonl";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << path << " is not there";
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    SCOPED_TRACE(line);
    const Json one = parse_json(line);
    ASSERT_NE(one, nullptr);
    string_at(one.get(), "sampler") == "chain" ? check_chain(one.get()) : check_step(one.get());
  }
  EXPECT_EQ(count, 65);
}

TEST(sampling, a_repeated_token_loses_and_a_bias_wins) {
  std::vector<float> logits = {2, 1.9F, 0, -1};
  SamplerScratch scratch(4, best_scan());
  Sampler plain({.temperature = 0});
  EXPECT_EQ(plain.sample(logits, std::vector<TokenId>{0, 0}, scratch), 0);
  Sampler repeats({.temperature = 0, .penalties = {.repeat = 1.1F}});
  EXPECT_EQ(repeats.sample(logits, std::vector<TokenId>{0}, scratch), 1);
  EXPECT_EQ(repeats.sample(logits, std::vector<TokenId>{3}, scratch), 0);
  Sampler forgets({.temperature = 0, .penalties = {.last_n = 1, .repeat = 1.1F}});
  EXPECT_EQ(forgets.sample(logits, std::vector<TokenId>{0, 3}, scratch), 0);
  SamplingParameters bias;
  bias.temperature = 0;
  bias.logit_bias = {{3, 100.0F}, {99, 1000.0F}};
  Sampler biased(bias);
  EXPECT_EQ(biased.sample(logits, {}, scratch), 3);
}

TEST(sampling, dry_breaks_a_loop) {
  std::vector<TokenId> history;
  for (int i = 0; i < 5; ++i) history.insert(history.end(), {1, 2, 3, 4});
  SamplerScratch scratch(6, best_scan());
  std::vector<float> logits = {0, 5, 0, 0, 0, 4};  // 1 goes on with the loop
  Sampler plain({.temperature = 0});
  EXPECT_EQ(plain.sample(logits, history, scratch), 1);
  Sampler breaks({.temperature = 0, .dry = {.multiplier = 0.8F}});
  EXPECT_EQ(breaks.sample(logits, history, scratch), 5);
  const auto breakers = std::make_shared<BreakerIndex>();
  breakers->add({3, 4});
  Sampler excused({.temperature = 0, .dry = {.multiplier = 0.8F, .breakers = breakers}});
  EXPECT_EQ(excused.sample(logits, history, scratch), 1) << "only two tokens behind a breaker";
}

TEST(sampling, mirostat_holds_the_surprise) {
  std::vector<float> logits;
  for (int i = 1; i <= 5000; ++i) logits.push_back(-1.1F * std::log(static_cast<float>(i)));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  for (const std::int32_t version : {1, 2}) {
    for (const float tau : {2.0F, 4.0F}) {
      Sampler sampler({.temperature = 1, .mirostat = {version, tau, 0.1F}, .seed = 3});
      SamplerScratch scratch(5000, best_scan());
      double surprise = 0;
      constexpr int kDraws = 2000;
      for (int i = 0; i < kDraws; ++i) {
        const TokenId id = sampler.sample(logits, {}, scratch);
        const double p = std::exp(static_cast<double>(logits[static_cast<std::size_t>(id)])) / sum;
        if (i >= 200) surprise -= std::log2(p) / (kDraws - 200);
      }
      // By the probabilities of all tokens; mirostat aims at tau among those it left.
      EXPECT_GT(surprise, tau - 0.7) << version;
      EXPECT_LT(surprise, tau + 2.5) << version;
    }
  }
}

TEST(sampling, a_dynamic_temperature_is_low_where_the_model_is_sure) {
  const auto spread = [](std::vector<double> probabilities) {
    Candidates candidates = candidates_of(probabilities);
    const float before = candidates.list[0].logit - candidates.list[1].logit;
    dynamic_temperature(candidates, 1, 0.9F, 1);
    return before / (candidates.list[0].logit - candidates.list[1].logit);  // the temperature
  };
  EXPECT_LT(spread({0.97, 0.01, 0.01, 0.01}), 0.6F);
  EXPECT_GT(spread({0.26, 0.25, 0.25, 0.24}), 1.8F);
}

TEST(sampling, every_order_of_steps_leaves_a_token) {
  std::mt19937 random(1);
  std::vector<SamplerStep> order;
  for (int i = 0; i < kSamplerStepCount; ++i) order.push_back(static_cast<SamplerStep>(i));
  SamplerScratch scratch(50, best_scan());
  for (int round = 0; round < 500; ++round) {
    std::ranges::shuffle(order, random);
    std::vector<float> logits(50);
    for (float& logit : logits) {
      logit = random() % 10 == 0 ? kRuledOut : static_cast<float>(random() % 100) / 10;
    }
    if (round % 50 == 0) std::ranges::fill(logits, kRuledOut);
    SamplingParameters parameters;
    parameters.temperature = static_cast<float>(random() % 3);
    parameters.dynamic_range = static_cast<float>(random() % 2);
    parameters.top_k = static_cast<std::int32_t>(random() % 5);
    for (float* share : {&parameters.top_p, &parameters.min_p, &parameters.typical_p}) {
      *share = static_cast<float>(random() % 11) / 10;
    }
    parameters.top_n_sigma = static_cast<float>(random() % 3);
    parameters.xtc_probability = 1;
    parameters.xtc_threshold = 0.01F;
    parameters.penalties = {64, 1.3F, 0.1F, 0.2F};
    parameters.dry.multiplier = 1;
    parameters.order = order;
    parameters.seed = static_cast<std::uint32_t>(round);
    Sampler sampler(parameters);
    const std::vector<TokenId> history = {1, 2, 3, 1, 2, 3, 1, 2};
    const TokenId id = sampler.sample(logits, history, scratch);
    EXPECT_GE(id, 0);
    EXPECT_LT(id, 50);
  }
}

}  // namespace
}  // namespace hearth
