// What the tokenizers that come from SentencePiece share: U+2581 for spaces, the normaliser, byte
// tokens <0x00> .. <0xFF>, and the unknown token for runs of characters that have neither.
//
// Immutable once built: any thread.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenizer/text_normalizer.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

// The byte that "<0xXX>" stands for, or -1 for any other text.
int spm_byte(std::string_view text);

class SentencePieceTokenizer : public Tokenizer {
 protected:
  explicit SentencePieceTokenizer(Vocabulary vocabulary);

  // Fill pieces_ and byte_tokens_; on_piece is called for every token that text may become.
  // Errors: MODEL for a byte token that is not "<0xXX>", missing or infinite scores, a broken map.
  Status build_pieces(const std::function<void(TokenId)>& on_piece);

  // Text as pieces see it; see encode_plain().  Errors: LIMIT when it grows beyond all measure.
  Result<std::string> normalize(std::string_view text, bool after_special) const {
    return normalizer_.apply(text, vocabulary_.add_space_prefix && after_special);
  }

  // Append what stands for a character that has no piece.  plain_begin: where the ids of this plain
  // text begin.
  Status push_unknown(std::string_view character, std::size_t plain_begin,
                      std::vector<TokenId>& ids) const;

 private:
  TextNormalizer normalizer_;
  std::array<TokenId, 256> byte_tokens_;  // kNoToken where there is none
};

}  // namespace hearth
