// SentencePiece-style BPE ("llama"): spaces become U+2581, characters are the symbols, and two
// neighbours merge when the vocabulary has their text, the highest score first.
//
// Source: sentencepiece, src/bpe_model.cc.  As there, only normal and user-defined tokens come out
// of merges.
//
// Immutable once built: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/tokenizer/pair_merger.hpp"
#include "engine/tokenizer/sentence_piece.hpp"
#include "engine/tokenizer/token_index.hpp"

namespace hearth {

class SpmTokenizer final : public SentencePieceTokenizer {
 public:
  // Errors: MODEL, as of SentencePieceTokenizer::build_pieces().
  static Result<std::unique_ptr<Tokenizer>> create(Vocabulary vocabulary);

 private:
  explicit SpmTokenizer(Vocabulary vocabulary);
  Status build();
  Status encode_plain(std::string_view text, bool after_special,
                      std::vector<TokenId>& ids) const override;
  Status encode_word(std::string_view word, PairMerger& merger, std::size_t plain_begin,
                     std::vector<TokenId>& ids) const;
  std::size_t word_end(std::string_view text, std::size_t begin) const;

  TokenIndex index_;                  // what comes out of merges
  std::vector<std::uint32_t> ranks_;  // [size] of merging into this token; by score
  std::size_t text_bytes_max_ = 0;    // of the texts in index_
  bool splits_at_spaces_ = true;      // no text in index_ goes on over a space
};

}  // namespace hearth
