// JSON to Input.
#include <charconv>

#include "engine/chat/jinja/failure.hpp"
#include "engine/chat/jinja/input.hpp"
#include "engine/tokenizer/utf8.hpp"

namespace hearth::jinja {
namespace {

class JsonParser {
 public:
  JsonParser(std::string_view json, std::uint32_t nesting_max)
      : json_(json), nesting_left_(nesting_max) {}

  Input document() {
    if (const std::size_t valid = utf8_valid_bytes(json_); valid != json_.size()) {
      at_ = valid;
      broken("not UTF-8");
    }
    Input value = any();
    skip_spaces();
    if (at_ != json_.size()) broken("more than one value");
    return value;
  }

 private:
  [[noreturn]] void broken(std::string_view why) const {
    fail(fmt::format("JSON: {} at byte {}", why, at_));
  }
  char peek() const { return at_ < json_.size() ? json_[at_] : '\0'; }
  void skip_spaces() {
    while (at_ < json_.size() && std::string_view(" \t\r\n").find(json_[at_]) != json_.npos) ++at_;
  }
  bool take(std::string_view what) {
    if (json_.substr(at_, what.size()) != what) return false;
    at_ += what.size();
    return true;
  }

  Input any() {
    skip_spaces();
    switch (peek()) {
      case '{': return nested([this] { return Input(dict()); });
      case '[': return nested([this] { return Input(list()); });
      case '"': return Input(string());
      default: break;
    }
    if (take("true")) return Input(true);
    if (take("false")) return Input(false);
    if (take("null")) return Input();
    return number();
  }

  Input nested(auto read) {
    if (nesting_left_ == 0) fail_limit(fmt::format("JSON: nested too deeply at byte {}", at_));
    --nesting_left_;
    Input value = read();
    ++nesting_left_;
    return value;
  }

  // After an item: true when another one follows, false at the end.
  bool more(char closing) {
    skip_spaces();
    if (peek() == ',') return ++at_, true;
    if (peek() != closing || at_ == json_.size()) broken("a comma or the end is missing");
    return ++at_, false;
  }

  InputList list() {
    InputList items;
    ++at_;
    skip_spaces();
    if (take("]")) return items;
    do items.push_back(any());
    while (more(']'));
    return items;
  }

  InputDict dict() {
    InputDict entries;
    ++at_;
    skip_spaces();
    if (take("}")) return entries;
    do {
      skip_spaces();
      if (peek() != '"') broken("a key is missing");
      std::string key = string();
      skip_spaces();
      if (!take(":")) broken("a colon is missing");
      entries.emplace_back(std::move(key), any());
    } while (more('}'));
    return entries;
  }

  std::string string() {
    std::string text;
    for (++at_;;) {
      const std::size_t plain = json_.find_first_of("\"\\", at_);
      if (plain == json_.npos) broken("a text has no end");
      for (; at_ < plain; ++at_) {
        if (static_cast<unsigned char>(json_[at_]) < 0x20) broken("a control character in a text");
        text += json_[at_];
      }
      ++at_;
      if (json_[plain] == '"') return text;
      escape(text);
    }
  }

  void escape(std::string& text) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    const char name = peek();
    if (const std::size_t found = kNames.find(name); found != kNames.npos && name != '\0') {
      ++at_;
      text += kMeant[found];
      return;
    }
    if (!take("u")) broken("an unknown escape");
    std::uint32_t code = four_digits();
    if (code >= 0xD800 && code < 0xDC00) {
      if (!take("\\u")) broken("half of a surrogate pair");
      const std::uint32_t low = four_digits();
      if (low < 0xDC00 || low >= 0xE000) broken("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      broken("half of a surrogate pair");
    }
    append_utf8(code, text);
  }

  std::uint32_t four_digits() {
    const std::string_view digits = json_.substr(at_, 4);
    std::uint32_t code = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (digits.size() != 4 || read.ptr != digits.data() + 4) broken("four hex digits are missing");
    at_ += 4;
    return code;
  }

  std::size_t digits() {
    const std::size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ - begin;
  }

  Input number() {
    const std::size_t begin = at_;
    take("-");
    const bool zero = peek() == '0';
    const std::size_t count = digits();
    if (count == 0) broken("not a value");
    if (zero && count > 1) broken("a number with a leading zero");
    bool whole = true;
    if (take(".")) {
      whole = false;
      if (digits() == 0) broken("digits are missing");
    }
    if (peek() == 'e' || peek() == 'E') {
      whole = false;
      ++at_;
      if (!take("+")) take("-");
      if (digits() == 0) broken("digits are missing");
    }
    return whole ? number<std::int64_t>(begin) : number<double>(begin);
  }

  template <class Number>
  Input number(std::size_t begin) {
    Number value = 0;
    const auto read = std::from_chars(json_.data() + begin, json_.data() + at_, value);
    if (read.ec != std::errc()) broken("a number is too large");
    return Input(value);
  }

  std::string_view json_;
  std::size_t at_ = 0;
  std::uint32_t nesting_left_;
};

}  // namespace

const Input* Input::find(std::string_view key) const {
  const auto* dict = std::get_if<InputDict>(&held);
  if (dict == nullptr) return nullptr;
  for (auto entry = dict->rbegin(); entry != dict->rend(); ++entry) {
    if (entry->first == key) return &entry->second;
  }
  return nullptr;
}

Result<Input> parse_json(std::string_view json, std::uint32_t nesting_max) {
  try {
    return JsonParser(json, nesting_max).document();
  } catch (const Failure& failure) {
    return to_error(failure, {});
  }
}

}  // namespace hearth::jinja
