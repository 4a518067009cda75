// The pre-tokenizers that tokenizer.ggml.pre may name.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hearth {

struct PreTokenizerRow {
  std::string_view name;
  std::span<const char* const>
      expressions;  // applied in turn, each to the pieces of the one before
  // A piece that is a token as a whole is that token, whatever its merges would give.
  bool whole_pieces = false;
};

// Null for a name that is not known.
const PreTokenizerRow* find_pre_tokenizer(std::string_view name);
std::string pre_tokenizer_names();  // "bloom, command-r, ..."

}  // namespace hearth
