// Filters of any value: defaults, numbers, JSON.
#include <charconv>
#include <cmath>

#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/operators.hpp"
#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {
namespace {

Value default_value(Run& run, const Value& self, const Arguments& arguments) {
  const bool replaced =
      self.is(Kind::undefined) || (flag_argument(arguments[1], false) && !is_true(self));
  if (!replaced) return self;
  return arguments[0].is(Kind::missing) ? run.text("") : arguments[0];
}

Value length_of(Run& run, const Value& self, const Arguments&) {
  const std::optional<std::int64_t> found = length(run, self);
  if (!found) fail(fmt::format("object of type '{}' has no len()", type_name(self)));
  return Value::of(*found);
}

Value absolute(Run&, const Value& self, const Arguments&) {
  if (self.is(Kind::undefined)) fail(absence_message(self));
  if (!self.is_number()) fail(fmt::format("bad operand type for abs(): '{}'", type_name(self)));
  const bool negative = self.is(Kind::real) ? std::signbit(self.real) : self.integer < 0;
  return with_sign(self, !self.is(Kind::boolean) && negative);
}

// A number as Python reads it from a text: spaces around, _ between digits, a sign.
std::string number_text(Run& run, const Text* text) {
  std::string digits(trim(run, text, {}, true, true).text->view());
  run.charge_bytes(digits.size());
  std::erase(digits, '_');
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.erase(0, 1);
  return digits;
}

std::optional<double> read_real(Run& run, const Text* text) {
  const std::string digits = number_text(run, text);
  double value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || read.ptr != digits.data() + digits.size()) return std::nullopt;
  if (read.ec == std::errc::result_out_of_range) fail("a number is too large");
  return value;
}

std::optional<std::int64_t> read_whole(Run& run, const Text* text, int base) {
  std::string digits = number_text(run, text);
  const bool negative = digits.starts_with('-');
  const std::size_t prefix = negative ? 1 : 0;
  const char letter = digits.size() > prefix + 2 ? static_cast<char>(digits[prefix + 1] | 0x20) : 0;
  if ((base == 16 && letter == 'x') || (base == 2 && letter == 'b') ||
      (base == 8 && letter == 'o')) {
    if (digits[prefix] == '0') digits.erase(prefix, 2);
  }
  std::int64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.empty() || read.ptr != digits.data() + digits.size()) return std::nullopt;
  if (read.ec == std::errc::result_out_of_range) fail("a number is too large");
  return read.ec == std::errc() ? std::optional(value) : std::nullopt;
}

std::int64_t whole_of(double value) {
  if (!(value >= -0x1p63 && value < 0x1p63)) fail("a number is too large");
  return static_cast<std::int64_t>(value);
}

Value to_int(Run& run, const Value& self, const Arguments& arguments) {
  const Value otherwise =
      arguments[0].is(Kind::missing) ? Value::of(std::int64_t{0}) : arguments[0];
  const std::int64_t base = integer_argument(arguments[1], "base", 10);
  if (base < 2 || base > 36) fail("'base' must be between 2 and 36");
  switch (self.kind) {
    case Kind::undefined: fail(absence_message(self));
    case Kind::boolean: return Value::of(std::int64_t{self.boolean});
    case Kind::integer: return self;
    case Kind::real: return std::isfinite(self.real) ? Value::of(whole_of(self.real)) : otherwise;
    case Kind::text: break;
    default: return otherwise;
  }
  if (const auto value = read_whole(run, self.text, static_cast<int>(base))) {
    return Value::of(*value);
  }
  const std::optional<double> real = read_real(run, self.text);
  return real && std::isfinite(*real) ? Value::of(whole_of(*real)) : otherwise;
}

Value to_float(Run& run, const Value& self, const Arguments& arguments) {
  switch (self.kind) {
    case Kind::undefined: fail(absence_message(self));
    case Kind::boolean: return Value::of(self.boolean ? 1.0 : 0.0);
    case Kind::integer: return Value::of(static_cast<double>(self.integer));
    case Kind::real: return self;
    case Kind::text:
      if (const auto value = read_real(run, self.text)) return Value::of(*value);
      break;
    default: break;
  }
  return arguments[0].is(Kind::missing) ? Value::of(0.0) : arguments[0];
}

Value items_of(Run& run, const Value& self, const Arguments&) {
  if (self.is(Kind::undefined)) return Value::of(run.sequence(SequenceKind::generator));
  if (!self.is(Kind::dict)) fail("Can only get item pairs from a mapping.");
  const Value pairs = call_builtin(run, *find_dict_method("items"), self, {});
  pairs.sequence->kind = SequenceKind::generator;
  return pairs;
}

// One of separators=(item, key): written as the template's, so it must be that.
std::string_view separator(const Value& value) {
  const Text* text = text_argument(value, "separators");
  if (text->mark_count != 0) fail("'separators' must not come from input");
  return text->view();
}

void read_separators(const Value& value, JsonStyle& style) {
  const bool two = value.is(Kind::sequence) && value.sequence->size == 2;
  if (!two) fail("'separators' must be two texts");
  style.item_separator = separator(value.sequence->items[0]);
  style.key_separator = separator(value.sequence->items[1]);
}

Value to_json(Run& run, const Value& self, const Arguments& arguments) {
  JsonStyle style;
  style.ascii = flag_argument(arguments[0], false);
  if (!arguments[1].is(Kind::missing) && !arguments[1].is(Kind::none)) {
    style.indent = integer_argument(arguments[1], "indent", 0);
    if (style.indent < 0 || style.indent > 64) fail_limit("'indent' must be between 0 and 64");
    style.item_separator = ",";
  }
  if (!arguments[2].is(Kind::missing) && !arguments[2].is(Kind::none)) {
    read_separators(arguments[2], style);
  }
  style.sort_keys = flag_argument(arguments[3], false);
  TextBuilder out = run.builder();
  append_json(run, out, self, style);
  return run.finish(out);
}

Value from_json(Run& run, const Value& self, const Arguments&) {
  return value_of_json(run, text_argument(self, "the JSON"));
}

constexpr Builtin kValueFilters[] = {
    {"abs", absolute},
    {"count", length_of},
    {"d", default_value, {"default_value", "boolean"}},
    {"default", default_value, {"default_value", "boolean"}},
    {"float", to_float, {"default"}},
    {"from_json", from_json},
    {"int", to_int, {"default", "base"}},
    {"items", items_of},
    {"length", length_of},
    {"tojson", to_json, {"ensure_ascii", "indent", "separators", "sort_keys"}},
};

}  // namespace

std::span<const Builtin> value_filters() {
  return kValueFilters;
}

}  // namespace hearth::jinja
