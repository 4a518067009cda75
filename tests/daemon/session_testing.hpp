// Users and their keys, for tests of kept sessions.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "cache/page_key.hpp"

namespace hearth {

inline constexpr uid_t kAlice = 1000, kBob = 1001;

inline cache::Digest secret(std::uint8_t first) {
  cache::Digest digest = {};
  digest[0] = first;
  return digest;
}

}  // namespace hearth
