// Values as Python prints them: str() and repr().
#include <charconv>
#include <cmath>

#include "engine/chat/jinja/run.hpp"
#include "engine/chat/jinja/unicode_text.hpp"
#include "engine/tokenizer/unicode.hpp"

namespace hearth::jinja {
namespace {

bool is_printable(char32_t value) {
  if (value < 0x7F) return value >= 0x20;
  return !is_other(value) && !is_separator(value);
}

// The bytes that stand for one character between quotes.
std::string escaped(char32_t value, std::string_view bytes, char quote) {
  switch (value) {
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
  }
  if (value == static_cast<unsigned char>(quote)) return {'\\', quote};
  if (is_printable(value)) return std::string(bytes);
  const auto code = static_cast<std::uint32_t>(value);
  if (code < 0x100) return fmt::format("\\x{:02x}", code);
  return code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
}

void append_quoted(Run& run, TextBuilder& out, const Text& text) {
  run.charge(text.size / 8);
  const std::string_view view = text.view();
  const bool has_single = view.find('\'') != view.npos;
  const char quote = has_single && view.find('"') == view.npos ? '"' : '\'';
  out.append(quote);
  for_each_run(text, [&](std::string_view piece, const Mark* mark) {
    for (std::size_t at = 0; at < piece.size();) {
      std::size_t size = 0;
      const char32_t value = character_at(piece, at, &size);
      const std::string bytes = escaped(value, piece.substr(at, size), quote);
      mark != nullptr ? out.append(bytes, mark->message) : out.append(bytes);
      at += size;
    }
  });
  out.append(quote);
}

void append_items(Run& run, TextBuilder& out, std::span<const Value> items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.append(", ");
    append_repr(run, out, items[i]);
  }
}

void append_sequence(Run& run, TextBuilder& out, const Sequence& sequence) {
  const std::span<const Value> items = sequence.span();
  if (sequence.kind == SequenceKind::tuple) {
    out.append('(');
    append_items(run, out, items);
    return out.append(items.size() == 1 ? ",)" : ")");
  }
  const bool is_view = sequence.kind >= SequenceKind::keys;
  if (is_view)
    out.append(fmt::format("{}(", type_name(Value::of(const_cast<Sequence*>(&sequence)))));
  out.append('[');
  append_items(run, out, items);
  out.append(is_view ? "])" : "]");
}

void append_dict(Run& run, TextBuilder& out, const Dict& dict) {
  out.append('{');
  for (std::uint32_t i = 0; i < dict.size; ++i) {
    if (i > 0) out.append(", ");
    append_repr(run, out, dict.entries[i].key);
    out.append(": ");
    append_repr(run, out, dict.entries[i].value);
  }
  out.append('}');
}

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // The shortest digits that read back as the same value; Python's rule for the exponent.
  char buffer[512];
  const double size = std::fabs(value);
  const bool fixed = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  if (fixed && text.find('.') == text.npos) text += ".0";
  return text;
}

void append_str(Run& run, TextBuilder& out, const Value& value) {
  if (value.is(Kind::text)) {
    run.charge_bytes(value.text->size);
    return out.append(*value.text);
  }
  if (!value.is(Kind::undefined)) append_repr(run, out, value);
}

void append_repr(Run& run, TextBuilder& out, const Value& value) {
  run.charge(1);
  switch (value.kind) {
    case Kind::undefined: return out.append("Undefined");
    case Kind::none: return out.append("None");
    case Kind::boolean: return out.append(value.boolean ? "True" : "False");
    case Kind::integer: return out.append(fmt::format("{}", value.integer));
    case Kind::real: return out.append(float_repr(value.real));
    case Kind::text:
      if (!value.text->safe) return append_quoted(run, out, *value.text);
      out.append("Markup(");
      append_quoted(run, out, *value.text);
      return out.append(')');
    case Kind::dict: {
      const Deeper deeper(run);
      return append_dict(run, out, *value.dict);
    }
    case Kind::sequence: {
      if (value.sequence->kind == SequenceKind::generator) break;
      if (value.sequence->kind == SequenceKind::range) break;
      const Deeper deeper(run);
      return append_sequence(run, out, *value.sequence);
    }
    default: break;
  }
  fail(fmt::format("a '{}' cannot be printed", type_name(value)));
}

const Text* to_text(Run& run, const Value& value) {
  if (value.is(Kind::text)) return value.text;
  TextBuilder out = run.builder();
  append_str(run, out, value);
  return run.finish(out).text;
}

}  // namespace hearth::jinja
