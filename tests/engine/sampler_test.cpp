// Goal: tokens are drawn as the distribution says, and with a seed always the same.
#include "engine/sampler.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

namespace hearth {
namespace {

kernels::ScanFn best_scan() {
  return kernels::select_kernels(kernels::cpu_features()).scan;
}

std::map<TokenId, int> draw(SamplingParameters parameters, std::vector<float> logits, int count) {
  SamplerScratch scratch(static_cast<std::int64_t>(logits.size()), best_scan());
  Sampler sampler(parameters);
  std::map<TokenId, int> counts;
  for (int i = 0; i < count; ++i) ++counts[sampler.sample(logits, {}, scratch)];
  return counts;
}

TEST(sampler, temperature_zero_takes_the_first_of_the_likeliest) {
  const auto counts = draw({.temperature = 0}, {1, 5, 3, 5}, 10);
  EXPECT_EQ(counts.at(1), 10);
}

TEST(sampler, frequencies_follow_the_softmax) {
  std::vector<float> logits = {0, 1, 2, -1};
  constexpr int kDraws = 100000;
  for (const float temperature : {0.5f, 1.0f, 2.0f}) {
    auto counts =
        draw({.temperature = temperature, .top_k = 0, .top_p = 1, .seed = 5}, logits, kDraws);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit / temperature));
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double p = std::exp(static_cast<double>(logits[i] / temperature)) / sum;
      // Five standard deviations: a fixed seed makes this no matter of luck.
      EXPECT_NEAR(counts[static_cast<TokenId>(i)], p * kDraws,
                  5 * std::sqrt(p * (1 - p) * kDraws) + 1);
    }
  }
}

TEST(sampler, top_k_and_top_p_cut_the_tail) {
  std::vector<float> logits;
  for (int i = 0; i < 1000; ++i) logits.push_back(std::log(static_cast<float>(1000 - i)));
  for (const auto& [id, count] : draw({.temperature = 1, .top_k = 3, .top_p = 1}, logits, 2000)) {
    EXPECT_LT(id, 3);
  }
  // The probabilities are (1000 - i) / 500500: the first 513 reach 0.765, and so on; check by sum.
  double reached = 0;
  int kept = 0;
  while (reached < 0.5) reached += (1000 - kept++) / 500500.0;
  TokenId largest = 0;
  for (const auto& [id, count] :
       draw({.temperature = 1, .top_k = 0, .top_p = 0.5f}, logits, 20000)) {
    largest = std::max(largest, id);
  }
  EXPECT_LT(largest, kept);
  EXPECT_GT(largest, kept - 20) << "and no more than the tail";
}

TEST(sampler, top_p_zero_keeps_one) {
  EXPECT_EQ(draw({.temperature = 5, .top_k = 0, .top_p = 0}, {1, 3, 2}, 50).at(1), 50);
}

TEST(sampler, a_seed_gives_the_same_draws) {
  std::vector<float> logits(300);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(static_cast<float>(i));
  SamplerScratch scratch(300, best_scan());
  Sampler a({.temperature = 1, .top_k = 0, .top_p = 0.95f, .seed = 77});
  Sampler b({.temperature = 1, .top_k = 0, .top_p = 0.95f, .seed = 77});
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(a.sample(logits, {}, scratch), b.sample(logits, {}, scratch));
}

// std::mt19937(1) begins 1791095845, 4282876139; the draw is (first + second * 2^32) / 2^64.
TEST(sampler, the_draw_is_two_numbers_of_the_mersenne_twister) {
  const double u = (1791095845.0 + 4282876139.0 * 4294967296.0) / 18446744073709551616.0;
  EXPECT_NEAR(u, 0.99718, 1e-4);
  // 1000 equal logits: the draw lands at index floor(u * 1000), in order of id.
  std::vector<float> logits(1000, 1.0f);
  SamplerScratch scratch(1000, best_scan());
  Sampler sampler({.temperature = 1, .top_k = 0, .top_p = 1, .seed = 1});
  EXPECT_EQ(sampler.sample(logits, {}, scratch), static_cast<TokenId>(u * 1000));
}

