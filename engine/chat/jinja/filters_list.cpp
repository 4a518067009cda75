// Filters that go through the items of a value.
#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/operators.hpp"

namespace hearth::jinja {
namespace {

// item.a.b for "a.b"; "0" and 0 are indices.
Value attribute_of(Run& run, Value item, const Value& path) {
  if (!path.is(Kind::text)) return get_item(run, item, path);
  const Sequence* names = split(run, path.text, run.text(".").text, -1, false);
  for (const Value& name : names->span()) {
    const std::string_view view = name.text->view();
    const bool is_index =
        !view.empty() && view.size() < 10 && view.find_first_not_of("0123456789") == view.npos;
    std::int64_t index = 0;
    for (char digit : view) index = is_index ? index * 10 + (digit - '0') : 0;
    item = get_item(run, item, is_index ? Value::of(index) : name);
  }
  return item;
}

// What an item is compared by: itself or an attribute, in lower case where case does not count.
Value sort_key(Run& run, const Value& item, const Value& attribute, bool case_sensitive) {
  const bool has_attribute = !attribute.is(Kind::missing) && !attribute.is(Kind::none);
  const Value key = has_attribute ? attribute_of(run, item, attribute) : item;
  if (case_sensitive || !key.is(Kind::text)) return key;
  return change_case(run, key.text, Case::lower);
}

// Items in the order of their keys.
Sequence* sorted(Run& run, std::span<const Value> items, bool reverse, auto&& key_of) {
  // Pairs (key, item): sorting by key alone keeps equal ones in their order.
  std::vector<std::pair<Value, Value>> pairs;
  run.charge(items.size() * 2);
  pairs.reserve(items.size());
  for (const Value& item : items) pairs.emplace_back(key_of(item), item);
  std::stable_sort(pairs.begin(), pairs.end(), [&](const auto& a, const auto& b) {
    // Jinja compares lists of attributes: two that are not there are equal.
    if (a.first.is(Kind::undefined) && b.first.is(Kind::undefined)) return false;
    return compare(run, reverse ? b.first : a.first, reverse ? a.first : b.first, "<") ==
           Order::below;
  });
  Sequence* made = run.sequence(SequenceKind::list, items.size());
  for (const auto& pair : pairs) run.push(*made, pair.second);
  return made;
}

Value sort(Run& run, const Value& self, const Arguments& arguments) {
  const bool case_sensitive = flag_argument(arguments[1], false);
  return Value::of(
      sorted(run, iterate(run, self), flag_argument(arguments[0], false),
             [&](const Value& item) { return sort_key(run, item, arguments[2], case_sensitive); }));
}

Value dictsort(Run& run, const Value& self, const Arguments& arguments) {
  if (self.is(Kind::undefined)) fail(absence_message(self));
  if (!self.is(Kind::dict)) fail(fmt::format("dictsort wants a dict, not '{}'", type_name(self)));
  const bool case_sensitive = flag_argument(arguments[0], false);
  const std::string_view by =
      arguments[1].is(Kind::missing) ? "key" : text_argument(arguments[1], "by")->view();
  if (by != "key" && by != "value") fail("You can only sort by either \"key\" or \"value\"");
  const Value pairs = call_builtin(run, *find_dict_method("items"), self, {});
  return Value::of(sorted(run, pairs.sequence->span(), flag_argument(arguments[2], false),
                          [&](const Value& pair) {
                            const Value& key = pair.sequence->items[by == "key" ? 0 : 1];
                            return sort_key(run, key, {}, case_sensitive);
                          }));
}

Value unique(Run& run, const Value& self, const Arguments& arguments) {
  const bool case_sensitive = flag_argument(arguments[0], false);
  Dict* seen = run.heap.make<Dict>();
  Sequence* made = run.sequence(SequenceKind::generator);
  for (const Value& item : iterate(run, self)) {
    const Value key = sort_key(run, item, arguments[1], case_sensitive);
    if (!is_hashable(key)) fail(fmt::format("unhashable type: '{}'", type_name(key)));
    if (find(run, *seen, key) != nullptr) continue;
    set(run, *seen, key, Value::of(true));
    run.push(*made, item);
  }
  return Value::of(made);
}

Value extreme(Run& run, const Value& self, const Arguments& arguments, Order wanted) {
  const bool case_sensitive = flag_argument(arguments[0], false);
  const std::span<const Value> items = iterate(run, self);
  if (items.empty()) return run.undefined({}, run.text("the extreme of an empty sequence"));
  Value best = items[0];
  Value best_key = sort_key(run, best, arguments[1], case_sensitive);
  for (const Value& item : items.subspan(1)) {
    const Value key = sort_key(run, item, arguments[1], case_sensitive);
    if (compare(run, key, best_key, "<") != wanted) continue;
    best = item;
    best_key = key;
  }
  return best;
}

Value min(Run& run, const Value& self, const Arguments& arguments) {
  return extreme(run, self, arguments, Order::below);
}

Value max(Run& run, const Value& self, const Arguments& arguments) {
  return extreme(run, self, arguments, Order::above);
}

Value sum(Run& run, const Value& self, const Arguments& arguments) {
  const bool has_attribute = !arguments[0].is(Kind::missing) && !arguments[0].is(Kind::none);
  Value total = arguments[1].is(Kind::missing) ? Value::of(std::int64_t{0}) : arguments[1];
  for (const Value& item : iterate(run, self)) {
    total = calculate(run, Operator::add, total,
                      has_attribute ? attribute_of(run, item, arguments[0]) : item);
  }
  return total;
}

Value join_items(Run& run, const Value& self, const Arguments& arguments) {
  const Text* separator =
      arguments[0].is(Kind::missing) ? run.text("").text : to_text(run, arguments[0]);
  std::span<const Value> items = iterate(run, self);
  if (!arguments[1].is(Kind::missing) && !arguments[1].is(Kind::none)) {
    Sequence* attributes = run.sequence(SequenceKind::list, items.size());
    for (const Value& item : items) run.push(*attributes, attribute_of(run, item, arguments[1]));
    items = attributes->span();
  }
  return join(run, separator, items);
}

Value first(Run& run, const Value& self, const Arguments&) {
  const std::span<const Value> items = iterate(run, self);
  return items.empty() ? run.undefined({}, run.text("the first of an empty sequence"))
                       : items.front();
}

Value last(Run& run, const Value& self, const Arguments&) {
  if (self.is(Kind::sequence) && self.sequence->kind == SequenceKind::generator) {
    fail("'generator' object is not reversible");
  }
  const std::span<const Value> items = iterate(run, self);
  return items.empty() ? run.undefined({}, run.text("the last of an empty sequence"))
                       : items.back();
}

Value list(Run& run, const Value& self, const Arguments&) {
  return Value::of(run.sequence(SequenceKind::list, iterate(run, self)));
}

Value reverse(Run& run, const Value& self, const Arguments&) {
  if (self.is(Kind::text)) {
    return get_slice(run, self, Value::of_none(), Value::of_none(), Value::of(std::int64_t{-1}));
  }
  Sequence* made = run.sequence(SequenceKind::generator, iterate(run, self));
  std::reverse(made->items, made->items + made->size);
  return Value::of(made);
}

// A filter or a test that is named by an argument, with the arguments that follow.
struct Named {
  const Builtin* function;
  Arguments arguments;
};

Named named_by(const Arguments& arguments, std::size_t at, const Builtin* (*find)(std::string_view),
               const char* what) {
  const Text* name = text_argument(arguments.positional[at], what);
  const Builtin* function = find(name->view());
  if (function == nullptr) fail(fmt::format("there is no {} '{}'", what, shown(name)));
  return {function, {arguments.positional.subspan(at + 1), arguments.named}};
}

Value map(Run& run, const Value& self, const Arguments& arguments) {
  Sequence* made = run.sequence(SequenceKind::generator);
  if (!is_true(self)) return Value::of(made);  // none too, as in Jinja
  const Value* attribute = nullptr;
  Value otherwise;
  for (const NamedValue& named : arguments.named) {
    if (named.name->view() == "attribute") attribute = &named.value;
    if (named.name->view() == "default") otherwise = named.value;
  }
  if (arguments.positional.empty() && attribute == nullptr)
    fail("map wants a filter or an attribute");
  if (!arguments.positional.empty()) {
    const Named filter = named_by(arguments, 0, find_filter, "filter");
    // Deeper: map('map', ...) calls itself.
    const Deeper deeper(run);
    for (const Value& item : iterate(run, self)) {
      run.charge(1);
      run.push(*made, call_builtin(run, *filter.function, item, filter.arguments));
    }
    return Value::of(made);
  }
  for (const Value& item : iterate(run, self)) {
    const Value value = attribute_of(run, item, *attribute);
    const bool replaced = value.is(Kind::undefined) && !otherwise.is(Kind::missing);
    run.push(*made, replaced ? otherwise : value);
  }
  return Value::of(made);
}

// The items that a test holds for, or does not; of themselves, or of one of their attributes.
Value choose(Run& run, const Value& self, const Arguments& arguments, bool by_attribute,
             bool wanted) {
  Sequence* made = run.sequence(SequenceKind::generator);
  if (!is_true(self)) return Value::of(made);  // none too, as in Jinja
  const std::size_t at = by_attribute ? 1 : 0;
  if (arguments.positional.size() < at) fail("the name of an attribute is missing");
  const bool has_test = arguments.positional.size() > at;
  const Named test =
      has_test ? named_by(arguments, at, find_test, "test") : Named{nullptr, Arguments{}};
  for (const Value& item : iterate(run, self)) {
    run.charge(1);
    const Value value = by_attribute ? attribute_of(run, item, arguments.positional[0]) : item;
    const bool holds =
        is_true(has_test ? call_builtin(run, *test.function, value, test.arguments) : value);
    if (holds == wanted) run.push(*made, item);
  }
  return Value::of(made);
}

Value select(Run& run, const Value& self, const Arguments& arguments) {
  return choose(run, self, arguments, false, true);
}

Value reject(Run& run, const Value& self, const Arguments& arguments) {
  return choose(run, self, arguments, false, false);
}

Value selectattr(Run& run, const Value& self, const Arguments& arguments) {
  return choose(run, self, arguments, true, true);
}

Value rejectattr(Run& run, const Value& self, const Arguments& arguments) {
  return choose(run, self, arguments, true, false);
}

constexpr Builtin kListFilters[] = {
    {"dictsort", dictsort, {"case_sensitive", "by", "reverse"}},
    {"first", first},
    {"join", join_items, {"d", "attribute"}},
    {"last", last},
    {"list", list},
    {"map", map, {}, kAnyArguments},
    {"max", max, {"case_sensitive", "attribute"}},
    {"min", min, {"case_sensitive", "attribute"}},
    {"reject", reject, {}, kAnyArguments},
    {"rejectattr", rejectattr, {}, kAnyArguments},
    {"reverse", reverse},
    {"select", select, {}, kAnyArguments},
    {"selectattr", selectattr, {}, kAnyArguments},
    {"sort", sort, {"reverse", "case_sensitive", "attribute"}},
    {"sum", sum, {"attribute", "start"}},
    {"unique", unique, {"case_sensitive", "attribute"}},
};

}  // namespace

std::span<const Builtin> list_filters() {
  return kListFilters;
}

}  // namespace hearth::jinja
