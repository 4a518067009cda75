// Filters of texts.
#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/unicode_text.hpp"
#include "engine/tokenizer/unicode.hpp"

namespace hearth::jinja {
namespace {

Value upper(Run& run, const Value& self, const Arguments&) {
  return change_case(run, to_text(run, self), Case::upper);
}

Value lower(Run& run, const Value& self, const Arguments&) {
  return change_case(run, to_text(run, self), Case::lower);
}

Value capitalize(Run& run, const Value& self, const Arguments&) {
  return change_case(run, to_text(run, self), Case::capital);
}

Value title(Run& run, const Value& self, const Arguments&) {
  return change_case(run, to_text(run, self), Case::words);
}

Value trim_both(Run& run, const Value& self, const Arguments& arguments) {
  return trim(run, to_text(run, self), arguments[0], true, true);
}

Value replace_all(Run& run, const Value& self, const Arguments& arguments) {
  const bool has_count = !arguments[2].is(Kind::none);
  const Value replaced =
      replace(run, to_text(run, self), to_text(run, arguments[0]), to_text(run, arguments[1]),
              has_count ? integer_argument(arguments[2], "count", -1) : -1);
  return Value::of(with_safe(run.heap, replaced.text, false));
}

Value string(Run& run, const Value& self, const Arguments&) {
  return Value::of(to_text(run, self));
}

Value safe(Run& run, const Value& self, const Arguments&) {
  return Value::of(with_safe(run.heap, to_text(run, self), true));
}

// What lines after the first begin with.
const Text* indentation(Run& run, const Value& width) {
  if (width.is(Kind::text)) return width.text;
  const std::int64_t count = integer_argument(width, "width", 4);
  if (count > run.limits.string_bytes) fail_limit("'width' is too large");
  return run.text(std::string(static_cast<std::size_t>(std::max<std::int64_t>(count, 0)), ' '))
      .text;
}

Value indent(Run& run, const Value& self, const Arguments& arguments) {
  const Text* text = text_argument(self, "the text to indent");
  const Text* before = indentation(run, arguments[0]);
  const bool blank = flag_argument(arguments[2], false);
  const std::string_view view = text->view();
  run.charge_bytes(view.size());
  TextBuilder out = run.builder();
  if (flag_argument(arguments[1], false)) out.append(*before);
  for (std::size_t at = 0;;) {
    const std::size_t end = std::min(view.find_first_of("\r\n", at), view.size());
    out.append(*text, at, end);
    if (end == view.size()) break;
    const bool two = view.substr(end, 2) == "\r\n";
    at = end + (two ? 2 : 1);
    run.charge(1 + before->size / 64);
    out.append("\n");
    const bool is_blank = at == view.size() || view[at] == '\n' || view[at] == '\r';
    if (blank || !is_blank) out.append(*before);
  }
  return run.finish(out);
}

// The bytes of the first characters.
std::size_t bytes_of(std::string_view text, std::int64_t characters) {
  std::size_t at = 0;
  while (characters-- > 0 && at < text.size()) at = next_character(text, at);
  return at;
}

Value truncate(Run& run, const Value& self, const Arguments& arguments) {
  if (self.is(Kind::undefined)) return self;
  const Text* text = text_argument(self, "the text to truncate");
  const std::int64_t length = integer_argument(arguments[0], "length", 255);
  const std::int64_t leeway = integer_argument(arguments[3], "leeway", 5);
  const Text* end =
      arguments[2].is(Kind::missing) ? run.text("...").text : text_argument(arguments[2], "end");
  const auto end_length = static_cast<std::int64_t>(count_characters(end->view()));
  if (length < end_length || leeway < 0) fail("'length' is less than that of 'end'");
  run.charge_bytes(text->size);
  const auto size = static_cast<std::int64_t>(count_characters(text->view()));
  if (size <= length || size - length <= leeway) return Value::of(text);
  std::size_t kept = bytes_of(text->view(), length - end_length);
  if (!flag_argument(arguments[1], false)) {
    const std::size_t space = text->view().substr(0, kept).rfind(' ');
    if (space != std::string_view::npos) kept = space;
  }
  return run.concat(run.slice(text, 0, kept).text, end);
}

Value wordcount(Run& run, const Value& self, const Arguments&) {
  const Text* text = to_text(run, self);
  run.charge(text->size / 8);
  std::int64_t count = 0;
  bool inside = false;
  std::size_t size = 0;
  for (std::size_t at = 0; at < text->size; at += size) {
    const char32_t value = character_at(text->view(), at, &size);
    const bool is_word = value == '_' || is_letter(value) || is_number(value);
    if (is_word && !inside) ++count;
    inside = is_word;
  }
  return Value::of(count);
}

constexpr Builtin kTextFilters[] = {
    {"capitalize", capitalize},
    {"indent", indent, {"width", "first", "blank"}},
    {"lower", lower},
    {"replace", replace_all, {"old", "new", "count"}, 2},
    {"safe", safe},
    {"string", string},
    {"title", title},
    {"trim", trim_both, {"chars"}},
    {"truncate", truncate, {"length", "killwords", "end", "leeway"}},
    {"upper", upper},
    {"wordcount", wordcount},
};

}  // namespace

std::span<const Builtin> text_filters() {
  return kTextFilters;
}

}  // namespace hearth::jinja
