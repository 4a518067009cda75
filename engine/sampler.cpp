// See sampler.hpp.
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

std::optional<SamplerStep> find_sampler_step(std::string_view name) {
  for (int i = 0; i < kSamplerStepCount; ++i) {
    if (name == sampler_step_name(static_cast<SamplerStep>(i))) return static_cast<SamplerStep>(i);
  }
  return std::nullopt;
}

std::vector<SamplerStep> SamplingParameters::steps() const {
  if (order) return *order;
  std::vector<SamplerStep> all;
  for (int i = 0; i < kSamplerStepCount; ++i) all.push_back(static_cast<SamplerStep>(i));
  return all;
}

SamplingParameters sampling_parameters(const SubmitCommand& command,
                                       std::vector<LogitBias> biases) {
  SamplingParameters p;
  p.temperature = command.temperature;
  p.dynamic_range = command.dynamic_range;
  p.dynamic_exponent = command.dynamic_exponent;
  p.top_k = command.top_k;
  p.top_p = command.top_p;
  p.min_p = command.min_p;
  p.typical_p = command.typical_p;
  p.top_n_sigma = command.top_n_sigma;
  p.xtc_probability = command.xtc_probability;
  p.xtc_threshold = command.xtc_threshold;
  p.penalties = {command.penalty_last_n, command.repeat_penalty, command.frequency_penalty,
                 command.presence_penalty};
  p.dry.multiplier = command.dry_multiplier;
  p.dry.base = command.dry_base;
  p.dry.allowed_length = command.dry_allowed_length;
  p.dry.last_n = command.dry_last_n;
  p.mirostat = {command.mirostat, command.mirostat_tau, command.mirostat_eta};
  p.logit_bias = std::move(biases);
  p.seed = command.seed;
  if (command.step_count != SubmitCommand::kDefaultSteps) {
    p.order.emplace();
    for (const std::uint8_t step : std::span(command.steps).first(command.step_count)) {
      p.order->push_back(static_cast<SamplerStep>(step));
    }
  }
  return p;
}

Sampler::Sampler(SamplingParameters parameters)
    : parameters_(std::move(parameters)),
      steps_(parameters_.steps()),
      generator_(parameters_.seed),
      mirostat_mu_(2 * parameters_.mirostat.tau) {}

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

bool SamplingParameters::is_active(SamplerStep step) const {
  const SamplingParameters& p = *this;
  switch (step) {
    case SamplerStep::penalties: return p.penalties.active();
    case SamplerStep::dry: return p.dry.active();
    case SamplerStep::top_n_sigma: return p.top_n_sigma > 0;
    case SamplerStep::top_k: return p.top_k > 0;
    case SamplerStep::typical_p: return p.typical_p < 1;
    case SamplerStep::top_p: return p.top_p < 1;
    case SamplerStep::min_p: return p.min_p > 0;
    case SamplerStep::xtc: return p.xtc_probability > 0 && p.xtc_threshold <= 0.5F;
    case SamplerStep::temperature: return p.temperature != 1 || p.dynamic_range > 0;
  }
  return false;
}

// The step on a whole row at once, where there is a quick way.
bool Sampler::narrow(SamplerStep step, const LogitRow& row, Candidates& candidates) const {
  const SamplingParameters& p = parameters_;
  switch (step) {
    case SamplerStep::top_k: return narrow_top_k(row, p.top_k, candidates);
    case SamplerStep::top_p: return narrow_top_p(row, p.top_p, candidates);
    case SamplerStep::min_p: return narrow_min_p(row, p.min_p, candidates);
    case SamplerStep::temperature:
      return p.temperature <= 0 && p.dynamic_range <= 0 && narrow_top_k(row, 1, candidates);
    default: return false;
  }
}

// From logits that nothing changes any more.
TokenId Sampler::choose(std::span<const float> logits, std::span<const SamplerStep> steps,
                        std::span<const TokenId> history, SamplerScratch& scratch) {
  Candidates& candidates = scratch.candidates;
  while (!steps.empty() && !parameters_.is_active(steps[0])) steps = steps.subspan(1);
  if (!steps.empty() && narrow(steps[0], {logits, scratch.scan, scratch.tops}, candidates)) {
    steps = steps.subspan(1);
  } else {
    candidates.list.clear();
    candidates.sorted = false;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      candidates.list.push_back(
          {static_cast<TokenId>(i), std::isnan(logits[i]) ? kRuledOut : logits[i], 0});
    }
  }
  if (parameters_.mirostat.version != 0) {
    temperature(candidates, parameters_.temperature);
    return draw_mirostat(candidates, parameters_.mirostat, logits.size(), mirostat_mu_, generator_);
  }
  for (const SamplerStep step : steps) apply(step, candidates, history);
  return draw(candidates, generator_);
}

TokenId Sampler::sample(std::span<float> logits, std::span<const TokenId> history,
                        SamplerScratch& scratch) {
  if (parameters_.greedy()) return argmax({logits, scratch.scan, scratch.tops});
  scratch.changed.clear();
  const auto logit_of = [&](TokenId id) -> float* {
    const auto i = static_cast<std::size_t>(id);
    if (id < 0 || i >= logits.size()) return nullptr;
    scratch.changed.emplace_back(id, logits[i]);
    return &logits[i];
  };
  for (const auto& [id, bias] : parameters_.logit_bias) {
    if (float* logit = logit_of(id)) *logit += bias;
  }
  // Steps that change single logits work on the row, as long as they come first.
  std::span<const SamplerStep> steps = steps_;
  if (parameters_.mirostat.version != 0) steps = {};
  for (; !steps.empty(); steps = steps.subspan(1)) {
    if (steps[0] == SamplerStep::penalties) {
      penalize(logit_of, history, parameters_.penalties, scratch.candidates.recent);
    } else if (steps[0] == SamplerStep::dry) {
      dry(logit_of, history, parameters_.dry);
    } else {
      break;
    }
  }
  const TokenId token = choose(logits, steps, history, scratch);
  for (auto one = scratch.changed.rbegin(); one != scratch.changed.rend(); ++one) {
    logits[static_cast<std::size_t>(one->first)] = one->second;
  }
  return token;
}

}  // namespace hearth
