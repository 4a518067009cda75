// Chooses the next token from a row of logits.
//
// The order of the chain, its steps and its random numbers are those of the field's reference
// implementation (reference/api.md, section 7), so that a seed gives the same text where the logits
// agree.  sampling/steps.hpp has the steps.
//
// THREAD: the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/messages.hpp"
#include "engine/sampling/candidates.hpp"
#include "engine/sampling/narrow.hpp"
#include "engine/sampling/steps.hpp"
#include "engine/tokenizer/vocabulary.hpp"

namespace hearth {

const char* sampler_step_name(SamplerStep step);  // "top_k"
std::optional<SamplerStep> find_sampler_step(std::string_view name);

struct SamplingParameters {
  float temperature = 0.7f;  // >= 0; 0: the likeliest token
  float dynamic_range = 0;   // of the temperature; 0: off
  float dynamic_exponent = 1;
  std::int32_t top_k = 0;      // >= 0; 0: off
  float top_p = 0.9f;          // 0 .. 1; 1: off
  float min_p = 0;             // 0 .. 1; 0: off
  float typical_p = 1;         // 0 .. 1; 1: off
  float top_n_sigma = 0;       // > 0; else off
  float xtc_probability = 0;   // 0 .. 1; 0: off
  float xtc_threshold = 0.1f;  // above 0.5: off
  Penalties penalties = {};
  Dry dry = {};
  Mirostat mirostat = {};
  std::vector<LogitBias> logit_bias = {};  // added first
  std::optional<std::vector<SamplerStep>> order =
      std::nullopt;  // not given: the order of SamplerStep
  std::uint32_t seed = 0;

  // Whether a step changes anything, as far as these numbers tell.
  bool is_active(SamplerStep step) const;
  // The steps in their order.
  std::vector<SamplerStep> steps() const;

  bool greedy() const {
    return temperature <= 0 && mirostat.version == 0 && !penalties.active() && !dry.active() &&
           logit_bias.empty();
  }
};

// Memory that the samplers of one engine share, and how they look through logits.
class SamplerScratch {
 public:
  SamplerScratch(std::int64_t vocab, kernels::ScanFn scan) : scan(scan) {
    candidates.list.reserve(static_cast<std::size_t>(vocab));
    candidates.recent.reserve(kTokens);
    tops.reserve(static_cast<std::size_t>(vocab / kernels::kScanBlock + 1));
    changed.reserve(kTokens);
  }
  const kernels::ScanFn scan;
  Candidates candidates;                           // [vocab]
  std::vector<float> tops;                         // of a LogitRow
  std::vector<std::pair<TokenId, float>> changed;  // what logits were before they were changed

 private:
  static constexpr std::size_t kTokens = 1024;  // looked back without an allocation
};

// What a request asks for.  What DRY takes for breakers is left to the engine.
SamplingParameters sampling_parameters(const SubmitCommand& command, std::vector<LogitBias> biases);

class Sampler {
 public:
  explicit Sampler(SamplingParameters parameters);

  // logits: [vocab], not empty; changed on the way, and put back.  NaN counts as the least likely.
  // history: what stands before, oldest first.
  // Allocates nothing unless DRY or typical_p are on, or penalties look far back.
  TokenId sample(std::span<float> logits, std::span<const TokenId> history,
                 SamplerScratch& scratch);

  const SamplingParameters& parameters() const { return parameters_; }

 private:
  void apply(SamplerStep step, Candidates& candidates, std::span<const TokenId> history);
  bool narrow(SamplerStep step, const LogitRow& row, Candidates& candidates) const;
  TokenId choose(std::span<const float> logits, std::span<const SamplerStep> steps,
                 std::span<const TokenId> history, SamplerScratch& scratch);

  SamplingParameters parameters_;
  std::vector<SamplerStep> steps_;
  std::mt19937 generator_;
  float mirostat_mu_;
};

}  // namespace hearth
