// UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629, table 3-7 of
// the Unicode standard).  Text comes from users and models, so every function takes any bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace hearth {

inline bool is_utf8_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// Bytes of the character that this byte begins; 0 when it begins none.
inline std::size_t utf8_length(char lead_byte) {
  const auto lead = static_cast<unsigned char>(lead_byte);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;  // a continuation, or an overlong form
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

// The second byte decides about overlong forms, surrogates and the range.
inline bool utf8_second_fits(char lead_byte, char second_byte) {
  const auto second = static_cast<unsigned char>(second_byte);
  switch (static_cast<unsigned char>(lead_byte)) {
    case 0xE0: return second >= 0xA0 && second < 0xC0;
    case 0xED: return second >= 0x80 && second < 0xA0;
    case 0xF0: return second >= 0x90 && second < 0xC0;
    case 0xF4: return second >= 0x80 && second < 0x90;
    default: return is_utf8_continuation(second_byte);
  }
}

// Bytes at text's begin that could belong to one character: the whole of it, or the part that is
// there when text ends inside it; 0 when text begins with a byte that is no character's.
inline std::size_t utf8_prefix(std::string_view text) {
  if (text.empty()) return 0;
  const std::size_t length = utf8_length(text[0]);
  if (length < 2 || text.size() == 1) return length == 0 ? 0 : 1;
  if (!utf8_second_fits(text[0], text[1])) return 0;
  const std::size_t end = length < text.size() ? length : text.size();
  for (std::size_t i = 2; i < end; ++i) {
    if (!is_utf8_continuation(text[i])) return 0;
  }
  return end;
}

// Bytes of the whole character at text's begin; 0 when there is none.
inline std::size_t utf8_character(std::string_view text) {
  const std::size_t prefix = utf8_prefix(text);
  return prefix != 0 && prefix == utf8_length(text[0]) ? prefix : 0;
}

// Bytes at text's begin that are whole characters.
inline std::size_t utf8_valid_bytes(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight;
    if (text.size() - at >= sizeof(eight)) {
      std::memcpy(&eight, text.data() + at, sizeof(eight));
      if ((eight & 0x8080808080808080u) == 0) {
        at += sizeof(eight);
        continue;
      }
    }
    const std::size_t length = utf8_character(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return at;
}

// Bytes at text's end that begin a character and need more bytes to complete it; 0 .. 3.
inline std::size_t utf8_unfinished_bytes(std::string_view text) {
  for (std::size_t size = 1; size <= 3 && size <= text.size(); ++size) {
    const std::string_view end = text.substr(text.size() - size);
    if (is_utf8_continuation(end[0])) continue;
    return utf8_prefix(end) == size && utf8_length(end[0]) > size ? size : 0;
  }
  return 0;
}

// Append a code point below 0x110000.
inline void append_utf8(std::uint32_t code_point, std::string& out) {
  const auto tail = [&](int shift) {
    return static_cast<char>(0x80 | ((code_point >> shift) & 0x3F));
  };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    (out += static_cast<char>(0xC0 | (code_point >> 6))) += tail(0);
  } else if (code_point < 0x10000) {
    ((out += static_cast<char>(0xE0 | (code_point >> 12))) += tail(6)) += tail(0);
  } else {
    (((out += static_cast<char>(0xF0 | (code_point >> 18))) += tail(12)) += tail(6)) += tail(0);
  }
}

}  // namespace hearth
