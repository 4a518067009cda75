// See value_reader.hpp.
#include "engine/chat/parse/value_reader.hpp"

#include <array>

namespace hearth::chat {
namespace {

constexpr std::string_view kGemmaQuote = "<|\"|>";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// What numbers and words are made of.
bool is_literal(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' ||
         c == '.' || c == '_';
}

std::size_t skip_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

// -? (0 | [1-9][0-9]*) (.[0-9]+)? ([eE][+-]?[0-9]+)?
bool is_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t whole = skip_digits(text, at);
  if (whole == at || (text[at] == '0' && whole > at + 1)) return false;
  at = whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t end = skip_digits(text, at + 1);
    if (end == at + 1) return false;
    at = end;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t end = skip_digits(text, at);
    if (end == at) return false;
    at = end;
  }
  return at == text.size();
}

// The literal in JSON; empty when it is none.
std::string_view json_literal(std::string_view text) {
  for (const auto& [word, json] : std::array<std::array<std::string_view, 2>, 3>{
           {{"True", "true"}, {"False", "false"}, {"None", "null"}}}) {
    if (text == word || text == json) return json;
  }
  return is_number(text) ? text : std::string_view();
}

void append_escaped(char c, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x20) {
    out += c;
    return;
  }
  out += "\\u00";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

