// Arithmetic, comparison and slices.
#include "engine/chat/jinja/operators.hpp"

#include <cmath>

#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {
namespace {

constexpr std::string_view kSigns[] = {"+", "-", "*", "/", "//", "%", "** or pow()"};

[[noreturn]] void too_large() {
  fail("a number is too large");
}

std::int64_t whole(const Value& value) {
  return value.is(Kind::boolean) ? static_cast<std::int64_t>(value.boolean) : value.integer;
}

double real(const Value& value) {
  return value.is(Kind::real) ? value.real : static_cast<double>(whole(value));
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1 && __builtin_mul_overflow(result, base, &result)) too_large();
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) too_large();
  }
  return result;
}

// Quotient and remainder as Python rounds them: down.
Value divide_whole(Operator operation, std::int64_t left, std::int64_t right) {
  if (right == 0) fail("integer division or modulo by zero");
  if (right == -1) {  // the one quotient that does not fit, and what the CPU traps at
    if (operation == Operator::modulo) return Value::of(std::int64_t{0});
    std::int64_t negative = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, left, &negative)) too_large();
    return Value::of(negative);
  }
  std::int64_t quotient = left / right;
  std::int64_t remainder = left % right;
  if (remainder != 0 && (remainder < 0) != (right < 0)) {
    --quotient;
    remainder += right;
  }
  return Value::of(operation == Operator::modulo ? remainder : quotient);
}

Value calculate_whole(Operator operation, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  bool overflow = false;
  switch (operation) {
    case Operator::add: overflow = __builtin_add_overflow(left, right, &result); break;
    case Operator::subtract: overflow = __builtin_sub_overflow(left, right, &result); break;
    case Operator::multiply: overflow = __builtin_mul_overflow(left, right, &result); break;
    case Operator::divide:
      if (right == 0) fail("division by zero");
      return Value::of(static_cast<double>(left) / static_cast<double>(right));
    case Operator::floor_divide:
    case Operator::modulo: return divide_whole(operation, left, right);
    case Operator::power:
      if (right < 0)
        return Value::of(std::pow(static_cast<double>(left), static_cast<double>(right)));
      result = power(left, right);
      break;
  }
  if (overflow) too_large();
  return Value::of(result);
}

Value calculate_real(Operator operation, double left, double right) {
  switch (operation) {
    case Operator::add: return Value::of(left + right);
    case Operator::subtract: return Value::of(left - right);
    case Operator::multiply: return Value::of(left * right);
    case Operator::power: return Value::of(std::pow(left, right));
    default: break;
  }
  if (right == 0) fail("float division by zero");
  if (operation == Operator::divide) return Value::of(left / right);
  double remainder = std::fmod(left, right);
  if (remainder != 0 && (remainder < 0) != (right < 0)) remainder += right;
  if (operation == Operator::modulo) return Value::of(remainder);
  return Value::of(std::floor((left - remainder) / right + 0.5));
}

// & < > ' " as HTML writes them: what `+` does to a plain text that joins a safe one.
const Text* escape(Run& run, const Text* text) {
  if (text->view().find_first_of("&<>'\"") == std::string_view::npos) return text;
  TextBuilder out = run.builder();
  for_each_run(*text, [&](std::string_view piece, const Mark* mark) {
    for (char byte : piece) {
      const std::string_view written = byte == '&'    ? "&amp;"
                                       : byte == '<'  ? "&lt;"
                                       : byte == '>'  ? "&gt;"
                                       : byte == '\'' ? "&#39;"
                                       : byte == '"'  ? "&#34;"
                                                      : std::string_view(&byte, 1);
      mark != nullptr ? out.append(written, mark->message) : out.append(written);
    }
  });
  return run.finish(out).text;
}

Value add_texts(Run& run, const Text* left, const Text* right) {
  if (!left->safe && !right->safe) return run.concat(left, right);
  if (!left->safe) left = escape(run, left);
  if (!right->safe) right = escape(run, right);
  return Value::of(with_safe(run.heap, run.concat(left, right).text, true));
}

