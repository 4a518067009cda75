// See tokenizer.hpp.
#include "engine/tokenizer/tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <optional>

#include "engine/tokenizer/bpe_tokenizer.hpp"
#include "engine/tokenizer/spm_tokenizer.hpp"
#include "engine/tokenizer/unicode.hpp"
#include "engine/tokenizer/unigram_tokenizer.hpp"
#include "engine/tokenizer/utf8.hpp"
#include "engine/tokenizer/word_piece_tokenizer.hpp"

namespace hearth {
namespace {

Error broken(const char* what) {
  return Error{Code::MODEL, fmt::format("the vocabulary is broken: {}", what)};
}

// What the tokenizers rely on, and read_vocabulary() has checked with better messages.
Status check(const Vocabulary& vocabulary) {
  const auto in_range = [&](TokenId id) {
    return id == kNoToken || (id >= 0 && static_cast<std::size_t>(id) < vocabulary.size());
  };
  if (vocabulary.size() == 0 || vocabulary.size() > kVocabularyTokensMax) {
    return broken("it has no tokens, or too many");
  }
  if (vocabulary.types.size() != vocabulary.size()) return broken("types and tokens differ");
  if (!in_range(vocabulary.bos) || !in_range(vocabulary.eos) || !in_range(vocabulary.unknown)) {
    return broken("a special token is outside of it");
  }
  if (vocabulary.add_bos && vocabulary.bos == kNoToken) return broken("add_bos without bos");
  if (vocabulary.add_eos && vocabulary.eos == kNoToken) return broken("add_eos without eos");
  if (!std::is_sorted(vocabulary.end_tokens.begin(), vocabulary.end_tokens.end())) {
    return broken("end_tokens are not sorted");
  }
  return {};
}

// The special tokens of a rendered text, one behind the other.  Each part is searched for itself:
// none is found across a border.
class SpecialFinder {
 public:
  SpecialFinder(const SpecialTokens& of_template, const SpecialTokens& of_input,
                const RenderedText& rendered)
      : of_template_(of_template), of_input_(of_input), rendered_(rendered) {}

  SpecialTokens::Match next() {
    while (search_ || open_part()) {
      SpecialTokens::Match match = search_->next(at_);
      if (match.id == kNoToken) {
        search_.reset();
        continue;
      }
      if (in_input_ && std::ranges::binary_search(rendered_.structure, match.id)) {
        at_ = match.begin + 1;
        continue;
      }
      at_ = match.end;
      match.begin += part_begin_;
      match.end += part_begin_;
      return match;
    }
    return {};
  }

 private:
  // Parts take turns: template, input, template, ...  False behind the last one.
  bool open_part() {
    const bool inputs_left = next_input_ < rendered_.input.size();
    if (part_end_ == rendered_.text.size() && !inputs_left) return false;
    part_begin_ = part_end_;
    in_input_ = inputs_left && rendered_.input[next_input_].begin == part_begin_;
    if (in_input_) {
      part_end_ = rendered_.input[next_input_++].end;
    } else {
      part_end_ = inputs_left ? rendered_.input[next_input_].begin : rendered_.text.size();
    }
    assert(part_begin_ <= part_end_ && part_end_ <= rendered_.text.size());
    at_ = 0;
    search_.emplace(in_input_ ? of_input_ : of_template_,
                    rendered_.text.substr(part_begin_, part_end_ - part_begin_));
    return true;
  }

  const SpecialTokens& of_template_;
  const SpecialTokens& of_input_;
  const RenderedText& rendered_;
  std::size_t next_input_ = 0;
  std::size_t part_begin_ = 0, part_end_ = 0;
  bool in_input_ = false;
  std::size_t at_ = 0;  // in the part
  std::optional<SpecialTokens::Search> search_;
};

// Finds the marks of a text among its tokens, while it becomes them.
class MarkFinder {
 public:
  MarkFinder(const Tokenizer& tokenizer, const RenderedText& rendered,
             std::vector<std::uint32_t>* ret_marks)
      : tokenizer_(tokenizer), rendered_(rendered), ret_marks_(ret_marks) {}

  // Bytes [begin, end) have become the ids from `first` on; has_prefix: with a space before them.
  void pass(std::size_t begin, std::size_t end, std::span<const TokenId> ids, std::size_t first,
            bool has_prefix) {
    if (ret_marks_ == nullptr) return;
    const bool nfc = tokenizer_.vocabulary().nfc;
    std::size_t index = first, passed = 0;  // bytes of ids [first, index)
    std::size_t at = begin, bytes = 0;      // of [begin, at), as they were encoded
    for (; next_ < rendered_.marks.size() && rendered_.marks[next_] < end; ++next_) {
      const std::size_t mark = rendered_.marks[next_];
      bytes += nfc ? to_nfc(rendered_.text.substr(at, mark - at)).size() : mark - at;
      at = mark;
      const std::size_t wanted = bytes + (has_prefix && bytes > 0 ? 1 : 0);
      while (index < ids.size()) {
        const std::size_t size = tokenizer_.piece(ids[index], /*spell_special=*/true).size();
        if (passed + size > wanted) break;
        passed += size;
        ++index;
      }
      ret_marks_->push_back(static_cast<std::uint32_t>(index));
    }
  }

