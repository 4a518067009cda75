#include "engine/tokenizer/special_tokens.hpp"

#include <algorithm>

namespace hearth {
namespace {

unsigned char byte_at(std::string_view text, std::size_t offset) {
  return static_cast<unsigned char>(text[offset]);
}

}  // namespace

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary) : by_first_byte_{} {
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const TokenType type = vocabulary.types[i];
    const bool always = type == TokenType::user_defined;
    if (!always && type != TokenType::control && type != TokenType::unknown) continue;
    if (vocabulary.tokens[i].empty()) continue;
    entries_.push_back({vocabulary.tokens[i], static_cast<TokenId>(i), always});
  }
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.text < b.text; });
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    Range& range = by_first_byte_[byte_at(entries_[i].text, 0)];
    if (range.end == 0) range.begin = i;
    range.end = i + 1;
    range.always |= entries_[i].always;
  }
}

// Entries of the range agree with text in their first `size` bytes, so those that end there come
// first, and the rest is sorted by the next byte.
const SpecialTokens::Entry* SpecialTokens::longest_at(std::string_view text,
                                                      bool parse_special) const {
  const Range& range = by_first_byte_[byte_at(text, 0)];
  const Entry* longest = nullptr;
  auto begin = entries_.begin() + range.begin;
  auto end = entries_.begin() + range.end;
  for (std::size_t size = 1; begin != end; ++size) {
    for (; begin != end && begin->text.size() == size; ++begin) {
      const bool is_better = longest == nullptr || longest->text.size() < size;
      if (is_better && (parse_special || begin->always)) longest = &*begin;
    }
    if (size == text.size()) break;
    const unsigned char next = byte_at(text, size);
    begin = std::partition_point(
        begin, end, [&](const Entry& entry) { return byte_at(entry.text, size) < next; });
    end = std::partition_point(
        begin, end, [&](const Entry& entry) { return byte_at(entry.text, size) == next; });
  }
  return longest;
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, std::size_t from,
                                         bool parse_special) const {
  if (entries_.empty()) return {};
  for (std::size_t at = from; at < text.size(); ++at) {
    const Range& range = by_first_byte_[byte_at(text, at)];
    if (range.end == 0 || (!parse_special && !range.always)) continue;
    if (const Entry* entry = longest_at(text.substr(at), parse_special)) {
      return {entry->id, at, at + entry->text.size()};
    }
  }
  return {};
}

}  // namespace hearth
