// Calling what the tables hold, and looking things up in values.
#include "engine/chat/jinja/builtins.hpp"

#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {
namespace {

const Builtin* find_in(std::span<const Builtin> table, std::string_view name) {
  const auto found = std::ranges::find(table, name, &Builtin::name);
  return found == table.end() ? nullptr : &*found;
}

std::size_t parameter_count(const Builtin& builtin) {
  const auto end = std::ranges::find(builtin.parameters, std::string_view());
  return static_cast<std::size_t>(end - builtin.parameters.begin());
}

// items[index], or missing.
Value item_at(const Sequence& sequence, std::int64_t index) {
  if (sequence.kind == SequenceKind::generator || sequence.kind >= SequenceKind::keys) return {};
  if (index < 0) index += sequence.size;
  if (index < 0 || index >= sequence.size) return {};
  return sequence.items[index];
}

Value character(Run& run, const Text* text, std::int64_t index) {
  const std::string_view view = text->view();
  const auto distance = index < 0 ? -(index + 1) : index;
  if (distance >= static_cast<std::int64_t>(view.size())) return {};
  run.charge_bytes(static_cast<std::uint64_t>(distance) * 4);
  std::size_t at = index < 0 ? view.size() : 0;
  if (index < 0) {
    for (; index < 0 && at > 0; ++index) at = previous_character(view, at);
    if (index < 0) return {};
  } else {
    for (; index > 0 && at < view.size(); --index) at = next_character(view, at);
    if (at >= view.size()) return {};
  }
  return run.slice(text, at, next_character(view, at));
}

Value loop_attribute(Run& run, const Loop& loop, std::string_view name) {
  const std::size_t count = loop.items.size();
  const auto number = [](std::size_t value) { return Value::of(static_cast<std::int64_t>(value)); };
  const auto neighbour = [&](bool there, std::size_t index) {
    return there ? loop.items[index] : run.undefined({}, run.text("there is no such item: it"));
  };
  if (name == "index") return number(loop.index0 + 1);
  if (name == "index0") return number(loop.index0);
  if (name == "revindex") return number(count - loop.index0);
  if (name == "revindex0") return number(count - loop.index0 - 1);
  if (name == "first") return Value::of(loop.index0 == 0);
  if (name == "last") return Value::of(loop.index0 + 1 == count);
  if (name == "length") return number(count);
  if (name == "previtem") return neighbour(loop.index0 > 0, loop.index0 - 1);
  if (name == "nextitem") return neighbour(loop.index0 + 1 < count, loop.index0 + 1);
  return {};
}

// The method of this name that the object has; nullptr: none.
const Builtin* find_method(const Value& object, std::string_view name) {
  if (object.is(Kind::text)) return find_text_method(name);
  if (object.is(Kind::dict)) return find_dict_method(name);
  if (object.is(Kind::sequence) && object.sequence->kind == SequenceKind::list) {
    return find_list_method(name);
  }
  return nullptr;
}

// What Python calls an attribute; missing when there is none.
Value own_attribute(Run& run, const Value& object, const Text* name) {
  if (object.is(Kind::loop)) return loop_attribute(run, *object.loop, name->view());
  if (object.is(Kind::space)) {
    const Value* found = find(run, *object.space->attributes, Value::of(name));
    return found == nullptr ? Value{} : *found;
  }
  const Builtin* method = find_method(object, name->view());
  if (method == nullptr) return {};
  return Value::of(run.heap.make<const Method>(Method{object, method}));
}

Value own_item(Run& run, const Value& object, const Value& key) {
  if (object.is(Kind::dict)) {
    if (!is_hashable(key)) return {};
    const Value* found = find(run, *object.dict, key);
    return found == nullptr ? Value{} : *found;
  }
  const bool is_index = key.is(Kind::integer) || key.is(Kind::boolean);
  if (!is_index) return {};
  const std::int64_t index = key.is(Kind::integer) ? key.integer : std::int64_t{key.boolean};
  if (object.is(Kind::sequence)) return item_at(*object.sequence, index);
  return object.is(Kind::text) ? character(run, object.text, index) : Value{};
}

}  // namespace

const Builtin* find_filter(std::string_view name) {
  for (const auto table : {text_filters(), list_filters(), value_filters()}) {
    if (const Builtin* found = find_in(table, name)) return found;
  }
  return nullptr;
}

const Builtin* find_test(std::string_view name) {
  return find_in(value_tests(), name);
}
const Builtin* find_text_method(std::string_view name) {
  return find_in(text_methods(), name);
}
const Builtin* find_list_method(std::string_view name) {
  return find_in(list_methods(), name);
}
const Builtin* find_dict_method(std::string_view name) {
  return find_in(dict_methods(), name);
}
const Builtin* find_function(std::string_view name) {
  return find_in(functions(), name);
}

Value call_builtin(Run& run, const Builtin& builtin, const Value& self,
                   const Arguments& arguments) {
  if (builtin.required == kAnyArguments) return builtin.function(run, self, arguments);
  const std::size_t count = parameter_count(builtin);
  if (arguments.positional.size() > count) {
    fail(fmt::format("'{}' takes not more than {} argument(s)", builtin.name, count));
  }
  std::array<Value, kParametersMax> bound;
  std::ranges::copy(arguments.positional, bound.begin());
  for (const NamedValue& named : arguments.named) {
    const auto found = std::ranges::find(builtin.parameters, named.name->view());
    const auto index = static_cast<std::size_t>(found - builtin.parameters.begin());
    if (index >= count) {
      fail(fmt::format("'{}' takes no argument '{}'", builtin.name, shown(named.name)));
    }
    if (!bound[index].is(Kind::missing)) {
      fail(fmt::format("'{}' got two values for '{}'", builtin.name, shown(named.name)));
    }
    bound[index] = named.value;
  }
  for (std::size_t i = 0; i < builtin.required; ++i) {
    if (bound[i].is(Kind::missing)) {
      fail(fmt::format("'{}' wants an argument '{}'", builtin.name, builtin.parameters[i]));
    }
  }
  return builtin.function(run, self, Arguments{{bound.data(), count}, {}});
}

Value get_attribute(Run& run, const Value& object, const Text* name) {
  if (object.is(Kind::undefined)) fail(absence_message(object));
  Value found = own_attribute(run, object, name);
  if (found.is(Kind::missing)) found = own_item(run, object, Value::of(name));
  return found.is(Kind::missing) ? run.undefined(object, Value::of(name)) : found;
}

Value get_item(Run& run, const Value& object, const Value& key) {
  if (object.is(Kind::undefined)) fail(absence_message(object));
  Value found = own_item(run, object, key);
  if (found.is(Kind::missing) && key.is(Kind::text)) found = own_attribute(run, object, key.text);
  return found.is(Kind::missing) ? run.undefined(object, key) : found;
}

std::int64_t integer_argument(const Value& value, std::string_view name, std::int64_t otherwise) {
  if (value.is(Kind::missing)) return otherwise;
  if (value.is(Kind::boolean)) return value.boolean ? 1 : 0;
  if (!value.is(Kind::integer)) {
    fail(fmt::format("'{}' must be a whole number, not '{}'", name, type_name(value)));
  }
  return value.integer;
}

bool flag_argument(const Value& value, bool otherwise) {
  return value.is(Kind::missing) ? otherwise : is_true(value);
}

const Text* text_argument(const Value& value, std::string_view name) {
  if (value.is(Kind::undefined)) fail(absence_message(value));
  if (!value.is(Kind::text)) {
    fail(fmt::format("'{}' must be a text, not '{}'", name, type_name(value)));
  }
  return value.text;
}

}  // namespace hearth::jinja
