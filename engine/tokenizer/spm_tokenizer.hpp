// SentencePiece-style BPE ("llama"): spaces become U+2581, characters are the symbols, and two
// neighbours merge when the vocabulary has their text, the highest score first.  A character
// without a token becomes its bytes' tokens <0x00> .. <0xFF>; where those are missing too, a run of
// such characters becomes one unknown token.
//
// Source: sentencepiece, src/bpe_model.cc.  As there, only normal and user-defined tokens come out
// of merges.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/tokenizer/pair_merger.hpp"
#include "engine/tokenizer/token_index.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

// The byte that "<0xXX>" stands for, or -1 for any other text.
int spm_byte(std::string_view text);

class SpmTokenizer final : public Tokenizer {
 public:
  // Errors: MODEL for a byte token that is not "<0xXX>", for missing or infinite scores.
  static Result<std::unique_ptr<Tokenizer>> create(Vocabulary vocabulary);

 private:
  explicit SpmTokenizer(Vocabulary vocabulary);
  Status build();
  Status encode_plain(std::string_view text, bool after_special,
                      std::vector<TokenId>& ids) const override;
  Status encode_word(std::string_view word, PairMerger& merger, std::size_t plain_begin,
                     std::vector<TokenId>& ids) const;
  Status encode_character(std::string_view character, std::size_t plain_begin,
                          std::vector<TokenId>& ids) const;
  std::size_t word_end(std::string_view text, std::size_t begin) const;

  TokenIndex index_;                      // what comes out of merges
  std::vector<std::uint32_t> ranks_;      // [size] of merging into this token; by score
  std::array<TokenId, 256> byte_tokens_;  // kNoToken where there is none
  std::size_t text_bytes_max_ = 0;        // of the texts in index_
  bool splits_at_spaces_ = true;          // no text in index_ goes on over a space
};

}  // namespace hearth
