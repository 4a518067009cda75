// The first step that drops candidates, on a row of logits: without listing the whole vocabulary.
//
// Each gives what its step in steps.hpp gives for all tokens (top_p: with a total good to 1e-5).
// Where a row is too flat for that to be quick it says false, and the caller lists all.
//
// THREAD: the engine.
#pragma once

#include <span>

#include "engine/sampling/candidates.hpp"
#include "kernels/kernels.hpp"

namespace hearth {

// A row of logits and what scanning it needs; not empty.
struct LogitRow {
  std::span<const float> logits;  // NaN counts as the least likely
  kernels::ScanFn scan;
  std::vector<float>& tops;  // memory for the scan
};

// The index of the largest logit, the first of equals; 0 when there is none but NaN.
TokenId argmax(const LogitRow& row);

bool narrow_top_k(const LogitRow& row, std::int32_t k, Candidates& candidates);  // k >= 1
bool narrow_top_p(const LogitRow& row, float p, Candidates& candidates);         // p < 1
bool narrow_min_p(const LogitRow& row, float p, Candidates& candidates);         // p > 0

// The k best, or all where there are fewer, best first.
void list_best(const LogitRow& row, std::int32_t k, Candidates& candidates);  // k >= 1
// log(sum_i exp(logit)), to 1e-5; NaN adds nothing.  Not finite where no logit is.
double log_sum_exp(const LogitRow& row);

}  // namespace hearth
