// What a daemon that starts found of an earlier one's cache.
//
// Plain data; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hearth::cache {

// Why nothing of an earlier daemon's segment could be used: X(enumerator, in words).
#define HEARTH_COLD_REASONS(X)                          \
  X(none, "nothing")                                    \
  X(absent, "nothing was kept")                         \
  X(unreadable, "its file cannot be read")              \
  X(damaged, "its superblocks are damaged")             \
  X(version, "it has the format of another version")    \
  X(truncated, "its file is shorter than it should be") \
  X(fingerprint, "it belongs to another model")         \
  X(geometry, "what it holds has another format")

enum class ColdReason : std::uint8_t {
#define HEARTH_ENUMERATOR_(reason, words) reason,
  HEARTH_COLD_REASONS(HEARTH_ENUMERATOR_)
#undef HEARTH_ENUMERATOR_
};

// "fingerprint", for programs.
constexpr const char* cold_reason_name(ColdReason reason) {
  constexpr const char* kNames[] = {
#define HEARTH_NAME_(reason, words) #reason,
      HEARTH_COLD_REASONS(HEARTH_NAME_)
#undef HEARTH_NAME_
  };
  return kNames[static_cast<std::size_t>(reason)];
}

// "it belongs to another model".
constexpr const char* cold_reason_words(ColdReason reason) {
  constexpr const char* kWords[] = {
#define HEARTH_WORDS_(reason, words) words,
      HEARTH_COLD_REASONS(HEARTH_WORDS_)
#undef HEARTH_WORDS_
  };
  return kWords[static_cast<std::size_t>(reason)];
}

// Slots by what became of them.
struct Recovery {
  ColdReason cold = ColdReason::absent;
  std::uint32_t kept = 0;         // COMMITTED, and sound as far as metadata tells
  std::uint32_t unfinished = 0;   // FILLING or DEAD when the daemon died: freed
  std::uint32_t damaged = 0;      // freed: a checksum was wrong, or a value impossible
  std::uint32_t orphaned = 0;     // freed: what they continue is gone, or their key is not ours
  std::uint32_t over_budget = 0;  // freed: the budget is smaller than it was
};

}  // namespace hearth::cache