bool is_list_or_tuple(const Value& value) {
  return value.is(Kind::sequence) && value.sequence->kind <= SequenceKind::tuple;
}

Value add_sequences(Run& run, const Sequence& left, const Sequence& right) {
  Sequence* sum = run.sequence(left.kind, std::size_t{left.size} + right.size);
  run.charge(sum->capacity);
  std::copy(left.items, left.items + left.size, sum->items);
  std::copy(right.items, right.items + right.size, sum->items + left.size);
  sum->size = sum->capacity;
  return Value::of(sum);
}

Value repeat(Run& run, const Value& value, std::int64_t times) {
  times = std::max<std::int64_t>(times, 0);
  if (value.is(Kind::text)) {
    TextBuilder out = run.builder();
    if (value.text->size == 0) return value;
    for (; times > 0; --times) {
      run.charge(1);
      out.append(*value.text);
    }
    return run.finish(out);
  }
  const Sequence& items = *value.sequence;
  if (items.size != 0 && times > run.limits.list_items / items.size) {
    fail_limit(fmt::format("a list has more than {} items", run.limits.list_items));
  }
  const std::size_t size = items.size * static_cast<std::size_t>(items.size == 0 ? 0 : times);
  Sequence* repeated = run.sequence(items.kind, size);
  run.charge(size);
  for (std::size_t i = 0; i < size; ++i) repeated->items[i] = items.items[i % items.size];
  repeated->size = repeated->capacity;
  return Value::of(repeated);
}

bool is_whole(const Value& value) {
  return value.is(Kind::boolean) || value.is(Kind::integer);
}

// A part of a slice, moved into the range as Python does it.
std::int64_t bound(const Value& value, std::int64_t size, std::int64_t otherwise, bool backward) {
  if (value.is(Kind::none)) return otherwise;
  if (!is_whole(value)) fail("slice indices must be integers or None");
  std::int64_t index = whole(value);
  const std::int64_t lowest = backward ? -1 : 0;
  const std::int64_t highest = backward ? size - 1 : size;
  if (index < 0) index = index < -size ? lowest : index + size;
  return std::clamp(index, lowest, std::max(highest, lowest));
}

// Indices begin, begin + step, ... : count of them, all within the size.
struct Range {
  std::int64_t begin;
  std::int64_t step;
  std::int64_t count;
};

Range range_of(std::int64_t size, const Value& begin, const Value& end, const Value& step) {
  if (!step.is(Kind::none) && !is_whole(step)) fail("slice indices must be integers or None");
  // Steps beyond the size take one item, however large: no overflow below.
  const std::int64_t by =
      step.is(Kind::none) ? 1 : std::clamp<std::int64_t>(whole(step), -size - 1, size + 1);
  if (by == 0) fail("slice step cannot be zero");
  const std::int64_t from = bound(begin, size, by < 0 ? size - 1 : 0, by < 0);
  const std::int64_t to = bound(end, size, by < 0 ? -1 : size, by < 0);
  const std::int64_t distance = by < 0 ? from - to : to - from;
  const std::int64_t stride = by < 0 ? -by : by;
  return {from, by, distance <= 0 ? 0 : (distance + stride - 1) / stride};
}

Value slice_text(Run& run, const Text* text, const Value& begin, const Value& end,
                 const Value& step) {
  const std::string_view view = text->view();
  run.charge_bytes(view.size());
  const std::size_t size = count_characters(view);
  const Range range = range_of(static_cast<std::int64_t>(size), begin, end, step);
  if (range.count == 0) return run.text("");
  // Where each character begins: only where they are not all one byte.
  const std::uint32_t* places = nullptr;
  if (size != view.size()) {
    run.charge(size / 8);
    auto* found = run.heap.array<std::uint32_t>(size + 1);
    std::size_t at = 0;
    for (std::size_t i = 0; i < size; ++i, at = next_character(view, at)) {
      found[i] = static_cast<std::uint32_t>(at);
    }
    found[size] = static_cast<std::uint32_t>(view.size());
    places = found;
  }
  const auto place = [&](std::int64_t index) {
    return places == nullptr ? static_cast<std::size_t>(index) : std::size_t{places[index]};
  };
  if (range.step == 1) return run.slice(text, place(range.begin), place(range.begin + range.count));
  TextBuilder out = run.builder();
  for (std::int64_t i = 0, at = range.begin; i < range.count; ++i, at += range.step) {
    run.charge(1);
    out.append(*text, place(at), place(at + 1));
  }
  return run.finish(out);
}

}  // namespace

