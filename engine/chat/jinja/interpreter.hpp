// Walks a Program and writes what it renders.
//
// THREAD: one.   OWNER: render().   Everything it makes lies in the Run's heap.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/chat/jinja/ast.hpp"
#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/jinja.hpp"
#include "engine/chat/jinja/run.hpp"

namespace hearth::jinja {

// The variables of one body while it is executed.
struct Scope {
  Scope* outer = nullptr;
  std::span<Value> slots;  // missing: not set
};

// A macro with the scope it was defined in.
struct MacroValue {
  const MacroDefinition* definition = nullptr;
  Scope* scope = nullptr;
};

class Interpreter {
 public:
  // globals: a value for each of the program's, missing where there is none.
  Interpreter(Run& run, const Program& program, std::span<const Value> globals, TextBuilder& out)
      : run_(run), program_(program), globals_(globals), root_(&out), out_(&out) {}

  void render();
  std::vector<Turn> take_turns() { return std::move(turns_); }

 private:
  // How a statement ends: the next one follows, or the loop is left, or its next item comes.
  enum class Flow : std::uint8_t { on, leave, next };
  static constexpr std::size_t kFewArguments = 6;
  class Evaluated;

  // Statements.
  Flow execute(Block block);
  Flow execute(const Stmt& statement);
  Flow execute_branch(const BranchStmt& statement);
  Flow execute_loop(const LoopStmt& statement);
  Flow execute_items(const LoopStmt& statement, std::span<const Value> items);
  void execute_call_block(const CallBlockStmt& statement);
  Flow execute_scoped(const ScopedBlock& block);
  // Executes and gives what it would have written.
  Value capture(const ScopedBlock& block, Flow* flow);
  std::span<const Value> loop_items(const LoopStmt& statement);
  void assign(const Target& target, const Value& value);
  void write(const Value& value);
  Scope* enter(std::uint32_t slot_count, Scope* outer);

  // Expressions.
  Value evaluate(const Expr& expr);
  Value evaluate_above(const Expr& expr);
  Value load(const NameExpr& name);
  Value attribute(const AttributeExpr& expr);
  Value slice(const SliceExpr& expr);
  Value apply(const ApplyExpr& expr);
  Value compare_all(const CompareExpr& expr);
  Value concat(const ManyExpr& expr);
  Value sequence(const ManyExpr& expr, SequenceKind kind);
  Value dict(const DictExpr& expr);
  Value call(const CallExpr& expr, const Value& caller);
  Value call_value(const Value& callee, const Arguments& arguments, const Value& caller);
  Value call_macro(const MacroValue& macro, const Arguments& arguments, const Value& caller);
  void bind_parameters(const MacroDefinition& macro, const Arguments& arguments, Scope& scope);

  Run& run_;
  const Program& program_;
  std::span<const Value> globals_;
  TextBuilder* root_;  // the prompt
  TextBuilder* out_;   // where statements write: the prompt, or what is captured
  Scope* scope_ = nullptr;
  Value block_text_;  // what the filters of {% filter %} and {% set %} begin with
  std::vector<Turn> turns_;
};

}  // namespace hearth::jinja
