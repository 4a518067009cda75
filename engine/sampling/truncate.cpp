// The steps that drop candidates.
#include <algorithm>
#include <cmath>

#include "engine/sampling/steps.hpp"

namespace hearth {
namespace {

// Put the best of those from begin on into [begin, end), in order.  For many of them this is far
// quicker than std::partial_sort, whose heap leaves the cache.
void put_first(std::vector<Candidate>& list, std::size_t begin, std::size_t end) {
  const auto first = list.begin() + static_cast<std::ptrdiff_t>(begin);
  const auto last = list.begin() + static_cast<std::ptrdiff_t>(end);
  if (last != list.end()) std::nth_element(first, last, list.end(), better);
  std::sort(first, last, better);
}

}  // namespace

float* Candidates::find_logit(TokenId id) {
  const auto index = static_cast<std::size_t>(id);
  if (id >= 0 && index < list.size() && list[index].id == id) return &list[index].logit;
  const auto found = std::ranges::find(list, id, &Candidate::id);
  return found == list.end() ? nullptr : &found->logit;
}

float Candidates::max_logit() const {
  if (sorted) return list.front().logit;
  return std::ranges::min_element(list, better)->logit;
}

void Candidates::keep_best(std::size_t count) {
  if (count < list.size()) {
    if (!sorted) put_first(list, 0, count);
    list.resize(count);
  } else if (!sorted) {
    std::ranges::sort(list, better);
  }
  sorted = true;
}

void Candidates::sort() {
  keep_best(list.size());
}

void Candidates::normalize() {
  const float max = max_logit();
  double sum = 0;
  for (Candidate& candidate : list) {
    candidate.probability = std::exp(candidate.logit - max);
    sum += static_cast<double>(candidate.probability);
  }
  for (Candidate& candidate : list) {
    candidate.probability = static_cast<float>(static_cast<double>(candidate.probability) / sum);
  }
}

void top_k(Candidates& candidates, std::int32_t k) {
  if (k > 0) candidates.keep_best(static_cast<std::size_t>(k));
}

// Candidates are sorted in growing portions: usually some hundred of a large vocabulary are enough.
bool keep_most_likely(Candidates& candidates, float p, float max, double total) {
  std::vector<Candidate>& list = candidates.list;
  double reached = 0;
  std::size_t ordered = candidates.sorted ? list.size() : 0;
  candidates.sorted = true;
  for (std::size_t kept = 0; kept < list.size(); ++kept) {
    if (kept == ordered) {
      const std::size_t portion = std::min(list.size(), std::max<std::size_t>(256, 4 * ordered));
      put_first(list, ordered, portion);
      ordered = portion;
    }
    Candidate& one = list[kept];
    one.probability = static_cast<float>(static_cast<double>(std::exp(one.logit - max)) / total);
    reached += static_cast<double>(one.probability);
    if (reached >= static_cast<double>(p)) {
      list.resize(kept + 1);
      return true;
    }
  }
  return false;
}

void top_p(Candidates& candidates, float p) {
  if (p >= 1) return;
  const float max = candidates.max_logit();
  double total = 0;
  for (const Candidate& one : candidates.list) {
    total += static_cast<double>(std::exp(one.logit - max));
  }
  keep_most_likely(candidates, p, max, total);
}

void min_p(Candidates& candidates, float p) {
  if (!(p > 0)) return;
  const float best = candidates.max_logit();
  const float least = std::min(best, best + std::log(p));  // the best one stays
  std::erase_if(candidates.list, [&](const Candidate& one) { return one.logit < least; });
}

void typical_p(Candidates& candidates, float p) {
  if (p >= 1) return;
  candidates.normalize();
  std::vector<Candidate>& list = candidates.list;
  float entropy = 0;
  for (const Candidate& one : list) {
    if (one.probability > 0) entropy -= one.probability * std::log(one.probability);
  }
  const auto distance = [&](const Candidate& one) {
    return std::fabs(-std::log(one.probability) - entropy);
  };
  std::ranges::stable_sort(list, {}, distance);
  candidates.sorted = false;
  float reached = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    reached += list[i].probability;
    if (reached > p) {
      list.resize(i + 1);
      return;
    }
  }
}

void top_n_sigma(Candidates& candidates, float n) {
  if (!(n > 0) || candidates.list.size() < 2) return;
  const float best = candidates.max_logit();
  double sum = 0;
  std::size_t count = 0;
  for (const Candidate& one : candidates.list) {
    if (!std::isfinite(one.logit)) continue;
    sum += static_cast<double>(one.logit);
    ++count;
  }
  if (count == 0) return;
  const double mean = sum / static_cast<double>(count);
  double squares = 0;
  for (const Candidate& one : candidates.list) {
    if (std::isfinite(one.logit)) squares += std::pow(static_cast<double>(one.logit) - mean, 2);
  }
  const auto sigma = static_cast<float>(std::sqrt(squares / static_cast<double>(count)));
  for (Candidate& one : candidates.list) {
    if (one.logit < best - n * sigma) one.logit = kRuledOut;
  }
}

void xtc(Candidates& candidates, float probability, float threshold, std::mt19937& generator) {
  if (!(probability > 0) || threshold > 0.5F || candidates.list.size() < 2) return;
  const float chance = static_cast<float>(generator()) / 4294967296.0F;
  if (chance > probability) return;
  candidates.sort();
  candidates.normalize();
  std::size_t likely = 0;
  while (likely < candidates.list.size() && candidates.list[likely].probability >= threshold) {
    ++likely;
  }
  if (likely < 2) return;
  candidates.list.erase(candidates.list.begin(),
                        candidates.list.begin() + static_cast<std::ptrdiff_t>(likely - 1));
}

}  // namespace hearth
