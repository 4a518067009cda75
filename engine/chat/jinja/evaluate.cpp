// Expressions.
#include "engine/chat/jinja/interpreter.hpp"
#include "engine/chat/jinja/operators.hpp"

namespace hearth::jinja {

// The arguments of a call, evaluated; few lie on the stack.
class Interpreter::Evaluated {
 public:
  Evaluated(Interpreter& interpreter, const CallArguments& arguments) {
    Run& run = interpreter.run_;
    const std::size_t count = arguments.positional.size();
    Value* values = count <= kFewArguments ? few_ : run.heap.array<Value>(count);
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = interpreter.evaluate(*arguments.positional[i]);
    }
    all_.positional = {values, count};
    if (arguments.named.empty()) return;
    auto* named = run.heap.array<NamedValue>(arguments.named.size());
    for (std::size_t i = 0; i < arguments.named.size(); ++i) {
      named[i] = {arguments.named[i].name, interpreter.evaluate(*arguments.named[i].value)};
    }
    all_.named = {named, arguments.named.size()};
  }
  Evaluated(const Evaluated&) = delete;
  Evaluated& operator=(const Evaluated&) = delete;
  const Arguments& all() const { return all_; }

 private:
  Value few_[kFewArguments];
  Arguments all_;
};

Value Interpreter::evaluate(const Expr& expr) {
  run_.charge(1);
  switch (expr.kind) {
    case ExprKind::literal: return static_cast<const LiteralExpr&>(expr).value;
    case ExprKind::name: return load(static_cast<const NameExpr&>(expr));
    default: break;
  }
  const Deeper deeper(run_);
  return evaluate_above(expr);
}

// Operands first: `here` is the place of what is done with them.
Value Interpreter::evaluate_above(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::literal:
    case ExprKind::name: break;  // of evaluate()
    case ExprKind::attribute: return attribute(static_cast<const AttributeExpr&>(expr));
    case ExprKind::item: {
      const auto& item = static_cast<const ItemExpr&>(expr);
      const Value object = evaluate(*item.object);
      const Value key = evaluate(*item.key);
      run_.here = expr.where;
      return get_item(run_, object, key);
    }
    case ExprKind::slice: return slice(static_cast<const SliceExpr&>(expr));
    case ExprKind::call: return call(static_cast<const CallExpr&>(expr), Value{});
    case ExprKind::filter:
    case ExprKind::test: return apply(static_cast<const ApplyExpr&>(expr));
    case ExprKind::negate:
    case ExprKind::plus: {
      const Value operand = evaluate(*static_cast<const UnaryExpr&>(expr).operand);
      run_.here = expr.where;
      return with_sign(operand, expr.kind == ExprKind::negate);
    }
    case ExprKind::invert:
      return Value::of(!is_true(evaluate(*static_cast<const UnaryExpr&>(expr).operand)));
    case ExprKind::binary: {
      const auto& binary = static_cast<const BinaryExpr&>(expr);
      const Value left = evaluate(*binary.left);
      const Value right = evaluate(*binary.right);
      run_.here = expr.where;
      return calculate(run_, binary.operation, left, right);
    }
    case ExprKind::compare: return compare_all(static_cast<const CompareExpr&>(expr));
    case ExprKind::both:
    case ExprKind::either: {
      Value value;
      for (const Expr* item : static_cast<const ManyExpr&>(expr).items) {
        value = evaluate(*item);
        if (is_true(value) == (expr.kind == ExprKind::either)) break;
      }
      return value;
    }
    case ExprKind::concat: return concat(static_cast<const ManyExpr&>(expr));
    case ExprKind::choice: {
      const auto& choice = static_cast<const ChoiceExpr&>(expr);
      if (is_true(evaluate(*choice.condition))) return evaluate(*choice.then);
      if (choice.otherwise != nullptr) return evaluate(*choice.otherwise);
      return run_.undefined({},
                            Value::of(borrow_text(run_.heap, "the value of 'if' without 'else'")));
    }
    case ExprKind::list: return sequence(static_cast<const ManyExpr&>(expr), SequenceKind::list);
    case ExprKind::tuple: return sequence(static_cast<const ManyExpr&>(expr), SequenceKind::tuple);
    case ExprKind::dict: return dict(static_cast<const DictExpr&>(expr));
  }
  return Value::of_none();
}

Value Interpreter::load(const NameExpr& name) {
  Scope* scope = scope_;
  std::uint32_t up = 0;
  for (const NameExpr::Place& place : name.places) {
    run_.charge(place.up - up);
    for (; up < place.up; ++up) scope = scope->outer;
    const Value& value = scope->slots[place.slot];
    if (!value.is(Kind::missing)) return value;
  }
  const Value& value = globals_[name.global];
  return value.is(Kind::missing) ? run_.undefined({}, Value::of(name.name)) : value;
}

Value Interpreter::attribute(const AttributeExpr& expr) {
  const Value object = evaluate(*expr.object);
  if (object.is(Kind::dict) && expr.dict_method == nullptr) {
    const Value key = Value::of(expr.name);
    const Value* found = find(run_, *object.dict, key);
    return found != nullptr ? *found : run_.undefined(object, key);
  }
  run_.here = expr.where;
  return get_attribute(run_, object, expr.name);
}

Value Interpreter::slice(const SliceExpr& expr) {
  const Value object = evaluate(*expr.object);
  const auto part = [&](const Expr* bound) {
    return bound == nullptr ? Value::of_none() : evaluate(*bound);
  };
  const Value begin = part(expr.begin);
  const Value end = part(expr.end);
  const Value step = part(expr.step);
  run_.here = expr.where;
  return get_slice(run_, object, begin, end, step);
}

