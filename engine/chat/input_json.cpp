// See input_json.hpp.
#include "engine/chat/input_json.hpp"

#include <fmt/format.h>

#include <cmath>

namespace hearth::chat {
namespace {

using jinja::Input;

void write(const Input& value, std::string& out);

void write_text(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

// 2.5, 1e+20, and 2.0 for what is whole, so that it stays what it is.
void write_real(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  out += text;
}

struct Writer {
  std::string& out;
  void operator()(std::monostate) const { out += "null"; }
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(std::int64_t value) const { out += fmt::format("{}", value); }
  void operator()(double value) const { write_real(value, out); }
  void operator()(const std::string& text) const { write_text(text, out); }
  void operator()(const jinja::InputList& list) const {
    out += '[';
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (i != 0) out += ", ";
      write(list[i], out);
    }
    out += ']';
  }
  void operator()(const jinja::InputDict& dict) const {
    out += '{';
    for (std::size_t i = 0; i < dict.size(); ++i) {
      if (i != 0) out += ", ";
      write_text(dict[i].first, out);
      out += ": ";
      write(dict[i].second, out);
    }
    out += '}';
  }
};

void write(const Input& value, std::string& out) {
  std::visit(Writer{out}, value.held);
}

}  // namespace

std::string to_json(const Input& value) {
  std::string out;
  write(value, out);
  return out;
}

}  // namespace hearth::chat
