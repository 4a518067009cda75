// Statements.
#include "engine/chat/jinja/parser.hpp"

#include <algorithm>
#include <utility>

#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {
namespace {

// What Jinja has and chat templates do not use.
constexpr std::string_view kUnsupported[] = {"include", "import", "from",       "extends",
                                             "block",   "with",   "do",         "raw",
                                             "trans",   "debug",  "autoescape", "verbatim"};

constexpr std::string_view kReserved[] = {"true", "True", "false", "False", "none", "None", "and",
                                          "or",   "not",  "in",    "is",    "if",   "else"};

bool is_one_of(std::string_view name, auto&& names) {
  return std::ranges::find(names, name) != std::end(names);
}

}  // namespace

Program Parser::parse() {
  Program program;
  program.root.body = parse_block({});
  program.root.slot_count = static_cast<std::uint32_t>(scopes_.current()->slots.size());
  program.globals = scopes_.resolve(heap_);
  return program;
}

// Up to a tag whose name is one of the ends, of which {% is taken; or to the template's end.
Block Parser::parse_block(Names ends) {
  const Nested nested(*this);
  std::vector<const Stmt*> statements;
  for (;;) {
    const Token& first = token();
    switch (first.kind) {
      case TokenKind::text:
        statements.push_back(
            node(TextStmt{{StmtKind::text, first.where}, borrow_text(heap_, first.text)}));
        next();
        break;
      case TokenKind::output_begin: statements.push_back(parse_output()); break;
      case TokenKind::block_begin:
        next();
        if (token().is(TokenKind::name) && is_one_of(token().text, ends)) return keep(statements);
        statements.push_back(parse_statement());
        break;
      default:  // the end: only whole tags come before it
        if (ends.size() != 0) unexpected(fmt::format("{{% {} %}}", *(ends.end() - 1)));
        return keep(statements);
    }
  }
}

const Stmt* Parser::parse_output() {
  const Where where = next().where;
  const Expr* value = parse_tuple(&Parser::parse_expression);
  if (!token().is(TokenKind::output_end)) unexpected("'}}'");
  next();
  return node(OutputStmt{{StmtKind::output, where}, value});
}

const Stmt* Parser::parse_statement() {
  struct Tag {
    std::string_view name;
    const Stmt* (Parser::*parse)(Where);
  };
  static constexpr Tag kTags[] = {
      {"if", &Parser::parse_if},
      {"for", &Parser::parse_for},
      {"set", &Parser::parse_set},
      {"filter", &Parser::parse_filter_block},
      {"macro", &Parser::parse_macro},
      {"call", &Parser::parse_call_block},
      {"generation", &Parser::parse_generation},
      {"break", &Parser::parse_break},
      {"continue", &Parser::parse_continue},
  };
  const Token& name = expect_name();
  for (const Tag& tag : kTags) {
    if (tag.name == name.text) return (this->*tag.parse)(name.where);
  }
  if (is_one_of(name.text, kUnsupported)) {
    fail(fmt::format("{{% {} %}} is not supported", name.text), name.where);
  }
  fail(fmt::format("there is no tag '{}' here", name.text.substr(0, 40)), name.where);
}

void Parser::end_tag() {
  if (!token().is(TokenKind::block_end)) unexpected("'%}'");
  next();
}

// The name of the end tag, which parse_block() stopped at, and what Jinja allows behind it.
void Parser::skip_end(std::string_view name) {
  if (!take_name(name)) unexpected(fmt::format("'{}'", name));
  if (name == "endmacro" && token().is(TokenKind::name)) next();
  end_tag();
}

ScopedBlock Parser::parse_body(StaticScope* scope, Names ends) {
  StaticScope* outer = scopes_.enter(scope);
  ScopedBlock body{parse_block(ends), 0};
  body.slot_count = static_cast<std::uint32_t>(scope->slots.size());
  scopes_.enter(outer);
  return body;
}