Value Interpreter::apply(const ApplyExpr& expr) {
  const Value object = expr.object != nullptr ? evaluate(*expr.object) : block_text_;
  const Evaluated arguments(*this, expr.arguments);
  run_.here = expr.where;
  const Value value = call_builtin(run_, *expr.function, object, arguments.all());
  return expr.negated ? Value::of(!is_true(value)) : value;
}

Value Interpreter::compare_all(const CompareExpr& expr) {
  Value left = evaluate(*expr.left);
  for (const CompareExpr::Step& step : expr.steps) {
    const Value right = evaluate(*step.right);
    run_.here = expr.where;
    if (!holds(run_, step.relation, left, right)) return Value::of(false);
    left = right;
  }
  return Value::of(true);
}

Value Interpreter::concat(const ManyExpr& expr) {
  const Text* whole = nullptr;
  for (const Expr* item : expr.items) {
    const Value value = evaluate(*item);
    run_.here = expr.where;
    const Text* text = to_text(run_, value);
    whole = whole == nullptr ? text : run_.concat(whole, text).text;
  }
  return Value::of(with_safe(run_.heap, whole, false));
}

Value Interpreter::sequence(const ManyExpr& expr, SequenceKind kind) {
  Sequence* made = run_.sequence(kind, expr.items.size());
  for (const Expr* item : expr.items) run_.push(*made, evaluate(*item));
  return Value::of(made);
}

Value Interpreter::dict(const DictExpr& expr) {
  Dict* made = run_.heap.make<Dict>();
  for (const DictExpr::Entry& entry : expr.entries) {
    const Value key = evaluate(*entry.key);
    const Value value = evaluate(*entry.value);
    run_.here = expr.where;
    if (!is_hashable(key)) fail(fmt::format("unhashable type: '{}'", type_name(key)));
    set(run_, *made, key, value);
  }
  return Value::of(made);
}

// A method that is called at once needs no value of its own.
Value Interpreter::call(const CallExpr& expr, const Value& caller) {
  if (expr.callee->kind == ExprKind::attribute && caller.is(Kind::missing)) {
    const auto& attribute = static_cast<const AttributeExpr&>(*expr.callee);
    const Value object = evaluate(*attribute.object);
    const Builtin* method =
        object.is(Kind::text)   ? attribute.text_method
        : object.is(Kind::dict) ? attribute.dict_method
        : object.is(Kind::sequence) && object.sequence->kind == SequenceKind::list
            ? attribute.list_method
            : nullptr;
    if (method != nullptr) {
      const Evaluated arguments(*this, expr.arguments);
      run_.here = attribute.where;
      return call_builtin(run_, *method, object, arguments.all());
    }
    run_.here = attribute.where;
    const Value callee = get_attribute(run_, object, attribute.name);
    const Evaluated arguments(*this, expr.arguments);
    run_.here = attribute.where;
    return call_value(callee, arguments.all(), caller);
  }
  const Value callee = evaluate(*expr.callee);
  const Evaluated arguments(*this, expr.arguments);
  run_.here = expr.where;
  return call_value(callee, arguments.all(), caller);
}

Value Interpreter::call_value(const Value& callee, const Arguments& arguments,
                              const Value& caller) {
  switch (callee.kind) {
    case Kind::macro: return call_macro(*callee.macro, arguments, caller);
    case Kind::function: return call_builtin(run_, *callee.function, {}, arguments);
    case Kind::method:
      return call_builtin(run_, *callee.method->function, callee.method->object, arguments);
    case Kind::undefined: fail(absence_message(callee));
    default: fail(fmt::format("'{}' object is not callable", type_name(callee)));
  }
}

Value Interpreter::call_macro(const MacroValue& macro, const Arguments& arguments,
                              const Value& caller) {
  const MacroDefinition& definition = *macro.definition;
  Scope* scope = enter(definition.body.slot_count, macro.scope);
  Scope* outer = std::exchange(scope_, scope);
  TextBuilder written = run_.builder();
  TextBuilder* out = std::exchange(out_, &written);
  const Value block_text = block_text_;
  scope->slots[definition.caller_slot] =
      caller.is(Kind::missing) ? run_.undefined({}, Value::of(borrow_text(run_.heap, "caller")))
                               : caller;
  bind_parameters(definition, arguments, *scope);
  execute(definition.body.body);
  block_text_ = block_text;
  out_ = out;
  scope_ = outer;
  return run_.finish(written);
}

void Interpreter::bind_parameters(const MacroDefinition& macro, const Arguments& arguments,
                                  Scope& scope) {
  const std::size_t count = macro.parameters.size();
  if (arguments.positional.size() > count) {
    fail(fmt::format("macro '{}' takes not more than {} argument(s)", shown(macro.name), count));
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(), scope.slots.begin());
  for (const NamedValue& named : arguments.named) {
    run_.charge(count);
    std::size_t i = 0;
    while (i < count && macro.parameters[i].name->view() != named.name->view()) ++i;
    const bool is_caller = i == count && named.name->view() == "caller";
    if (i == count && !is_caller) {
      fail(fmt::format("macro '{}' takes no keyword argument '{}'", shown(macro.name),
                       shown(named.name)));
    }
    if (i < arguments.positional.size()) {
      fail(fmt::format("macro '{}' got multiple values for argument '{}'", shown(macro.name),
                       shown(named.name)));
    }
    scope.slots[is_caller ? macro.caller_slot : i] = named.value;
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!scope.slots[i].is(Kind::missing)) continue;
    const Parameter& parameter = macro.parameters[i];
    scope.slots[i] = parameter.default_value != nullptr
                         ? evaluate(*parameter.default_value)
                         : run_.undefined({}, Value::of(parameter.name));
  }
}

}  // namespace hearth::jinja
