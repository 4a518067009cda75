// Temperature, fixed or by the entropy of the candidates.
#include <algorithm>
#include <cmath>

#include "engine/sampling/steps.hpp"

namespace hearth {

void temperature(Candidates& candidates, float t) {
  if (t > 0) {
    for (Candidate& one : candidates.list) one.logit /= t;
    return;
  }
  const auto best = std::ranges::min_element(candidates.list, better);
  for (Candidate& one : candidates.list) {
    if (&one != &*best) one.logit = kRuledOut;
  }
}

void dynamic_temperature(Candidates& candidates, float t, float range, float exponent) {
  if (!(range > 0) || candidates.list.size() < 2) return temperature(candidates, t);
  candidates.normalize();
  float entropy = 0;
  for (const Candidate& one : candidates.list) {
    if (one.probability > 0) entropy -= one.probability * std::log(one.probability);
  }
  const float largest = std::log(static_cast<float>(candidates.list.size()));
  const float low = std::fmax(0.0F, t - range), high = t + range;
  temperature(candidates, low + (high - low) * std::pow(entropy / largest, exponent));
}

}  // namespace hearth
