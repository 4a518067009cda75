// Byte-level BPE ("gpt2"): a pre-tokenizer splits the text into words, each byte of a word is a
// symbol, and pairs of symbols merge in the order of tokenizer.ggml.merges.
//
// A symbol is a number: the token of that spelling, or, for a spelling that merges know and the
// vocabulary does not, one beyond it.  Spellings matter only while the tables are built: bytes
// stand for themselves here, not for the characters with which the file spells them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tokenizer/pair_merger.hpp"
#include "engine/tokenizer/pre_tokenizer.hpp"
#include "engine/tokenizer/token_index.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

// The two spellings of a merge "left right", or nothing when the text is not that.
std::optional<std::pair<std::string_view, std::string_view>> split_merge(std::string_view merge);

class BpeTokenizer final : public Tokenizer {
 public:
  // Errors: MODEL for an unknown pre-tokenizer and for merges that are not pairs.
  static Result<std::unique_ptr<Tokenizer>> create(Vocabulary vocabulary);

 private:
  class SymbolNames;

  BpeTokenizer(Vocabulary vocabulary, PreTokenizer pre_tokenizer);
  Status build();
  Status build_merges(SymbolNames& names);
  Status encode_plain(std::string_view text, bool after_special,
                      std::vector<TokenId>& ids) const override;
  Status encode_word(std::string_view word, PairMerger& merger, std::vector<TokenId>& ids) const;
  Status encode_bytes(std::string_view bytes, std::vector<TokenId>& ids) const;

  PreTokenizer pre_tokenizer_;
  PairTable merges_;
  std::array<std::uint32_t, 256> byte_symbols_;  // the symbol of each byte
  std::array<TokenId, 256> byte_tokens_;         // the token of each byte, or kNoToken
  std::optional<TokenIndex> words_;              // whole pieces, where they come first
  std::vector<bool> is_output_;  // [size] plain text may become this token: it gives these bytes
};

}  // namespace hearth
