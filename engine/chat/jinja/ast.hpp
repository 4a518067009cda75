// A template as a tree: what the parser makes and the interpreter walks.
//
// Nodes lie in the heap of their Template and never change once it is compiled.  Names of
// variables, filters, tests and methods are resolved here already.
#pragma once

#include <cstdint>
#include <span>

#include "engine/chat/jinja/failure.hpp"
#include "engine/chat/jinja/value.hpp"

namespace hearth::jinja {

struct Builtin;

enum class ExprKind : std::uint8_t {
  literal,
  name,
  attribute,  // a.b
  item,       // a[b]
  slice,      // a[b:c:d]
  call,
  filter,
  test,
  negate,
  plus,
  invert,  // not
  binary,
  compare,
  both,    // and
  either,  // or
  concat,  // ~
  choice,  // a if b else c
  list,
  tuple,
  dict,
};

struct Expr {
  ExprKind kind;
  std::uint16_t height = 1;  // levels of nodes below, itself included
  Where where = {};
};
using Exprs = std::span<const Expr* const>;

struct LiteralExpr : Expr {
  Value value = {};
};

// A variable.  It may be set in any of the scopes around it, the innermost that is counts; in none,
// it is a global: a value of the context, or a function.
struct NameExpr : Expr {
  struct Place {
    std::uint32_t up = 0;  // scopes outward from the one the name stands in
    std::uint32_t slot = 0;
  };
  const Text* name = nullptr;
  std::span<const Place> places = {};
  std::uint32_t global = 0;  // index into Program::globals
};

struct AttributeExpr : Expr {
  const Expr* object = nullptr;
  const Text* name = nullptr;
  // Methods of this name, nullptr where there is none.
  const Builtin* text_method = nullptr;
  const Builtin* list_method = nullptr;
  const Builtin* dict_method = nullptr;
};

struct ItemExpr : Expr {
  const Expr* object = nullptr;
  const Expr* key = nullptr;
};

struct SliceExpr : Expr {
  const Expr* object = nullptr;
  const Expr* begin = nullptr;  // any may be missing
  const Expr* end = nullptr;
  const Expr* step = nullptr;
};

struct NamedExpr {
  const Text* name = nullptr;
  const Expr* value = nullptr;
};

struct CallArguments {
  Exprs positional = {};
  std::span<const NamedExpr> named = {};
};

struct CallExpr : Expr {
  const Expr* callee = nullptr;
  CallArguments arguments = {};
};

// A filter or a test; `negated`: x is not y.
struct ApplyExpr : Expr {
  const Expr* object = nullptr;  // nullptr: the text of the block that the filter is applied to
  const Builtin* function = nullptr;
  CallArguments arguments = {};
  bool negated = false;
};

struct UnaryExpr : Expr {
  const Expr* operand = nullptr;
};

enum class Operator : std::uint8_t { add, subtract, multiply, divide, floor_divide, modulo, power };

struct BinaryExpr : Expr {
  Operator operation = {};
  const Expr* left = nullptr;
  const Expr* right = nullptr;
};

enum class Relation : std::uint8_t {
  equal,
  unequal,
  below,
  below_or_equal,
  above,
  above_or_equal,
  in,
  not_in
};

// a < b < c: each pair must hold.
struct CompareExpr : Expr {
  struct Step {
    Relation relation;
    const Expr* right = nullptr;
  };
  const Expr* left = nullptr;
  std::span<const Step> steps = {};
};

// both, either, concat, list, tuple.
struct ManyExpr : Expr {
  Exprs items = {};
};

struct ChoiceExpr : Expr {
  const Expr* condition = nullptr;
  const Expr* then = nullptr;
  const Expr* otherwise = nullptr;  // may be missing: undefined
};

struct DictExpr : Expr {
  struct Entry {
    const Expr* key = nullptr;
    const Expr* value = nullptr;
  };
  std::span<const Entry> entries = {};
};

// ---------------------------------------------------------------------------------------------

enum class StmtKind : std::uint8_t {
  text,
  output,
  branch,  // if
  loop,    // for
  set,
  set_block,
  filter_block,
  macro,
  call_block,
  scope,  // generation
  leave,  // break
  next,   // continue
};

struct Stmt {
  StmtKind kind;
  Where where = {};
};
using Block = std::span<const Stmt* const>;

struct TextStmt : Stmt {
  const Text* text = nullptr;
};

struct OutputStmt : Stmt {
  const Expr* value = nullptr;
};

struct BranchStmt : Stmt {
  struct Arm {
    const Expr* condition = nullptr;  // nullptr: else
    Block body;
  };
  std::span<const Arm> arms = {};
};

// What is assigned to: a variable, an attribute of a namespace, or several of these.
struct Target {
  Where where = {};
  std::uint32_t slot = 0;                // of a variable of the innermost scope
  const Expr* space = nullptr;           // of space.name
  const Text* name = nullptr;            // the attribute
  std::span<const Target> several = {};  // not empty: a tuple
};

// A body with variables of its own.
struct ScopedBlock {
  Block body = {};
  std::uint32_t slot_count = 0;
};

struct LoopStmt : Stmt {
  Target target = {};  // in the scope of the body
  std::uint32_t loop_slot = 0;
  const Expr* items = nullptr;
  const Expr* condition = nullptr;  // may be missing; in the scope of the body
  ScopedBlock body = {};
  ScopedBlock otherwise = {};  // else
};

struct SetStmt : Stmt {
  Target target = {};
  const Expr* value = nullptr;  // set; in set_block the filters of the body's text, or nullptr
  ScopedBlock body = {};        // set_block
};

struct FilterBlockStmt : Stmt {
  const Expr* filters = nullptr;
  ScopedBlock body = {};
};

struct Parameter {
  const Text* name = nullptr;           // its variable has the slot of its index
  const Expr* default_value = nullptr;  // may be missing
};

struct MacroDefinition {
  const Text* name = nullptr;
  std::span<const Parameter> parameters = {};
  std::uint32_t caller_slot = 0;
  ScopedBlock body = {};
};

struct MacroStmt : Stmt {
  MacroDefinition definition = {};
  std::uint32_t slot = 0;  // of the variable that it becomes
};

struct CallBlockStmt : Stmt {
  const CallExpr* call = nullptr;
  MacroDefinition caller = {};
};

struct ScopeStmt : Stmt {
  ScopedBlock body = {};
};

// A whole template.
struct Program {
  ScopedBlock root = {};
  std::span<const Text* const> globals = {};  // names that are set nowhere, or not always
};

}  // namespace hearth::jinja
