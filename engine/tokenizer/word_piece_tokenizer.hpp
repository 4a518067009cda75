// WordPiece ("bert"): text is cleaned, cut at spaces and around punctuation, and every word becomes
// the longest pieces from its begin on, or one unknown token where that fails.
//
// A file spells a piece that begins a word with U+2581 before it, and the others as they are.
// Decoding gives words with one space before each: what cleaning took away does not come back.
//
// Source: Devlin 2018's tokenization.py, and BertNormalizer and WordPiece of the `tokenizers`
// package, which agree but for unassigned characters.
//
// Immutable once built: any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenizer/byte_trie.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

class WordPieceTokenizer final : public Tokenizer {
 public:
  static constexpr std::size_t kWordCharactersMax = 100;  // a longer word is unknown

  // Errors: none so far.
  static Result<std::unique_ptr<Tokenizer>> create(Vocabulary vocabulary);

 private:
  explicit WordPieceTokenizer(Vocabulary vocabulary) : Tokenizer(std::move(vocabulary)) {}
  void build();
  Status encode_plain(std::string_view text, bool after_special,
                      std::vector<TokenId>& ids) const override;
  Status encode_word(std::vector<char32_t>& word, std::vector<TokenId>& ids) const;

  ByteTrie first_;  // pieces that begin a word, without the mark
  ByteTrie later_;
};

}  // namespace hearth