const Stmt* Parser::parse_if(Where where) {
  std::vector<BranchStmt::Arm> arms;
  bool has_else = false;
  do {
    const Expr* condition = has_else ? nullptr : parse_tuple(&Parser::parse_or);
    end_tag();
    arms.push_back(
        {condition, has_else ? parse_block({"endif"}) : parse_block({"elif", "else", "endif"})});
    if (take_name("else")) {
      has_else = true;
    } else if (!take_name("elif")) {
      skip_end("endif");
      return node(BranchStmt{{StmtKind::branch, where}, keep(arms)});
    }
  } while (true);
}

const Stmt* Parser::parse_for(Where where) {
  StaticScope* inner = scopes_.add(scopes_.current());
  LoopStmt loop{{StmtKind::loop, where}};
  loop.loop_slot = inner->declare("loop");
  StaticScope* outer = scopes_.enter(inner);
  loop.target = parse_target();
  scopes_.enter(outer);
  if (!take_name("in")) unexpected("'in'");
  loop.items = parse_tuple(&Parser::parse_or);
  if (take_name("if")) {
    scopes_.enter(inner);
    loop.condition = parse_expression();
    scopes_.enter(outer);
  }
  if (token().is_name("recursive")) fail("recursive loops are not supported", token().where);
  end_tag();
  ++loops_;
  loop.body = parse_body(inner, {"else", "endfor"});
  --loops_;
  if (take_name("else")) {
    end_tag();
    loop.otherwise = parse_body(scopes_.add(outer), {"endfor"});
  }
  skip_end("endfor");
  return node(loop);
}

Target Parser::parse_target() {
  const Where where = token().where;
  std::vector<Target> several;
  do several.push_back(parse_one_target());
  while (take_symbol(",") && !token().is_name("in") && !token().is_symbol("=") &&
         !token().is_symbol(")"));
  const bool is_tuple = several.size() > 1 || tokens_[at_ - 1].is_symbol(",");
  if (!is_tuple) return several[0];
  Target target;
  target.where = where;
  target.several = keep(several);
  return target;
}

Target Parser::parse_one_target() {
  Target target;
  target.where = token().where;
  if (take_symbol("(")) {
    const Nested nested(*this);
    target = parse_target();
    expect_symbol(")");
    return target;
  }
  const Token& name = expect_name();
  if (is_one_of(name.text, kReserved)) fail("this cannot be assigned to", name.where);
  if (take_symbol(".")) {
    NameExpr* space = heap_.make<NameExpr>(NameExpr{{ExprKind::name, 1, name.where}});
    space->name = borrow_text(heap_, name.text);
    scopes_.use(space);
    target.space = space;
    target.name = borrow_text(heap_, expect_name().text);
    return target;
  }
  target.slot = scopes_.current()->declare(name.text);
  return target;
}

const Stmt* Parser::parse_set(Where where) {
  SetStmt statement{{StmtKind::set, where}};
  statement.target = parse_target();
  if (take_symbol("=")) {
    statement.value = parse_tuple(&Parser::parse_expression);
    end_tag();
    return node(statement);
  }
  statement.kind = StmtKind::set_block;
  if (token().is_symbol("|")) statement.value = parse_filters(nullptr);
  end_tag();
  statement.body = parse_body(scopes_.add(scopes_.current()), {"endset"});
  skip_end("endset");
  return node(statement);
}

const Stmt* Parser::parse_filter_block(Where where) {
  const Expr* filters = parse_filters(parse_filter(nullptr));
  end_tag();
  const ScopedBlock body = parse_body(scopes_.add(scopes_.current()), {"endfilter"});
  skip_end("endfilter");
  return node(FilterBlockStmt{{StmtKind::filter_block, where}, filters, body});
}

