// See word_piece_tokenizer.hpp.
#include "engine/tokenizer/word_piece_tokenizer.hpp"

#include <algorithm>
#include <utility>

#include "engine/tokenizer/text_normalizer.hpp"
#include "engine/tokenizer/unicode.hpp"

namespace hearth {
namespace {

// The blocks that BERT takes for words of one character: CJK unified ideographs and their
// extensions A to E, and the compatibility ones.
bool is_ideograph(char32_t value) {
  constexpr std::pair<char32_t, char32_t> kBlocks[] = {
      {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
      {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::ranges::any_of(
      kBlocks, [&](const auto& block) { return value >= block.first && value <= block.second; });
}

// Other controls that look like spaces go without cutting a word.
bool is_space(char32_t value) {
  return value == '\t' || value == '\n' || value == '\r' || is_separator(value);
}

// What stands alone: for ASCII, all that prints and is neither a letter nor a digit.
bool is_separate(char32_t value) {
  if (value >= 0x80) return is_punctuation(value);
  const bool is_word = (value >= '0' && value <= '9') || (value >= 'A' && value <= 'Z') ||
                       (value >= 'a' && value <= 'z');
  return value > 0x20 && value < 0x7F && !is_word;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> WordPieceTokenizer::create(Vocabulary vocabulary) {
  std::unique_ptr<WordPieceTokenizer> made(new WordPieceTokenizer(std::move(vocabulary)));
  made->build();
  return std::unique_ptr<Tokenizer>(std::move(made));
}

void WordPieceTokenizer::build() {
  for (std::size_t i = 0; i < vocabulary_.size(); ++i) {
    const std::string& text = vocabulary_.tokens[i];
    const TokenType type = vocabulary_.types[i];
    const bool is_piece = type == TokenType::normal || type == TokenType::unused;
    pieces_.push_back(is_piece ? replace_all(text, kSpaceMark, " ") : text);
    if (type != TokenType::normal) continue;
    const auto id = static_cast<TokenId>(i);
    if (text.starts_with(kSpaceMark)) {
      first_.add(std::string_view(text).substr(kSpaceMark.size()), id);
    } else {
      later_.add(text, id);
    }
  }
}

Status WordPieceTokenizer::encode_plain(std::string_view text, bool /*after_special*/,
                                        std::vector<TokenId>& ids) const {
  std::vector<char32_t> word, points;
  while (!text.empty()) {
    const CodePoint next = first_code_point(text);
    text.remove_prefix(std::max<std::size_t>(next.size, 1));
    if (next.size == 0 || next.value == 0xFFFD) continue;
    if (is_space(next.value)) {
      HEARTH_CHECK(encode_word(word, ids));
      continue;
    }
    if (is_other(next.value)) continue;
    const bool alone = is_ideograph(next.value);
    if (alone) HEARTH_CHECK(encode_word(word, ids));
    points.clear();
    if (vocabulary_.strip_accents) {
      append_decomposed(next.value, points);
      std::erase_if(points, is_nonspacing_mark);
    } else {
      points.push_back(next.value);
    }
    for (const char32_t point : points) {
      const char32_t value = vocabulary_.lower_case ? lower_case(point) : point;
      const bool separate = is_separate(value);
      if (separate) HEARTH_CHECK(encode_word(word, ids));
      word.push_back(value);
      if (separate) HEARTH_CHECK(encode_word(word, ids));
    }
    if (alone) HEARTH_CHECK(encode_word(word, ids));
  }
  return encode_word(word, ids);
}

// Empties word.
Status WordPieceTokenizer::encode_word(std::vector<char32_t>& word,
                                       std::vector<TokenId>& ids) const {
  if (word.empty()) return {};
  const std::size_t characters = word.size();
  if (vocabulary_.strip_accents) order_marks(word);
  std::string text;
  for (const char32_t value : word) append_utf8(value, text);
  word.clear();
  const std::size_t word_begin = ids.size();
  for (std::size_t at = 0; at < text.size();) {
    const ByteTrie& trie = at == 0 ? first_ : later_;
    TokenId longest = kNoToken;
    std::size_t end = at;
    ByteTrie::Node node = ByteTrie::kRoot;
    for (std::size_t i = at; i < text.size() && characters <= kWordCharactersMax; ++i) {
      node = trie.child(node, text[i]);
      if (node == ByteTrie::kNowhere) break;
      if (trie.token(node) == kNoToken) continue;
      longest = trie.token(node);
      end = i + 1;
    }
    if (longest == kNoToken) {
      ids.resize(word_begin);
      // Here the unknown token may be a control token: it stands for a word, and spells nothing.
      if (vocabulary_.unknown == kNoToken) return token_without(text[at]).error();
      ids.push_back(vocabulary_.unknown);
      return {};
    }
    ids.push_back(longest);
    at = end;
  }
  return {};
}

}  // namespace hearth
