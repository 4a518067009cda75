// Finding the tokens that stand in text as they are spelled: control tokens, and those that a user
// added to a vocabulary.
//
// The spellings make an Aho-Corasick automaton (Aho, Corasick 1975) that reads text backwards: at
// every place it knows the longest spelling that begins there.  Time is linear in the text for any
// text and any spellings; memory beyond the automaton is that of one block of the text.
//
// Immutable once built: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/tokenizer/byte_trie.hpp"
#include "engine/tokenizer/vocabulary.hpp"

namespace hearth {

class SpecialTokens {
 public:
  struct Match {
    TokenId id = kNoToken;  // kNoToken: there is none
    std::size_t begin = 0;  // byte offsets in the text
    std::size_t end = 0;
  };

  // User-defined tokens always; control and unknown tokens with parse_special.
  SpecialTokens(const Vocabulary& vocabulary, bool parse_special);

  // One pass over a text; the text and the SpecialTokens must outlive it.
  class Search {
   public:
    Search(const SpecialTokens& tokens, std::string_view text) : tokens_(tokens), text_(text) {}
    // The first token at or behind from, the longest of those that begin there.  from never
    // decreases from call to call.
    Match next(std::size_t from);

   private:
    void read_block(std::size_t begin);

    const SpecialTokens& tokens_;
    const std::string_view text_;
    std::size_t block_end_ = 0;
    std::vector<Match> found_;  // of the block, the last first
  };

 private:
  struct State {
    std::uint32_t depth = 0;                   // bytes of what was read that count
    ByteTrie::Node fail = ByteTrie::kRoot;     // the next shorter of these
    ByteTrie::Node longest = ByteTrie::kRoot;  // the longest whole spelling of these
  };
  ByteTrie::Node step(ByteTrie::Node state, unsigned char byte) const;

  ByteTrie reversed_;
  std::vector<State> states_;       // of reversed_'s nodes
  std::array<bool, 256> is_last_;   // whether a spelling ends with the byte
  std::size_t spelling_bytes_ = 0;  // of the longest
};

}  // namespace hearth
