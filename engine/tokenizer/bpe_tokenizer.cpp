// See bpe_tokenizer.hpp.
#include "engine/tokenizer/bpe_tokenizer.hpp"

#include <fmt/format.h>

#include <map>
#include <string>

#include "engine/tokenizer/utf8.hpp"

namespace hearth {
namespace {

// GPT-2 spells bytes as characters that can be seen: those that print stand for themselves, the
// others for U+0100 and up, in order.
constexpr bool is_spelled_as_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}
constexpr std::uint32_t kSpellingsEnd = 0x144;  // 68 bytes are not spelled as themselves

struct ByteSpellings {
  std::array<std::uint16_t, 256> character{};         // of each byte
  std::array<std::int16_t, kSpellingsEnd> byte_of{};  // of each character, or -1

  constexpr ByteSpellings() {
    for (auto& byte : byte_of) byte = -1;
    std::uint16_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      character[byte] = is_spelled_as_itself(byte) ? static_cast<std::uint16_t>(byte) : next++;
      byte_of[character[byte]] = static_cast<std::int16_t>(byte);
    }
  }
};
constexpr ByteSpellings kSpellings;

// The bytes that a token's text spells, or nothing when a character of it spells none.
std::optional<std::string> spelled_bytes(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const std::size_t size = utf8_character(text);
    const auto lead = static_cast<unsigned char>(text[0]);
    std::uint32_t character = lead;
    if (size == 2) character = (lead & 0x1Fu) << 6 | (static_cast<unsigned char>(text[1]) & 0x3Fu);
    if (size == 0 || size > 2 || character >= kSpellingsEnd) return std::nullopt;
    if (kSpellings.byte_of[character] < 0) return std::nullopt;
    bytes += static_cast<char>(kSpellings.byte_of[character]);
    text.remove_prefix(size);
  }
  return bytes;
}

std::string spelling_of_byte(unsigned byte) {
  std::string text;
  append_utf8(kSpellings.character[byte], text);
  return text;
}

}  // namespace

std::optional<std::pair<std::string_view, std::string_view>> split_merge(std::string_view merge) {
  const std::size_t space = merge.find(' ');
  const bool is_one = space != std::string_view::npos && space == merge.rfind(' ');
  if (!is_one || space == 0 || space + 1 == merge.size()) return std::nullopt;
  return std::pair(merge.substr(0, space), merge.substr(space + 1));
}

// Gives every spelling its symbol while the tables are built.
class BpeTokenizer::SymbolNames {
 public:
  explicit SymbolNames(const std::vector<std::string>& tokens) : tokens_(tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (!tokens[i].empty()) tokens_.insert(static_cast<TokenId>(i));
    }
    next_ = static_cast<std::uint32_t>(tokens.size());
  }

  std::uint32_t symbol(std::string_view text) {
    if (const TokenId id = tokens_.find(text); id != kNoToken) {
      return static_cast<std::uint32_t>(id);
    }
    const auto [place, is_new] = others_.try_emplace(std::string(text), next_);
    if (is_new) ++next_;
    return place->second;
  }

 private:
  TokenIndex tokens_;
  std::map<std::string, std::uint32_t> others_;
  std::uint32_t next_;
};

BpeTokenizer::BpeTokenizer(Vocabulary vocabulary, PreTokenizer pre_tokenizer)
    : Tokenizer(std::move(vocabulary)),
      pre_tokenizer_(std::move(pre_tokenizer)),
      merges_(vocabulary_.merges.size()) {}

Result<std::unique_ptr<Tokenizer>> BpeTokenizer::create(Vocabulary vocabulary) {
  HEARTH_TRY(PreTokenizer pre_tokenizer, PreTokenizer::create(vocabulary.pre));
  std::unique_ptr<BpeTokenizer> made(
      new BpeTokenizer(std::move(vocabulary), std::move(pre_tokenizer)));
  HEARTH_CHECK(made->build());
  return std::unique_ptr<Tokenizer>(std::move(made));
}

