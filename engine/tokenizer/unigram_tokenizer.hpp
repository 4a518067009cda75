// Unigram ("t5"): of all ways to cut the text into pieces of the vocabulary, the likeliest.
//
// Source: Kudo 2018 (arXiv:1804.10959), section 3.2; sentencepiece, src/unigram_model.cc, for what
// a character without a piece costs (10 below the lowest score) and for ties (the way whose last
// piece is longest).
//
// Immutable once built: any thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/tokenizer/byte_trie.hpp"
#include "engine/tokenizer/sentence_piece.hpp"

namespace hearth {

class UnigramTokenizer final : public SentencePieceTokenizer {
 public:
  // Errors: MODEL, as of SentencePieceTokenizer::build_pieces().
  static Result<std::unique_ptr<Tokenizer>> create(Vocabulary vocabulary);

 private:
  explicit UnigramTokenizer(Vocabulary vocabulary)
      : SentencePieceTokenizer(std::move(vocabulary)) {}
  Status build();
  Status encode_plain(std::string_view text, bool after_special,
                      std::vector<TokenId>& ids) const override;

  ByteTrie trie_;            // of what text may become
  float unknown_score_ = 0;  // of a character without a piece
};

}  // namespace hearth
