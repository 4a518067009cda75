// See sampling_report.hpp.
#include "daemon/sampling_report.hpp"

#include <cmath>

#include "engine/sampler.hpp"

namespace hearth {
namespace {

// A float as people wrote it: 0.1 and not 0.10000000149011612.
double shown(float value) {
  return std::round(static_cast<double>(value) * 1e6) / 1e6;
}

void add_values(JsonWriter& json, SamplerStep step, const SubmitCommand& submit) {
  switch (step) {
    case SamplerStep::penalties:
      json.add("repeat_penalty", shown(submit.repeat_penalty))
          .add("frequency_penalty", shown(submit.frequency_penalty))
          .add("presence_penalty", shown(submit.presence_penalty))
          .add("penalty_last_n", submit.penalty_last_n);
      return;
    case SamplerStep::dry:
      json.add("dry_multiplier", shown(submit.dry_multiplier))
          .add("dry_base", shown(submit.dry_base))
          .add("dry_allowed_length", submit.dry_allowed_length)
          .add("dry_last_n", submit.dry_last_n);
      return;
    case SamplerStep::top_n_sigma: json.add("top_n_sigma", shown(submit.top_n_sigma)); return;
    case SamplerStep::top_k: json.add("top_k", submit.top_k); return;
    case SamplerStep::typical_p: json.add("typical_p", shown(submit.typical_p)); return;
    case SamplerStep::top_p: json.add("top_p", shown(submit.top_p)); return;
    case SamplerStep::min_p: json.add("min_p", shown(submit.min_p)); return;
    case SamplerStep::xtc:
      json.add("xtc_probability", shown(submit.xtc_probability))
          .add("xtc_threshold", shown(submit.xtc_threshold));
      return;
    case SamplerStep::temperature:
      json.add("temperature", shown(submit.temperature));
      if (submit.dynamic_range <= 0) return;
      json.add("dynamic_range", shown(submit.dynamic_range))
          .add("dynamic_exponent", shown(submit.dynamic_exponent));
      return;
  }
}

}  // namespace

JsonWriter sampling_document(const SubmitCommand& submit) {
  // Who was biased matters less than that somebody was: greedy() asks for no more.
  const SamplingParameters parameters =
      sampling_parameters(submit, std::vector<LogitBias>(submit.bias_count));
  JsonWriter names = JsonWriter::array();
  JsonWriter values;
  if (submit.bias_count != 0) names.push("logit_bias");
  if (parameters.greedy()) {
    names.push("greedy");
  } else if (submit.mirostat != 0) {
    names.push("temperature").push("mirostat");
    add_values(values, SamplerStep::temperature, submit);
    values.add("mirostat", submit.mirostat)
        .add("mirostat_tau", shown(submit.mirostat_tau))
        .add("mirostat_eta", shown(submit.mirostat_eta));
  } else {
    for (const SamplerStep step : parameters.steps()) {
      if (!parameters.is_active(step)) continue;
      names.push(sampler_step_name(step));
      add_values(values, step, submit);
    }
  }
  values.add("samplers", std::move(names));
  return values;
}

}  // namespace hearth
