// Tokens, and the white space between tags.
#include "engine/chat/jinja/lexer.hpp"

#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {
namespace {

// Longest first.
constexpr std::string_view kSymbols[] = {"==", "!=", "<=", ">=", "**", "//", "+", "-", "*",
                                         "/",  "%",  "~",  "<",  ">",  "=",  "(", ")", "[",
                                         "]",  "{",  "}",  "|",  ",",  ".",  ":"};

bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}
bool begins_name(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

std::size_t skip_spaces(std::string_view text, std::size_t at) {
  std::size_t size = 0;
  while (at < text.size() && is_space(character_at(text, at, &size))) at += size;
  return at;
}

std::size_t trim_end(std::string_view text) {
  std::size_t end = text.size();
  std::size_t size = 0;
  while (end > 0) {
    const std::size_t before = previous_character(text, end);
    if (!is_space(character_at(text, before, &size))) break;
    end = before;
  }
  return end;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> read() {
    while (at_ < source_.size()) {
      const std::size_t tag = find_tag();
      add_text(tag);
      if (tag == source_.size()) break;
      const char kind = source_[tag + 1];
      move_to(tag);
      if (kind == '#') {
        skip_comment();
      } else {
        read_tag(kind == '%');
      }
    }
    move_to(source_.size());
    add(TokenKind::end, 0);
    return std::move(tokens_);
  }

 private:
  // Positions only grow: lines and columns are counted on the way.
  void move_to(std::size_t at) {
    for (; at_ < at; ++at_) {
      if (source_[at_] == '\n') {
        ++here_.line;
        here_.column = 1;
      } else if (!is_utf8_continuation(source_[at_])) {
        ++here_.column;
      }
    }
  }

  void add(TokenKind kind, std::size_t size) {
    tokens_.push_back({kind, source_.substr(at_, size), here_});
    move_to(at_ + size);
  }

  char byte(std::size_t at) const { return at < source_.size() ? source_[at] : '\0'; }
  bool is_at(std::string_view what) const { return source_.substr(at_, what.size()) == what; }

  std::size_t find_tag() const {
    for (std::size_t at = at_; (at = source_.find('{', at)) != source_.npos; ++at) {
      const char next = byte(at + 1);
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return source_.size();
  }

  // The text before a tag, without what the tag's sign or lstrip_blocks takes off.
  void add_text(std::size_t tag) {
    std::string_view text = source_.substr(at_, tag - at_);
    const char sign = byte(tag + 2);
    if (tag < source_.size() && sign == '-') {
      text = text.substr(0, trim_end(text));
    } else if (tag < source_.size() && sign != '+' && byte(tag + 1) != '{') {
      const std::size_t line = text.rfind('\n') + 1;  // 0 where there is none
      if ((line > 0 || begins_line_) && skip_spaces(text, line) == text.size()) {
        text = text.substr(0, line);
      }
    }
    if (!text.empty()) add(TokenKind::text, text.size());
  }

  // After the closing mark of a tag: what its sign or trim_blocks takes off.
  void close_tag(bool strip, bool trim_line) {
    std::size_t end = at_;
    if (strip) {
      end = skip_spaces(source_, at_);
    } else if (trim_line && byte(at_) == '\n') {
      ++end;
    }
    begins_line_ = end > at_ && source_[end - 1] == '\n';
    move_to(end);
  }

  void skip_comment() {
    const std::size_t end = source_.find("#}", at_ + 2);
    if (end == source_.npos) fail("a comment has no end: '#}' is missing", here_);
    const char sign = end > at_ + 3 ? source_[end - 1] : '\0';  // at_ + 2 has the opening sign
    move_to(end + 2);
    close_tag(sign == '-', sign != '+');
  }

  void read_tag(bool is_block) {
    const Where begin = here_;
    add(is_block ? TokenKind::block_begin : TokenKind::output_begin, 2);
    if (is_at("-") || is_at("+")) move_to(at_ + 1);
    const std::string_view closing = is_block ? "%}" : "}}";
    open_.clear();
    for (;;) {
      move_to(skip_spaces(source_, at_));
      if (at_ == source_.size()) {
        fail(fmt::format("a tag has no end: '{}' is missing", closing), begin);
      }
      if (open_.empty() && at_closing(closing)) {
        const bool strip = is_at("-");
        const bool keep = is_at("+");
        if (strip || keep) move_to(at_ + 1);
        add(is_block ? TokenKind::block_end : TokenKind::output_end, 2);
        return close_tag(strip, is_block && !keep);
      }
      read_token();
    }
  }

  bool at_closing(std::string_view closing) const {
    const std::size_t at = at_ + (is_at("-") || (is_at("+") && closing == "%}") ? 1 : 0);
    return source_.substr(at, 2) == closing;
  }

  void read_token() {
    const char first = source_[at_];
    if (begins_name(first)) {
      std::size_t end = at_ + 1;
      while (begins_name(byte(end)) || is_digit(byte(end))) ++end;
      return add(TokenKind::name, end - at_);
    }
    if (is_digit(first)) return read_number();
    if (first == '\'' || first == '"') return read_string(first);
    for (std::string_view symbol : kSymbols) {
      if (!is_at(symbol)) continue;
      balance(first);
      return add(TokenKind::symbol, symbol.size());
    }
    fail("a character that means nothing here", here_);
  }

  // Within brackets }} and %} do not end the tag.
  void balance(char symbol) {
    if (symbol == '(' || symbol == '[' || symbol == '{') {
      open_ += symbol == '(' ? ')' : symbol == '[' ? ']' : '}';
    } else if (symbol == ')' || symbol == ']' || symbol == '}') {
      if (open_.empty()) fail(fmt::format("'{}' closes nothing", symbol), here_);
      if (open_.back() != symbol) {
        fail(fmt::format("'{}' is missing before '{}'", open_.back(), symbol), here_);
      }
      open_.pop_back();
    }
  }

  void read_number() {
    const auto digits = [&](std::size_t at) {
      while (is_digit(byte(at)) || (byte(at) == '_' && is_digit(byte(at + 1)))) ++at;
      return at;
    };
    std::size_t end = digits(at_);
    bool real = false;
    if (byte(end) == '.' && is_digit(byte(end + 1))) {
      real = true;
      end = digits(end + 1);
    }
    if (byte(end) == 'e' || byte(end) == 'E') {
      const std::size_t sign = byte(end + 1) == '+' || byte(end + 1) == '-' ? 1 : 0;
      if (is_digit(byte(end + 1 + sign))) {
        real = true;
        end = digits(end + 1 + sign);
      }
    }
    if (begins_name(byte(end))) fail("a number that is not decimal", here_);
    add(real ? TokenKind::real : TokenKind::integer, end - at_);
  }

  void read_string(char quote) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail("a text has no end", here_);
    add(TokenKind::string, end + 1 - at_);
  }

  std::string_view source_;
  std::size_t at_ = 0;
  Where here_{1, 1};
  bool begins_line_ = true;  // nothing but a line end, or nothing, lies before at_
  std::string open_;         // the closing brackets that are waited for
  std::vector<Token> tokens_;
};

// The character of \xHH, \uHHHH, \UHHHHHHHH; at: behind the letter.
char32_t read_hex(const Token& token, std::string_view inner, std::size_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    const char digit = i < inner.size() ? inner[i] : '\0';
    const std::size_t meant =
        std::string_view("0123456789abcdef")
            .find(digit >= 'A' && digit <= 'F' ? static_cast<char>(digit + 32) : digit);
    if (meant == std::string_view::npos) fail("an escape in a text lacks hex digits", token.where);
    value = value << 4 | static_cast<std::uint32_t>(meant);
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
    fail("an escape in a text that is no character", token.where);
  }
  return value;
}

