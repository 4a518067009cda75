// A scan gives the largest logit of every block: blocks below a bound need no second look.
#include "engine/sampling/narrow.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/sampling/steps.hpp"

namespace hearth {
namespace {

// Scan; returns the largest logit.  sum as of kernels::ScanArgs.
float scan(const LogitRow& row, float shift, double* sum) {
  const std::size_t blocks =
      (row.logits.size() + kernels::kScanBlock - 1) / static_cast<std::size_t>(kernels::kScanBlock);
  row.tops.resize(blocks);
  row.scan({.x = row.logits.data(),
            .count = std::ssize(row.logits),
            .tops = row.tops.data(),
            .shift = shift,
            .sum = sum});
  return std::ranges::max(row.tops);
}

// Scan; returns the largest logit and, where it is finite, the sum of exp(logit - largest).
float scan_sum(const LogitRow& row, double& ret_total) {
  constexpr float kSumRange = 80;  // of kernels::ScanArgs::sum
  float shift = std::isfinite(row.logits[0]) ? row.logits[0] : 0;
  const float best = scan(row, shift, &ret_total);
  if (!std::isfinite(best)) return best;
  if (best - shift > kSumRange || shift - best > kSumRange) {
    shift = best;
    scan(row, shift, &ret_total);
  }
  ret_total *= std::exp(static_cast<double>(shift) - static_cast<double>(best));
  return best;
}

// List what reaches the bound, in the order of ids.
void list_from(const LogitRow& row, float bound, Candidates& candidates) {
  candidates.list.clear();
  candidates.sorted = false;
  for (std::size_t block = 0; block < row.tops.size(); ++block) {
    if (!(row.tops[block] >= bound)) continue;
    const std::size_t begin = block * kernels::kScanBlock;
    const std::size_t end = std::min(row.logits.size(), begin + kernels::kScanBlock);
    for (std::size_t i = begin; i < end; ++i) {
      if (!(row.logits[i] >= bound)) continue;
      candidates.list.push_back({static_cast<TokenId>(i), row.logits[i], 0});
    }
  }
}

}  // namespace

TokenId argmax(const LogitRow& row) {
  const float best = scan(row, 0, nullptr);
  const auto block = static_cast<std::size_t>(std::ranges::find(row.tops, best) - row.tops.begin());
  for (std::size_t i = block * kernels::kScanBlock; i < row.logits.size(); ++i) {
    if (row.logits[i] == best && best != kRuledOut) return static_cast<TokenId>(i);
  }
  return 0;
}

// The k-th largest block's best is no better than the k-th best of all.
bool narrow_top_k(const LogitRow& row, std::int32_t k, Candidates& candidates) {
  scan(row, 0, nullptr);
  const auto wanted = static_cast<std::size_t>(k);
  if (wanted > row.tops.size()) return false;
  std::vector<Candidate>& list = candidates.list;  // for a copy of the tops
  list.clear();
  for (const float top : row.tops) list.push_back({0, top, 0});
  const auto kth = list.begin() + static_cast<std::ptrdiff_t>(wanted - 1);
  std::ranges::nth_element(list, kth, std::greater(), &Candidate::logit);
  const float bound = kth->logit;
  if (bound == kRuledOut) return false;
  list_from(row, bound, candidates);
  candidates.keep_best(wanted);
  return true;
}

bool narrow_min_p(const LogitRow& row, float p, Candidates& candidates) {
  const float best = scan(row, 0, nullptr);
  if (!std::isfinite(best)) return false;
  list_from(row, std::min(best, best + std::log(p)), candidates);
  return true;
}

bool narrow_top_p(const LogitRow& row, float p, Candidates& candidates) {
  double total = 0;
  const float best = scan_sum(row, total);
  if (!std::isfinite(best)) return false;
  // So far below the best: for rows as models give them; for flatter ones; for hardly any.
  for (const float distance : {6.0F, 9.0F, 12.0F}) {
    list_from(row, best - distance, candidates);
    double listed = 0;
    for (const Candidate& one : candidates.list) {
      listed += static_cast<double>(std::exp(one.logit - best));
    }
    // With room for what rounding may take on the way.
    if (listed < (static_cast<double>(p) + 1e-4) * total) continue;
    if (keep_most_likely(candidates, p, best, total)) return true;
  }
  return false;
}

void list_best(const LogitRow& row, std::int32_t k, Candidates& candidates) {
  if (narrow_top_k(row, k, candidates)) return;
  list_from(row, kRuledOut, candidates);
  candidates.keep_best(static_cast<std::size_t>(k));
}

double log_sum_exp(const LogitRow& row) {
  double total = 0;
  const float best = scan_sum(row, total);
  return static_cast<double>(best) + std::log(total);
}

}  // namespace hearth
