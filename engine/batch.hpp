// The rows of one forward step.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/tokenizer/vocabulary.hpp"

namespace hearth {

// What a row gives beyond its keys and values.
enum class RowOutput : std::uint8_t {
  none,
  hidden,  // the last layer's, normed
  logits,
};

// Where a row comes from.  It chooses the row's arithmetic, whoever else is in the batch: kernels
// for prompts may round otherwise than those for the rows that are generated one at a time.
enum class RowRole : std::uint8_t { prompt, generated };

// One row of a batch.  Generated rows come first.  Rows of one sequence stand in rising order of
// position; the rows before a position are in its pages already or earlier in the same batch.
struct BatchRow {
  TokenId token;            // inside the vocabulary
  std::int32_t position;    // >= 0
  std::byte* const* pages;  // payloads of the sequence's pages, position included
  RowOutput output;
  RowRole role = RowRole::prompt;
  float* state = nullptr;     // of the sequence's recurrent layers, after the rows before this one
  float* snapshot = nullptr;  // where the state after this row is copied to; null: nowhere
};

}  // namespace hearth
