// The tables of filters, tests, methods and functions: one line for each.  What is in no table is
// an error when the template is compiled, or called.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "engine/chat/jinja/run.hpp"

namespace hearth::jinja {

struct NamedValue {
  const Text* name = nullptr;
  Value value;
};

struct Arguments {
  std::span<const Value> positional;
  std::span<const NamedValue> named;

  // After binding: the parameter's value, of kind missing when it was not given.
  const Value& operator[](std::size_t parameter) const { return positional[parameter]; }
};

// self: what is filtered, tested, or has the method; missing for a function.
using BuiltinFunction = Value (*)(Run& run, const Value& self, const Arguments& arguments);

constexpr std::size_t kParametersMax = 5;
constexpr std::size_t kAnyArguments = ~std::size_t{0};

struct Builtin {
  std::string_view name;
  BuiltinFunction function;
  std::array<std::string_view, kParametersMax> parameters = {};  // names, in order
  std::size_t required = 0;  // of them; kAnyArguments: takes all as they come, named ones too
};

// nullptr: there is none of that name.
const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_text_method(std::string_view name);
const Builtin* find_list_method(std::string_view name);
const Builtin* find_dict_method(std::string_view name);
const Builtin* find_function(std::string_view name);

// Calls it with its arguments in the order of its parameters.
Value call_builtin(Run& run, const Builtin& builtin, const Value& self, const Arguments& arguments);

// The tables, each in a file of its own.
std::span<const Builtin> text_filters();
std::span<const Builtin> list_filters();
std::span<const Builtin> value_filters();
std::span<const Builtin> value_tests();
std::span<const Builtin> text_methods();
std::span<const Builtin> list_methods();
std::span<const Builtin> dict_methods();
std::span<const Builtin> functions();

// ----- What several of them need ------------------------------------------------------------

// object.name and object[key] as Jinja does: a method, an attribute, an item, or undefined.
Value get_attribute(Run& run, const Value& object, const Text* name);
Value get_item(Run& run, const Value& object, const Value& key);

// Arguments as what they must be; `name` for the message.  A missing one gives `otherwise`.
std::int64_t integer_argument(const Value& value, std::string_view name, std::int64_t otherwise);
bool flag_argument(const Value& value, bool otherwise);
const Text* text_argument(const Value& value, std::string_view name);

// Stable; Python's order.
void sort_values(Run& run, std::span<Value> values, bool reverse);

// Texts.  Searching costs more for a long text that is searched for, up to where memmem() cares.
inline void charge_search(Run& run, const Text* text, const Text* wanted) {
  run.charge_bytes(text->size * (1 + std::uint64_t{std::min(wanted->size, 256u)} / 8));
}
Value trim(Run& run, const Text* text, const Value& characters, bool left, bool right);
Value replace(Run& run, const Text* text, const Text* old, const Text* replacement,
              std::int64_t count_max);
// title: as str.title(), a word is letters; words: as the filter, it ends at spaces and -({[<.
enum class Case : std::uint8_t { lower, upper, title, words, capital };
Value change_case(Run& run, const Text* text, Case wanted);
Value join(Run& run, const Text* separator, std::span<const Value> items);
// separator nullptr: white space.  Pieces of a list; count_max < 0: no limit.
Sequence* split(Run& run, const Text* text, const Text* separator, std::int64_t count_max,
                bool from_right);

// JSON as json.dumps() writes it.
struct JsonStyle {
  bool ascii = false;
  bool sort_keys = false;
  std::int64_t indent = -1;  // below 0: one line
  std::string_view item_separator = ", ";
  std::string_view key_separator = ": ";
};
void append_json(Run& run, TextBuilder& out, const Value& value, const JsonStyle& style);
Value value_of_json(Run& run, const Text* json);

// The time as strftime() formats it in the C locale.
std::string format_time(const std::tm& time, std::string_view format);

}  // namespace hearth::jinja
