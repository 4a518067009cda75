// What the tokenizer tests share: small vocabularies made by hand, random text, shared files.
// Nothing here uses code of engine/ but the two public headers.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/tokenizer/tokenizer.hpp"
#include "engine/tokenizer/vocabulary.hpp"

namespace hearth::testing {

using Ids = std::vector<TokenId>;

struct SpmToken {
  std::string text;
  float score = 0;
  TokenType type = TokenType::normal;
};

inline std::string hex_byte_token(unsigned byte) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">";
}

// Ids 0 <unk>, 1 <s>, 2 </s>, then the tokens given, then, with_bytes, 256 byte tokens.
inline Vocabulary spm_vocabulary(const std::vector<SpmToken>& tokens, bool with_bytes = true) {
  Vocabulary made;
  made.model = TokenizerModel::spm;
  const auto add = [&](const SpmToken& token) {
    made.tokens.push_back(token.text);
    made.scores.push_back(token.score);
    made.types.push_back(token.type);
  };
  add({"<unk>", 0, TokenType::unknown});
  add({"<s>", 0, TokenType::control});
  add({"</s>", 0, TokenType::control});
  for (const SpmToken& token : tokens) add(token);
  for (unsigned byte = 0; with_bytes && byte < 256; ++byte) {
    add({hex_byte_token(byte), 0, TokenType::byte});
  }
  made.unknown = 0;
  made.bos = 1;
  made.eos = 2;
  made.end_tokens = {2};
  return made;
}

// The character with which GPT-2 spells a byte, from the description in its encoder.py.
inline std::string spelled_byte(unsigned byte) {
  unsigned code = byte;
  const bool prints = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
  if (!prints) {
    code = 256 + byte;  // 0 .. 32 come first
    if (byte >= 127 && byte <= 160) code = 256 + byte - 127 + 33;
    if (byte == 173) code = 256 + 67;
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
}

inline std::string spelled(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += spelled_byte(static_cast<unsigned char>(byte));
  return text;
}

// Ids 0 .. 255 the bytes in order, then a token for every merge (given as bytes), then specials.
inline Vocabulary bpe_vocabulary(
    const std::vector<std::pair<std::string, std::string>>& merges,
    const std::vector<std::pair<std::string, TokenType>>& others = {}) {
  Vocabulary made;
  made.model = TokenizerModel::bpe;
  made.pre = "gpt-2";
  for (unsigned byte = 0; byte < 256; ++byte) made.tokens.push_back(spelled_byte(byte));
  for (const auto& [left, right] : merges) {
    made.merges.push_back(spelled(left) + " " + spelled(right));
    const std::string both = spelled(left + right);
    bool is_known = false;
    for (const std::string& token : made.tokens) is_known = is_known || token == both;
    if (!is_known) made.tokens.push_back(both);
  }
  made.types.assign(made.tokens.size(), TokenType::normal);
  for (const auto& [text, type] : others) {
    made.tokens.push_back(text);
    made.types.push_back(type);
  }
  return made;
}

inline std::unique_ptr<Tokenizer> make_tokenizer(Vocabulary vocabulary) {
  auto made = Tokenizer::create(std::move(vocabulary));
  if (made) return *std::move(made);
  ADD_FAILURE() << made.error().message;
  return nullptr;
}

inline TokenId id_of(const Tokenizer& tokenizer, const std::string& text) {
  const auto& tokens = tokenizer.vocabulary().tokens;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] == text) return static_cast<TokenId>(i);
  }
  ADD_FAILURE() << "no token " << text;
  return kNoToken;
}

inline Ids encode(const Tokenizer& tokenizer, std::string_view text, bool add_special = false,
                  bool parse_special = false) {
  auto ids = tokenizer.encode(text, {.add_special = add_special, .parse_special = parse_special});
  if (ids) return *ids;
  ADD_FAILURE() << ids.error().message;
  return {};
}

// The spellings of the ids, joined by '|': what a person can read.
inline std::string shown(const Tokenizer& tokenizer, const Ids& ids) {
  std::string text;
  for (const TokenId id : ids) {
    if (!text.empty()) text += '|';
    text += tokenizer.vocabulary().tokens[static_cast<std::size_t>(id)];
  }
  return text;
}
inline std::string shown(const Tokenizer& tokenizer, std::string_view text,
                         bool add_special = false, bool parse_special = false) {
  return shown(tokenizer, encode(tokenizer, text, add_special, parse_special));
}

inline void append_code_point(std::uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int tails = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr unsigned kLeads[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLeads[tails] | code >> (6 * tails));
  for (int i = tails - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((code >> (6 * i)) & 63));
}

// Any characters but surrogates and U+2581, which SentencePiece cannot tell from a space.
inline std::string random_unicode(std::mt19937& random, std::size_t characters) {
  constexpr std::uint32_t kEnds[] = {0x80, 0x80, 0x250, 0x500, 0x3100, 0x10000, 0x110000};
  std::string text;
  for (std::size_t i = 0; i < characters; ++i) {
    const std::uint32_t code = random() % kEnds[random() % std::size(kEnds)];
    const bool is_usable = (code < 0xD800 || code >= 0xE000) && code != 0x2581;
    append_code_point(is_usable ? code : ' ', text);
  }
  return text;
}

inline std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// A sequence of the words given.
inline std::string random_words(std::mt19937& random, const std::vector<std::string>& words,
                                std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += words[random() % words.size()];
  return text;
}

inline std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The tokenizer of a GGUF file.
inline std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path) {
  auto file = GgufFile::open(path);
  if (!file) {
    ADD_FAILURE() << file.error().message;
    return nullptr;
  }
  auto vocabulary = read_vocabulary(*file);
  if (!vocabulary) {
    ADD_FAILURE() << vocabulary.error().message;
    return nullptr;
  }
  return make_tokenizer(*std::move(vocabulary));
}

inline bool exists(const std::string& path) {
  return std::ifstream(path).good();
}

}  // namespace hearth::testing

// The vocabularies of /work/shared are not part of the project.
#define SKIP_WITHOUT(path) \
  if (!hearth::testing::exists(path)) GTEST_SKIP() << (path) << " is not there"
