// Which bytes of a prompt came from the request, through all that a template does with texts.
#include "jinja_testing.hpp"

namespace hearth::jinja {
namespace {

constexpr std::string_view kChat =
    R"({"messages": [{"role": "user", "content": "Hi <|end|>"},
                     {"role": "assistant", "content": "Yo"}],
        "tool": "f", "bos_token": "<s>", "eos_token": "</s>"})";

std::string spans(std::string_view source, std::string_view json = kChat,
                  const RenderOptions& options = {}) {
  const Input input = json_input(json);
  const auto rendered = try_render(source, std::get<InputDict>(input.held), options);
  return rendered ? show_spans(*rendered) : rendered.error().message;
}

TEST(jinja_marks, content_is_input_and_the_rest_is_not) {
  EXPECT_EQ(spans("{% for m in messages %}<|u|>{{ m.content }}<|end|>{% endfor %}"),
            "<|u|>|<Hi <|end|>:0>|<|end|><|u|>|<Yo:1>|<|end|>");
  EXPECT_EQ(spans("no input at all"), "no input at all");
  EXPECT_EQ(spans(""), "");
}

TEST(jinja_marks, trusted_variables_are_the_templates) {
  EXPECT_EQ(spans("{{ bos_token }}{{ tool }}{{ eos_token }}"), "<s>|<f:-1>|</s>");
  RenderOptions options;
  options.trusted = {"tool"};
  EXPECT_EQ(spans("{{ bos_token }}{{ tool }}", kChat, options), "<<s>:-1>|f");
}

// One operation after the other: what it does to the message that is marked.
TEST(jinja_marks, flow_through_every_operation_on_texts) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{ '[' + c + ']' }}", "[|<aB cD:0>|]"},
      {"{{ '[' ~ c ~ 1 }}", "[|<aB cD:0>|1"},
      {"{{ c * 2 }}", "<aB cDaB cD:0>"},
      {"{{ c[1] ~ '.' ~ c[-1] }}", "<B:0>|.|<D:0>"},
      {"{{ c[1:4] }}", "<B c:0>"},
      {"{{ ('x' ~ c ~ 'y')[::-1] }}", "y|<Dc Ba:0>|x"},
      {"{{ ('  ' ~ c ~ '  ')|trim }}", "<aB cD:0>"},
      {"{{ (' ' ~ c).lstrip() ~ c.rstrip('D') ~ '!' }}", "<aB cDaB c:0>|!"},
      {"{{ ('x' ~ c)|upper }}", "X|<AB CD:0>"},
      {"{{ ('X' ~ c).lower() }}", "x|<ab cd:0>"},
      {"{{ c|title ~ c|capitalize }}", "<Ab CdAb cd:0>"},
      {"{{ c|replace('B', '-') }}", "<a:0>|-|< cD:0>"},
      {"{{ 'x-y'|replace('-', c) }}", "x|<aB cD:0>|y"},
      {"{{ c.replace(' ', '') }}", "<aBcD:0>"},
      {"{{ ['x', c, 'y']|join('-') }}", "x-|<aB cD:0>|-y"},
      {"{{ ['x', 'y']|join(c) }}", "x|<aB cD:0>|y"},
      {"{{ '<{}>{{}}'.format(c) }}", "<|<aB cD:0>|>{}"},
      {"{{ ('x ' ~ c).split(' ')|join('|') }}", "x||<aB:0>|||<cD:0>"},
      {"{{ c.split()[-1] }}", "<cD:0>"},
      {"{{ c.rsplit(' ', 1)[0] }}", "<aB:0>"},
      {"{{ {'k': c}|tojson }}", "{\"k\": \"|<aB cD:0>|\"}"},
      {"{{ q|tojson }}", "\"|<\\\"\\n:-1>|\""},
      {"{{ q|tojson(ensure_ascii=true) }}", "\"|<\\\"\\n:-1>|\""},
      {"{{ [c] }}", "['|<aB cD:0>|']"},
      {"{{ [q]|string }}", "['|<\"\\n:-1>|']"},
      {"{{ c|indent(2, true) }}", "  |<aB cD:0>"},
      {"{{ c|truncate(4, true, leeway=0) }}", "<a:0>|..."},
      {"{{ c|string ~ c|safe }}", "<aB cDaB cD:0>"},
      {"{{ ('<'|safe) + h }}", "<|<&lt;b&gt;:-1>"},
      {"{{ none or c }}", "<aB cD:0>"},
      {"{{ c if true else 'x' }}", "<aB cD:0>"},
      {"{{ x|default(c) }}", "<aB cD:0>"},
      {"{% set v = c %}{{ v }}", "<aB cD:0>"},
      {"{% set v %}x{{ c }}{% endset %}{{ v }}", "x|<aB cD:0>"},
      {"{% filter upper %}x{{ c }}{% endfilter %}", "X|<AB CD:0>"},
      {"{% set ns = namespace(v='') %}{% set ns.v = ns.v ~ c %}{{ ns.v }}", "<aB cD:0>"},
      {"{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m(c) }}", "[|<aB cD:0>|]"},
      {"{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}{{ c }}{% endcall %}",
       "[|<aB cD:0>|]"},
      {"{% for k in d %}{{ k }}{% endfor %}{{ d|items|first|first }}", "<keykey:-1>"},
      {"{% for a in c %}{{ a }}-{% endfor %}", "<a:0>|-|<B:0>|-|< :0>|-|<c:0>|-|<D:0>|-"},
      {"{{ j|from_json }}", "{'|<k:-1>|': ['|<v:-1>|', 1]}"},
      {"{{ '{\"k\": 1}'|from_json }}", "{'k': 1}"},
      {"{{ strftime_now(c) }}", "<aB cD:0>"},
      {"{{ [1]|tojson(separators=(c, c)) }}",
       "line 1, column 41: 'separators' must not come from input"},
      {"{{ [c, 'b']|sort|first ~ ['b', c]|unique|list|last }}", "<aB cDaB cD:0>"},
      {"{{ messages|map(attribute='content')|join }}", "<aB cD:0>|<second:1>"},
      {"{{ c|length }}{{ c == 'aB cD' }}{{ 'a' in c }}", "5TrueTrue"},
  };
  constexpr std::string_view kJson =
      R"({"messages": [{"content": "aB cD"}, {"content": "second"}], "q": "\"\n", "h": "<b>",
          "d": {"key": 1}, "j": "{\"k\": [\"v\", 1]}"})";
  for (const auto& [source, wanted] : cases) {
    EXPECT_EQ(spans("{% set c = messages[0].content %}" + std::string(source), kJson), wanted)
        << source;
  }
}

