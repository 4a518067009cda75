// See spm_tokenizer.hpp.
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

// Ranks order as scores do, the highest first.
std::uint32_t rank_of_score(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(0.0f - score);  // never -0
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// Characters before a space belong to another word.
bool goes_on_over_space(std::string_view text) {
  const std::size_t first_other = [&] {
    std::size_t at = 0;
    while (text.substr(at).starts_with(kSpaceMark)) at += kSpaceMark.size();
    return at;
  }();
  return text.find(kSpaceMark, first_other) != std::string_view::npos;
}

}  // namespace

SpmTokenizer::SpmTokenizer(Vocabulary vocabulary)
    : SentencePieceTokenizer(std::move(vocabulary)), index_(vocabulary_.tokens) {}

Result<std::unique_ptr<Tokenizer>> SpmTokenizer::create(Vocabulary vocabulary) {
  std::unique_ptr<SpmTokenizer> made(new SpmTokenizer(std::move(vocabulary)));
  HEARTH_CHECK(made->build());
  return std::unique_ptr<Tokenizer>(std::move(made));
}

Status SpmTokenizer::build() {
  HEARTH_CHECK(build_pieces([&](TokenId id) {
    const std::string& text = vocabulary_.tokens[static_cast<std::size_t>(id)];
    index_.insert(id);
    text_bytes_max_ = std::max(text_bytes_max_, text.size());
    splits_at_spaces_ = splits_at_spaces_ && !goes_on_over_space(text);
  }));
  ranks_.reserve(vocabulary_.size());
  for (const float score : vocabulary_.scores) ranks_.push_back(rank_of_score(score));
  return {};
}

// End of the word that begins at begin: nothing merges across it.
std::size_t SpmTokenizer::word_end(std::string_view text, std::size_t begin) const {
  if (!splits_at_spaces_) return text.size();
  std::size_t at = begin;
  while (text.substr(at).starts_with(kSpaceMark)) at += kSpaceMark.size();
  return std::min(text.find(kSpaceMark, at), text.size());
}

Status SpmTokenizer::encode_plain(std::string_view text, bool after_special,
                                  std::vector<TokenId>& ids) const {
  HEARTH_TRY(const std::string escaped, normalize(text, after_special));
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
    } else if (const std::string_view character = word.substr(begin, end - begin);
               index_.find(character) != kNoToken) {
      ids.push_back(index_.find(character));
    } else if (status) {
      status = push_unknown(character, plain_begin, ids);
    }
  });
  return status;
}

}  // namespace hearth
