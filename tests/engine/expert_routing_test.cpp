// Goal: rows go to the experts of their highest scores, with the weights of the softmax, whatever
// the scores are; and the pairs of an expert are its rows, in their order.
// Method: random scores against a sort of all experts in float64, then the special cases.
#include "engine/expert_routing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace hearth {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The choices of one row.
std::vector<ExpertRouting::Choice> choose(const ExpertRule& rule,
                                          const std::vector<float>& scores) {
  ExpertRouting routing(1, rule.experts, rule.used);
  routing.choose(rule, 0, scores.data());
  routing.sort(rule, 1, 0);
  const auto choices = routing.of_row(0);
  return {choices.begin(), choices.end()};
}

std::vector<std::int32_t> experts_of(const ExpertRule& rule, const std::vector<float>& scores) {
  std::vector<std::int32_t> experts;
  for (const ExpertRouting::Choice& choice : choose(rule, scores)) experts.push_back(choice.expert);
  return experts;
}

TEST(expert_routing, chooses_and_weighs_as_float64_does) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  for (int round = 0; round < 300; ++round) {
    const std::int64_t experts = 1 + static_cast<std::int64_t>(random() % 200);
    const std::int64_t used =
        1 + static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(experts));
    std::vector<float> scores(static_cast<std::size_t>(experts));
    // Rounded, so that many are equal.
    for (float& score : scores) score = std::round(normal(random) * 4) / 4;
    std::vector<std::int32_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater(), [&](std::int32_t expert) {
      return scores[static_cast<std::size_t>(expert)];
    });
    const auto power = [&](std::int32_t expert) {
      return std::exp(static_cast<double>(scores[static_cast<std::size_t>(expert)]));
    };
    for (const auto weighting : {ExpertWeighting::softmax, ExpertWeighting::softmax_of_chosen}) {
      const ExpertRule rule = {experts, used, weighting, 1.5F};
      const bool all = weighting == ExpertWeighting::softmax;
      double sum = 0;
      for (std::size_t i = 0; i < (all ? order.size() : static_cast<std::size_t>(used)); ++i) {
        sum += power(order[i]);
      }
      const auto choices = choose(rule, scores);
      ASSERT_EQ(std::ssize(choices), used);
      for (std::size_t i = 0; i < choices.size(); ++i) {
        ASSERT_EQ(choices[i].expert, order[i]) << "round " << round << ", choice " << i;
        ASSERT_NEAR(choices[i].weight, 1.5 * power(order[i]) / sum, 1e-6);
      }
    }
  }
}

TEST(expert_routing, of_equal_scores_the_lower_number_is_chosen) {
  EXPECT_EQ(experts_of({5, 3}, {1, 1, 1, 1, 1}), (std::vector{0, 1, 2}));
  EXPECT_EQ(experts_of({5, 3}, {0, 2, 1, 1, 2}), (std::vector{1, 4, 2}));
  EXPECT_EQ(experts_of({3, 2}, {0.0F, -0.0F, -1}), (std::vector{0, 1}));
}

TEST(expert_routing, scores_that_are_no_numbers_choose_something) {
  EXPECT_EQ(experts_of({4, 2}, {kNan, kNan, kNan, kNan}), (std::vector{0, 1}));
  EXPECT_EQ(experts_of({4, 2}, {kNan, 1, kNan, 2}), (std::vector{3, 1}));
  EXPECT_EQ(experts_of({4, 3}, {kNan, 1, kNan, 2}), (std::vector{3, 1, 0}));
  EXPECT_EQ(experts_of({3, 2}, {-kInfinity, kNan, -kInfinity}), (std::vector{0, 1}));
  EXPECT_EQ(experts_of({3, 2}, {1, kInfinity, kInfinity}), (std::vector{1, 2}));
  // A NaN that is not chosen is no part of the sum over those chosen.
  for (const auto& choice : choose({4, 2}, {kNan, 1, kNan, 1})) EXPECT_EQ(choice.weight, 0.5F);
  for (const auto& choice : choose({2, 2}, {1, kNan})) {
    EXPECT_EQ(std::isnan(choice.weight), true) << choice.expert;
  }
}

TEST(expert_routing, scores_far_apart_have_weights) {
  const auto choices = choose({3, 2}, {3e38F, -3e38F, 3e38F});
  EXPECT_EQ(choices[0].weight, 0.5F);
  EXPECT_EQ(choices[1].weight, 0.5F);
  EXPECT_EQ(choose({2, 2}, {1000, -1000})[1].weight, 0.0F);
}

// Sorts rows whose choices are known.
void check_pairs(const ExpertRouting& routing, std::int64_t rows, std::int64_t generated) {
  std::int64_t pair = 0;
  std::int32_t last_expert = -1;
  for (const ExpertRouting::Group& group : routing.groups()) {
    EXPECT_GT(group.expert, last_expert);
    EXPECT_GT(group.count, 0);
    EXPECT_EQ(group.begin, pair);
    last_expert = group.expert;
    std::int64_t last_row = -1, of_generated = 0;
    for (; pair < group.begin + group.count; ++pair) {
      const std::int64_t row = routing.row_of(pair);
      EXPECT_GT(row, last_row);
      last_row = row;
      of_generated += row < generated;
      EXPECT_EQ(std::ranges::count_if(routing.of_row(row),
                                      [&](const ExpertRouting::Choice& choice) {
                                        return choice.expert == group.expert && choice.pair == pair;
                                      }),
                1);
    }
    EXPECT_EQ(group.generated, of_generated);
  }
  EXPECT_EQ(pair, routing.pairs());
  EXPECT_EQ(pair, rows * std::ssize(routing.of_row(0)));
}

TEST(expert_routing, pairs_are_sorted_by_expert_and_then_by_row) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 1);
  ExpertRouting routing(70, 40, 6);  // one for all, as the executor has it
  for (int round = 0; round < 100; ++round) {
    const ExpertRule rule = {2 + static_cast<std::int64_t>(random() % 39),
                             1 + static_cast<std::int64_t>(random() % 2)};
    const std::int64_t rows = 1 + static_cast<std::int64_t>(random() % 70);
    const auto generated = static_cast<std::int64_t>(random() % static_cast<unsigned>(rows + 1));
    std::vector<float> scores(static_cast<std::size_t>(rule.experts));
    for (std::int64_t row = 0; row < rows; ++row) {
      for (float& score : scores) score = normal(random);
      if (round % 3 == 0) scores[1] = 100;   // all rows go there, with the highest weight
      if (round % 5 == 0) scores[0] = -100;  // none does, where there are enough others
      routing.choose(rule, row, scores.data());
    }
    routing.sort(rule, rows, generated);
    check_pairs(routing, rows, generated);
    if (round % 3 == 0) {
      const auto group = std::ranges::find(routing.groups(), 1, &ExpertRouting::Group::expert);
      ASSERT_NE(group, routing.groups().end());
      EXPECT_EQ(group->count, rows);
      EXPECT_EQ(group->generated, generated);
    }
  }
}

}  // namespace
}  // namespace hearth
