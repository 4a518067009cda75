// What a model would have computed: a page's bytes at token t are a function of the tokens up to t,
// so that any wrong hit or copy shows.
#pragma once

#include <gtest/gtest.h>

#include <cstring>

#include "cache/sequence_pages.hpp"
#include "tests/cache/testing.hpp"

namespace hearth::cache {

// A number that depends on all tokens up to position, as keys and values do.
inline std::uint32_t state_at(std::span<const std::int32_t> tokens, std::uint32_t position) {
  std::uint32_t state = 17;
  for (std::uint32_t i = 0; i <= position; ++i) {
    state = state * 31 + static_cast<std::uint32_t>(tokens[i]);
  }
  return state;
}

inline std::byte* bytes_at(const SequencePages& pages, std::uint32_t position) {
  constexpr std::uint32_t kPage = SmallCache::kPageTokens;
  return pages.payloads()[position / kPage] + (position % kPage) * sizeof(std::uint32_t);
}

// "Computes" positions [pages.end(), end), as the executor would.
inline void compute(SequencePages& pages, std::span<const std::int32_t> tokens, std::uint32_t end) {
  const auto room = pages.reserve(end);
  ASSERT_TRUE(room && *room);
  for (std::uint32_t p = pages.end(); p < end; ++p) {
    const std::uint32_t state = state_at(tokens, p);
    std::memcpy(bytes_at(pages, p), &state, sizeof(state));
  }
  pages.advance(tokens, end);
}

inline void expect_right(const SequencePages& pages, std::span<const std::int32_t> tokens) {
  for (std::uint32_t p = 0; p < pages.end(); ++p) {
    std::uint32_t state;
    std::memcpy(&state, bytes_at(pages, p), sizeof(state));
    ASSERT_EQ(state, state_at(tokens, p)) << "position " << p;
  }
}

}  // namespace hearth::cache
