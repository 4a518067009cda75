// Expressions, lowest precedence first.
#include <charconv>

#include "engine/chat/jinja/builtins.hpp"
#include "engine/chat/jinja/parser.hpp"

namespace hearth::jinja {

std::uint16_t Parser::height_above(const Expr* child, std::uint16_t height, Where where) const {
  if (child == nullptr || child->height < height) return height;
  if (child->height >= limits_.nesting) fail_limit("an expression is nested too deeply", where);
  return static_cast<std::uint16_t>(child->height + 1);
}

std::uint16_t Parser::height_above(Exprs children, std::uint16_t height, Where where) const {
  for (const Expr* child : children) height = height_above(child, height, where);
  return height;
}

std::uint16_t Parser::height_above(const CallArguments& arguments, std::uint16_t height,
                                   Where where) const {
  height = height_above(arguments.positional, height, where);
  for (const NamedExpr& named : arguments.named) height = height_above(named.value, height, where);
  return height;
}

const Expr* Parser::parse_expression() {
  const Nested nested(*this);
  const Where where = token().where;
  const Expr* value = parse_or();
  while (take_name("if")) {
    ChoiceExpr choice{{ExprKind::choice, 1, where}};
    choice.then = value;
    choice.condition = parse_or();
    if (take_name("else")) choice.otherwise = parse_expression();
    value = node_above(choice, choice.then, choice.condition, choice.otherwise);
  }
  return value;
}

// a op b op c as one node.
const Expr* Parser::parse_chain(ExprKind kind, Parse parse_item, bool (Parser::*take)()) {
  const Where where = token().where;
  const Expr* first = (this->*parse_item)();
  if (!(this->*take)()) return first;
  std::vector<const Expr*> items = {first};
  do items.push_back((this->*parse_item)());
  while ((this->*take)());
  ManyExpr chain{{kind, 1, where}, keep(items)};
  chain.height = height_above(chain.items, chain.height, where);
  return node(chain);
}

const Expr* Parser::parse_or() {
  return parse_chain(ExprKind::either, &Parser::parse_and, &Parser::take_or);
}

const Expr* Parser::parse_and() {
  return parse_chain(ExprKind::both, &Parser::parse_not, &Parser::take_and);
}

const Expr* Parser::parse_not() {
  const Where where = token().where;
  if (!take_name("not")) return parse_compare();
  const Nested nested(*this);
  const Expr* operand = parse_not();
  return node_above(UnaryExpr{{ExprKind::invert, 1, where}, operand}, operand);
}

const Expr* Parser::parse_compare() {
  struct Symbol {
    std::string_view symbol;
    Relation relation;
  };
  static constexpr Symbol kSymbols[] = {
      {"==", Relation::equal}, {"!=", Relation::unequal},        {"<", Relation::below},
      {">", Relation::above},  {"<=", Relation::below_or_equal}, {">=", Relation::above_or_equal},
  };
  const Where where = token().where;
  const Expr* left = parse_sum();
  std::vector<CompareExpr::Step> steps;
  for (bool found = true; found;) {
    found = false;
    for (const Symbol& symbol : kSymbols) {
      if (!take_symbol(symbol.symbol)) continue;
      steps.push_back({symbol.relation, parse_sum()});
      found = true;
      break;
    }
    if (!found && take_name("in")) {
      steps.push_back({Relation::in, parse_sum()});
      found = true;
    } else if (!found && token().is_name("not") && tokens_[at_ + 1].is_name("in")) {
      at_ += 2;
      steps.push_back({Relation::not_in, parse_sum()});
      found = true;
    }
  }
  if (steps.empty()) return left;
  CompareExpr compare{{ExprKind::compare, 1, where}, left, keep(steps)};
  compare.height = height_above(left, compare.height, where);
  for (const auto& step : steps) compare.height = height_above(step.right, compare.height, where);
  return node(compare);
}

const Expr* Parser::binary(Operator operation, const Expr* left, const Expr* right, Where where) {
  return node_above(BinaryExpr{{ExprKind::binary, 1, where}, operation, left, right}, left, right);
}

const Expr* Parser::parse_sum() {
  const Expr* left = parse_concat();
  for (;;) {
    const Where where = token().where;
    if (take_symbol("+")) {
      left = binary(Operator::add, left, parse_concat(), where);
    } else if (take_symbol("-")) {
      left = binary(Operator::subtract, left, parse_concat(), where);
    } else {
      return left;
    }
  }
}

const Expr* Parser::parse_concat() {
  return parse_chain(ExprKind::concat, &Parser::parse_product, &Parser::take_tilde);
}

const Expr* Parser::parse_product() {
  struct Symbol {
    std::string_view symbol;
    Operator operation;
  };
  static constexpr Symbol kSymbols[] = {{"*", Operator::multiply},
                                        {"/", Operator::divide},
                                        {"//", Operator::floor_divide},
                                        {"%", Operator::modulo}};
  const Expr* left = parse_power();
  for (;;) {
    const Where where = token().where;
    const Symbol* found = nullptr;
    for (const Symbol& symbol : kSymbols) {
      if (token().is_symbol(symbol.symbol)) found = &symbol;
    }
    if (found == nullptr) return left;
    next();
    left = binary(found->operation, left, parse_power(), where);
  }
}

const Expr* Parser::parse_power() {
  const Expr* left = parse_unary(true);
  for (;;) {
    const Where where = token().where;
    if (!take_symbol("**")) return left;
    left = binary(Operator::power, left, parse_unary(true), where);
  }
}

// Filters bind to the whole of -5|abs, not to its 5.
const Expr* Parser::parse_unary(bool with_filters) {
  const Where where = token().where;
  const Expr* value = nullptr;
  const bool minus = token().is_symbol("-");
  if (minus || token().is_symbol("+")) {
    const Nested nested(*this);
    next();
    const Expr* operand = parse_unary(false);
    value = node_above(UnaryExpr{{minus ? ExprKind::negate : ExprKind::plus, 1, where}, operand},
                       operand);
  } else {
    value = parse_primary();
  }
  value = parse_postfix(value);
  return with_filters ? parse_filters(value) : value;
}

const Expr* Parser::parse_primary() {
  const Token& first = token();
  switch (first.kind) {
    case TokenKind::name: return parse_name();
    case TokenKind::string: return parse_string();
    case TokenKind::integer:
    case TokenKind::real: return parse_number();
    default: break;
  }
  if (first.is_symbol("(")) return parse_parentheses();
  if (first.is_symbol("[")) return parse_list();
  if (first.is_symbol("{")) return parse_dict();
  unexpected("a value");
}

const Expr* Parser::parse_name() {
  const Token& name = next();
  const auto literal = [&](Value value) {
    return node(LiteralExpr{{ExprKind::literal, 1, name.where}, value});
  };
  if (name.text == "true" || name.text == "True") return literal(Value::of(true));
  if (name.text == "false" || name.text == "False") return literal(Value::of(false));
  if (name.text == "none" || name.text == "None") return literal(Value::of_none());
  auto* made = heap_.make<NameExpr>(NameExpr{{ExprKind::name, 1, name.where}});
  made->name = borrow_text(heap_, name.text);
  scopes_.use(made);
  return made;
}

const Expr* Parser::parse_number() {
  const Token& number = next();
  std::string digits(number.text);
  std::erase(digits, '_');
  const char* end = digits.data() + digits.size();
  std::from_chars_result read;
  Value value;
  if (number.is(TokenKind::integer)) {
    std::int64_t integer = 0;
    read = std::from_chars(digits.data(), end, integer);
    value = Value::of(integer);
  } else {
    double real = 0;
    read = std::from_chars(digits.data(), end, real);
    value = Value::of(real);
  }
  if (read.ec != std::errc()) fail("a number is too large", number.where);
  return node(LiteralExpr{{ExprKind::literal, 1, number.where}, value});
}

// Texts that stand side by side are one.
const Expr* Parser::parse_string() {
  const Where where = token().where;
  std::string text;
  while (token().is(TokenKind::string)) text += unquote(next());
  return node(LiteralExpr{{ExprKind::literal, 1, where}, Value::of(copy_text(heap_, text))});
}

bool Parser::ends_tuple() const {
  return token().is(TokenKind::output_end) || token().is(TokenKind::block_end) ||
         token().is_symbol(")");
}

const Expr* Parser::parse_tuple(Parse parse_item) {
  const Where where = token().where;
  const Expr* first = (this->*parse_item)();
  if (!token().is_symbol(",")) return first;
  std::vector<const Expr*> items = {first};
  while (take_symbol(",") && !ends_tuple()) items.push_back((this->*parse_item)());
  ManyExpr tuple{{ExprKind::tuple, 1, where}, keep(items)};
  tuple.height = height_above(tuple.items, tuple.height, where);
  return node(tuple);
}

const Expr* Parser::parse_parentheses() {
  const Where where = next().where;
  if (take_symbol(")")) return node(ManyExpr{{ExprKind::tuple, 1, where}, {}});
  const Expr* inner = parse_tuple(&Parser::parse_expression);
  expect_symbol(")");
  return inner;
}

const Expr* Parser::parse_list() {
  const Where where = next().where;
  std::vector<const Expr*> items;
  while (!token().is_symbol("]")) {
    if (!items.empty()) expect_symbol(",");
    if (token().is_symbol("]")) break;
    items.push_back(parse_expression());
  }
  expect_symbol("]");
  ManyExpr list{{ExprKind::list, 1, where}, keep(items)};
  list.height = height_above(list.items, list.height, where);
  return node(list);
}

const Expr* Parser::parse_dict() {
  const Where where = next().where;
  std::vector<DictExpr::Entry> entries;
  while (!token().is_symbol("}")) {
    if (!entries.empty()) expect_symbol(",");
    if (token().is_symbol("}")) break;
    const Expr* key = parse_expression();
    expect_symbol(":");
    entries.push_back({key, parse_expression()});
  }
  expect_symbol("}");
  DictExpr dict{{ExprKind::dict, 1, where}, keep(entries)};
  for (const auto& entry : entries) {
    dict.height = height_above(entry.key, dict.height, where);
    dict.height = height_above(entry.value, dict.height, where);
  }
  return node(dict);
}

const Expr* Parser::parse_postfix(const Expr* object) {
  for (;;) {
    if (token().is_symbol(".")) {
      object = parse_attribute(object);
    } else if (token().is_symbol("[")) {
      object = parse_subscript(object);
    } else if (token().is_symbol("(")) {
      object = parse_call(object);
    } else {
      return object;
    }
  }
}

const Expr* Parser::parse_attribute(const Expr* object) {
  const Where where = next().where;
  if (token().is(TokenKind::integer)) {
    return node_above(ItemExpr{{ExprKind::item, 1, where}, object, parse_number()}, object);
  }
  const std::string_view name = expect_name().text;
  AttributeExpr attribute{{ExprKind::attribute, 1, where}, object};
  attribute.name = borrow_text(heap_, name);
  attribute.text_method = find_text_method(name);
  attribute.list_method = find_list_method(name);
  attribute.dict_method = find_dict_method(name);
  return node_above(attribute, object);
}

const Expr* Parser::parse_subscript(const Expr* object) {
  const Where where = next().where;
  const Nested nested(*this);
  if (token().is_symbol(":")) return parse_slice(object, nullptr, where);
  std::vector<const Expr*> keys;
  while (!token().is_symbol("]")) {
    if (!keys.empty()) expect_symbol(",");
    keys.push_back(parse_expression());
    if (keys.size() == 1 && token().is_symbol(":")) return parse_slice(object, keys[0], where);
  }
  expect_symbol("]");
  const Expr* key = keys.size() == 1 ? keys[0] : nullptr;
  if (key == nullptr) {
    ManyExpr tuple{{ExprKind::tuple, 1, where}, keep(keys)};
    tuple.height = height_above(tuple.items, tuple.height, where);
    key = node(tuple);
  }
  return node_above(ItemExpr{{ExprKind::item, 1, where}, object, key}, object, key);
}

const Expr* Parser::parse_slice(const Expr* object, const Expr* begin, Where where) {
  SliceExpr slice{{ExprKind::slice, 1, where}, object, begin};
  expect_symbol(":");
  if (!token().is_symbol(":") && !token().is_symbol("]")) slice.end = parse_expression();
  if (take_symbol(":") && !token().is_symbol("]")) slice.step = parse_expression();
  expect_symbol("]");
  return node_above(slice, object, begin, slice.end, slice.step);
}

CallArguments Parser::parse_arguments() {
  expect_symbol("(");
  const Nested nested(*this);
  std::vector<const Expr*> positional;
  std::vector<NamedExpr> named;
  while (!token().is_symbol(")")) {
    if (!positional.empty() || !named.empty()) expect_symbol(",");
    if (token().is_symbol(")")) break;
    if (token().is_symbol("*") || token().is_symbol("**")) {
      fail("arguments from a list or dict (* and **) are not supported", token().where);
    }
    if (token().is(TokenKind::name) && tokens_[at_ + 1].is_symbol("=")) {
      const Text* name = borrow_text(heap_, next().text);
      next();
      named.push_back({name, parse_expression()});
    } else {
      if (!named.empty()) fail("an argument without a name follows a named one", token().where);
      positional.push_back(parse_expression());
    }
  }
  expect_symbol(")");
  return {keep(positional), keep(named)};
}

const Expr* Parser::parse_call(const Expr* callee) {
  CallExpr call{{ExprKind::call, 1, callee->where}, callee, parse_arguments()};
  call.height = height_above(call.arguments, call.height, call.where);
  return node_above(call, callee);
}

const Expr* Parser::parse_filters(const Expr* object) {
  for (;;) {
    if (take_symbol("|")) {
      object = parse_filter(object);
    } else if (object != nullptr && take_name("is")) {
      object = parse_test(object);
    } else if (object != nullptr && token().is_symbol("(")) {
      object = parse_call(object);
    } else {
      return object;
    }
  }
}

const Expr* Parser::parse_filter(const Expr* object) {
  const Token& name = expect_name();
  ApplyExpr apply{{ExprKind::filter, 1, name.where}, object};
  apply.function = find_filter(name.text);
  if (apply.function == nullptr) {
    fail(fmt::format("there is no filter '{}'", name.text.substr(0, 40)), name.where);
  }
  if (token().is_symbol("(")) apply.arguments = parse_arguments();
  apply.height = height_above(apply.arguments, apply.height, apply.where);
  return node_above(apply, object);
}

const Expr* Parser::parse_test(const Expr* object) {
  const bool negated = take_name("not");
  const Token& name = expect_name();
  ApplyExpr apply{{ExprKind::test, 1, name.where}, object};
  apply.negated = negated;
  apply.function = find_test(name.text);
  if (apply.function == nullptr) {
    fail(fmt::format("there is no test '{}'", name.text.substr(0, 40)), name.where);
  }
  const Token& after = token();
  const bool is_word = after.is(TokenKind::name);
  if (after.is_symbol("(")) {
    apply.arguments = parse_arguments();
  } else if (after.is_name("is")) {
    fail("tests cannot be chained with 'is'", after.where);
  } else if (apply.function->required != 0 &&
             (is_word || after.is(TokenKind::string) || after.is(TokenKind::integer) ||
              after.is(TokenKind::real) || after.is_symbol("[") || after.is_symbol("{"))) {
    const std::vector<const Expr*> one = {parse_postfix(parse_primary())};
    apply.arguments.positional = keep(one);
  }
  apply.height = height_above(apply.arguments, apply.height, apply.where);
  return node_above(apply, object);
}

}  // namespace hearth::jinja
