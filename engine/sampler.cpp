#include "engine/sampler.hpp"

#include <cmath>
#include <limits>

namespace hearth {

const char* sampler_step_name(SamplerStep step) {
  switch (step) {
    case SamplerStep::penalties: return "penalties";
    case SamplerStep::dry: return "dry";
    case SamplerStep::top_n_sigma: return "top_n_sigma";
    case SamplerStep::top_k: return "top_k";
    case SamplerStep::typical_p: return "typical_p";
    case SamplerStep::top_p: return "top_p";
    case SamplerStep::min_p: return "min_p";
    case SamplerStep::xtc: return "xtc";
    case SamplerStep::temperature: return "temperature";
  }
  return "?";
}

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

Sampler::Sampler(SamplingParameters parameters)
    : parameters_(std::move(parameters)),
      generator_(parameters_.seed),
      mirostat_mu_(2 * parameters_.mirostat.tau) {
  if (!parameters_.order.empty()) return;
  for (int step = 0; step < kSamplerStepCount; ++step) {
    parameters_.order.push_back(static_cast<SamplerStep>(step));
  }
}

void Sampler::apply(SamplerStep step, Candidates& candidates, std::span<const TokenId> history) {
  const SamplingParameters& p = parameters_;
  switch (step) {
    case SamplerStep::penalties: return penalize(candidates, history, p.penalties);
    case SamplerStep::dry: return dry(candidates, history, p.dry);
    case SamplerStep::top_n_sigma: return top_n_sigma(candidates, p.top_n_sigma);
    case SamplerStep::top_k: return top_k(candidates, p.top_k);
    case SamplerStep::typical_p: return typical_p(candidates, p.typical_p);
    case SamplerStep::top_p: return top_p(candidates, p.top_p);
    case SamplerStep::min_p: return min_p(candidates, p.min_p);
    case SamplerStep::xtc: return xtc(candidates, p.xtc_probability, p.xtc_threshold, generator_);
    case SamplerStep::temperature:
      return dynamic_temperature(candidates, p.temperature, p.dynamic_range, p.dynamic_exponent);
  }
}

TokenId Sampler::sample(std::span<const float> logits, std::span<const TokenId> history,
                        SamplerScratch& scratch) {
  if (parameters_.greedy()) return argmax(logits);
  Candidates& candidates = scratch.candidates;
  candidates.list.clear();
  candidates.sorted = false;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    candidates.list.push_back(
        {static_cast<TokenId>(i), std::isnan(logits[i]) ? kRuledOut : logits[i], 0});
  }
  for (const auto& [id, bias] : parameters_.logit_bias) {
    if (id >= 0 && static_cast<std::size_t>(id) < logits.size()) {
      candidates.list[static_cast<std::size_t>(id)].logit += bias;
    }
  }
  if (parameters_.mirostat.version != 0) {
    temperature(candidates, parameters_.temperature);
    return draw_mirostat(candidates, parameters_.mirostat, logits.size(), mirostat_mu_, generator_);
  }
  for (const SamplerStep step : parameters_.order) apply(step, candidates, history);
  return draw(candidates, generator_);
}

}  // namespace hearth
