// Methods of texts, lists and dicts.
#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {
namespace {

template <bool left, bool right>
Value strip(Run& run, const Value& self, const Arguments& arguments) {
  return trim(run, self.text, arguments[0], left, right);
}

template <Case wanted>
Value with_case(Run& run, const Value& self, const Arguments&) {
  return change_case(run, self.text, wanted);
}

// One text, or any of a tuple.
template <bool at_begin>
Value is_edge(Run& run, const Value& self, const Arguments& arguments) {
  const bool is_tuple =
      arguments[0].is(Kind::sequence) && arguments[0].sequence->kind == SequenceKind::tuple;
  const std::span<const Value> edges =
      is_tuple ? arguments[0].sequence->span() : arguments.positional.first(1);
  for (const Value& edge : edges) {
    const std::string_view wanted = text_argument(edge, "prefix or suffix")->view();
    run.charge(1 + wanted.size() / 64);
    const std::string_view text = self.text->view();
    if (at_begin ? text.starts_with(wanted) : text.ends_with(wanted)) return Value::of(true);
  }
  return Value::of(false);
}

template <bool from_right>
Value split_text(Run& run, const Value& self, const Arguments& arguments) {
  const bool spaces = arguments[0].is(Kind::missing) || arguments[0].is(Kind::none);
  return Value::of(split(run, self.text, spaces ? nullptr : text_argument(arguments[0], "sep"),
                         integer_argument(arguments[1], "maxsplit", -1), from_right));
}

Value replace_text(Run& run, const Value& self, const Arguments& arguments) {
  return replace(run, self.text, text_argument(arguments[0], "old"),
                 text_argument(arguments[1], "new"), integer_argument(arguments[2], "count", -1));
}

// The argument that a field {} {0} {name} of format() stands for; next: of {}.
Value field_value(Run& run, std::string_view field, const Arguments& arguments, std::size_t* next) {
  if (field.find_first_of(".[!:") != field.npos) {
    fail("format(): only {}, {0} and {name} are supported");
  }
  if (field.find_first_not_of("0123456789") == field.npos) {
    std::size_t index = 0;
    if (field.empty()) index = (*next)++;
    for (char digit : field) index = std::min<std::size_t>(index * 10 + (digit - '0'), 1u << 20);
    if (index >= arguments.positional.size()) {
      fail("Replacement index out of range for positional args tuple");
    }
    return arguments.positional[index];
  }
  run.charge(arguments.named.size());
  for (const NamedValue& named : arguments.named) {
    if (named.name->view() == field) return named.value;
  }
  fail(fmt::format("format() has no argument '{}'", field.substr(0, 40)));
}

Value format(Run& run, const Value& self, const Arguments& arguments) {
  const Text& text = *self.text;
  const std::string_view view = text.view();
  TextBuilder out = run.builder();
  std::size_t next = 0;
  for (std::size_t at = 0; at < view.size();) {
    run.charge(1);
    const std::size_t brace = std::min(view.find_first_of("{}", at), view.size());
    out.append(text, at, brace);
    if (brace == view.size()) break;
    const bool twice = brace + 1 < view.size() && view[brace + 1] == view[brace];
    at = brace + 2;
    if (twice) {
      out.append(text, brace, brace + 1);
      continue;
    }
    const std::size_t end = view.find('}', brace);
    if (view[brace] == '}' || end == view.npos) fail("Single '{' or '}' in a format");
    append_str(run, out,
               field_value(run, view.substr(brace + 1, end - brace - 1), arguments, &next));
    at = end + 1;
  }
  return run.finish(out);
}

Value append(Run& run, const Value& self, const Arguments& arguments) {
  run.push(*self.sequence, arguments[0]);
  return Value::of_none();
}

Value pop_item(Run& run, const Value& self, const Arguments& arguments) {
  Sequence& list = *self.sequence;
  std::int64_t index = integer_argument(arguments[0], "index", -1);
  if (list.size == 0) fail("pop from empty list");
  if (index < 0) index += list.size;
  if (index < 0 || index >= list.size) fail("pop index out of range");
  const Value item = list.items[index];
  run.charge(1 + (list.size - static_cast<std::size_t>(index)) / 8);
  std::copy(list.items + index + 1, list.items + list.size, list.items + index);
  --list.size;
  return item;
}

void check_key(const Value& key) {
  if (!is_hashable(key)) fail(fmt::format("unhashable type: '{}'", type_name(key)));
}

Value get(Run& run, const Value& self, const Arguments& arguments) {
  check_key(arguments[0]);
  const Value* found = find(run, *self.dict, arguments[0]);
  if (found != nullptr) return *found;
  return arguments[1].is(Kind::missing) ? Value::of_none() : arguments[1];
}

Value pop_key(Run& run, const Value& self, const Arguments& arguments) {
  check_key(arguments[0]);
  const Value* found = find(run, *self.dict, arguments[0]);
  if (found == nullptr) {
    if (arguments[1].is(Kind::missing)) fail("pop of a key that the dict has not");
    return arguments[1];
  }
  const Value value = *found;
  erase(run, *self.dict, arguments[0]);
  return value;
}

template <SequenceKind kind>
Value view_of(Run& run, const Value& self, const Arguments&) {
  Sequence* made = run.sequence(kind, self.dict->size);
  run.charge(made->capacity);
  for (const Dict::Entry& entry : self.dict->span()) {
    if constexpr (kind == SequenceKind::items) {
      const Value pair[] = {entry.key, entry.value};
      run.push(*made, Value::of(run.sequence(SequenceKind::tuple, pair)));
    } else {
      run.push(*made, kind == SequenceKind::keys ? entry.key : entry.value);
    }
  }
  return Value::of(made);
}

constexpr Builtin kTextMethods[] = {
    {"capitalize", with_case<Case::capital>},
    {"endswith", is_edge<false>, {"suffix"}, 1},
    {"format", format, {}, kAnyArguments},
    {"lower", with_case<Case::lower>},
    {"lstrip", strip<true, false>, {"chars"}},
    {"replace", replace_text, {"old", "new", "count"}, 2},
    {"rsplit", split_text<true>, {"sep", "maxsplit"}},
    {"rstrip", strip<false, true>, {"chars"}},
    {"split", split_text<false>, {"sep", "maxsplit"}},
    {"startswith", is_edge<true>, {"prefix"}, 1},
    {"strip", strip<true, true>, {"chars"}},
    {"title", with_case<Case::title>},
    {"upper", with_case<Case::upper>},
};

constexpr Builtin kListMethods[] = {
    {"append", append, {"item"}, 1},
    {"pop", pop_item, {"index"}},
};

constexpr Builtin kDictMethods[] = {
    {"get", get, {"key", "default"}, 1},       {"items", view_of<SequenceKind::items>},
    {"keys", view_of<SequenceKind::keys>},     {"pop", pop_key, {"key", "default"}, 1},
    {"values", view_of<SequenceKind::values>},
};

}  // namespace

std::span<const Builtin> text_methods() {
  return kTextMethods;
}
std::span<const Builtin> list_methods() {
  return kListMethods;
}
std::span<const Builtin> dict_methods() {
  return kDictMethods;
}

}  // namespace hearth::jinja
