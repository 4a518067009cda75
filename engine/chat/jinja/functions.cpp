// Functions that a template can call; a variable of the context may take the place of one.
#include "engine/chat/jinja/builtins.hpp"
#include "engine/tokenizer/utf8.hpp"

namespace hearth::jinja {
namespace {

constexpr std::size_t kMessageBytesMax = 1000;

Value raise_exception(Run& run, const Value&, const Arguments& arguments) {
  std::string_view message = to_text(run, arguments[0])->view();
  message = message.substr(0, kMessageBytesMax);
  fail(std::string(message.substr(0, utf8_valid_bytes(message))));
}

// range(end), range(begin, end), range(begin, end, step).
Value range(Run& run, const Value&, const Arguments& arguments) {
  const bool only_end = arguments[1].is(Kind::missing);
  const std::int64_t begin = only_end ? 0 : integer_argument(arguments[0], "start", 0);
  const std::int64_t end = integer_argument(arguments[only_end ? 0 : 1], "stop", 0);
  const std::int64_t step = integer_argument(arguments[2], "step", 1);
  if (step == 0) fail("range() arg 3 must not be zero");
  Sequence* made = run.sequence(SequenceKind::range);
  for (std::int64_t at = begin; step > 0 ? at < end : at > end;) {
    run.charge(1);
    run.push(*made, Value::of(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return Value::of(made);
}

// namespace(a=1), namespace({'a': 1}).
Value name_space(Run& run, const Value&, const Arguments& arguments) {
  Dict* attributes = run.heap.make<Dict>();
  if (arguments.positional.size() > 1) fail("namespace() takes one dict, or named arguments");
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    if (!from.is(Kind::dict)) fail("namespace() takes one dict, or named arguments");
    for (const Dict::Entry& entry : from.dict->span())
      set(run, *attributes, entry.key, entry.value);
  }
  for (const NamedValue& named : arguments.named) {
    set(run, *attributes, Value::of(named.name), named.value);
  }
  return Value::of(run.heap.make<Space>(Space{attributes}));
}

Value strftime_now(Run& run, const Value&, const Arguments& arguments) {
  const Text* format = text_argument(arguments[0], "format");
  run.charge(format->size / 8);
  if (format->size > kMessageBytesMax) fail_limit("the format of a time is too long");
  const Value text = run.text(format_time(run.now, format->view()));
  if (format->mark_count == 0) return text;
  return Value::of(borrow_input(run.heap, text.text->view(), format->marks[0].message));
}

constexpr Builtin kFunctions[] = {
    {"namespace", name_space, {}, kAnyArguments},
    {"raise_exception", raise_exception, {"message"}, 1},
    {"range", range, {"start", "stop", "step"}, 1},
    {"strftime_now", strftime_now, {"format"}, 1},
};

}  // namespace

std::span<const Builtin> functions() {
  return kFunctions;
}

}  // namespace hearth::jinja
