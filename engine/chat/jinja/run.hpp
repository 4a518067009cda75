// What all functions of one render share: its heap, its budget, and the place it is at.
//
// THREAD: one.   OWNER: render().
#pragma once

#include <ctime>
#include <optional>
#include <string>

#include "engine/chat/jinja/failure.hpp"
#include "engine/chat/jinja/limits.hpp"
#include "engine/chat/jinja/value.hpp"

namespace hearth::jinja {

struct Run {
  Run(const Limits& run_limits, const std::tm& run_now)
      : limits(run_limits), heap(limits.memory_bytes), steps(limits.steps), now(run_now) {}

  const Limits limits;
  Heap heap;
  std::uint64_t steps;      // left
  std::uint32_t depth = 0;  // evaluations within each other
  Where here;               // what is being evaluated
  const std::tm now;        // the clock that strftime_now shows

  void charge(std::uint64_t count) {
    if (count > steps) fail_limit("the template takes too many steps");
    steps -= count;
  }
  // Looking at so many bytes.
  void charge_bytes(std::uint64_t bytes) { charge(bytes / 64); }

  TextBuilder builder() { return TextBuilder(heap, limits.string_bytes); }
  Value finish(const TextBuilder& built) {
    charge_bytes(built.size());
    return Value::of(built.finish());
  }
  Value text(std::string_view bytes) { return Value::of(copy_text(heap, bytes)); }
  Value slice(const Text* text, std::size_t begin, std::size_t end) {
    return Value::of(jinja::slice(heap, text, begin, end));
  }
  Value concat(const Text* left, const Text* right);
  Value undefined(Value object, Value key) {
    return Value::of(heap.make<const Absence>(Absence{object, key}));
  }

  Sequence* sequence(SequenceKind kind, std::size_t capacity = 0);
  Sequence* sequence(SequenceKind kind, std::span<const Value> items);
  void push(Sequence& sequence, Value value);
};

// One level deeper, as long as it lives.
class Deeper {
 public:
  explicit Deeper(Run& run) : run_(run) {
    if (run.depth >= run.limits.depth) {
      fail_limit("the template, or a value, is nested too deeply");
    }
    ++run_.depth;
  }
  ~Deeper() { --run_.depth; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;

 private:
  Run& run_;
};

// Python's ==, and `in`.
bool equal(Run& run, const Value& left, const Value& right);
bool contains(Run& run, const Value& container, const Value& item);
// How two values stand to each other in Python; none: one is not a number.  Fails, naming the
// operation, for kinds that have no order.
enum class Order : std::uint8_t { below, same, above, none };
Order compare(Run& run, const Value& left, const Value& right, std::string_view operation);

// What a {% for %} over a value goes through.  A generator is used up by it.
// Errors: the value is not iterable.
std::span<const Value> iterate(Run& run, const Value& value);
// len(): nullopt where Python has none.
std::optional<std::int64_t> length(Run& run, const Value& value);

// Dicts.  A key of find(), set() and erase() must be hashable; erase() says whether it was there.
const Value* find(Run& run, const Dict& dict, const Value& key);
void set(Run& run, Dict& dict, const Value& key, const Value& value);
bool erase(Run& run, Dict& dict, const Value& key);
bool is_hashable(const Value& value);

// Python's str() and repr(), appended.
void append_str(Run& run, TextBuilder& out, const Value& value);
void append_repr(Run& run, TextBuilder& out, const Value& value);
std::string float_repr(double value);
const Text* to_text(Run& run, const Value& value);

}  // namespace hearth::jinja
