// The door to utf8proc: what the Unicode standard says of characters.
//
// Pure functions of any code points, safe from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth {

// The character that text begins with; size is 0 where it begins with none.
struct CodePoint {
  char32_t value = 0;
  std::size_t size = 0;  // bytes
};
CodePoint first_code_point(std::string_view text);
void append_utf8(char32_t value, std::string& out);  // value: a code point, no surrogate

bool is_separator(char32_t value);        // categories Z*
bool is_other(char32_t value);            // categories C*: controls, unassigned, private
bool is_punctuation(char32_t value);      // categories P*
bool is_nonspacing_mark(char32_t value);  // category Mn
bool is_letter(char32_t value);           // categories L*
bool is_number(char32_t value);           // categories N*

// Append the canonical decomposition, marks in the order of the text: see order_marks().
void append_decomposed(char32_t value, std::vector<char32_t>& out);
// Put marks behind each letter in canonical order (UAX #15); O(n log n).
void order_marks(std::vector<char32_t>& text);
char32_t lower_case(char32_t value);  // simple mapping
char32_t upper_case(char32_t value);  // simple mapping

// Normalisation form C of what is UTF-8; other bytes stay as they are.
std::string to_nfc(std::string_view text);

}  // namespace hearth
