// Tests: what stands behind `is`.
#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/operators.hpp"
#include "engine/chat/jinja/unicode_text.hpp"
#include "engine/tokenizer/unicode.hpp"

namespace hearth::jinja {
namespace {

template <Kind kind>
Value is_kind(Run&, const Value& self, const Arguments&) {
  return Value::of(self.is(kind));
}

template <Relation relation>
Value relates(Run& run, const Value& self, const Arguments& arguments) {
  return Value::of(holds(run, relation, self, arguments[0]));
}

template <bool wanted>
Value is_exactly(Run&, const Value& self, const Arguments&) {
  return Value::of(self.is(Kind::boolean) && self.boolean == wanted);
}

Value defined(Run&, const Value& self, const Arguments&) {
  return Value::of(!self.is(Kind::undefined));
}

Value number(Run&, const Value& self, const Arguments&) {
  return Value::of(self.is_number());
}

// Undefined too, as in Python, where it is a call that fails.
Value callable(Run&, const Value& self, const Arguments&) {
  return Value::of(self.is_callable() || self.is(Kind::undefined));
}

// As Python's len() and [] would work; undefined has both.
Value sequence(Run&, const Value& self, const Arguments&) {
  const bool is_items = self.is(Kind::sequence) && self.sequence->kind <= SequenceKind::range &&
                        self.sequence->kind != SequenceKind::generator;
  return Value::of(is_items || self.is(Kind::text) || self.is(Kind::dict) ||
                   self.is(Kind::undefined));
}

Value iterable(Run&, const Value& self, const Arguments&) {
  return Value::of(self.is(Kind::sequence) || self.is(Kind::text) || self.is(Kind::dict) ||
                   self.is(Kind::undefined) || self.is(Kind::loop));
}

Value escaped(Run&, const Value& self, const Arguments&) {
  return Value::of(self.is(Kind::text) && self.text->safe);
}

Value same_as(Run& run, const Value& self, const Arguments& arguments) {
  const Value& other = arguments[0];
  if (self.kind != other.kind) return Value::of(false);
  if (self.is(Kind::sequence)) return Value::of(self.sequence == other.sequence);
  if (self.is(Kind::dict)) return Value::of(self.dict == other.dict);
  return Value::of(equal(run, self, other));
}

Value remainder_of(Run& run, const Value& self, std::int64_t divisor) {
  return calculate(run, Operator::modulo, self, Value::of(divisor));
}

Value odd(Run& run, const Value& self, const Arguments&) {
  return Value::of(equal(run, remainder_of(run, self, 2), Value::of(std::int64_t{1})));
}

Value even(Run& run, const Value& self, const Arguments&) {
  return Value::of(equal(run, remainder_of(run, self, 2), Value::of(std::int64_t{0})));
}

Value divisible_by(Run& run, const Value& self, const Arguments& arguments) {
  const Value remainder = calculate(run, Operator::modulo, self, arguments[0]);
  return Value::of(equal(run, remainder, Value::of(std::int64_t{0})));
}

// All letters of that case, and one at least.
Value has_case(Run& run, const Value& self, bool upper) {
  const Text* text = to_text(run, self);
  run.charge(text->size / 8);
  bool found = false;
  std::size_t size = 0;
  for (std::size_t at = 0; at < text->size; at += size) {
    const char32_t value = character_at(text->view(), at, &size);
    const bool is_upper = lower_case(value) != value;
    const bool is_lower = upper_case(value) != value || value == 0xDF;
    if (upper ? is_lower && !is_upper : is_upper && !is_lower) return Value::of(false);
    found = found || is_upper || is_lower;
  }
  return Value::of(found);
}

Value lower(Run& run, const Value& self, const Arguments&) {
  return has_case(run, self, false);
}
Value upper(Run& run, const Value& self, const Arguments&) {
  return has_case(run, self, true);
}

Value in(Run& run, const Value& self, const Arguments& arguments) {
  return Value::of(contains(run, arguments[0], self));
}

Value filter(Run&, const Value& self, const Arguments&) {
  return Value::of(self.is(Kind::text) && find_filter(self.text->view()) != nullptr);
}

Value test(Run&, const Value& self, const Arguments&) {
  return Value::of(self.is(Kind::text) && find_test(self.text->view()) != nullptr);
}

constexpr auto kEqual = relates<Relation::equal>;
constexpr auto kUnequal = relates<Relation::unequal>;
constexpr auto kBelow = relates<Relation::below>;
constexpr auto kBelowOrEqual = relates<Relation::below_or_equal>;
constexpr auto kAbove = relates<Relation::above>;
constexpr auto kAboveOrEqual = relates<Relation::above_or_equal>;

constexpr Builtin kTests[] = {
    {"!=", kUnequal, {"other"}, 1},
    {"<", kBelow, {"other"}, 1},
    {"<=", kBelowOrEqual, {"other"}, 1},
    {"==", kEqual, {"other"}, 1},
    {">", kAbove, {"other"}, 1},
    {">=", kAboveOrEqual, {"other"}, 1},
    {"boolean", is_kind<Kind::boolean>},
    {"callable", callable},
    {"defined", defined},
    {"divisibleby", divisible_by, {"num"}, 1},
    {"eq", kEqual, {"other"}, 1},
    {"equalto", kEqual, {"other"}, 1},
    {"escaped", escaped},
    {"even", even},
    {"false", is_exactly<false>},
    {"filter", filter},
    {"float", is_kind<Kind::real>},
    {"ge", kAboveOrEqual, {"other"}, 1},
    {"greaterthan", kAbove, {"other"}, 1},
    {"gt", kAbove, {"other"}, 1},
    {"in", in, {"seq"}, 1},
    {"integer", is_kind<Kind::integer>},
    {"iterable", iterable},
    {"le", kBelowOrEqual, {"other"}, 1},
    {"lessthan", kBelow, {"other"}, 1},
    {"lower", lower},
    {"lt", kBelow, {"other"}, 1},
    {"mapping", is_kind<Kind::dict>},
    {"ne", kUnequal, {"other"}, 1},
    {"none", is_kind<Kind::none>},
    {"number", number},
    {"odd", odd},
    {"sameas", same_as, {"other"}, 1},
    {"sequence", sequence},
    {"string", is_kind<Kind::text>},
    {"test", test},
    {"true", is_exactly<true>},
    {"undefined", is_kind<Kind::undefined>},
    {"upper", upper},
};

}  // namespace

std::span<const Builtin> value_tests() {
  return kTests;
}

}  // namespace hearth::jinja
