// What every kind of value is called, whether it is true, how long it is, what it consists of.
#include "engine/chat/jinja/value.hpp"

#include "engine/chat/jinja/run.hpp"
#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {

std::string_view type_name(const Value& value) {
  switch (value.kind) {
    case Kind::missing:
    case Kind::undefined: return "Undefined";
    case Kind::none: return "NoneType";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::real: return "float";
    case Kind::text: return "str";
    case Kind::dict: return "dict";
    case Kind::space: return "Namespace";
    case Kind::macro: return "Macro";
    case Kind::function:
    case Kind::method: return "function";
    case Kind::loop: return "LoopContext";
    case Kind::sequence: break;
  }
  switch (value.sequence->kind) {
    case SequenceKind::list: return "list";
    case SequenceKind::tuple: return "tuple";
    case SequenceKind::generator: return "generator";
    case SequenceKind::range: return "range";
    case SequenceKind::keys: return "dict_keys";
    case SequenceKind::values: return "dict_values";
    case SequenceKind::items: break;
  }
  return "dict_items";
}

bool is_true(const Value& value) {
  switch (value.kind) {
    case Kind::missing:
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean: return value.boolean;
    case Kind::integer: return value.integer != 0;
    case Kind::real: return value.real != 0;
    case Kind::text: return value.text->size != 0;
    case Kind::sequence:
      return value.sequence->size != 0 || value.sequence->kind == SequenceKind::generator;
    case Kind::dict: return value.dict->size != 0;
    default: return true;
  }
}

std::string absence_message(const Value& undefined) {
  const Absence& absence = *undefined.absence;
  const std::string object =
      absence.object.is(Kind::none) ? "None" : fmt::format("{} object", type_name(absence.object));
  if (absence.key.is(Kind::text)) {
    const std::string_view name = shown(absence.key.text);
    if (absence.object.is(Kind::missing)) return fmt::format("'{}' is undefined", name);
    return fmt::format("'{}' has no attribute '{}'", object, name);
  }
  if (absence.key.is(Kind::integer)) {
    return fmt::format("{} has no element {}", object, absence.key.integer);
  }
  return fmt::format("{} has no such element", object);
}

Value Run::concat(const Text* left, const Text* right) {
  const std::uint64_t size = std::uint64_t{left->size} + right->size;
  if (size > limits.string_bytes) {
    fail_limit(fmt::format("a text is longer than {} bytes", limits.string_bytes));
  }
  std::size_t copied = 0;
  const Text* whole = jinja::concat(heap, left, right, &copied);
  charge_bytes(copied);
  return Value::of(whole);
}

Sequence* Run::sequence(SequenceKind kind, std::size_t capacity) {
  if (capacity > limits.list_items) {
    fail_limit(fmt::format("a list has more than {} items", limits.list_items));
  }
  Sequence* made = heap.make<Sequence>();
  made->kind = kind;
  made->items = capacity == 0 ? nullptr : heap.array<Value>(capacity);
  made->capacity = static_cast<std::uint32_t>(capacity);
  return made;
}

Sequence* Run::sequence(SequenceKind kind, std::span<const Value> items) {
  Sequence* made = sequence(kind, items.size());
  charge(items.size());
  std::copy(items.begin(), items.end(), made->items);
  made->size = made->capacity;
  return made;
}

void Run::push(Sequence& sequence, Value value) {
  if (sequence.size == sequence.capacity) {
    if (sequence.size >= limits.list_items) {
      fail_limit(fmt::format("a list has more than {} items", limits.list_items));
    }
    const std::uint32_t capacity = std::min(std::max(4u, sequence.capacity * 2), limits.list_items);
    Value* items = heap.array<Value>(capacity);
    charge(sequence.size);
    std::copy(sequence.items, sequence.items + sequence.size, items);
    sequence.items = items;
    sequence.capacity = capacity;
  }
  sequence.items[sequence.size++] = value;
}

std::span<const Value> iterate(Run& run, const Value& value) {
  if (value.is(Kind::sequence)) {
    Sequence& sequence = *value.sequence;
    if (sequence.kind != SequenceKind::generator) return sequence.span();
    if (std::exchange(sequence.used, true)) return {};
    return sequence.span();
  }
  if (value.is(Kind::undefined)) return {};
  if (value.is(Kind::dict)) {
    Sequence* keys = run.sequence(SequenceKind::list, value.dict->size);
    for (const Dict::Entry& entry : value.dict->span()) run.push(*keys, entry.key);
    run.charge(keys->size);
    return keys->span();
  }
  if (value.is(Kind::text)) {
    const Text* plain = with_safe(run.heap, value.text, false);
    const std::string_view text = plain->view();
    Sequence* characters = run.sequence(SequenceKind::list);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = next_character(text, at);
      run.push(*characters, run.slice(plain, at, end));
      at = end;
    }
    run.charge(characters->size);
    return characters->span();
  }
  fail(fmt::format("'{}' object is not iterable", type_name(value)));
}

std::optional<std::int64_t> length(Run& run, const Value& value) {
  switch (value.kind) {
    case Kind::undefined: return 0;
    case Kind::text:
      run.charge_bytes(value.text->size);
      return static_cast<std::int64_t>(count_characters(value.text->view()));
    case Kind::dict: return value.dict->size;
    case Kind::sequence:
      if (value.sequence->kind == SequenceKind::generator) return std::nullopt;
      return value.sequence->size;
    case Kind::loop: return static_cast<std::int64_t>(value.loop->items.size());
    default: return std::nullopt;
  }
}

}  // namespace hearth::jinja
