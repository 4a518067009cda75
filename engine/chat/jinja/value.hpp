// What an expression of a template gives: 16 bytes, copied freely; what it points to lies in the
// Heap of the render, or of the template.
//
// The kinds are Python's as templates can tell them apart.  Lists, dicts and namespaces are shared
// and change in place, as there; all else never changes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/chat/jinja/text.hpp"

namespace hearth::jinja {

struct Absence;   // of what, for the message
struct Sequence;  // below
struct Dict;
struct Space;
struct MacroValue;
struct Method;
struct Loop;
struct Builtin;

enum class Kind : std::uint8_t {
  missing,    // no value at all: an argument not given, a variable not set.  No expression gives it
  undefined,  // Jinja's: false, empty, prints nothing, an error when used
  none,
  boolean,
  integer,
  real,
  text,
  sequence,
  dict,
  space,     // of namespace()
  macro,     // of {% macro %}, or caller of {% call %}
  function,  // range, raise_exception ...
  method,    // 'text'.strip, not called yet
  loop,
};

struct Value {
  Kind kind = Kind::missing;
  union {
    bool boolean;
    std::int64_t integer = 0;
    double real;
    const Text* text;
    const Absence* absence;
    Sequence* sequence;
    Dict* dict;
    Space* space;
    const MacroValue* macro;
    const Builtin* function;
    const Method* method;
    const Loop* loop;
  };

  static Value of_none();
  static Value of(bool value);
  static Value of(std::int64_t value);
  static Value of(double value);
  static Value of(const Text* value);
  static Value of(Sequence* value);
  static Value of(Dict* value);
  static Value of(Space* value);
  static Value of(const MacroValue* value);
  static Value of(const Builtin* value);
  static Value of(const Method* value);
  static Value of(const Loop* value);
  static Value of(const Absence* value);
  static Value of(const void*) = delete;  // would be a bool

  bool is(Kind other) const { return kind == other; }
  bool is_number() const { return kind >= Kind::boolean && kind <= Kind::real; }
  bool is_callable() const { return kind >= Kind::macro && kind <= Kind::method; }
};

// Why a value is undefined: the object and what it has not; for a variable only the name.
struct Absence {
  Value object;  // missing: of a variable, or of an argument
  Value key;
};

// A generator can be gone through once; the last three are what a dict's methods give.
enum class SequenceKind : std::uint8_t { list, tuple, generator, range, keys, values, items };

struct Sequence {
  SequenceKind kind = SequenceKind::list;
  bool used = false;       // a generator that was gone through
  Value* items = nullptr;  // [size]
  std::uint32_t size = 0;
  std::uint32_t capacity = 0;

  std::span<const Value> span() const { return {items, size}; }
};

// In the order of insertion; see dict.hpp.
struct Dict {
  struct Entry {
    Value key;
    Value value;
    std::size_t hash = 0;
  };
  Entry* entries = nullptr;  // [size]
  std::uint32_t size = 0;
  std::uint32_t capacity = 0;
  std::uint32_t* places = nullptr;  // [place_count]: index + 1 into entries, 0 for none
  std::uint32_t place_count = 0;    // 0 while the dict is small, else a power of two
  std::int32_t message = kNoMessage;

  std::span<const Entry> span() const { return {entries, size}; }
};

struct Space {
  Dict* attributes = nullptr;
};

struct Method {
  Value object;
  const Builtin* function = nullptr;
};

// What `loop` is within {% for %}.
struct Loop {
  std::span<const Value> items;
  std::size_t index0 = 0;
};

inline Value Value::of_none() {
  Value made;
  made.kind = Kind::none;
  return made;
}

#define HEARTH_JINJA_VALUE_OF_(type, member) \
  inline Value Value::of(type value) {       \
    Value made;                              \
    made.kind = Kind::member;                \
    made.member = value;                     \
    return made;                             \
  }
HEARTH_JINJA_VALUE_OF_(bool, boolean)
HEARTH_JINJA_VALUE_OF_(std::int64_t, integer)
HEARTH_JINJA_VALUE_OF_(double, real)
HEARTH_JINJA_VALUE_OF_(const Text*, text)
HEARTH_JINJA_VALUE_OF_(Sequence*, sequence)
HEARTH_JINJA_VALUE_OF_(Dict*, dict)
HEARTH_JINJA_VALUE_OF_(Space*, space)
HEARTH_JINJA_VALUE_OF_(const MacroValue*, macro)
HEARTH_JINJA_VALUE_OF_(const Builtin*, function)
HEARTH_JINJA_VALUE_OF_(const Method*, method)
HEARTH_JINJA_VALUE_OF_(const Loop*, loop)
#undef HEARTH_JINJA_VALUE_OF_

inline Value Value::of(const Absence* value) {
  Value made;
  made.kind = Kind::undefined;
  made.absence = value;
  return made;
}

// Python's word for the type: "str", "list", "NoneType".
std::string_view type_name(const Value& value);
bool is_true(const Value& value);
// What an error says of an undefined value: "'dict object' has no attribute 'name'".
std::string absence_message(const Value& undefined);

}  // namespace hearth::jinja
