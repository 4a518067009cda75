// See text_normalizer.hpp.
#include "engine/tokenizer/text_normalizer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/tokenizer/utf8.hpp"

namespace hearth {
namespace {

static_assert(std::endian::native == std::endian::little, "the map is read as it lies");

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// One unit of a double array: a node that is reached by its label.
struct Unit {
  std::uint32_t bits;
  std::uint32_t label() const { return bits & 0x800000FF; }
  bool has_value() const { return (bits >> 8 & 1) != 0; }
  std::uint32_t value() const { return bits & 0x7FFFFFFF; }
  std::uint32_t offset() const { return bits >> 10 << (bits >> 6 & 8); }
};

}  // namespace

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

Result<TextNormalizer> TextNormalizer::create(std::string charsmap, bool remove_extra_spaces) {
  TextNormalizer made;
  made.remove_extra_spaces_ = remove_extra_spaces;
  if (charsmap.empty()) return made;
  std::uint32_t array_bytes = 0;
  if (charsmap.size() >= sizeof(array_bytes)) {
    std::memcpy(&array_bytes, charsmap.data(), sizeof(array_bytes));
  }
  if (array_bytes < sizeof(std::uint32_t) || array_bytes % sizeof(std::uint32_t) != 0 ||
      array_bytes > charsmap.size() - sizeof(array_bytes)) {
    return Error{Code::MODEL, "the map of characters is cut off"};
  }
  made.units_.resize(array_bytes / sizeof(std::uint32_t));
  std::memcpy(made.units_.data(), charsmap.data() + sizeof(array_bytes), array_bytes);
  made.replacements_ = charsmap.substr(sizeof(array_bytes) + array_bytes) + '\0';
  return made;
}

// The longest entry of the map at text's begin, else its first character.
TextNormalizer::Replaced TextNormalizer::replace_first(std::string_view text) const {
  std::string_view found;
  std::size_t found_size = 0;
  std::uint32_t at = units_.empty() ? 0 : Unit{units_[0]}.offset();
  for (std::size_t i = 0; !units_.empty() && i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    at ^= byte;
    if (at >= units_.size() || Unit{units_[at]}.label() != byte) break;
    const Unit unit = {units_[at]};
    at ^= unit.offset();
    if (at >= units_.size()) break;
    if (!unit.has_value()) continue;
    const std::uint32_t begin = Unit{units_[at]}.value();
    if (begin >= replacements_.size()) break;
    found = replacements_.data() + begin;  // up to its NUL
    found_size = i + 1;
  }
  if (found_size != 0) return {found, found_size};
  const std::size_t size = utf8_character(text);
  if (size == 0 && !units_.empty()) return {kReplacement, 1};
  return {text.substr(0, std::max<std::size_t>(size, 1)), std::max<std::size_t>(size, 1)};
}

Result<std::string> TextNormalizer::apply(std::string_view text, bool space_prefix) const {
  if (units_.empty() && !remove_extra_spaces_) {
    return std::string(space_prefix && !text.empty() ? kSpaceMark : "") +
           replace_all(text, " ", kSpaceMark);
  }
  std::string out;
  out.reserve(text.size() + kSpaceMark.size());
  bool after_space = remove_extra_spaces_;  // what follows loses its leading spaces
  bool anything = false;
  for (Replaced next; !text.empty(); text.remove_prefix(next.size)) {
    next = replace_first(text);
    if (after_space) {
      next.text.remove_prefix(std::min(next.text.find_first_not_of(' '), next.text.size()));
    }
    // A prefix goes before text only, and leading spaces may be none.
    if (remove_extra_spaces_ && !anything && next.text.empty()) continue;
    if (!std::exchange(anything, true) && space_prefix) out += kSpaceMark;
    for (const char byte : next.text) {
      if (byte == ' ') {
        out += kSpaceMark;
      } else {
        out += byte;
      }
    }
    if (out.size() > kBytesMax) {
      return Error{Code::LIMIT, "the vocabulary's map of characters makes the text too long"};
    }
    if (!next.text.empty()) after_space = remove_extra_spaces_ && next.text.back() == ' ';
  }
  while (remove_extra_spaces_ && out.ends_with(kSpaceMark))
    out.resize(out.size() - kSpaceMark.size());
  return out;
}

}  // namespace hearth
