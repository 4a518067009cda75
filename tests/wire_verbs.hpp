// Verbs as docs/wire.md numbers them, written down once more: tests share no code with what they
// test.
#pragma once

#include <cstdint>

namespace hearth {

enum Verb : std::uint16_t {
  kHello = 1,
  kModels = 2,
  kPs = 3,
  kStats = 4,
  kTokenize = 5,
  kDetokenize = 6,
  kGenerate = 7,
  kEval = 8,
  kCredit = 9,
  kCancel = 10,
  kLoad = 11,
  kUnload = 12,
  kSessions = 13,
  kSessionOpen = 14,
  kSessionFork = 15,
  kSessionRollback = 16,
  kSessionDestroy = 17,
  kSessionExport = 18,
  kSessionImport = 19,
  kCache = 20,
  kTokens = 32,
  kLogits = 33,
  kProgress = 34
};

}  // namespace hearth
