// utf8proc's own whole-text functions are not used: they sort marks in quadratic time.
#include "engine/tokenizer/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>

#include "engine/tokenizer/utf8.hpp"

namespace hearth {
namespace {

utf8proc_category_t category(char32_t value) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(value));
}

int combining_class(char32_t value) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(value))->combining_class;
}

// Compose ordered code points and append them.
void append_composed(std::vector<char32_t>& text, std::string& out) {
  static_assert(sizeof(char32_t) == sizeof(utf8proc_int32_t));
  std::vector<utf8proc_int32_t> points(text.begin(), text.end());
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const utf8proc_ssize_t count = utf8proc_normalize_utf32(
      points.data(), static_cast<utf8proc_ssize_t>(points.size()), options);
  for (utf8proc_ssize_t i = 0; i < count; ++i) {
    append_utf8(static_cast<char32_t>(points[static_cast<std::size_t>(i)]), out);
  }
  text.clear();
}

}  // namespace

CodePoint first_code_point(std::string_view text) {
  const std::size_t size = utf8_character(text);
  if (size == 0) return {};
  utf8proc_int32_t value = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(size), &value);
  return {static_cast<char32_t>(value), size};
}

void append_utf8(char32_t value, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(value), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

bool is_separator(char32_t value) {
  const utf8proc_category_t found = category(value);
  return found == UTF8PROC_CATEGORY_ZS || found == UTF8PROC_CATEGORY_ZL ||
         found == UTF8PROC_CATEGORY_ZP;
}

bool is_other(char32_t value) {
  const utf8proc_category_t found = category(value);
  return found == UTF8PROC_CATEGORY_CN || found >= UTF8PROC_CATEGORY_CC;
}

bool is_punctuation(char32_t value) {
  const utf8proc_category_t found = category(value);
  return found >= UTF8PROC_CATEGORY_PC && found <= UTF8PROC_CATEGORY_PO;
}

bool is_nonspacing_mark(char32_t value) {
  return category(value) == UTF8PROC_CATEGORY_MN;
}

bool is_letter(char32_t value) {
  const utf8proc_category_t found = category(value);
  return found >= UTF8PROC_CATEGORY_LU && found <= UTF8PROC_CATEGORY_LO;
}

bool is_number(char32_t value) {
  const utf8proc_category_t found = category(value);
  return found >= UTF8PROC_CATEGORY_ND && found <= UTF8PROC_CATEGORY_NO;
}

void append_decomposed(char32_t value, std::vector<char32_t>& out) {
  utf8proc_int32_t points[8];  // the longest canonical decomposition has 4
  int last_class = 0;
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(value), points, 8, UTF8PROC_DECOMPOSE, &last_class);
  if (count <= 0 || count > 8) return out.push_back(value);
  out.insert(out.end(), points, points + count);
}

void order_marks(std::vector<char32_t>& text) {
  for (auto at = text.begin(); at != text.end();) {
    at = std::find_if(at, text.end(), combining_class);
    const auto end =
        std::find_if(at, text.end(), [](char32_t value) { return combining_class(value) == 0; });
    std::stable_sort(
        at, end, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    at = end;
  }
}

char32_t lower_case(char32_t value) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(value)));
}

char32_t upper_case(char32_t value) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(value)));
}

// A stretch ends before a character that nothing composes with to the left: ASCII.
std::string to_nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::vector<char32_t> stretch;
  const auto flush = [&] {
    order_marks(stretch);
    append_composed(stretch, out);
  };
  while (!text.empty()) {
    const CodePoint next = first_code_point(text);
    if ((next.size == 0 || next.value < 0x80) && !stretch.empty()) flush();
    if (next.size == 0) {
      out += text[0];
    } else {
      append_decomposed(next.value, stretch);
    }
    text.remove_prefix(std::max<std::size_t>(next.size, 1));
  }
  flush();
  return out;
}

}  // namespace hearth
