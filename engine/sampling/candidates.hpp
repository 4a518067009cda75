// The tokens that may come next, as the steps of a sampler see them.
//
// THREAD: the engine.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "engine/tokenizer/vocabulary.hpp"

namespace hearth {

struct Candidate {
  TokenId id;
  float logit;
  float probability;
};

inline constexpr float kRuledOut = -std::numeric_limits<float>::infinity();

// Best first; the lower id first among equals, so that the order is one.
inline bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// Never empty while steps work on it.
struct Candidates {
  std::vector<Candidate> list;
  bool sorted = false;          // best first
  std::vector<TokenId> recent;  // scratch of penalize()

  // The logit of a token, or null.  At once while nothing was dropped or put in order.
  float* find_logit(TokenId id);
  float max_logit() const;
  // Put the best count in front, in order, and drop the rest.
  void keep_best(std::size_t count);
  void sort();
  // Set probabilities that add up to 1.
  void normalize();
};

}  // namespace hearth
