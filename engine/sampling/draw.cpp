// The ends of a chain: one candidate is drawn, by its probability or by mirostat.
#include <algorithm>
#include <cmath>

#include "engine/sampling/steps.hpp"

namespace hearth {
namespace {

// As libstdc++'s uniform_real_distribution<double>: two draws, the first the low half.
double uniform(std::mt19937& generator) {
  const double low = static_cast<double>(generator());
  const double high = static_cast<double>(generator());
  const double value = (low + high * 4294967296.0) / 18446744073709551616.0;
  return std::min(value, std::nextafter(1.0, 0.0));
}

// Surprise of a probability, bits.
float surprise(float probability) {
  return -std::log2(probability);
}

// The exponent of Zipf's law that the best hundred probabilities suggest (Basu et al., 2021).
float zipf_exponent(const std::vector<Candidate>& sorted) {
  constexpr std::size_t kTokens = 100;
  float products = 0, squares = 0;
  for (std::size_t i = 0; i + 1 < std::min(kTokens, sorted.size()); ++i) {
    const float t = std::log(static_cast<float>(i + 2) / static_cast<float>(i + 1));
    const float b = std::log(sorted[i].probability / sorted[i + 1].probability);
    products += t * b;
    squares += t * t;
  }
  return products / squares;
}

}  // namespace

TokenId draw(Candidates& candidates, std::mt19937& generator) {
  const float max = candidates.max_logit();
  double sum = 0;
  for (Candidate& one : candidates.list) {
    one.probability = std::exp(one.logit - max);
    sum += static_cast<double>(one.probability);
  }
  const double target = uniform(generator) * sum;
  double reached = 0;
  for (const Candidate& one : candidates.list) {
    reached += static_cast<double>(one.probability);
    if (reached >= target) return one.id;
  }
  return candidates.list.back().id;
}

TokenId draw_mirostat(Candidates& candidates, const Mirostat& settings, std::size_t vocab,
                      float& mu, std::mt19937& generator) {
  candidates.sort();
  candidates.normalize();
  std::vector<Candidate>& list = candidates.list;
  if (settings.version == 1) {
    const float s = zipf_exponent(list);
    const float epsilon = s - 1;
    const float k = std::pow(
        (epsilon * std::pow(2.0F, mu)) / (1 - std::pow(static_cast<float>(vocab), -epsilon)),
        1 / s);
    const bool usable = std::isfinite(k) && k >= 1;
    const auto wanted =
        usable ? std::min<double>(static_cast<double>(k), static_cast<double>(list.size())) : 1;
    candidates.keep_best(static_cast<std::size_t>(wanted));
  } else {
    const auto too_surprising = std::ranges::find_if(
        list, [&](const Candidate& one) { return surprise(one.probability) > mu; });
    const auto kept = static_cast<std::size_t>(too_surprising - list.begin());
    candidates.keep_best(std::max<std::size_t>(1, kept));
  }
  candidates.normalize();
  const TokenId id = draw(candidates, generator);
  candidates.normalize();
  const auto drawn = std::ranges::find(list, id, &Candidate::id);
  mu -= settings.eta * (surprise(drawn->probability) - settings.tau);
  return id;
}

}  // namespace hearth