TEST(sampler, logits_that_are_no_numbers_do_no_harm) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(draw({.temperature = 0}, {nan, 1, nan}, 1).at(1), 1);
  EXPECT_EQ(draw({.temperature = 0}, {nan, nan, -inf}, 1).at(0), 1);
  EXPECT_EQ(draw({.temperature = 1, .top_k = 0, .top_p = 0.9f}, {nan, 1, -inf}, 20).at(1), 20);
  draw({.temperature = 1, .top_k = 2, .top_p = 0.9f}, {nan, nan, nan}, 5);
  draw({.temperature = 1, .top_k = 0, .top_p = 1}, {inf, inf, 1}, 5);
  draw({.temperature = 1e-30f, .top_k = 0, .top_p = 1}, {1, 2, 3}, 5);
}

// Goal: the quick ways through a large row give what the steps give that list all tokens.
// Method: rows from peaked to flat, with NaN among them; the same seed; thousands of draws.
TEST(sampler, a_large_vocabulary_is_narrowed_to_what_the_steps_would_keep) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<SamplingParameters> chains(8);  // the first as it is by default
  const auto set = [&](std::size_t i, float temperature, std::int32_t top_k, float top_p,
                       float min_p) {
    chains[i].temperature = temperature;
    chains[i].top_k = top_k;
    chains[i].top_p = top_p;
    chains[i].min_p = min_p;
  };
  set(1, 0.8F, 40, 0.95F, 0.05F);
  set(2, 1.5F, 0, 1, 0.1F);
  set(3, 1, 1000, 0.5F, 0);  // more than blocks
  set(4, 1, 0, 0.9999F, 0);
  chains[4].xtc_probability = 0.5F;
  chains[4].xtc_threshold = 0.05F;
  set(5, 0, 0, 1, 0);
  chains[5].penalties.repeat = 1.3F;
  set(6, 0.7F, 0, 0.9F, 0);
  chains[6].penalties.frequency = 0.1F;
  set(7, 1, 3, 1, 0);
  chains[7].logit_bias = {{7, 9.0F}, {8, kRuledOut}};
  SamplerScratch scratch(20'000, best_scan());
  for (int round = 0; round < 400; ++round) {
    std::vector<float> logits(1 + random() % 20'000);
    const float spread = static_cast<float>(random() % 50) / 10;
    for (float& logit : logits) logit = spread * normal(random) + 5;
    for (int i = 0; i < 5; ++i)
      logits[random() % logits.size()] += static_cast<float>(random() % 20);
    if (round % 7 == 0) logits[random() % logits.size()] = std::nanf("");
    std::vector<TokenId> history(random() % 90);
    for (TokenId& id : history) id = static_cast<TokenId>(random() % logits.size());
    for (SamplingParameters parameters : chains) {
      parameters.seed = static_cast<std::uint32_t>(random());
      Candidates all;
      for (std::size_t i = 0; i < logits.size(); ++i) {
        all.list.push_back(
            {static_cast<TokenId>(i), std::isnan(logits[i]) ? kRuledOut : logits[i], 0});
      }
      std::mt19937 generator(parameters.seed);
      for (const auto& [id, bias] : parameters.logit_bias) {
        if (float* logit = all.find_logit(id)) *logit += bias;
      }
      penalize(all, history, parameters.penalties);
      top_k(all, parameters.top_k);
      top_p(all, parameters.top_p);
      min_p(all, parameters.min_p);
      xtc(all, parameters.xtc_probability, parameters.xtc_threshold, generator);
      temperature(all, parameters.temperature);
      const std::vector<float> before = logits;
      Sampler sampler(parameters);
      ASSERT_EQ(sampler.sample(logits, history, scratch), hearth::draw(all, generator))
          << "round " << round << ", " << logits.size() << " logits, spread " << spread;
      ASSERT_TRUE(std::memcmp(before.data(), logits.data(), logits.size() * sizeof(float)) == 0);
    }
  }
}

}  // namespace
}  // namespace hearth