Value calculate(Run& run, Operator operation, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (value->is(Kind::undefined)) fail(absence_message(*value));
  }
  if (left.is_number() && right.is_number()) {
    if (left.is(Kind::real) || right.is(Kind::real)) {
      return calculate_real(operation, real(left), real(right));
    }
    return calculate_whole(operation, whole(left), whole(right));
  }
  const bool sequences = is_list_or_tuple(left) || left.is(Kind::text);
  if (operation == Operator::add && sequences) {
    if (left.is(Kind::text) && right.is(Kind::text)) {
      return add_texts(run, left.text, right.text);
    }
    if (is_list_or_tuple(left) && is_list_or_tuple(right) &&
        left.sequence->kind == right.sequence->kind) {
      return add_sequences(run, *left.sequence, *right.sequence);
    }
    fail(fmt::format("can only concatenate {0} (not \"{1}\") to {0}", type_name(left),
                     type_name(right)));
  }
  if (operation == Operator::multiply) {
    if (sequences && is_whole(right)) return repeat(run, left, whole(right));
    if (is_whole(left) && (is_list_or_tuple(right) || right.is(Kind::text))) {
      return repeat(run, right, whole(left));
    }
  }
  if (operation == Operator::modulo && left.is(Kind::text)) {
    fail("the operator % on a text is not supported");
  }
  fail(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'",
                   kSigns[static_cast<std::size_t>(operation)], type_name(left), type_name(right)));
}

Value with_sign(const Value& value, bool negative) {
  if (value.is(Kind::undefined)) fail(absence_message(value));
  if (value.is(Kind::real)) return Value::of(negative ? -value.real : value.real);
  if (!is_whole(value)) {
    fail(
        fmt::format("bad operand type for unary {}: '{}'", negative ? '-' : '+', type_name(value)));
  }
  std::int64_t result = whole(value);
  if (negative && __builtin_sub_overflow(std::int64_t{0}, result, &result)) too_large();
  return Value::of(result);
}

bool holds(Run& run, Relation relation, const Value& left, const Value& right) {
  switch (relation) {
    case Relation::equal: return equal(run, left, right);
    case Relation::unequal: return !equal(run, left, right);
    case Relation::in: return contains(run, right, left);
    case Relation::not_in: return !contains(run, right, left);
    case Relation::below: return compare(run, left, right, "<") == Order::below;
    case Relation::above: return compare(run, left, right, ">") == Order::above;
    case Relation::below_or_equal: {
      const Order order = compare(run, left, right, "<=");
      return order == Order::below || order == Order::same;
    }
    case Relation::above_or_equal: {
      const Order order = compare(run, left, right, ">=");
      return order == Order::above || order == Order::same;
    }
  }
  return false;
}

Value get_slice(Run& run, const Value& object, const Value& begin, const Value& end,
                const Value& step) {
  if (object.is(Kind::undefined)) fail(absence_message(object));
  if (object.is(Kind::text)) return slice_text(run, object.text, begin, end, step);
  if (!object.is(Kind::sequence) || object.sequence->kind > SequenceKind::range ||
      object.sequence->kind == SequenceKind::generator) {
    fail(object.is(Kind::dict)
             ? "unhashable type: 'slice'"
             : fmt::format("'{}' object is not subscriptable", type_name(object)));
  }
  const Sequence& items = *object.sequence;
  const Range range = range_of(items.size, begin, end, step);
  Sequence* part = run.sequence(items.kind, static_cast<std::size_t>(range.count));
  run.charge(part->capacity);
  for (std::int64_t i = 0, at = range.begin; i < range.count; ++i, at += range.step) {
    part->items[part->size++] = items.items[at];
  }
  return Value::of(part);
}

}  // namespace hearth::jinja
