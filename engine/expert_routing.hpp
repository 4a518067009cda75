// A mixture of experts, for the rows of one step: which experts a row goes to, with which weights,
// and which rows an expert has.
//
// A row that goes to several experts is a pair with each of them.  Pairs are sorted by expert, and
// of one expert by row, so that an expert's rows lie side by side: generated ones first, as in the
// batch.
//
// THREAD: choose() of different rows from any, then sort() from one, then reads from any.  Nothing
// is allocated after construction.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth {

// How the scores of a row's experts become the weights of what they give.
enum class ExpertWeighting : std::uint8_t {
  softmax,            // over all experts: the weights of those chosen sum up to less than 1
  softmax_of_chosen,  // over those chosen: the same, then divided by their sum
};

// How a router chooses.
struct ExpertRule {
  std::int64_t experts = 0;
  std::int64_t used = 0;  // of these: those with the highest scores, 1 .. experts
  ExpertWeighting weighting = ExpertWeighting::softmax_of_chosen;
  float scale = 1;  // of all weights
};

class ExpertRouting {
 public:
  ExpertRouting() = default;
  ExpertRouting(std::int64_t rows_max, std::int64_t experts_max, std::int64_t used_max);

  // A row's experts, the best first; of equal scores the one with the lower number.  A NaN counts
  // as the lowest score; where one is chosen the row's weights are NaN.  scores: [rule.experts].
  void choose(const ExpertRule& rule, std::int64_t row, const float* scores);
  // All rows have chosen by this rule; the first so many of them are generated.
  void sort(const ExpertRule& rule, std::int64_t rows, std::int64_t generated);

  struct Choice {
    std::int32_t expert;
    std::int32_t pair;  // its number among the sorted ones
    float weight;
  };
  // Of one row, [used].
  std::span<const Choice> of_row(std::int64_t row) const;

  // The pairs [begin, begin + count) of an expert that has any; the first of them are generated.
  struct Group {
    std::int32_t expert;
    std::int32_t begin;
    std::int32_t count;
    std::int32_t generated;
  };
  std::span<const Group> groups() const { return groups_; }  // rising experts

  std::int64_t pairs() const { return pairs_; }
  std::int64_t row_of(std::int64_t pair) const { return rows_[static_cast<std::size_t>(pair)]; }

 private:
  Choice* choices_of(std::int64_t row) { return choices_.data() + row * used_max_; }
  void weigh(const ExpertRule& rule, const float* scores, std::span<Choice> choices) const;

  std::int64_t used_max_ = 0;
  std::int64_t used_ = 0;           // of the rule last sorted by
  std::int64_t pairs_ = 0;          // likewise
  std::vector<Choice> choices_;     // [rows_max, used_max]
  std::vector<Group> groups_;       // at most experts_max
  std::vector<std::int32_t> rows_;  // [pairs]: the row of each
  std::vector<std::int32_t> next_;  // [experts_max]: the next pair of each, while sorting
};

}  // namespace hearth
