// Chooses the next token from a row of logits.
//
// Order of the chain and random numbers are those of the field's reference implementation
// (reference/api.md, section 7), so that a seed gives the same text where the logits agree:
// top-k, top-p, temperature, then one draw from std::mt19937.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "engine/vocabulary.hpp"

namespace hearth {

struct SamplingParameters {
  float temperature = 0.7f;  // >= 0; 0: the likeliest token
  std::int32_t top_k = 0;    // >= 0; 0: off
  float top_p = 0.9f;        // 0 .. 1; 1: off
  std::uint32_t seed = 0;
};

// Memory that the samplers of one engine share: [vocab] candidates.
class SamplerScratch {
 public:
  explicit SamplerScratch(std::int64_t vocab) {
    candidates.reserve(static_cast<std::size_t>(vocab));
  }
  struct Candidate {
    TokenId id;
    float logit;
    float probability;
  };
  std::vector<Candidate> candidates;
};

class Sampler {
 public:
  explicit Sampler(const SamplingParameters& parameters)
      : parameters_(parameters), generator_(parameters.seed) {}

  // logits: [vocab].  NaN counts as the least likely.  Allocates nothing.
  TokenId sample(std::span<const float> logits, SamplerScratch& scratch);

 private:
  double uniform();  // [0, 1)
  SamplingParameters parameters_;
  std::mt19937 generator_;
};

// The index of the largest logit, the first of equals; NaN never wins.
TokenId argmax(std::span<const float> logits);

}  // namespace hearth
