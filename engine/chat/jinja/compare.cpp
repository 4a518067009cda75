// Python's ==, < and `in`.
#include <cmath>
#include <cstring>

#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/run.hpp"

namespace hearth::jinja {
namespace {

Order order_of(auto left, auto right) {
  if (left < right) return Order::below;
  if (right < left) return Order::above;
  return left == right ? Order::same : Order::none;  // none: not a number
}

// Exactly, as Python does: a double may lie between two integers, or beyond all of them.
Order order_mixed(std::int64_t left, double right) {
  if (std::isnan(right)) return Order::none;
  if (right >= 0x1p63) return Order::below;
  if (right < -0x1p63) return Order::above;
  const double whole = std::trunc(right);
  const Order order = order_of(left, static_cast<std::int64_t>(whole));
  return order == Order::same ? order_of(whole, right) : order;
}

Order reversed(Order order) {
  if (order == Order::below) return Order::above;
  return order == Order::above ? Order::below : order;
}

std::int64_t whole_number(const Value& value) {
  return value.is(Kind::boolean) ? static_cast<std::int64_t>(value.boolean) : value.integer;
}

Order compare_numbers(const Value& left, const Value& right) {
  if (left.is(Kind::real) && right.is(Kind::real)) return order_of(left.real, right.real);
  if (left.is(Kind::real)) return reversed(order_mixed(whole_number(right), left.real));
  if (right.is(Kind::real)) return order_mixed(whole_number(left), right.real);
  return order_of(whole_number(left), whole_number(right));
}

bool equal_dicts(Run& run, const Dict& left, const Dict& right) {
  if (left.size != right.size) return false;
  for (const Dict::Entry& entry : left.span()) {
    const Value* other = find(run, right, entry.key);
    if (other == nullptr || !equal(run, entry.value, *other)) return false;
  }
  return true;
}

bool equal_sequences(Run& run, const Sequence& left, const Sequence& right) {
  if (left.kind != right.kind || left.kind == SequenceKind::generator) return false;
  if (left.size != right.size) return false;
  for (std::uint32_t i = 0; i < left.size && i < right.size; ++i) {
    if (!equal(run, left.items[i], right.items[i])) return false;
  }
  return true;
}

}  // namespace

bool equal(Run& run, const Value& left, const Value& right) {
  run.charge(1);
  if (left.is_number() && right.is_number()) {
    return compare_numbers(left, right) == Order::same;
  }
  if (left.kind != right.kind) return false;
  switch (left.kind) {
    case Kind::text:
      if (left.text->size != right.text->size) return false;
      run.charge_bytes(left.text->size);
      return left.text->view() == right.text->view();
    case Kind::sequence: {
      if (left.sequence == right.sequence) return true;
      const Deeper deeper(run);
      return equal_sequences(run, *left.sequence, *right.sequence);
    }
    case Kind::dict: {
      if (left.dict == right.dict) return true;
      const Deeper deeper(run);
      return equal_dicts(run, *left.dict, *right.dict);
    }
    case Kind::space: return left.space == right.space;
    case Kind::macro: return left.macro == right.macro;
    case Kind::function: return left.function == right.function;
    case Kind::method:
      return left.method->function == right.method->function &&
             equal(run, left.method->object, right.method->object);
    case Kind::loop: return left.loop == right.loop;
    default: return true;  // none, undefined
  }
}

bool contains(Run& run, const Value& container, const Value& item) {
  if (container.is(Kind::text)) {
    if (!item.is(Kind::text)) {
      fail(fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
    }
    charge_search(run, container.text, item.text);
    // Linear in both, which std::string_view::find() is not.
    return memmem(container.text->data, container.text->size, item.text->data, item.text->size) !=
           nullptr;
  }
  if (container.is(Kind::dict)) {
    if (!is_hashable(item)) fail(fmt::format("unhashable type: '{}'", type_name(item)));
    return find(run, *container.dict, item) != nullptr;
  }
  if (!container.is(Kind::sequence) && !container.is(Kind::undefined)) {
    fail(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  }
  for (const Value& member : iterate(run, container)) {
    if (equal(run, member, item)) return true;
  }
  return false;
}

Order compare(Run& run, const Value& left, const Value& right, std::string_view operation) {
  run.charge(1);
  if (left.is_number() && right.is_number()) return compare_numbers(left, right);
  if (left.is(Kind::text) && right.is(Kind::text)) {
    run.charge_bytes(std::min(left.text->size, right.text->size));
    return order_of(left.text->view(), right.text->view());  // UTF-8 sorts as its code points do
  }
  for (const Value* value : {&left, &right}) {
    if (value->is(Kind::undefined)) fail(absence_message(*value));
  }
  const auto is_ordered = [](const Value& value) {
    return value.is(Kind::sequence) && (value.sequence->kind == SequenceKind::list ||
                                        value.sequence->kind == SequenceKind::tuple);
  };
  if (!is_ordered(left) || !is_ordered(right) || left.sequence->kind != right.sequence->kind) {
    fail(fmt::format("'{}' not supported between instances of '{}' and '{}'", operation,
                     type_name(left), type_name(right)));
  }
  const Deeper deeper(run);
  const std::span<const Value> a = left.sequence->span();
  const std::span<const Value> b = right.sequence->span();
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (!equal(run, a[i], b[i])) return compare(run, a[i], b[i], operation);
  }
  return order_of(a.size(), b.size());
}

}  // namespace hearth::jinja
