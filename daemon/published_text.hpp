// A text that the administrator publishes: computed once, and found by every user whose prompt
// begins with it.  docs/cache.md.
//
// THREAD: any; it does not change once the settings are read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/limits.h"
#include "common/result.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

struct PublishedText {
  std::string model;  // id
  std::string file;   // path, as it was given
  std::string text;   // what the file had when the settings were read

  static constexpr std::size_t kTextsMax = 32;                        // of all models
  static constexpr std::size_t kBytesMax = HEARTH_PAYLOAD_BYTES_MAX;  // no prompt has more
};

// Read the file that MODEL=FILE names.  Errors: CONFIG, the message going on after the text: "has
// no file".
Result<PublishedText> read_published(std::string_view setting);

// As a raw prompt is tokenised (hearth run --raw): with BOS where the model wants it, and special
// tokens where the text spells them.  tokenizer may be null.  Errors: TOKENIZATION, LIMIT.
Result<std::vector<TokenId>> tokenize_published(const Tokenizer* tokenizer,
                                                const std::string& text);

}  // namespace hearth
