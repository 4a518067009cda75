// See sentence_piece.hpp.
#include "engine/tokenizer/sentence_piece.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace hearth {
namespace {

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

SentencePieceTokenizer::SentencePieceTokenizer(Vocabulary vocabulary)
    : Tokenizer(std::move(vocabulary)) {
  byte_tokens_.fill(kNoToken);
}

Status SentencePieceTokenizer::build_pieces(const std::function<void(TokenId)>& on_piece) {
  const std::size_t size = vocabulary_.size();
  if (vocabulary_.scores.size() != size) {
    return Error{Code::MODEL, "the vocabulary is broken: scores and tokens differ in number"};
  }
  HEARTH_TRY(normalizer_,
             TextNormalizer::create(vocabulary_.charsmap, vocabulary_.remove_extra_spaces));
  pieces_.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    const std::string& text = vocabulary_.tokens[i];
    const auto id = static_cast<TokenId>(i);
    if (!std::isfinite(vocabulary_.scores[i])) {
      return Error{Code::MODEL, fmt::format("token {}: its score is not a finite number", id)};
    }
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
      case TokenType::unused: pieces_[i] = replace_all(text, kSpaceMark, " "); continue;
      case TokenType::user_defined: pieces_[i] = text; break;
      case TokenType::normal: pieces_[i] = replace_all(text, kSpaceMark, " "); break;
    }
    if (!text.empty()) on_piece(id);
  }
  return {};
}

Status SentencePieceTokenizer::push_unknown(std::string_view character, std::size_t plain_begin,
                                            std::vector<TokenId>& ids) const {
  const auto has_no_token = [&](char byte) {
    return byte_tokens_[static_cast<unsigned char>(byte)] == kNoToken;
  };
  const auto missing = std::ranges::find_if(character, has_no_token);
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
