// Tokens to a tree, by recursive descent: statements in parser.cpp, expressions in
// parser_expressions.cpp.  The grammar is that of Jinja2 3.1, less what it refuses by name.
//
// THREAD: one.   Fails with the line and column of the token that does not fit.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "engine/chat/jinja/ast.hpp"
#include "engine/chat/jinja/lexer.hpp"
#include "engine/chat/jinja/limits.hpp"
#include "engine/chat/jinja/scopes.hpp"

namespace hearth::jinja {

class Parser {
 public:
  // Nodes go to the heap, and refer to the source of the tokens.
  Parser(Heap& heap, std::span<const Token> tokens, const Limits& limits)
      : heap_(heap), tokens_(tokens), limits_(limits) {}

  Program parse();

 private:
  using Names = std::initializer_list<std::string_view>;
  using Parse = const Expr* (Parser::*)();
  class Nested;

  // Statements.
  Block parse_block(Names ends);
  const Stmt* parse_statement();
  const Stmt* parse_output();
  const Stmt* parse_if(Where where);
  const Stmt* parse_for(Where where);
  const Stmt* parse_set(Where where);
  const Stmt* parse_filter_block(Where where);
  const Stmt* parse_macro(Where where);
  const Stmt* parse_call_block(Where where);
  const Stmt* parse_generation(Where where);
  const Stmt* parse_break(Where where);
  const Stmt* parse_continue(Where where);
  ScopedBlock parse_body(StaticScope* scope, Names ends);
  MacroDefinition parse_definition(StaticScope* scope, const Text* name);  // without its body
  ScopedBlock parse_macro_body(StaticScope* scope, std::string_view end);
  std::span<const Parameter> parse_parameters(StaticScope* scope);
  Target parse_target();
  Target parse_one_target();
  void end_tag();
  void skip_end(std::string_view name);

  // Expressions.
  const Expr* parse_expression();  // with a if b else c
  const Expr* parse_or();
  const Expr* parse_and();
  const Expr* parse_not();
  const Expr* parse_compare();
  const Expr* parse_sum();
  const Expr* parse_concat();
  const Expr* parse_product();
  const Expr* parse_power();
  const Expr* parse_unary(bool with_filters);
  const Expr* parse_primary();
  const Expr* parse_name();
  const Expr* parse_number();
  const Expr* parse_string();
  const Expr* parse_parentheses();
  const Expr* parse_list();
  const Expr* parse_dict();
  const Expr* parse_postfix(const Expr* object);
  const Expr* parse_attribute(const Expr* object);
  const Expr* parse_subscript(const Expr* object);
  const Expr* parse_slice(const Expr* object, const Expr* begin, Where where);
  const Expr* parse_call(const Expr* callee);
  const Expr* parse_filters(const Expr* object);
  const Expr* parse_filter(const Expr* object);
  const Expr* parse_test(const Expr* object);
  CallArguments parse_arguments();
  // Items up to where the tag, or the parentheses, end; more than one, or a comma: a tuple.
  const Expr* parse_tuple(Parse parse_item);
  const Expr* parse_chain(ExprKind kind, Parse parse_item, bool (Parser::*take)());
  const Expr* binary(Operator operation, const Expr* left, const Expr* right, Where where);

  // Nodes.
  template <class Node>
  const Node* node(Node made);
  template <class Node, class... Children>
  const Node* node_above(Node made, Children... children);
  // The height of a node, so far this, above these children; a missing one counts nothing.
  std::uint16_t height_above(const Expr* child, std::uint16_t height, Where where) const;
  std::uint16_t height_above(Exprs children, std::uint16_t height, Where where) const;
  std::uint16_t height_above(const CallArguments& arguments, std::uint16_t height,
                             Where where) const;
  template <class T>
  std::span<const T> keep(const std::vector<T>& items);

  // Tokens.
  const Token& token() const { return tokens_[at_]; }
  const Token& next() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool take_symbol(std::string_view symbol);
  bool take_name(std::string_view name);
  bool take_or() { return take_name("or"); }
  bool take_and() { return take_name("and"); }
  bool take_tilde() { return take_symbol("~"); }
  void expect_symbol(std::string_view symbol);
  const Token& expect_name();
  bool ends_tuple() const;
  [[noreturn]] void unexpected(std::string_view wanted) const;

  Heap& heap_;
  std::span<const Token> tokens_;
  const Limits& limits_;
  std::size_t at_ = 0;
  std::uint32_t nesting_ = 0;
  std::uint32_t loops_ = 0;  // around this statement, within its macro
  Scopes scopes_;
};

// One level of the source's nesting, as long as it lives.
class Parser::Nested {
 public:
  explicit Nested(Parser& parser) : parser_(parser) {
    if (parser.nesting_ >= parser.limits_.nesting) {
      fail_limit("the template is nested too deeply", parser.token().where);
    }
    ++parser_.nesting_;
  }
  ~Nested() { --parser_.nesting_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  Parser& parser_;
};

template <class Node>
const Node* Parser::node(Node made) {
  return heap_.make<Node>(std::move(made));
}

template <class T>
std::span<const T> Parser::keep(const std::vector<T>& items) {
  return {heap_.copy<T>(items), items.size()};
}

// Chains such as a+b+c are read in a loop, but the tree they make is as deep as any.
template <class Node, class... Children>
const Node* Parser::node_above(Node made, Children... children) {
  ((made.height = height_above(children, made.height, made.where)), ...);
  return node(std::move(made));
}

}  // namespace hearth::jinja