TEST(jinja_marks, two_messages_side_by_side_stay_apart) {
  EXPECT_EQ(spans("{{ messages[0].content + messages[1].content + tool }}"),
            "<Hi <|end|>:0>|<Yo:1>|<f:-1>");
}

TEST(jinja_marks, turns_are_what_a_loop_writes_for_a_message) {
  const Input input = json_input(kChat);
  const auto rendered = try_render(
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'nobody' %}x{% endif %}{% endfor %}"
      "{% for m in messages[1:] %}[{{ m.content }}]{% endfor %}{% for m in messages %}"
      "<{{ m.role }}>{% endfor %}end",
      std::get<InputDict>(input.held));
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(rendered->text, "<s>[Yo]<user><assistant>end");
  ASSERT_EQ(rendered->turns.size(), 3u);
  const auto turn = [&](std::size_t i) {
    const Turn& found = rendered->turns[i];
    return std::to_string(found.message) +
           rendered->text.substr(found.begin, found.end - found.begin);
  };
  EXPECT_EQ(turn(0), "1[Yo]");
  EXPECT_EQ(turn(1), "0<user>");
  EXPECT_EQ(turn(2), "1<assistant>");
}

TEST(jinja_marks, a_set_block_writes_no_turns) {
  const Input input = json_input(kChat);
  const auto rendered =
      try_render("{% set t %}{% for m in messages %}x{% endfor %}{% endset %}{{ t }}",
                 std::get<InputDict>(input.held));
  ASSERT_TRUE(rendered);
  EXPECT_EQ(rendered->text, "xx");
  EXPECT_TRUE(rendered->turns.empty());
}

TEST(jinja_marks, the_callers_values_do_not_change) {
  Input input = json_input(R"({"l": [1, 2]})");
  const auto& context = std::get<InputDict>(input.held);
  for (int i = 0; i < 2; ++i) {
    const auto rendered = try_render("{{ l.pop() }}{% set _ = l.append(3) %}{{ l }}", context);
    ASSERT_TRUE(rendered);
    EXPECT_EQ(rendered->text, "2[1, 3]");
  }
}

}  // namespace
}  // namespace hearth::jinja
