#include "engine/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace hearth {
namespace {

using Candidate = SamplerScratch::Candidate;

// Best first; the lower id first among equals, so that the order is one.
bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// Probabilities of the candidates, whose first has the largest logit.
void softmax(std::span<Candidate> candidates, float max_logit, double& sum) {
  sum = 0;
  for (Candidate& candidate : candidates) {
    candidate.probability = std::exp(candidate.logit - max_logit);
    sum += static_cast<double>(candidate.probability);
  }
}

// Keep the fewest best candidates whose probabilities reach p.  Candidates are sorted in growing
// portions: usually some hundred of a large vocabulary are enough.
void keep_top_p(std::vector<Candidate>& candidates, bool sorted, float p) {
  const float max_logit = std::ranges::min_element(candidates, better)->logit;
  double total = 0;
  softmax(candidates, max_logit, total);
  double reached = 0;
  std::size_t kept = 0;
  for (std::size_t ordered = sorted ? candidates.size() : 0; kept < candidates.size();) {
    if (kept == ordered) {
      const std::size_t portion =
          std::min(candidates.size(), std::max<std::size_t>(256, 4 * ordered));
      std::partial_sort(candidates.begin() + static_cast<std::ptrdiff_t>(ordered),
                        candidates.begin() + static_cast<std::ptrdiff_t>(portion), candidates.end(),
                        better);
      ordered = portion;
    }
    reached += static_cast<double>(candidates[kept++].probability) / total;
    if (reached >= static_cast<double>(p)) break;
  }
  candidates.resize(kept);
}

}  // namespace

TokenId argmax(std::span<const float> logits) {
  std::size_t best = 0;
  float best_logit = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > best_logit) {
      best = i;
      best_logit = logits[i];
    }
  }
  return static_cast<TokenId>(best);
}

// As libstdc++'s uniform_real_distribution<double>: two draws, the first the low half.
double Sampler::uniform() {
  const double low = static_cast<double>(generator_());
  const double high = static_cast<double>(generator_());
  const double value = (low + high * 4294967296.0) / 18446744073709551616.0;
  return std::min(value, std::nextafter(1.0, 0.0));
}

TokenId Sampler::sample(std::span<const float> logits, SamplerScratch& scratch) {
  if (parameters_.temperature <= 0) return argmax(logits);
  std::vector<Candidate>& candidates = scratch.candidates;
  candidates.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float logit = std::isnan(logits[i]) ? -std::numeric_limits<float>::infinity() : logits[i];
    candidates.push_back({static_cast<TokenId>(i), logit, 0});
  }
  bool sorted = false;
  const auto top_k = static_cast<std::size_t>(parameters_.top_k);
  if (top_k > 0 && top_k < candidates.size()) {
    std::partial_sort(candidates.begin(), candidates.begin() + parameters_.top_k, candidates.end(),
                      better);
    candidates.resize(top_k);
    sorted = true;
  }
  if (parameters_.top_p < 1) {
    keep_top_p(candidates, sorted, parameters_.top_p);
    sorted = true;
  }
  const float max_logit =
      sorted ? candidates.front().logit : std::ranges::min_element(candidates, better)->logit;
  for (Candidate& candidate : candidates) {
    candidate.logit = (candidate.logit - max_logit) / parameters_.temperature;
  }
  double sum = 0;
  softmax(candidates, 0, sum);
  const double target = uniform() * sum;
  double reached = 0;
  for (const Candidate& candidate : candidates) {
    reached += static_cast<double>(candidate.probability);
    if (reached >= target) return candidate.id;
  }
  return candidates.back().id;
}

}  // namespace hearth
