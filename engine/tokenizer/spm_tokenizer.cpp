#include "engine/tokenizer/spm_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include "engine/tokenizer/utf8.hpp"

namespace hearth {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const std::size_t at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

// Ranks order as scores do, the highest first.
std::uint32_t rank_of_score(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(0.0f - score);  // never -0
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// Characters before a space belong to another word.
bool goes_on_over_space(std::string_view text) {
  const std::size_t first_other = [&] {
    std::size_t at = 0;
    while (text.substr(at).starts_with(kSpace)) at += kSpace.size();
    return at;
  }();
  return text.find(kSpace, first_other) != std::string_view::npos;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

int spm_byte(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const int high = hex_digit(text[3]), low = hex_digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

SpmTokenizer::SpmTokenizer(Vocabulary vocabulary)
    : Tokenizer(std::move(vocabulary)), index_(vocabulary_.tokens) {
  byte_tokens_.fill(kNoToken);
}

Result<std::unique_ptr<Tokenizer>> SpmTokenizer::create(Vocabulary vocabulary) {
  std::unique_ptr<SpmTokenizer> made(new SpmTokenizer(std::move(vocabulary)));
  HEARTH_CHECK(made->build());
  return std::unique_ptr<Tokenizer>(std::move(made));
}

Status SpmTokenizer::build() {
  const std::size_t size = vocabulary_.size();
  if (vocabulary_.scores.size() != size) {
    return Error{Code::MODEL, "the vocabulary is broken: scores and tokens differ in number"};
  }
  pieces_.resize(size);
  ranks_.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    const std::string& text = vocabulary_.tokens[i];
    const auto id = static_cast<TokenId>(i);
    if (!std::isfinite(vocabulary_.scores[i])) {
      return Error{Code::MODEL, fmt::format("token {}: its score is not a finite number", id)};
    }
    ranks_[i] = rank_of_score(vocabulary_.scores[i]);
    switch (vocabulary_.types[i]) {
      case TokenType::byte: {
        const int byte = spm_byte(text);
        if (byte < 0) {
          return Error{Code::MODEL, fmt::format("token {} is a byte but not \"<0xXX>\"", id)};
        }
        pieces_[i] = static_cast<char>(byte);
        TokenId& known = byte_tokens_[static_cast<std::size_t>(byte)];
        if (known == kNoToken) known = id;
        continue;
      }
      case TokenType::control:
      case TokenType::unknown: pieces_[i] = text; continue;
      case TokenType::unused: pieces_[i] = replace_all(text, kSpace, " "); continue;
      case TokenType::user_defined: pieces_[i] = text; break;
      case TokenType::normal: pieces_[i] = replace_all(text, kSpace, " "); break;
    }
    if (text.empty()) continue;
    index_.insert(id);
    text_bytes_max_ = std::max(text_bytes_max_, text.size());
    splits_at_spaces_ = splits_at_spaces_ && !goes_on_over_space(text);
  }
  return {};
}

// End of the word that begins at begin: nothing merges across it.
std::size_t SpmTokenizer::word_end(std::string_view text, std::size_t begin) const {
  if (!splits_at_spaces_) return text.size();
  std::size_t at = begin;
  while (text.substr(at).starts_with(kSpace)) at += kSpace.size();
  return std::min(text.find(kSpace, at), text.size());
}

Status SpmTokenizer::encode_plain(std::string_view text, bool after_special,
                                  std::vector<TokenId>& ids) const {
  std::string escaped = replace_all(text, " ", kSpace);
  if (vocabulary_.add_space_prefix && after_special) escaped.insert(0, kSpace);
  const std::size_t plain_begin = ids.size();
  PairMerger merger;
  for (std::size_t begin = 0; begin < escaped.size();) {
    const std::size_t end = word_end(escaped, begin);
    const std::string_view word = std::string_view(escaped).substr(begin, end - begin);
    HEARTH_CHECK(encode_word(word, merger, plain_begin, ids));
    begin = end;
  }
  return {};
}

Status SpmTokenizer::encode_word(std::string_view word, PairMerger& merger, std::size_t plain_begin,
                                 std::vector<TokenId>& ids) const {
  constexpr auto kNoSymbol = static_cast<std::uint32_t>(kNoToken);  // a character, not looked up
  merger.clear();
  for (std::size_t at = 0; at < word.size();) {
    merger.add(static_cast<std::uint32_t>(at), kNoSymbol);
    at += std::max<std::size_t>(utf8_character(word.substr(at)), 1);
  }
  merger.run(static_cast<std::uint32_t>(word.size()),
             [&](const PairMerger::Symbol& left, const PairMerger::Symbol&, std::uint32_t end) {
               if (end - left.begin > text_bytes_max_) return Merge{};
               const TokenId id = index_.find(word.substr(left.begin, end - left.begin));
               if (id == kNoToken) return Merge{};
               return Merge{ranks_[static_cast<std::size_t>(id)], static_cast<std::uint32_t>(id)};
             });
  Status status;
  merger.each([&](std::uint32_t symbol, std::uint32_t begin, std::uint32_t end) {
    if (symbol != kNoSymbol) {
      ids.push_back(static_cast<TokenId>(symbol));
    } else if (status) {
      status = encode_character(word.substr(begin, end - begin), plain_begin, ids);
    }
  });
  return status;
}

// plain_begin: where the ids of this plain text begin.
Status SpmTokenizer::encode_character(std::string_view character, std::size_t plain_begin,
                                      std::vector<TokenId>& ids) const {
  if (const TokenId id = index_.find(character); id != kNoToken) {
    ids.push_back(id);
    return {};
  }
  const auto has_no_token = [&](char byte) {
    return byte_tokens_[static_cast<unsigned char>(byte)] == kNoToken;
  };
  const auto missing = std::find_if(character.begin(), character.end(), has_no_token);
  if (missing == character.end()) {
    for (const char byte : character) ids.push_back(byte_tokens_[static_cast<unsigned char>(byte)]);
    return {};
  }
  HEARTH_TRY(const TokenId unknown, token_without(*missing));
  const bool goes_on = ids.size() > plain_begin && ids.back() == unknown;
  if (!goes_on) ids.push_back(unknown);
  return {};
}

}  // namespace hearth
