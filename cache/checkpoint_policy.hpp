// Where checkpoints of a sequence's recurrent state are taken: docs/checkpoints.md has the reasons.
//
// A checkpoint at position p is the state after the first p tokens: the step that computes row
// p - 1 copies it (engine/scheduler_checkpoints.cpp).
//
// Pure functions: any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth::cache {

// Of a model, or of one request.
struct CheckpointSettings {
  std::uint32_t max_checkpoints = 8;   // on one path from the begin of a text; 0: none are taken
  std::int32_t every_n_tokens = 8192;  // within a long prompt; <= 0: only where there is a reason
  std::uint32_t min_tokens = 64;       // none before this position, but for the prompt's end
  std::uint32_t min_gap = 64;          // between those that there is no other reason for, tokens

  bool operator==(const CheckpointSettings&) const = default;
};

// What is to be computed.  All positions are counted from the begin of the text; those out of range
// are left out.
struct PromptCuts {
  std::uint32_t begin = 0;                          // [0, begin) is there
  std::uint32_t end = 0;                            // tokens of the prompt
  std::uint32_t microbatch = 0;                     // rows that a prompt is computed in at a time
  std::span<const std::uint32_t> turn_starts = {};  // where turns of the user begin, ascending
  std::span<const std::uint32_t> marks = {};        // that the client has set, ascending
  std::uint32_t divergence = 0;  // where another text's pages end to be ours; 0: nowhere
};

// The last tokens of a prompt are what is likeliest to change when it is asked again: templates put
// the begin of a reply there.
inline constexpr std::uint32_t kPromptTailTokens = 4;

// Positions of (begin, end - 1], ascending, each once, where a checkpoint is to be taken:
//
//   always    end - 1, where the same prompt begins again: it has one token to compute;
//             end - 4 and end - 4 - microbatch, the last turn start, the divergence, and the last
//             max_checkpoints of the client's marks, 256 at most
//   spaced    the other turn starts, the last first, then the multiples of every_n_tokens: each
//             when it is at least min_gap from begin and from all that were chosen before it
//
// Before min_tokens only end - 1 is taken: a shorter text takes less to compute again than its
// state takes to keep.  Where every_n_tokens are more than 256 positions of what is computed, it is
// doubled until they are not.  When there are more than max_checkpoints, the spaced one between
// whose neighbours there are the fewest tokens is left out, until there are not or no spaced one is
// left; the store thins what remains.
std::vector<std::uint32_t> plan_checkpoints(const CheckpointSettings& settings,
                                            const PromptCuts& prompt);

// Whether a checkpoint is taken at the end of a turn: [0, computed) are the prompt and the
// generated tokens that were computed, last is the position of the sequence's deepest checkpoint;
// 0: it has none.
bool at_turn_end(const CheckpointSettings& settings, std::uint32_t computed, std::uint32_t last);

}  // namespace hearth::cache
