// Characters of UTF-8 that is known to be whole: every Text is.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/tokenizer/utf8.hpp"

namespace hearth::jinja {

// The character at text[at], its bytes in *size.
inline char32_t character_at(std::string_view text, std::size_t at, std::size_t* size) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  const auto tail = [&](std::size_t i) { return static_cast<char32_t>(byte(i) & 0x3F); };
  if (lead < 0x80) return *size = 1, lead;
  if (lead < 0xE0) return *size = 2, (lead & 0x1Fu) << 6 | tail(1);
  if (lead < 0xF0) return *size = 3, (lead & 0x0Fu) << 12 | tail(1) << 6 | tail(2);
  return *size = 4, (lead & 0x07u) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3);
}

inline std::size_t next_character(std::string_view text, std::size_t at) {
  do ++at;
  while (at < text.size() && is_utf8_continuation(text[at]));
  return at;
}

inline std::size_t previous_character(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && is_utf8_continuation(text[at]));
  return at;
}

inline std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (char byte : text) count += is_utf8_continuation(byte) ? 0 : 1;
  return count;
}

// What Python's str.isspace() and strip() take for white space.
inline bool is_space(char32_t value) {
  if (value < 0x80) return (value >= 9 && value <= 13) || (value >= 28 && value <= 32);
  return value == 0x85 || value == 0xA0 || value == 0x1680 ||
         (value >= 0x2000 && value <= 0x200A) || value == 0x2028 || value == 0x2029 ||
         value == 0x202F || value == 0x205F || value == 0x3000;
}

}  // namespace hearth::jinja
