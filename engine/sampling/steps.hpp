// The steps of a sampler, one function each.  Definitions and limits are those of the field's
// reference implementation (reference/api.md, section 7.2), so that a seed gives its text where the
// logits agree.  Every step leaves at least one candidate.
//
// Nothing is shared: one thread at a time for each Candidates and generator.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/sampling/candidates.hpp"

namespace hearth {

// ---- truncate.cpp: which candidates stay -------------------------------------------------------

void top_k(Candidates& candidates, std::int32_t k);  // the k best; k <= 0: all
void top_p(Candidates& candidates, float p);         // the fewest best that reach p
// The same where candidates were left out: total is the sum of exp(logit - max) with them.  False
// when those in the list do not reach p: then they are in order, and all are kept.
bool keep_most_likely(Candidates& candidates, float p, float max, double total);
void min_p(Candidates& candidates, float p);        // p times as likely as the best
void typical_p(Candidates& candidates, float p);    // nearest to the entropy, Meister 2022
void top_n_sigma(Candidates& candidates, float n);  // n standard deviations off the best
// With this probability, all but the last of those at least as likely as threshold go.
void xtc(Candidates& candidates, float probability, float threshold, std::mt19937& generator);

// ---- temperature.cpp ---------------------------------------------------------------------------

// logit / t; t <= 0: only the best stays possible.
void temperature(Candidates& candidates, float t);
// Between t - range and t + range by the entropy of the candidates, raised to exponent.
void dynamic_temperature(Candidates& candidates, float t, float range, float exponent);

// ---- penalties.cpp: what was said before -------------------------------------------------------

struct Penalties {
  std::int32_t last_n = 64;  // tokens looked at; -1: all
  float repeat = 1;          // > 0; a logit above 0 is divided by it, another one multiplied
  float frequency = 0;       // taken off for every occurrence
  float presence = 0;        // taken off once
  bool active() const { return last_n != 0 && (repeat != 1 || frequency != 0 || presence != 0); }
};
// Where the logit of a token can be changed; null where it has none.
using LogitOf = std::function<float*(TokenId)>;
// recent: memory to work in.
void penalize(const LogitOf& logit_of, std::span<const TokenId> history, const Penalties& penalties,
              std::vector<TokenId>& recent);
void penalize(Candidates& candidates, std::span<const TokenId> history, const Penalties& penalties);

// Sequences of tokens that no repetition goes beyond, by their first token.
class BreakerIndex {
 public:
  void add(const std::vector<TokenId>& breaker) {
    if (!breaker.empty()) rest_of_[breaker[0]].emplace_back(breaker.begin() + 1, breaker.end());
  }
  // What follows the first token in the breakers that begin with it; null: none begins with it.
  const std::vector<std::vector<TokenId>>* find(TokenId first) const {
    const auto found = rest_of_.find(first);
    return found == rest_of_.end() ? nullptr : &found->second;
  }
  bool is_breaker(TokenId id) const {  // by itself
    const auto* rests = find(id);
    return rests != nullptr &&
           std::ranges::any_of(*rests, [](const auto& rest) { return rest.empty(); });
  }

 private:
  std::unordered_map<TokenId, std::vector<std::vector<TokenId>>> rest_of_;
};

// "Do not repeat yourself": what would continue a repetition costs the more the longer it is.
struct Dry {
  float multiplier = 0;             // 0: off
  float base = 1.75F;               // >= 1
  std::int32_t allowed_length = 2;  // tokens that may repeat
  std::int32_t last_n = -1;         // tokens looked at; -1: all
  std::shared_ptr<const BreakerIndex> breakers = nullptr;
  bool active() const { return multiplier != 0 && base >= 1 && last_n != 0; }
};
void dry(const LogitOf& logit_of, std::span<const TokenId> history, const Dry& settings);
void dry(Candidates& candidates, std::span<const TokenId> history, const Dry& settings);

// ---- draw.cpp: the end of a chain --------------------------------------------------------------

// One candidate by its probability.
TokenId draw(Candidates& candidates, std::mt19937& generator);

struct Mirostat {
  std::int32_t version = 0;  // 1, 2; 0: off
  float tau = 5;             // surprise aimed at, bits
  float eta = 0.1F;          // how fast
};
// mu is the state: 2 tau in the beginning.  vocab: tokens in all (version 1).
TokenId draw_mirostat(Candidates& candidates, const Mirostat& settings, std::size_t vocab,
                      float& mu, std::mt19937& generator);

}  // namespace hearth
