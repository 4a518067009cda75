// Statements.
#include "engine/chat/jinja/interpreter.hpp"

namespace hearth::jinja {

void Interpreter::render() {
  scope_ = enter(program_.root.slot_count, nullptr);
  execute(program_.root.body);
}

Scope* Interpreter::enter(std::uint32_t slot_count, Scope* outer) {
  run_.charge(slot_count);
  Value* slots = run_.heap.array<Value>(slot_count);
  std::uninitialized_fill_n(slots, slot_count, Value{});
  return run_.heap.make<Scope>(Scope{outer, {slots, slot_count}});
}

Interpreter::Flow Interpreter::execute(Block block) {
  const Deeper deeper(run_);
  for (const Stmt* statement : block) {
    run_.charge(1);
    run_.here = statement->where;
    if (const Flow flow = execute(*statement); flow != Flow::on) return flow;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::execute(const Stmt& statement) {
  Flow flow = Flow::on;
  switch (statement.kind) {
    case StmtKind::text: {
      const Text& text = *static_cast<const TextStmt&>(statement).text;
      run_.charge_bytes(text.size);
      out_->append(text.view());
      break;
    }
    case StmtKind::output: write(evaluate(*static_cast<const OutputStmt&>(statement).value)); break;
    case StmtKind::branch: return execute_branch(static_cast<const BranchStmt&>(statement));
    case StmtKind::loop: return execute_loop(static_cast<const LoopStmt&>(statement));
    case StmtKind::set: {
      const auto& set = static_cast<const SetStmt&>(statement);
      assign(set.target, evaluate(*set.value));
      break;
    }
    case StmtKind::set_block: {
      const auto& set = static_cast<const SetStmt&>(statement);
      Value text = capture(set.body, &flow);
      if (flow != Flow::on) break;
      if (set.value != nullptr) {
        const Value outer = std::exchange(block_text_, text);
        text = evaluate(*set.value);
        block_text_ = outer;
      }
      assign(set.target, text);
      break;
    }
    case StmtKind::filter_block: {
      const auto& filter = static_cast<const FilterBlockStmt&>(statement);
      const Value outer = std::exchange(block_text_, capture(filter.body, &flow));
      if (flow == Flow::on) write(evaluate(*filter.filters));
      block_text_ = outer;
      break;
    }
    case StmtKind::macro: {
      const auto& macro = static_cast<const MacroStmt&>(statement);
      scope_->slots[macro.slot] =
          Value::of(run_.heap.make<const MacroValue>(MacroValue{&macro.definition, scope_}));
      break;
    }
    case StmtKind::call_block:
      execute_call_block(static_cast<const CallBlockStmt&>(statement));
      break;
    case StmtKind::scope: return execute_scoped(static_cast<const ScopeStmt&>(statement).body);
    case StmtKind::leave: return Flow::leave;
    case StmtKind::next: return Flow::next;
  }
  return flow;
}

Interpreter::Flow Interpreter::execute_branch(const BranchStmt& statement) {
  for (const BranchStmt::Arm& arm : statement.arms) {
    if (arm.condition == nullptr || is_true(evaluate(*arm.condition))) return execute(arm.body);
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::execute_scoped(const ScopedBlock& block) {
  Scope* outer = std::exchange(scope_, enter(block.slot_count, scope_));
  const Flow flow = execute(block.body);
  scope_ = outer;
  return flow;
}

Value Interpreter::capture(const ScopedBlock& block, Flow* flow) {
  TextBuilder captured = run_.builder();
  TextBuilder* outer = std::exchange(out_, &captured);
  *flow = execute_scoped(block);
  out_ = outer;
  return run_.finish(captured);
}

Interpreter::Flow Interpreter::execute_loop(const LoopStmt& statement) {
  const Value value = evaluate(*statement.items);
  run_.here = statement.items->where;
  std::span<const Value> items = iterate(run_, value);
  Scope* outer = std::exchange(scope_, enter(statement.body.slot_count, scope_));
  Flow flow = Flow::on;
  if (statement.condition != nullptr) {
    Sequence* kept = run_.sequence(SequenceKind::list);
    for (const Value& item : items) {
      assign(statement.target, item);
      if (is_true(evaluate(*statement.condition))) run_.push(*kept, item);
    }
    items = kept->span();
  }
  if (!items.empty()) flow = execute_items(statement, items);
  scope_ = outer;
  if (items.empty()) return execute_scoped(statement.otherwise);
  return flow;
}

// A list may change meanwhile: what is gone through are the items that it had.
Interpreter::Flow Interpreter::execute_items(const LoopStmt& statement,
                                             std::span<const Value> items) {
  Loop* loop = run_.heap.make<Loop>(Loop{items});
  for (std::size_t i = 0; i < items.size(); ++i) {
    run_.charge(1 + scope_->slots.size());
    std::ranges::fill(scope_->slots, Value{});
    loop->index0 = i;
    scope_->slots[statement.loop_slot] = Value::of(static_cast<const Loop*>(loop));
    assign(statement.target, items[i]);
    const std::size_t begin = root_->size();
    const Flow flow = execute(statement.body.body);
    const bool is_message = items[i].is(Kind::dict) && items[i].dict->message != kNoMessage;
    if (is_message && out_ == root_ && root_->size() > begin) {
      run_.heap.hold(2 * sizeof(Turn));
      turns_.push_back({static_cast<std::uint32_t>(begin),
                        static_cast<std::uint32_t>(root_->size()), items[i].dict->message});
    }
    if (flow == Flow::leave) break;
  }
  return Flow::on;
}

void Interpreter::execute_call_block(const CallBlockStmt& statement) {
  const auto* caller = run_.heap.make<const MacroValue>(MacroValue{&statement.caller, scope_});
  write(call(*statement.call, Value::of(caller)));
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (!target.several.empty()) {
    const std::span<const Value> parts = iterate(run_, value);
    if (parts.size() != target.several.size()) {
      fail(fmt::format("{} values to unpack (expected {}, got {})",
                       parts.size() < target.several.size() ? "not enough" : "too many",
                       target.several.size(), parts.size()),
           target.where);
    }
    for (std::size_t i = 0; i < parts.size(); ++i) assign(target.several[i], parts[i]);
    return;
  }
  if (target.space == nullptr) {
    scope_->slots[target.slot] = value;
    return;
  }
  const Value space = evaluate(*target.space);
  if (!space.is(Kind::space)) {
    fail("cannot assign attribute on non-namespace object", target.where);
  }
  set(run_, *space.space->attributes, Value::of(target.name), value);
}

void Interpreter::write(const Value& value) {
  append_str(run_, *out_, value);
}

}  // namespace hearth::jinja