 private:
  const Tokenizer& tokenizer_;
  const RenderedText& rendered_;
  std::vector<std::uint32_t>* ret_marks_;
  std::size_t next_ = 0;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::create(Vocabulary vocabulary) {
  if (vocabulary.model == TokenizerModel::none) {
    return Error{Code::TOKENIZATION, "the model has no vocabulary: it takes and gives token ids"};
  }
  HEARTH_CHECK(check(vocabulary));
  switch (vocabulary.model) {
    case TokenizerModel::spm: return SpmTokenizer::create(std::move(vocabulary));
    case TokenizerModel::unigram: return UnigramTokenizer::create(std::move(vocabulary));
    case TokenizerModel::word_piece: return WordPieceTokenizer::create(std::move(vocabulary));
    case TokenizerModel::bpe:
    case TokenizerModel::none: break;
  }
  return BpeTokenizer::create(std::move(vocabulary));
}

Tokenizer::Tokenizer(Vocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)),
      user_tokens_(vocabulary_, /*parse_special=*/false),
      special_tokens_(vocabulary_, /*parse_special=*/true) {}

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text,
                                               const EncodeOptions& options) const {
  return encode_parts(options.parse_special ? special_tokens_ : user_tokens_,
                      {.text = text, .input = {}, .structure = {}}, options.add_special, nullptr);
}

Result<std::vector<TokenId>> Tokenizer::encode(const RenderedText& rendered, bool add_special,
                                               std::vector<std::uint32_t>* ret_marks) const {
  return encode_parts(special_tokens_, rendered, add_special, ret_marks);
}

std::vector<TokenId> Tokenizer::structure_of(std::string_view text) const {
  std::vector<TokenId> ids;
  SpecialTokens::Search search(user_tokens_, text);
  for (auto match = search.next(0); match.id != kNoToken; match = search.next(match.end)) {
    const std::string_view spelling = text.substr(match.begin, match.end - match.begin);
    if (spelling.find_first_not_of(" \t\r\n") != std::string_view::npos) ids.push_back(match.id);
  }
  std::ranges::sort(ids);
  const auto repeated = std::ranges::unique(ids);
  ids.erase(repeated.begin(), repeated.end());
  return ids;
}

Result<std::vector<TokenId>> Tokenizer::encode_parts(const SpecialTokens& of_template,
                                                     const RenderedText& rendered, bool add_special,
                                                     std::vector<std::uint32_t>* ret_marks) const {
  const std::string_view text = rendered.text;
  if (text.size() > kTextBytesMax) {
    return Error{Code::LIMIT, fmt::format("a text of {} bytes; {} can be tokenized at once",
                                          text.size(), kTextBytesMax)};
  }
  std::vector<TokenId> ids;
  if (add_special && vocabulary_.add_bos) ids.push_back(vocabulary_.bos);
  bool after_special = true;
  std::size_t at = 0;
  SpecialFinder finder(of_template, user_tokens_, rendered);
  MarkFinder marks(*this, rendered, ret_marks);
  while (at < text.size()) {
    const auto special = finder.next();
    const std::size_t plain_end = special.id == kNoToken ? text.size() : special.begin;
    if (plain_end > at) {
      const std::string_view plain = text.substr(at, plain_end - at);
      const std::size_t first = ids.size();
      HEARTH_CHECK(encode_plain(vocabulary_.nfc ? to_nfc(plain) : plain, after_special, ids));
      marks.pass(at, plain_end, ids, first, after_special && vocabulary_.add_space_prefix);
    }
    if (special.id == kNoToken) break;
    ids.push_back(special.id);
    marks.pass(plain_end, special.end, ids, ids.size() - 1, /*has_prefix=*/false);
    after_special = true;
    at = special.end;
  }
  if (add_special && vocabulary_.add_eos) ids.push_back(vocabulary_.eos);
  return ids;
}

Result<TokenId> Tokenizer::token_without(char byte) const {
  const TokenId unknown = vocabulary_.unknown;
  const bool is_usable = unknown != kNoToken &&
                         vocabulary_.types[static_cast<std::size_t>(unknown)] != TokenType::control;
  if (is_usable) return unknown;
  return Error{Code::TOKENIZATION, fmt::format("the vocabulary has no token for byte 0x{:02X}",
                                               static_cast<unsigned char>(byte))};
}

// Embeddings are padded to round sizes: a model may give an id that its vocabulary does not have.
TokenType Tokenizer::type_of(TokenId id) const {
  assert(id >= 0);
  const auto index = static_cast<std::size_t>(id);
  return index < vocabulary_.size() ? vocabulary_.types[index] : TokenType::unused;
}

std::string_view Tokenizer::piece(TokenId id, bool spell_special) const {
  const TokenType type = type_of(id);
  const bool hidden = type == TokenType::control || type == TokenType::unknown;
  if ((hidden && !spell_special) || static_cast<std::size_t>(id) >= pieces_.size()) return {};
  return pieces_[static_cast<std::size_t>(id)];
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool spell_special) const {
  std::string text;
  bool after_special = true;
  for (const TokenId id : ids) {
    std::string_view bytes = piece(id, spell_special);
    const TokenType type = type_of(id);
    const bool is_special = type == TokenType::control || type == TokenType::user_defined;
    const bool has_prefix = vocabulary_.add_space_prefix && after_special && !is_special;
    if (has_prefix && bytes.starts_with(' ')) bytes.remove_prefix(1);
    after_special = is_special;
    text += bytes;
  }
  return text;
}

bool Tokenizer::is_end(TokenId id) const {
  return std::binary_search(vocabulary_.end_tokens.begin(), vocabulary_.end_tokens.end(), id);
}

void StreamDecoder::push(TokenId id, std::string& out) {
  held_ += tokenizer_->piece(id, spell_special_ && !tokenizer_->is_end(id));
  const std::size_t unfinished = utf8_unfinished_bytes(held_);
  out.append(held_, 0, held_.size() - unfinished);
  held_.erase(0, held_.size() - unfinished);
}

void StreamDecoder::finish(std::string& out) {
  out += held_;
  held_.clear();
}

}  // namespace hearth