// Appends what the escape at inner[at] stands for; returns where the text goes on.
std::size_t append_escape(const Token& token, std::string_view inner, std::size_t at,
                          std::string& out) {
  constexpr std::string_view kNames = "\\'\"abfnrtv";
  constexpr std::string_view kMeant = "\\'\"\a\b\f\n\r\t\v";
  const char name = inner[at + 1];
  at += 2;
  if (name == '\n') return at;
  if (const std::size_t found = kNames.find(name); found != kNames.npos) {
    out += kMeant[found];
  } else if (name >= '0' && name <= '7') {
    std::uint32_t value = static_cast<std::uint32_t>(name - '0');
    for (int i = 0; i < 2 && at < inner.size() && inner[at] >= '0' && inner[at] <= '7'; ++i) {
      value = value * 8 + static_cast<std::uint32_t>(inner[at++] - '0');
    }
    append_utf8(value, out);
  } else if (name == 'x' || name == 'u' || name == 'U') {
    const std::size_t count = name == 'x' ? 2 : name == 'u' ? 4 : 8;
    append_utf8(read_hex(token, inner, at, count), out);
    at += count;
  } else {
    out += '\\';  // as Python: what is no escape stays
    out += name;
  }
  return at;
}

}  // namespace

std::string normalize_source(std::string_view source) {
  std::string normal;
  normal.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    const bool two = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (!two) normal += source[i] == '\r' ? '\n' : source[i];
  }
  if (!normal.empty() && normal.back() == '\n') normal.pop_back();
  return normal;
}

std::vector<Token> read_tokens(std::string_view source) {
  return Lexer(source).read();
}

std::string unquote(const Token& token) {
  const std::string_view inner = token.text.substr(1, token.text.size() - 2);
  std::string text;
  for (std::size_t at = 0; at < inner.size();) {
    if (inner[at] == '\\' && at + 1 < inner.size()) {
      at = append_escape(token, inner, at, text);
    } else {
      text += inner[at++];
    }
  }
  return text;
}

}  // namespace hearth::jinja