int hex_value(std::string_view digits) {
  int value = 0;
  for (const char c : digits) {
    if (!is_hex(c)) return -1;
    value = value * 16 + (is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return digits.size() == 4 ? value : -1;
}

void append_utf8(int code, std::string& out) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// \uXXXX, two of them for a surrogate pair, at `at`; the place behind it, or `at` when it is none.
std::size_t append_code_point(std::string_view json, std::size_t at, std::string& out) {
  int code = hex_value(json.substr(at + 2, 4));
  if (code < 0) return at;
  std::size_t end = at + 6;
  if (code >= 0xD800 && code < 0xDC00 && json.substr(end, 2) == "\\u") {
    const int low = hex_value(json.substr(end + 2, 4));
    if (low >= 0xDC00 && low < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      end += 6;
    }
  }
  if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;  // half a pair
  append_utf8(code, out);
  return end;
}

}  // namespace

void append_escaped(std::string_view text, std::string& out) {
  for (const char c : text) append_escaped(c, out);
}

void append_unescaped(std::string_view json, std::string& out) {
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kMeans = "\"\\/\b\f\n\r\t";
  json = json.substr(1, json.size() < 2 ? 0 : json.size() - 2);
  for (std::size_t at = 0; at < json.size();) {
    if (json[at] == '\\' && at + 1 < json.size()) {
      if (const std::size_t name = kNames.find(json[at + 1]); name != std::string_view::npos) {
        out += kMeans[name];
        at += 2;
        continue;
      }
      if (json[at + 1] == 'u') {
        const std::size_t end = append_code_point(json, at, out);
        if (end != at) {
          at = end;
          continue;
        }
      }
    }
    out += json[at++];
  }
}

std::string whole_value(std::string_view text) {
  ValueReader reader;
  reader.start(ValueReader::Notation::json);
  std::string out;
  std::size_t used = 0;
  if (reader.read(text, true, used, out) != ValueReader::Progress::done) return {};
  return text.find_first_not_of(" \t\r\n", used) == std::string_view::npos ? out : std::string();
}

void ValueReader::start(Notation notation) {
  notation_ = notation;
  state_ = State::value;
  depth_ = 0;
  objects_ = 0;
  held_.clear();
}

ValueReader::Progress ValueReader::read(std::string_view text, bool ended, std::size_t& used,
                                        std::string& out) {
  used = 0;
  while (state_ != State::done && state_ != State::bad && step(text, ended, used, out)) {
  }
  if (state_ == State::done) return Progress::done;
  return state_ == State::bad ? Progress::bad : Progress::more;
}

// One step forward; false when more text is needed.
bool ValueReader::step(Bytes text, bool ended, std::size_t& at, std::string& out) {
  switch (state_) {
    case State::string: return read_string(text, at, out);
    case State::literal: return read_literal(text, ended, at, out);
    case State::bare_key: return read_bare_key(text, at, out);
    default: break;
  }
  while (at < text.size() && is_space(text[at])) {
    if (depth_ > 0) out += text[at];
    ++at;
  }
  if (at == text.size()) return false;
  switch (state_) {
    case State::value:
    case State::value_or_end: return begin_value(text, ended, at, out);
    case State::key:
    case State::key_or_end: return begin_key(text, ended, at, out);
    case State::colon:
      state_ = text[at] == ':' ? State::value : State::bad;
      if (state_ == State::bad) return true;
      break;
    default: {  // next
      const bool object = (objects_ >> (depth_ - 1) & 1) != 0;
      if (text[at] == (object ? '}' : ']')) {
        close(out);
        ++at;
        return true;
      }
      state_ = text[at] != ',' ? State::bad : object ? State::key : State::value;
      if (state_ == State::bad) return true;
    }
  }
  out += text[at++];
  return true;
}

bool ValueReader::begin_value(Bytes text, bool ended, std::size_t& at, std::string& out) {
  const char c = text[at];
  if (c == ']' && state_ == State::value_or_end) {
    close(out);
    ++at;
    return true;
  }
  if (c == '{' || c == '[') {
    if (depth_ == kDepthMax) {
      state_ = State::bad;
      return true;
    }
    open(c == '{', out);
    ++at;
    return true;
  }
  string_is_key_ = false;
  if (!open_string(text, ended, at, out)) return false;
  if (state_ == State::string) return true;
  const bool bare = notation_ == Notation::gemma && c != ',' && c != '}' && c != ']';
  state_ = bare || is_literal(c) ? State::literal : State::bad;
  return true;
}

bool ValueReader::begin_key(Bytes text, bool ended, std::size_t& at, std::string& out) {
  if (text[at] == '}' && state_ == State::key_or_end) {
    close(out);
    ++at;
    return true;
  }
  string_is_key_ = true;
  if (!open_string(text, ended, at, out)) return false;
  if (state_ == State::string) return true;
  state_ = notation_ == Notation::gemma ? State::bare_key : State::bad;
  return true;
}

bool ValueReader::open_string(Bytes text, bool ended, std::size_t& at, std::string& out) {
  const char c = text[at];
  std::size_t size = c == '"' || c == '\'' ? 1 : 0;
  if (notation_ == Notation::gemma && c == '<') {
    const Bytes rest = text.substr(at);
    if (!ended && rest.size() < kGemmaQuote.size() && kGemmaQuote.starts_with(rest)) return false;
    if (rest.starts_with(kGemmaQuote)) size = kGemmaQuote.size();
  }
  if (size > 0) {
    quote_ = c;
    state_ = State::string;
    out += '"';
    at += size;
  }
  return true;
}

bool ValueReader::read_string(Bytes text, std::size_t& at, std::string& out) {
  const std::size_t begin = at;
  const auto ordinary = [&](char c) {
    return c != quote_ && c != '"' && c != '\\' && static_cast<unsigned char>(c) >= 0x20;
  };
  while (at < text.size() && ordinary(text[at])) ++at;
  out += text.substr(begin, at - begin);
  if (at == text.size()) return false;
  const char c = text[at];
  if (c == '\\' && quote_ != '<') return read_escape(text, at, out);
  std::size_t size = c == quote_ ? 1 : 0;
  if (c == '<' && quote_ == '<') {
    const Bytes rest = text.substr(at);
    if (rest.size() < kGemmaQuote.size() && kGemmaQuote.starts_with(rest)) return false;
    size = rest.starts_with(kGemmaQuote) ? kGemmaQuote.size() : 0;
  }
  if (size == 0) {
    append_escaped(c, out);
    ++at;
    return true;
  }
  out += '"';
  at += size;
  if (string_is_key_) {
    state_ = State::colon;
  } else {
    end_value();
  }
  return true;
}

bool ValueReader::read_escape(Bytes text, std::size_t& at, std::string& out) {
  const Bytes rest = text.substr(at);
  if (rest.size() < 2) return false;
  const char c = rest[1];
  if (c == 'u') {
    std::size_t digits = 0;
    while (digits < 4 && 2 + digits < rest.size() && is_hex(rest[2 + digits])) ++digits;
    if (digits < 4 && 2 + digits == rest.size()) return false;
    out += digits == 4 ? "\\u" : "\\\\u";
  } else if (std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
    out += '\\';
    out += c;
  } else if (c == '\'') {
    out += c;
  } else {  // it escapes nothing
    out += "\\\\";
    ++at;
    return true;
  }
  at += 2;
  return true;
}

bool ValueReader::read_literal(Bytes text, bool ended, std::size_t& at, std::string& out) {
  const bool gemma = notation_ == Notation::gemma;
  while (at < text.size() && held_.size() < kLiteralMax &&
         (gemma ? text[at] != ',' && text[at] != '}' && text[at] != ']' : is_literal(text[at]))) {
    held_ += text[at++];
  }
  if (held_.size() == kLiteralMax) {
    state_ = State::bad;
    return true;
  }
  if (at == text.size() && !ended) return false;
  // In a container more must follow: what is cut here is not decided.
  if (at == text.size() && depth_ > 0) return false;
  while (gemma && is_space(held_.back())) held_.pop_back();
  if (const std::string_view json = json_literal(held_); !json.empty()) {
    out += json;
  } else if (gemma) {
    out += '"';
    append_escaped(held_, out);
    out += '"';
  } else {
    state_ = State::bad;
    return true;
  }
  held_.clear();
  end_value();
  return true;
}

bool ValueReader::read_bare_key(Bytes text, std::size_t& at, std::string& out) {
  while (at < text.size() && held_.size() < kLiteralMax && text[at] != ':' && text[at] != '}' &&
         text[at] != '{' && text[at] != ',') {
    held_ += text[at++];
  }
  if (at == text.size() && held_.size() < kLiteralMax) return false;
  while (!held_.empty() && is_space(held_.back())) held_.pop_back();
  if (at == text.size() || text[at] != ':' || held_.empty()) {
    state_ = State::bad;
    return true;
  }
  out += '"';
  append_escaped(held_, out);
  out += '"';
  held_.clear();
  state_ = State::colon;
  return true;
}

void ValueReader::open(bool object, std::string& out) {
  out += object ? '{' : '[';
  const std::uint64_t bit = std::uint64_t{1} << depth_;
  objects_ = object ? objects_ | bit : objects_ & ~bit;
  ++depth_;
  state_ = object ? State::key_or_end : State::value_or_end;
}

void ValueReader::close(std::string& out) {
  --depth_;
  out += (objects_ >> depth_ & 1) != 0 ? '}' : ']';
  end_value();
}

void ValueReader::end_value() {
  state_ = depth_ == 0 ? State::done : State::next;
}

std::string ValueReader::take_held() {
  std::string held = std::move(held_);
  held_.clear();
  return held;
}

}  // namespace hearth::chat
