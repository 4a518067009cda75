// Values to JSON, byte for byte as Python's json.dumps() writes them; and JSON to values.
#include <cmath>

#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/import.hpp"
#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {
namespace {

// What stands for a character between the quotes; empty: itself.
std::string escaped(char32_t value, bool ascii) {
  switch (value) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\b': return "\\b";
    case '\f': return "\\f";
    default: break;
  }
  const auto code = static_cast<std::uint32_t>(value);
  if (code >= 0x20 && (code < 0x80 || !ascii)) return {};
  if (code < 0x10000) return fmt::format("\\u{:04x}", code);
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                     0xDC00 + (code & 0x3FF));
}

void append_text(Run& run, TextBuilder& out, const Text& text, bool ascii) {
  run.charge(text.size / 16);
  out.append('"');
  for_each_run(text, [&](std::string_view piece, const Mark* mark) {
    const auto append = [&](std::string_view bytes) {
      mark != nullptr ? out.append(bytes, mark->message) : out.append(bytes);
    };
    std::size_t plain = 0;  // where what needs no escape begins
    std::size_t size = 0;
    for (std::size_t at = 0; at < piece.size(); at += size) {
      const std::string stands = escaped(character_at(piece, at, &size), ascii);
      if (stands.empty()) continue;
      append(piece.substr(plain, at - plain));
      append(stands);
      plain = at + size;
    }
    append(piece.substr(plain));
  });
  out.append('"');
}

std::string real_json(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return float_repr(value);
}

// Keys that are no texts are written as if they were.
void append_key(Run& run, TextBuilder& out, const Value& key, const JsonStyle& style) {
  switch (key.kind) {
    case Kind::text: return append_text(run, out, *key.text, style.ascii);
    case Kind::none: return out.append("\"null\"");
    case Kind::boolean: return out.append(key.boolean ? "\"true\"" : "\"false\"");
    case Kind::integer: return out.append(fmt::format("\"{}\"", key.integer));
    case Kind::real: return out.append(fmt::format("\"{}\"", real_json(key.real)));
    default:
      fail(fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
  }
}

class JsonWriter {
 public:
  JsonWriter(Run& run, TextBuilder& out, const JsonStyle& style)
      : run_(run), out_(out), style_(style) {}

  void any(const Value& value) {
    run_.charge(1);
    switch (value.kind) {
      case Kind::none: return out_.append("null");
      case Kind::boolean: return out_.append(value.boolean ? "true" : "false");
      case Kind::integer: return out_.append(fmt::format("{}", value.integer));
      case Kind::real: return out_.append(real_json(value.real));
      case Kind::text: return append_text(run_, out_, *value.text, style_.ascii);
      case Kind::dict: return dict(*value.dict);
      case Kind::sequence:
        if (value.sequence->kind <= SequenceKind::tuple) return list(*value.sequence);
        break;
      default: break;
    }
    fail(fmt::format("Object of type {} is not JSON serializable", type_name(value)));
  }

 private:
  void list(const Sequence& sequence) {
    const Deeper deeper(run_);
    if (sequence.size == 0) return out_.append("[]");
    out_.append('[');
    ++level_;
    for (std::uint32_t i = 0; i < sequence.size; ++i) {
      begin_item(i == 0);
      any(sequence.items[i]);
    }
    end_items(']');
  }

  void dict(const Dict& dict) {
    const Deeper deeper(run_);
    if (dict.size == 0) return out_.append("{}");
    std::span<const Dict::Entry> entries = dict.span();
    std::vector<Dict::Entry> sorted;
    if (style_.sort_keys) {
      sorted.assign(entries.begin(), entries.end());
      std::stable_sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
        return compare(run_, a.key, b.key, "<") == Order::below;
      });
      entries = sorted;
    }
    out_.append('{');
    ++level_;
    for (const Dict::Entry& entry : entries) {
      begin_item(&entry == entries.data());
      append_key(run_, out_, entry.key, style_);
      out_.append(style_.key_separator);
      any(entry.value);
    }
    end_items('}');
  }

  void begin_item(bool first) {
    if (!first) out_.append(style_.item_separator);
    new_line();
  }

  void end_items(char closing) {
    --level_;
    new_line();
    out_.append(closing);
  }

  void new_line() {
    if (style_.indent < 0) return;
    const auto spaces = static_cast<std::size_t>(style_.indent) * level_;
    run_.charge_bytes(spaces);
    out_.append('\n');
    out_.append(std::string(spaces, ' '));
  }

  Run& run_;
  TextBuilder& out_;
  const JsonStyle& style_;
  std::size_t level_ = 0;
};

}  // namespace

void append_json(Run& run, TextBuilder& out, const Value& value, const JsonStyle& style) {
  JsonWriter(run, out, style).any(value);
}

// Texts within are input where any of the JSON is: which part of it they were is not looked for.
Value value_of_json(Run& run, const Text* json) {
  run.charge(json->size / 8);
  // What is read lies outside of the heap: up to 40 bytes for the two of "1,", in vectors that
  // grow.
  const std::uint64_t held = std::uint64_t{json->size} * 32;
  run.heap.hold(held);
  const Result<Input> read = parse_json(json->view(), run.limits.nesting);
  if (!read) fail(read.error().message, {}, read.error().code);
  const Origin origin{json->mark_count != 0,
                      json->mark_count != 0 ? json->marks[0].message : kNoMessage};
  const Value value = import(run, *read, origin, /*copy=*/true);
  run.heap.release(held);
  return value;
}

}  // namespace hearth::jinja
