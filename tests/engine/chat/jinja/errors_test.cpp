// Errors name the line and the column, and say what is wrong.
#include "jinja_testing.hpp"

namespace hearth::jinja {
namespace {

std::string compile_error(std::string_view source) {
  const auto compiled = compile(source);
  return compiled ? "no error" : compiled.error().message;
}

TEST(jinja_errors, of_the_source_name_line_and_column) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n{{ 1 +", "line 2, column 1: a tag has no end: '}}' is missing"},
      {"{% if a %}", "line 1, column 11: {% endif %} is missing before 'the end of the template'"},
      {"{{ }}", "line 1, column 4: a value is missing before '}}'"},
      {"{{ a b }}", "line 1, column 6: '}}' is missing before 'b'"},
      {"{{ (a }}", "line 1, column 7: ')' is missing before '}'"},
      {"{{ a) }}", "line 1, column 5: ')' closes nothing"},
      {"{{ (a] }}", "line 1, column 6: ')' is missing before ']'"},
      {"é☃ {{ $ }}", "line 1, column 7: a character that means nothing here"},
      {"x\n\n  {% frob %}", "line 3, column 6: there is no tag 'frob' here"},
      {"{% endif %}", "line 1, column 4: there is no tag 'endif' here"},
      {"{% include 'a' %}", "line 1, column 4: {% include %} is not supported"},
      {"{% import 'a' as b %}", "line 1, column 4: {% import %} is not supported"},
      {"{% from 'a' import b %}", "line 1, column 4: {% from %} is not supported"},
      {"{% raw %}{% endraw %}", "line 1, column 4: {% raw %} is not supported"},
      {"{% do a %}", "line 1, column 4: {% do %} is not supported"},
      {"{{ a|nope }}", "line 1, column 6: there is no filter 'nope'"},
      {"{{ a is nope }}", "line 1, column 9: there is no test 'nope'"},
      {"{{ a is defined is defined }}", "line 1, column 17: tests cannot be chained with 'is'"},
      {"{% break %}", "line 1, column 4: {% break %} outside of a loop"},
      {"{% for a in b %}{% macro m() %}{% continue %}{% endmacro %}{% endfor %}",
       "line 1, column 35: {% continue %} outside of a loop"},
      {"{% for a in b recursive %}{% endfor %}",
       "line 1, column 15: recursive loops are not supported"},
      {"{{ f(*a) }}",
       "line 1, column 6: arguments from a list or dict (* and **) are not supported"},
      {"{{ f(a=1, 2) }}", "line 1, column 11: an argument without a name follows a named one"},
      {"{{ 99999999999999999999 }}", "line 1, column 4: a number is too large"},
      {"{{ 1e999 }}", "line 1, column 4: a number is too large"},
      {"{{ 0x1f }}", "line 1, column 4: a number that is not decimal"},
      {"{{ 'a }}", "line 1, column 4: a text has no end"},
      {"{{ '\\ud800' }}", "line 1, column 4: an escape in a text that is no character"},
      {"{# a", "line 1, column 1: a comment has no end: '#}' is missing"},
      {"{% set true = 1 %}", "line 1, column 8: this cannot be assigned to"},
      {"{% set 1 = 1 %}", "line 1, column 8: a name is missing before '1'"},
      {"{% macro m(a, a) %}{% endmacro %}", "line 1, column 15: 'a' is a parameter twice"},
      {"{% macro m(a=1, b) %}{% endmacro %}",
       "line 1, column 17: a parameter without a default follows one that has one"},
      {"{% call a %}{% endcall %}", "line 1, column 9: {% call %} wants a call of a macro"},
      {"{% if a %}{% else %}{% elif b %}{% endif %}",
       "line 1, column 24: there is no tag 'elif' here"},
      {"\xff", "the template is not UTF-8 at byte 0"},
  };
  for (const auto& [source, wanted] : cases) EXPECT_EQ(compile_error(source), wanted) << source;
}

TEST(jinja_errors, of_a_render_name_line_and_column) {
  const std::pair<const char*, const char*> cases[] = {
      {"\n {{ raise_exception('No ' ~ what) }}", "error: line 2, column 5: No system"},
      {"{{ a.b.c }}", "error: line 1, column 5: 'a' is undefined"},
      {"{{ what.b.c }}", "error: line 1, column 10: 'str object' has no attribute 'b'"},
      {"{{ 1 + what }}",
       "error: line 1, column 6: unsupported operand type(s) for +: 'int' and "
       "'str'"},
      {"{% for a in 5 %}{% endfor %}", "error: line 1, column 13: 'int' object is not iterable"},
      {"{% set a, b = [1] %}",
       "error: line 1, column 8: not enough values to unpack (expected 2, got 1)"},
      {"{{ 'a'|join(1, 2, 3) }}",
       "error: line 1, column 8: 'join' takes not more than 2 "
       "argument(s)"},
      {"{{ 'a'|trim(x=1) }}", "error: line 1, column 8: 'trim' takes no argument 'x'"},
      {"{{ 'a'|replace('b') }}", "error: line 1, column 8: 'replace' wants an argument 'new'"},
      {"{{ 'a'|trim('b', chars='c') }}",
       "error: line 1, column 8: 'trim' got two values for "
       "'chars'"},
      {"{{ ['a']|map('nope')|list }}", "error: line 1, column 10: there is no filter 'nope'"},
      {"{{ '{:>3}'.format(1) }}",
       "error: line 1, column 11: format(): only {}, {0} and {name} are supported"},
      {"{{ '%s' % 1 }}", "error: line 1, column 9: the operator % on a text is not supported"},
      {"{{ range }}", "error: line 1, column 1: a 'function' cannot be printed"},
      {"{{ strftime_now('%Q') }}", "error: line 1, column 4: strftime_now: %Q is not supported"},
      {"{{ '[1'|from_json }}",
       "error: line 1, column 9: JSON: a comma or the end is missing at byte 2"},
  };
  for (const auto& [source, wanted] : cases) {
    EXPECT_EQ(render_text(source, R"({"what": "system"})"), wanted) << source;
  }
}

TEST(jinja_errors, have_a_code) {
  EXPECT_EQ(compile("{{ }}").error().code, Code::INVALID);
  EXPECT_EQ(compile(std::string(2u << 20, 'a')).error().code, Code::LIMIT);
  EXPECT_EQ(try_render("{{ 1 / 0 }}", {}).error().code, Code::INVALID);
  EXPECT_EQ(try_render("{{ range(10000000) }}", {}).error().code, Code::LIMIT);
}

TEST(jinja_errors, numbers_that_leave_64_bits) {
  const char* const sources[] = {
      "{{ 9223372036854775807 + 1 }}",
      "{{ -9223372036854775807 - 2 }}",
      "{{ 9223372036854775807 * 2 }}",
      "{{ 2 ** 63 }}",
      "{{ 10 ** 10 ** 10 }}",
      "{{ -(-9223372036854775807 - 1) }}",
      "{{ (-9223372036854775807 - 1) // -1 }}",
      "{{ (-9223372036854775807 - 1)|abs }}",
      "{{ '99999999999999999999'|int }}",
      "{{ 1e300|int }}",
      "{{ '1e400'|float }}",
  };
  for (const char* source : sources) {
    EXPECT_TRUE(render_text(source).ends_with("a number is too large")) << source;
  }
  EXPECT_EQ(render_text("{{ (-9223372036854775807 - 1) % -1 }}"), "0");
  EXPECT_EQ(render_text("{{ 9223372036854775807 }}{{ 2 ** 62 }}"),
            "92233720368547758074611686018427387904");
}

TEST(jinja_errors, input_that_is_not_utf8_is_named) {
  const auto rendered = try_render("{{ a }}", {{"a", InputDict{{"k", "\xff"}}}});
  ASSERT_FALSE(rendered);
  EXPECT_EQ(rendered.error().message, "'a': a text is not UTF-8");
  EXPECT_TRUE(try_render("x", {{"a", "\xff"}})) << "what a template does not use is not looked at";
}

}  // namespace
}  // namespace hearth::jinja
