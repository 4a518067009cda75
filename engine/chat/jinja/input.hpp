// The values that a caller gives to a template: JSON's kinds, whole numbers and others kept apart.
//
// A plain tree that owns its parts.  Texts in it are input: what a template makes of them is marked
// in the prompt, see jinja.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/result.hpp"

namespace hearth::jinja {

struct Input;
using InputList = std::vector<Input>;
using InputDict = std::vector<std::pair<std::string, Input>>;  // in order; a later key replaces

struct Input {
  std::variant<std::monostate, bool, std::int64_t, double, std::string, InputList, InputDict> held;

  Input() = default;  // none
  Input(bool value) : held(value) {}
  Input(int value) : held(std::int64_t{value}) {}
  Input(std::int64_t value) : held(value) {}
  Input(double value) : held(value) {}
  Input(const char* value) : held(std::string(value)) {}
  Input(std::string value) : held(std::move(value)) {}
  Input(InputList value) : held(std::move(value)) {}
  Input(InputDict value) : held(std::move(value)) {}

  // The value of a key of a dict; nullptr when there is none, or this is no dict.
  const Input* find(std::string_view key) const;
};

// Reads one JSON document, RFC 8259.  1 is a whole number, 1.0 is not.  Numbers beyond 64 bits,
// lone surrogates, bytes that are no UTF-8, and more than nesting_max lists and dicts within each
// other are errors.  Errors: INVALID with the byte where it is, LIMIT for what is nested too
// deeply.
Result<Input> parse_json(std::string_view json, std::uint32_t nesting_max = 200);

}  // namespace hearth::jinja
