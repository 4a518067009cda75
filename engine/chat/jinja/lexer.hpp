// A template's source as tokens, with the white space taken off that Jinja takes off when
// trim_blocks and lstrip_blocks are set, as for every chat template.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat/jinja/failure.hpp"

namespace hearth::jinja {

enum class TokenKind : std::uint8_t {
  text,
  output_begin,  // {{
  output_end,
  block_begin,  // {%
  block_end,
  name,
  string,   // with its quotes; see unquote()
  integer,  // as it was written
  real,
  symbol,
  end,  // of the template
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;  // within the source
  Where where;

  bool is(TokenKind other) const { return kind == other; }
  bool is_symbol(std::string_view symbol) const {
    return kind == TokenKind::symbol && text == symbol;
  }
  bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
};

// Line ends as \n, and without the last one: what read_tokens() wants.
std::string normalize_source(std::string_view source);

// The last token is `end`.  Tokens refer to the source.  Fails where the source is no template.
std::vector<Token> read_tokens(std::string_view source);

// The value of a string token.  Fails at an escape that is none.
std::string unquote(const Token& token);

}  // namespace hearth::jinja
