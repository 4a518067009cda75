// Finding the tokens that stand in text as they are spelled: control tokens, and those that a user
// added to a vocabulary.
//
// The spellings are kept sorted; at a position of the text the range of those that still fit
// narrows byte by byte.  A position costs a table look-up when no spelling begins with its byte,
// and at most the longest spelling otherwise, however many there are.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/tokenizer/vocabulary.hpp"

namespace hearth {

class SpecialTokens {
 public:
  struct Match {
    TokenId id = kNoToken;  // kNoToken: there is none
    std::size_t begin = 0;  // byte offsets in the text
    std::size_t end = 0;
  };

  // The vocabulary's token texts must outlive this and stay as they are.
  explicit SpecialTokens(const Vocabulary& vocabulary);

  // The first token at or behind from, the longest of those that begin there.  User-defined tokens
  // always; control and unknown tokens with parse_special.
  Match find(std::string_view text, std::size_t from, bool parse_special) const;

 private:
  struct Entry {
    std::string_view text;
    TokenId id;
    bool always;  // also without parse_special
  };
  struct Range {
    std::uint32_t begin = 0;  // indexes in entries_
    std::uint32_t end = 0;
    bool always = false;  // one of them is
  };
  const Entry* longest_at(std::string_view text, bool parse_special) const;

  std::vector<Entry> entries_;            // sorted by text
  std::array<Range, 256> by_first_byte_;  // by the text's first byte
};

}  // namespace hearth