// Parameters take the slots 0, 1, ..., so they must come first in the scope.
std::span<const Parameter> Parser::parse_parameters(StaticScope* scope) {
  std::vector<Parameter> parameters;
  StaticScope* outer = scopes_.enter(scope);
  while (!token().is_symbol(")")) {
    if (!parameters.empty()) expect_symbol(",");
    const Token& name = expect_name();
    if (is_one_of(name.text, kReserved)) fail("this cannot be assigned to", name.where);
    if (scope->declare(name.text) != parameters.size()) {
      fail(fmt::format("'{}' is a parameter twice", name.text.substr(0, 40)), name.where);
    }
    Parameter parameter{borrow_text(heap_, name.text), nullptr};
    if (take_symbol("=")) {
      parameter.default_value = parse_expression();
    } else if (!parameters.empty() && parameters.back().default_value != nullptr) {
      fail("a parameter without a default follows one that has one", name.where);
    }
    parameters.push_back(parameter);
  }
  expect_symbol(")");
  scopes_.enter(outer);
  return keep(parameters);
}

MacroDefinition Parser::parse_definition(StaticScope* scope, const Text* name) {
  MacroDefinition definition;
  definition.name = name;
  if (take_symbol("(")) definition.parameters = parse_parameters(scope);
  definition.caller_slot = scope->declare("caller");
  return definition;
}

// What breaks a loop in it breaks one of its own.
ScopedBlock Parser::parse_macro_body(StaticScope* scope, std::string_view end) {
  end_tag();
  const std::uint32_t loops = std::exchange(loops_, 0);
  const ScopedBlock body = parse_body(scope, {end});
  loops_ = loops;
  skip_end(end);
  return body;
}

const Stmt* Parser::parse_macro(Where where) {
  const Token& name = expect_name();
  if (is_one_of(name.text, kReserved)) fail("this cannot be a macro's name", name.where);
  MacroStmt statement{{StmtKind::macro, where}};
  statement.slot = scopes_.current()->declare(name.text);
  StaticScope* scope = scopes_.add(scopes_.current());
  if (!token().is_symbol("(")) unexpected("'('");
  statement.definition = parse_definition(scope, borrow_text(heap_, name.text));
  statement.definition.body = parse_macro_body(scope, "endmacro");
  return node(statement);
}

const Stmt* Parser::parse_call_block(Where where) {
  CallBlockStmt statement{{StmtKind::call_block, where}};
  StaticScope* scope = scopes_.add(scopes_.current());
  statement.caller = parse_definition(scope, borrow_text(heap_, "caller"));
  const Where callee = token().where;
  const Expr* call = parse_unary(false);
  if (call->kind != ExprKind::call) fail("{% call %} wants a call of a macro", callee);
  statement.call = static_cast<const CallExpr*>(call);
  statement.caller.body = parse_macro_body(scope, "endcall");
  return node(statement);
}

// What the model said, for those who train on it: here it only has variables of its own.
const Stmt* Parser::parse_generation(Where where) {
  end_tag();
  const ScopedBlock body = parse_body(scopes_.add(scopes_.current()), {"endgeneration"});
  skip_end("endgeneration");
  return node(ScopeStmt{{StmtKind::scope, where}, body});
}

const Stmt* Parser::parse_break(Where where) {
  if (loops_ == 0) fail("{% break %} outside of a loop", where);
  end_tag();
  return node(Stmt{StmtKind::leave, where});
}

const Stmt* Parser::parse_continue(Where where) {
  if (loops_ == 0) fail("{% continue %} outside of a loop", where);
  end_tag();
  return node(Stmt{StmtKind::next, where});
}

// ----- Tokens --------------------------------------------------------------------------------

bool Parser::take_symbol(std::string_view symbol) {
  if (!token().is_symbol(symbol)) return false;
  next();
  return true;
}

bool Parser::take_name(std::string_view name) {
  if (!token().is_name(name)) return false;
  next();
  return true;
}

void Parser::expect_symbol(std::string_view symbol) {
  if (!take_symbol(symbol)) unexpected(fmt::format("'{}'", symbol));
}

const Token& Parser::expect_name() {
  if (!token().is(TokenKind::name)) unexpected("a name");
  return next();
}

void Parser::unexpected(std::string_view wanted) const {
  std::string_view found = token().text.substr(0, 40);
  found = found.substr(0, utf8_valid_bytes(found));
  if (token().is(TokenKind::end)) found = "the end of the template";
  fail(fmt::format("{} is missing before '{}'", wanted, found), token().where);
}

}  // namespace hearth::jinja
