// Text to token ids and back.
//
// A Tokenizer is immutable once built: any number of threads may use it together.  A StreamDecoder
// belongs to one generation.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "engine/tokenizer/special_tokens.hpp"
#include "engine/tokenizer/vocabulary.hpp"

namespace hearth {

struct EncodeOptions {
  bool add_special = true;     // BOS and EOS where the vocabulary asks for them
  bool parse_special = false;  // text that spells a control token becomes that token
};

// A rendered prompt: text of its template, and in between what somebody else has written.
struct RenderedText {
  struct Range {
    std::size_t begin = 0;  // byte offsets in text
    std::size_t end = 0;
  };
  std::string_view text;
  std::span<const Range> input;        // what others have written: rising, disjoint, inside of text
  std::span<const TokenId> structure;  // sorted: user-defined tokens that input never becomes
  std::span<const std::size_t> marks = {};  // bytes whose tokens are asked for: rising, < size
};

class Tokenizer {
 public:
  static constexpr std::size_t kTextBytesMax = 64u << 20;

  // Errors: TOKENIZATION for a vocabulary without a tokenizer, MODEL for a broken one.  A
  // vocabulary that read_vocabulary() gave is not broken; of one made by hand this checks what
  // would break the tokenizer.
  static Result<std::unique_ptr<Tokenizer>> create(Vocabulary vocabulary);
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Text to ids.  Bytes that are not UTF-8 are encoded byte by byte.  Plain text never becomes a
  // control or unused token, however it is spelled.  Time is O(n log n) for any text.
  // Errors: TOKENIZATION when a byte has no token and there is no unknown token that is not a
  // control token; LIMIT for a text beyond kTextBytesMax.
  Result<std::vector<TokenId>> encode(std::string_view text, const EncodeOptions& options) const;

  // Likewise, but that input never becomes a control token, nor a token of structure, nor a part of
  // one; text of the template becomes any token that it spells.  Plain text is split and merged
  // across the two, as if it were of one author.
  // ret_marks: [marks] the index of the token that has the byte, or begins behind where none has;
  // may be null.  Where an unknown token stands for bytes before it, it may be off by some.
  Result<std::vector<TokenId>> encode(const RenderedText& rendered, bool add_special,
                                      std::vector<std::uint32_t>* ret_marks = nullptr) const;

  // The user-defined tokens that a text spells, sorted: what a template has for its structure,
  // "<think>".  Those of white space alone are not counted.
  std::vector<TokenId> structure_of(std::string_view text) const;

  // The bytes of one token.  Control tokens give none, or their spelling when spell_special; ids
  // beyond the vocabulary, which padded models give, none.
  std::string_view piece(TokenId id, bool spell_special) const;

  // Ids to text, as a whole: the spaces that encode() put at the text's begin and behind special
  // tokens are taken off again.
  std::string decode(std::span<const TokenId> ids, bool spell_special) const;

  bool is_end(TokenId id) const;  // ends generation
  const Vocabulary& vocabulary() const { return vocabulary_; }

 protected:
  explicit Tokenizer(Vocabulary vocabulary);
  // Append the ids of text that holds no special token.  after_special: a special token, or the
  // text's begin, stands before it.
  virtual Status encode_plain(std::string_view text, bool after_special,
                              std::vector<TokenId>& ids) const = 0;

  // What stands for a byte that has no token: the unknown token, or the error that says so.
  Result<TokenId> token_without(char byte) const;

  Vocabulary vocabulary_;
  std::vector<std::string> pieces_;  // [size] decoded bytes of each token; the spelling of control,
                                     // unknown and user-defined ones

 private:
  TokenType type_of(TokenId id) const;
  Result<std::vector<TokenId>> encode_parts(const SpecialTokens& of_template,
                                            const RenderedText& rendered, bool add_special,
                                            std::vector<std::uint32_t>* ret_marks) const;

  SpecialTokens user_tokens_;     // what is always split out of text
  SpecialTokens special_tokens_;  // what is with parse_special
};

// Turns generated ids into text that never ends inside a UTF-8 character: bytes of an unfinished
// character are held back until it is complete or can no longer become one.
class StreamDecoder {
 public:
  // spell_special: control tokens give their spelling, but for those that end a generation.
  StreamDecoder(const Tokenizer* tokenizer, bool spell_special)
      : tokenizer_(tokenizer), spell_special_(spell_special) {}

  // Append the text that id completes to out.
  void push(TokenId id, std::string& out);
  // Append what is still held back, at the end of generation: as it is.
  void finish(std::string& out);

 private:
  const Tokenizer* tokenizer_;  // not null
  bool spell_special_;
  std::string held_;  // at most 3 bytes: the begin of a character
};

}  // namespace hearth