Status BpeTokenizer::build() {
  const std::size_t size = vocabulary_.size();
  pieces_.resize(size);
  is_output_.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    const std::string& text = vocabulary_.tokens[i];
    const TokenType type = vocabulary_.types[i];
    const bool is_spelled = type == TokenType::normal || type == TokenType::unused;
    const std::optional<std::string> bytes = spelled_bytes(text);
    pieces_[i] = is_spelled && bytes ? *bytes : text;
    // A user-defined token may come out of merges too, where its text spells the same bytes.
    const bool is_plain = type == TokenType::normal || type == TokenType::user_defined;
    is_output_[i] = is_plain && bytes == pieces_[i];
  }
  SymbolNames names(vocabulary_.tokens);
  for (unsigned byte = 0; byte < 256; ++byte) {
    byte_symbols_[byte] = names.symbol(spelling_of_byte(byte));
    const bool has_token = byte_symbols_[byte] < size && is_output_[byte_symbols_[byte]];
    byte_tokens_[byte] = has_token ? static_cast<TokenId>(byte_symbols_[byte]) : kNoToken;
  }
  if (pre_tokenizer_.whole_pieces()) {
    words_.emplace(pieces_);
    for (std::size_t i = 0; i < size; ++i) {
      if (is_output_[i] && !pieces_[i].empty()) words_->insert(static_cast<TokenId>(i));
    }
  }
  return build_merges(names);
}

Status BpeTokenizer::build_merges(SymbolNames& names) {
  std::uint32_t rank = 0;
  for (const std::string& merge : vocabulary_.merges) {
    const auto parts = split_merge(merge);
    if (!parts) return Error{Code::MODEL, fmt::format("merge {} is not \"left right\"", rank)};
    const auto& [left, right] = *parts;
    const std::uint32_t both = names.symbol(std::string(left).append(right));
    merges_.insert(names.symbol(left), names.symbol(right), {rank, both});  // the first one counts
    ++rank;
  }
  return {};
}

Status BpeTokenizer::encode_plain(std::string_view text, bool /*after_special*/,
                                  std::vector<TokenId>& ids) const {
  std::vector<std::uint32_t> ends;
  HEARTH_CHECK(pre_tokenizer_.split(text, ends));
  PairMerger merger;
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    HEARTH_CHECK(encode_word(text.substr(begin, end - begin), merger, ids));
    begin = end;
  }
  return {};
}

Status BpeTokenizer::encode_word(std::string_view word, PairMerger& merger,
                                 std::vector<TokenId>& ids) const {
  if (words_) {
    if (const TokenId id = words_->find(word); id != kNoToken) {
      ids.push_back(id);
      return {};
    }
  }
  const auto size = static_cast<std::uint32_t>(word.size());
  merger.clear();
  for (std::uint32_t i = 0; i < size; ++i) {
    merger.add(i, byte_symbols_[static_cast<unsigned char>(word[i])]);
  }
  merger.run(size, [&](const PairMerger::Symbol& left, const PairMerger::Symbol& right,
                       std::uint32_t) { return merges_.find(left.symbol, right.symbol); });
  Status status;
  merger.each([&](std::uint32_t symbol, std::uint32_t begin, std::uint32_t end) {
    if (symbol < is_output_.size() && is_output_[symbol]) {
      ids.push_back(static_cast<TokenId>(symbol));
    } else if (status) {
      status = encode_bytes(word.substr(begin, end - begin), ids);
    }
  });
  return status;
}

Status BpeTokenizer::encode_bytes(std::string_view bytes, std::vector<TokenId>& ids) const {
  for (const char byte : bytes) {
    TokenId id = byte_tokens_[static_cast<unsigned char>(byte)];
    if (id == kNoToken) {
      HEARTH_TRY(id, token_without(byte));
    }
    ids.push_back(id);
  }
  return {};
}

}  // namespace hearth
