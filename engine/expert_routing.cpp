// See expert_routing.hpp.
#include "engine/expert_routing.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace hearth {
namespace {

// What scores are compared by.
float order_of(float score) {
  return std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
}

}  // namespace

ExpertRouting::ExpertRouting(std::int64_t rows_max, std::int64_t experts_max, std::int64_t used_max)
    : used_max_(used_max) {
  const auto pairs = static_cast<std::size_t>(rows_max * used_max);
  choices_.resize(pairs);
  rows_.resize(pairs);
  next_.resize(static_cast<std::size_t>(experts_max));
  groups_.reserve(static_cast<std::size_t>(experts_max));
}

// The list of the best so far is kept in order: most experts are below its end and change nothing.
void ExpertRouting::choose(const ExpertRule& rule, std::int64_t row, const float* scores) {
  Choice* const choices = choices_of(row);
  std::int64_t count = 0;
  for (std::int64_t expert = 0; expert < rule.experts; ++expert) {
    const float order = order_of(scores[expert]);
    std::int64_t at = count;
    while (at > 0 && order > order_of(scores[choices[at - 1].expert])) --at;
    if (at == rule.used) continue;
    count = std::min(count + 1, rule.used);
    std::copy_backward(choices + at, choices + count - 1, choices + count);
    choices[at].expert = static_cast<std::int32_t>(expert);
  }
  weigh(rule, scores, {choices, static_cast<std::size_t>(count)});
}

// The best choice has the highest score of all, so no power is above 1.
void ExpertRouting::weigh(const ExpertRule& rule, const float* scores,
                          std::span<Choice> choices) const {
  const double max = order_of(scores[choices.front().expert]);
  const auto power = [&](std::int64_t expert) { return std::exp(scores[expert] - max); };
  double sum = 0;
  if (rule.weighting == ExpertWeighting::softmax) {
    for (std::int64_t expert = 0; expert < rule.experts; ++expert) sum += power(expert);
  } else {
    for (const Choice& choice : choices) sum += power(choice.expert);
  }
  for (Choice& choice : choices) {
    choice.weight = static_cast<float>(rule.scale * (power(choice.expert) / sum));
  }
}

void ExpertRouting::sort(const ExpertRule& rule, std::int64_t rows, std::int64_t generated) {
  used_ = rule.used;
  pairs_ = rows * used_;
  groups_.clear();
  std::fill_n(next_.begin(), rule.experts, 0);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (const Choice& choice : of_row(row)) ++next_[static_cast<std::size_t>(choice.expert)];
  }
  std::int32_t begin = 0;
  for (std::int32_t expert = 0; expert < rule.experts; ++expert) {
    const std::int32_t count = std::exchange(next_[static_cast<std::size_t>(expert)], begin);
    if (count != 0) groups_.push_back({expert, begin, count, 0});
    begin += count;
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    for (Choice& choice : std::span(choices_of(row), static_cast<std::size_t>(used_))) {
      choice.pair = next_[static_cast<std::size_t>(choice.expert)]++;
      rows_[static_cast<std::size_t>(choice.pair)] = static_cast<std::int32_t>(row);
    }
  }
  for (Group& group : groups_) {
    const auto of_group = std::span(rows_).subspan(static_cast<std::size_t>(group.begin),
                                                   static_cast<std::size_t>(group.count));
    group.generated =
        static_cast<std::int32_t>(std::ranges::lower_bound(of_group, generated) - of_group.begin());
  }
}

std::span<const ExpertRouting::Choice> ExpertRouting::of_row(std::int64_t row) const {
  return {choices_.data() + row * used_max_, static_cast<std::size_t>(used_)};
}

}  // namespace hearth
