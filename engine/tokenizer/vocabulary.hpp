// The vocabulary of a model: the tokenizer.ggml.* keys of its GGUF file, copied and checked.
//
// Plain values: any thread reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "files/gguf.hpp"

namespace hearth {

using TokenId = std::int32_t;
inline constexpr TokenId kNoToken = -1;

// Limits of a vocabulary: the largest known one has 0.3 million tokens, the longest token 1 KiB.
inline constexpr std::size_t kVocabularyTokensMax = 4'000'000;
inline constexpr std::size_t kTokenBytesMax = 4096;

enum class TokenizerModel {
  none,        // the model knows token ids only
  spm,         // "llama": SentencePiece-style BPE by score, byte fallback
  bpe,         // "gpt2": byte-level BPE by merge rank
  unigram,     // "t5": SentencePiece's likeliest pieces
  word_piece,  // "bert": the longest pieces of cleaned words
};

// tokenizer.ggml.token_type
enum class TokenType : std::uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,       // gives no text and is parsed from text only on request
  user_defined = 4,  // always split out of text
  unused = 5,
  byte = 6,  // "<0x41>"
};

struct Vocabulary {
  TokenizerModel model = TokenizerModel::none;
  std::string pre;                  // name of the pre-tokenizer (bpe), "" when not given
  std::vector<std::string> tokens;  // [size] spelling as in the file
  std::vector<float> scores;        // [size] for spm and unigram, else empty
  std::vector<TokenType> types;     // [size]
  std::vector<std::string> merges;  // "left right", best first, for bpe
  TokenId bos = kNoToken;           // begin of text
  TokenId eos = kNoToken;           // end of text
  TokenId unknown = kNoToken;
  bool add_bos = false;  // encode() puts bos first
  bool add_eos = false;  // encode() puts eos last
  // spm, unigram
  bool add_space_prefix = false;     // text is encoded as if a space stood before it
  bool remove_extra_spaces = false;  // spaces at its ends go, runs become one
  std::string charsmap;              // what characters are replaced by: see TextNormalizer
  // word_piece
  bool lower_case = false;
  bool strip_accents = false;
  bool nfc = false;  // text is brought to normalisation form C first
  std::vector<TokenId>
      end_tokens;  // ids that end generation, sorted: eos, eot, eom, <|im_end|>, ...

  std::size_t size() const { return tokens.size(); }
};

// Read the vocabulary.  A file whose tokenizer.ggml.model is "none", "no_vocab" or absent gives
// TokenizerModel::none.
//
// Texts of tokens are unique, except that several may be empty.  end_tokens are those that the file
// names as eos, eot and eom, and the control and user-defined tokens whose text the field's models
// are known to end a turn with: a normal token that happens to be spelled so is text.
//
// Errors: MODEL naming the key, with what is supported where that is the trouble (an unknown
// tokenizer or pre-tokenizer, arrays of unequal length, ids out of range).
Result<Vocabulary> read_vocabulary(const GgufFile& file);

}  // namespace hearth
