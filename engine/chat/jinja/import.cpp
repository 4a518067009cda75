// The caller's tree to values: lists and dicts anew, texts where they lie.
#include "engine/chat/jinja/import.hpp"

#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {
namespace {

class Importer {
 public:
  Importer(Run& run, Origin origin, bool copy) : run_(run), origin_(origin), copy_(copy) {}

  Value any(const Input& input) {
    run_.charge(1);
    return std::visit([this](const auto& held) { return value(held); }, input.held);
  }

 private:
  Value value(std::monostate) { return Value::of_none(); }
  Value value(bool held) { return Value::of(held); }
  Value value(std::int64_t held) { return Value::of(held); }
  Value value(double held) { return Value::of(held); }

  Value value(const std::string& held) {
    if (held.size() > run_.limits.string_bytes) {
      fail_limit(fmt::format("a text is longer than {} bytes", run_.limits.string_bytes));
    }
    run_.charge_bytes(held.size());
    if (utf8_valid_bytes(held) != held.size()) fail("a text is not UTF-8");
    std::string_view bytes = held;
    if (copy_) bytes = copy_text(run_.heap, bytes)->view();
    return Value::of(origin_.input ? borrow_input(run_.heap, bytes, origin_.message)
                                   : borrow_text(run_.heap, bytes));
  }

  Value value(const InputList& held) {
    const Deeper deeper(run_);
    Sequence* list = run_.sequence(SequenceKind::list, held.size());
    for (const Input& item : held) run_.push(*list, any(item));
    return Value::of(list);
  }

  Value value(const InputDict& held) {
    const Deeper deeper(run_);
    Dict* dict = run_.heap.make<Dict>();
    for (const auto& [key, item] : held) set(run_, *dict, value(key), any(item));
    return Value::of(dict);
  }

  Run& run_;
  Origin origin_;
  bool copy_;
};

}  // namespace

Value import(Run& run, const Input& input, Origin origin, bool copy) {
  return Importer(run, origin, copy).any(input);
}

Value import_messages(Run& run, const Input& input) {
  const auto* messages = std::get_if<InputList>(&input.held);
  if (messages == nullptr) return import(run, input, {}, /*copy=*/false);
  Sequence* list = run.sequence(SequenceKind::list, messages->size());
  for (std::size_t i = 0; i < messages->size(); ++i) {
    const auto index = static_cast<std::int32_t>(i);
    const Value message = import(run, (*messages)[i], Origin{true, index}, /*copy=*/false);
    if (message.is(Kind::dict)) message.dict->message = index;
    run.push(*list, message);
  }
  return Value::of(list);
}

}  // namespace hearth::jinja
