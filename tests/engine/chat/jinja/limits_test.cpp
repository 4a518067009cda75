// Templates and values that are made to harm end in an error.
#include <thread>
#include <vector>

#include "jinja_testing.hpp"

namespace hearth::jinja {
namespace {

std::string repeated(std::string_view text, int times) {
  std::string whole;
  for (int i = 0; i < times; ++i) whole += text;
  return whole;
}

TEST(jinja_limits, templates_that_never_end) {
  const char* const sources[] = {
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
      "{{ 'a' * 9223372036854775807 }}",
      "{{ [1] * 9223372036854775807 }}",
      "{{ range(9223372036854775807) }}",
      "{% set n = namespace(s='a') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
      "{% set n = namespace(s=['a']) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}"
      "{% endfor %}",
      "{% for i in range(100000) %}{{ 'aaaaaaaaaa' * 1000 }}{% endfor %}",
      "{% set l = [1] %}{% for i in range(100000) %}{% set l = [l, l] %}{% endfor %}"
      "{% set n = namespace(l=[]) %}{% for i in range(2000) %}{% set n.l = [n.l, n.l] %}"
      "{% endfor %}{{ n.l }}",
      "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}",
      "{% set l = [] %}{% set _ = l.append(l) %}{{ l|tojson }}",
      "{% set l = [] %}{% set _ = l.append(l) %}{% set k = [] %}{% set _ = k.append(k) %}"
      "{{ l == k }}",
      "{% set n = namespace(l=[]) %}{% for i in range(2000) %}{% set n.l = [n.l] %}{% endfor %}"
      "{% set m = namespace(l=[]) %}{% for i in range(2000) %}{% set m.l = [m.l] %}{% endfor %}"
      "{{ n.l == m.l }}",
      "{% set n = namespace(t=()) %}{% for i in range(2000) %}{% set n.t = (n.t,) %}{% endfor %}"
      "{{ {n.t: 1} }}",
      "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
      "{{ ('a' * 1000000)|list }}{{ ('a' * 10000000)|list }}",
      "{{ (' a' * 10000000).split() }}",
      "{{ 'a'|indent(9223372036854775807) }}",
      "{{ [1]|tojson(indent=9223372036854775807) }}",
      "{% for i in range(100000) %}{% set s = ('ab' * 8000000)[::-1] %}{% endfor %}",
      "{% for i in range(100000) %}{{ 'b' in 'a' * 30000000 }}{% endfor %}",
      "{{ range(100000)|map('string')|join('a' * 1000) }}",
      // Each level keeps what it wrote so far.
      "{% set s = 'a' * 20000000 %}{% macro m() %}{{ s }}{{ m() }}{% endmacro %}{{ m() }}",
      "{{ ('[' ~ ('1,' * 5000000) ~ '1]')|from_json }}",
  };
  for (const char* source : sources) {
    RenderOptions options;
    options.limits.steps = 20'000'000;
    const auto rendered = try_render(source, {}, options);
    ASSERT_FALSE(rendered) << source;
    EXPECT_EQ(rendered.error().code, Code::LIMIT) << source << ": " << rendered.error().message;
    EXPECT_TRUE(rendered.error().message.starts_with("line 1, column ")) << source;
  }
}

TEST(jinja_limits, templates_nested_too_deeply) {
  const std::string sources[] = {
      "{{ " + repeated("(", 100000) + repeated(")", 100000) + " }}",
      "{{ " + repeated("[", 100000) + repeated("]", 100000) + " }}",
      "{{ " + repeated("{1:", 10000) + "1" + repeated("}", 10000) + " }}",
      "{{ " + repeated("not ", 100000) + "1 }}",
      "{{ " + repeated("-", 100000) + "1 }}",
      "{{ a" + repeated(".a", 100000) + " }}",
      "{{ a" + repeated("[0]", 100000) + " }}",
      "{{ a" + repeated("()", 100000) + " }}",
      "{{ a" + repeated("|trim", 100000) + " }}",
      "{{ 1" + repeated(" + 1", 100000) + " }}",
      "{{ 1" + repeated(" if 1 else 1", 50000) + " }}",
      "{{ f(" + repeated("f(", 50000),
      repeated("{% if 1 %}", 50000),
      repeated("{% for a in b %}", 50000),
      repeated("{% macro m() %}", 50000),
      repeated("{% set a %}", 50000),
      "{% set " + repeated("(", 100000) + "a" + repeated(")", 100000) + " = 1 %}",
  };
  for (const std::string& source : sources) {
    const auto compiled = compile(source);
    ASSERT_FALSE(compiled) << source.substr(0, 40);
    const std::string& message = compiled.error().message;
    EXPECT_TRUE(message.find("nested too deeply") != message.npos ||
                message.find("no end") != message.npos)
        << source.substr(0, 40) << ": " << message;
  }
  // Long, but not deep.
  EXPECT_TRUE(compile("{{ 1" + repeated(" and 1", 100000) + " }}"));
  EXPECT_TRUE(compile("{{ 1" + repeated(" ~ 1", 100000) + " }}"));
  EXPECT_TRUE(compile("{{ [1" + repeated(", 1", 100000) + "] }}"));
  EXPECT_TRUE(compile(repeated("{% if 1 %}{% endif %}", 20000)));
}

TEST(jinja_limits, are_the_callers) {
  RenderOptions options;
  options.limits.output_bytes = 5;
  EXPECT_EQ(render_text("12345", "{}", options), "12345");
  EXPECT_EQ(render_text("12345{{ 6 }}", "{}", options),
            "error: line 1, column 6: the prompt is longer than 5 bytes");
  options = {};
  options.limits.string_bytes = 3;
  EXPECT_EQ(render_text("{{ 'ab' + 'cd' }}", "{}", options),
            "error: line 1, column 9: a text is longer than 3 bytes");
  options = {};
  options.limits.list_items = 2;
  EXPECT_EQ(render_text("{{ range(3) }}", "{}", options),
            "error: line 1, column 4: a list has more than 2 items");
  EXPECT_EQ(render_text("{{ d }}", R"({"d": {"a": 1, "b": 2, "c": 3}})", options),
            "error: 'd': a dict has more than 2 keys");
  options = {};
  options.limits.steps = 100;
  EXPECT_EQ(render_text("{% for a in range(99) %}{{ a }}{% endfor %}", "{}", options),
            "error: line 1, column 13: the template takes too many steps");
  options = {};
  options.limits.memory_bytes = 10000;
  EXPECT_TRUE(render_text("{{ range(1000)|list|length }}", "{}", options)
                  .ends_with("the template uses too much memory"));
}

// Keys that fall on one place of a dict's table cost steps, not time.
TEST(jinja_limits, values_with_many_keys) {
  InputDict dict;
  for (int i = 0; i < 50000; ++i) dict.emplace_back("key" + std::to_string(i), i);
  const auto rendered =
      try_render("{{ d.key0 + d.key49999 }}{{ d|length }}", {{"d", std::move(dict)}});
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(rendered->text, "4999950000");
}

TEST(jinja_limits, deep_values_are_refused) {
  Input deep;
  for (int i = 0; i < 5000; ++i) {
    InputList list;
    list.push_back(std::move(deep));
    deep = std::move(list);
  }
  const auto rendered = try_render("{{ d }}", {{"d", std::move(deep)}});
  ASSERT_FALSE(rendered);
  EXPECT_EQ(rendered.error().code, Code::LIMIT);
}

TEST(jinja_threads, one_template_is_rendered_by_several) {
  const auto compiled = compile(
      "{% macro m(a) %}[{{ a }}]{% endmacro %}{% set ns = namespace(n=0) %}{% for x in l %}"
      "{% set ns.n = ns.n + x %}{{ m(x) }}{% endfor %}{{ ns.n }}{{ name }}");
  ASSERT_TRUE(compiled);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const auto rendered = render(*compiled, {{"l", InputList{1, 2, t}}, {"name", "x"}});
        const std::string wanted =
            "[1][2][" + std::to_string(t) + "]" + std::to_string(3 + t) + "x";
        if (!rendered || rendered->text != wanted) ++wrong[static_cast<std::size_t>(t)];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace hearth::jinja
