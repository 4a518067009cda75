// Goal: the rules of output_parser.hpp, one by one: what is a call, what is text, what is held,
// what is warned of.
#include <fmt/format.h>

#include "tests/engine/chat/parse/parse_testing.hpp"

namespace hearth::chat {
namespace {

ParserOptions options_for(std::string_view dialect) {
  ParserOptions options;
  options.dialect = dialect_named(dialect);
  options.tools = {{"f",
                    {{"n", ParameterKind::json},
                     {"s", ParameterKind::string},
                     {"any", ParameterKind::unknown}}}};
  return options;
}

// The text parses to this, and however it is cut.  Warnings are named by what they begin with.
void expect(std::string_view dialect, const std::string& text, const Message& want,
            ParserOptions options) {
  options.dialect = dialect_named(dialect);
  SCOPED_TRACE(text);
  const Message got = parse(options, text);
  EXPECT_EQ(shown(got), shown(want));
  std::size_t i = 0;
  for (; i < want.warnings.size() && i < got.warnings.size(); ++i) {
    EXPECT_TRUE(got.warnings[i].starts_with(want.warnings[i])) << got.warnings[i];
  }
  EXPECT_EQ(got.warnings.size(), want.warnings.size()) << shown(got, true);
  std::mt19937 random(2);
  expect_cuts_change_nothing(options, text, random);
}

void expect(std::string_view dialect, const std::string& text, const Message& want) {
  expect(dialect, text, want, options_for(dialect));
}

TEST(chat_output_parser, what_begins_like_a_call_and_is_none_is_content) {
  const std::pair<const char*, const char*> rows[] = {
      {"hermes", "Use <tool_call> to call."},
      {"hermes", "<tool_call> {\"n\" 1}</tool_call>"},
      {"hermes", "<tool_call>{\"arguments\": {\"a\": 1}}</tool_call>"},
      {"hermes", "<tool_call>{\"name\": 5}</tool_call>"},
      {"hermes", "<tool_call>"},
      {"hermes", "<tool_call>{\"na"},
      {"qwen3_coder", "<tool_call>f</tool_call>"},
      {"qwen3_coder", "Write <function=name> first."},
      {"deepseek_v32", "<｜DSML｜function_calls>\nnone\n</｜DSML｜function_calls>"},
      {"deepseek_v32", "<｜DSML｜invoke name=\"f"},
      {"gemma4", "<|tool_call>call:f"},
      {"gemma4", "<|tool_call>call:f(1)"},
      {"mistral_args", "[TOOL_CALLS]f and g"},
      {"kimi_k2", "<|tool_call_begin|>f<|tool_call_end|>"},
      {"lfm2", "<|tool_call_start|>f(1)<|tool_call_end|>"},
      {"lfm2", "<|tool_call_start|>[]<|tool_call_end|>"},
      {"glm_4", "<tool_call>"},
      {"glm_4", "A <tool_call> is a call."},
  };
  for (const auto& [dialect, text] : rows) {
    SCOPED_TRACE(dialect);
    expect(dialect, text, {text, "", {}, {""}});
  }
}

TEST(chat_output_parser, a_call_that_breaks_off_keeps_what_it_had) {
  expect("hermes", "A <tool_call>{\"name\": \"f\", \"arguments\": {\"n\": 1, oops}}</tool_call> B",
         {"A oops}}</tool_call> B", "", {{"f", "{\"n\": 1, ", ""}}, {"the call of f breaks off"}});
  expect("gemma4", "<|tool_call>call:f{n:1,}<tool_call|>B",
         {"}<tool_call|>B", "", {{"f", "{\"n\":1,", ""}}, {"the call of f breaks off"}});
  expect("qwen3_coder", "<tool_call>\n<function=f>\n<parameter=n>\n1\n</parameter>\nwhat?",
         {"what?", "", {{"f", "{\"n\": 1", ""}}, {"the call of f breaks off"}});
  expect("qwen3_coder", "<function=f>\n<parameter=n>\n[1, 2} \n</parameter>\n",
         {"} \n</parameter>\n", "", {{"f", "{\"n\": [1, 2", ""}}, {"the call of f breaks off"}});
  expect("lfm2", "<|tool_call_start|>[f(n=1, 2)]<|tool_call_end|>",
         {"2)]<|tool_call_end|>", "", {{"f", "{\"n\": 1", ""}}, {"the call of f breaks off"}});
  const std::string key(OutputParser::kNameMax + 1, 'k');
  expect("qwen3_coder", "<function=f>\n<parameter=" + key + ">",
         {"<parameter=" + key + ">", "", {{"f", "", ""}}, {"the call of f breaks off"}});
}

TEST(chat_output_parser, the_end_of_the_output_within_a_call) {
  expect("hermes", "<tool_call>{\"name\": \"f\", \"argu",
         {"", "", {{"f", "", ""}}, {"the output ends within the call of f, behind: \"argu"}});
  expect("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"n\": 12",
         {"", "", {{"f", "{\"n\": ", ""}}, {"the output ends within the call of f, behind: 12"}});
  expect("qwen3_coder", "<function=f>\n<parameter=s>\nsome te",
         {"", "", {{"f", "{\"s\": \"some te", ""}}, {"the output ends within the call of f"}});
  expect(
      "qwen3_coder", "<function=f>\n<parameter=n>\n12",
      {"", "", {{"f", "", ""}}, {"the output ends within the call of f, behind: <parameter=n>"}});
}

TEST(chat_output_parser, what_models_forget_is_forgiven) {
  const Message want = {"", "", {{"f", "{\"n\": 1}", ""}}, {}};
  expect("hermes", "<tool_call>{\"arguments\": {\"n\": 1}, \"name\": \"f\"}</tool_call>", want);
  expect("hermes", "<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"n\\\": 1}\"}", want);
  expect("hermes", "<tool_call>[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"n\": 1}}]",
         want);
  expect("qwen3_coder", "<function=f><parameter=n>1</parameter></function>", want);
  expect("qwen3_coder", "<tool_call>\n<function=f>\n<parameter=n>\n1\n</parameter>\n</tool_call>",
         want);
  expect("deepseek_v32",
         "<｜DSML｜invoke name=\"f\"><｜DSML｜parameter "
         "name=\"n\">1</｜DSML｜parameter></｜DSML｜invoke>",
         want);
  expect("lfm2", "<|tool_call_start|>[ f ( n = 1 ) ]",
         {"<|tool_call_start|>[ f ( n = 1 ) ]", "", {}, {""}});
  expect("lfm2", "<|tool_call_start|>[f( n = 1 , )]", want);
  expect("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": null}</tool_call>",
         {"", "", {{"f", "{}", ""}}, {}});
  expect("hermes", "<tool_call>{\"name\": \"f\"}</tool_call>", {"", "", {{"f", "{}", ""}}, {}});
  expect("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": \"x\"}</tool_call>",
         {"", "", {{"f", "\"x\"", ""}}, {"the arguments of a call are no JSON object"}});
  expect("minimax_m3", "]<]minimax[>[<invoke name=\"f\">]<]minimax[>[<n>]<]minimax[>[<a>12",
         {"",
          "",
          {{"f", "{\"n\": {\"a\": ", ""}},
          {"the output ends within the call of f, behind: ]<]minimax[>[<a>12"}});
}

TEST(chat_output_parser, values_of_tags_are_read_by_their_type) {
  const auto value = [](std::string_view key, std::string_view text, std::string_view want) {
    expect(
        "minimax_m2",
        fmt::format("<invoke name=\"f\"><parameter name=\"{}\">{}</parameter></invoke>", key, text),
        {"", "", {{"f", fmt::format("{{\"{}\": {}}}", key, want), ""}}, {}});
  };
  value("s", "12", R"("12")");
  value("s", " <b>\"x\"\\\n ", R"(" <b>\"x\"\\\n ")");
  value("s", "", R"("")");
  value("n", " 12 ", "12");
  value("n", "True", "true");
  value("n", R"({"k": ['a']})", R"({"k": ["a"]})");
  value("n", "twelve", R"("twelve")");
  value("n", "12 of them", R"("12 of them")");
  value("any", "-1.5", "-1.5");
  value("any", "text", R"("text")");
  value("any", "[1, 2]", "[1, 2]");
  value("any", "[link](to)", "\"[link](to)\"");
  value("undeclared", "null", "null");
  const std::string lots(5000, 'x');
  value("any", lots, '"' + lots + '"');
  value("n", lots, '"' + lots + '"');
}

TEST(chat_output_parser, values_made_of_tags) {
  const auto value = [](std::string text, const std::string& want) {
    text = "<invoke name=\"f\"><n>" + text + "</n></invoke>";
    for (std::size_t at = 0; (at = text.find('<', at)) != std::string::npos; at += 14) {
      text.insert(at, "]<]minimax[>[");
    }
    expect("minimax_m3", text, {"", "", {{"f", "{\"n\": " + want + "}", ""}}, {}});
  };
  value("1", "1");
  value("", R"("")");
  value("<a>1</a>\n<b>x</b>", R"({"a": 1, "b": "x"})");
  value("<item>1</item><item> <item></item> </item>", R"([1, [""]])");
  value(" <a> <b>null</b></a><c> 2 </c> ", R"({"a": {"b": null}, "c": 2})");
  value("<a>" + std::string(2000, 'x') + "</a>", "{\"a\": \"" + std::string(2000, 'x') + "\"}");
}

// Long text whose type is not known is written as it comes, not held to its end.
TEST(chat_output_parser, a_long_value_is_no_longer_held) {
  OutputParser parser(options_for("minimax_m2"));
  parser.feed("<invoke name=\"f\"><parameter name=\"any\">[" + std::string(100'000, '-'));
  EXPECT_GT(parser.message().calls.at(0).arguments.size(), 90'000u);
}

TEST(chat_output_parser, reasoning_is_where_the_message_begins) {
  expect("hermes", " \n<think>\n A \n</think>\n\n B \n", {"B \n", "A", {}, {}});
  expect("hermes", "A <think>B</think>", {"A <think>B</think>", "", {}, {}});
  expect("hermes", "</think>\n\nA </think>", {"A </think>", "", {}, {}});
  expect("hermes", "<think>A", {"", "A", {}, {}});
  expect("hermes", "<think>A<tool_call>{\"name\": \"f\"}</tool_call></think>B",
         {"B", "A<tool_call>{\"name\": \"f\"}</tool_call>", {}, {}});
  expect("gemma4", "A<|channel>thought\nB<channel|>C<|channel>thought D <channel|>",
         {"AC", "B\nD", {}, {}});
}

TEST(chat_output_parser, a_call_in_the_reasoning_ends_it_where_the_family_does_so) {
  expect("qwen3_coder", "<think>A\n<tool_call>\n<function=f>\n</function>\n</tool_call>",
         {"", "A", {{"f", "{}", ""}}, {}});
  // What is none leaves it open.
  expect("qwen3_coder", "<think>A <tool_call> is B</think>C",
         {"C", "A <tool_call> is B", {}, {"there is no call"}});
}

TEST(chat_output_parser, reasoning_may_stay_in_the_content) {
  ParserOptions options = options_for("hermes");
  options.split_reasoning = false;
  options.generation_prompt = "<|im_start|>assistant\n<think>\n";
  expect("hermes", "A\n</think>\n\nB", {"<think>\nA\n</think>\n\nB", "", {}, {}}, options);
  options.generation_prompt.clear();
  expect("gpt_oss",
         "<|channel|>analysis<|message|>A<|end|><|start|>assistant<|channel|>final<|message|>B",
         {"<|channel|>analysis<|message|>A<|end|>B", "", {}, {}}, options);
}

TEST(chat_output_parser, the_prompt_may_have_begun_the_reasoning) {
  ParserOptions options = options_for("hermes");
  options.generation_prompt = "<|im_start|>assistant\n<think>\n";
  expect("hermes", "A</think>B", {"B", "A", {}, {}}, options);
  options.generation_prompt += "\n</think>\n\n";
  expect("hermes", "A</think>B", {"A</think>B", "", {}, {}}, options);
}

// What a client put into the message it wants continued is text, whatever it looks like.
TEST(chat_output_parser, what_the_client_began_is_text) {
  ParserOptions options = options_for("hermes");
  options.begun_reasoning = "R</think>";
  options.reasoning_begun = true;
  expect("hermes", " S</think>C", {"C", "R</think> S", {}, {}}, options);
  options.reasoning_begun = false;
  options.begun_content = "<tool_call>{\"name\": \"f\"}</tool_call> ";
  expect("hermes", "C", {options.begun_content + "C", "R</think>", {}, {}}, options);
}

TEST(chat_output_parser, text_around_calls) {
  const std::string call = "<tool_call>{\"name\": \"f\"}</tool_call>";
  const ToolCall f = {"f", "{}", ""};
  expect("hermes", "A\n\n" + call + "\n", {"A", "", {f}, {}});
  expect("hermes", "A\n" + call + "\n" + call + "\n B\n", {"A\nB\n", "", {f, f}, {}});
  expect("hermes", " " + call, {"", "", {f}, {}});
  expect("hermes", call + "</tool", {"</tool", "", {f}, {}});
}

TEST(chat_output_parser, an_unknown_tool_is_called_with_a_warning) {
  expect("hermes", "<tool_call>{\"name\": \"F\", \"arguments\": {}}</tool_call>",
         {"", "", {{"F", "{}", ""}}, {"none of the tools is named F"}});
}

TEST(chat_output_parser, bare_objects_are_calls_of_tools_that_exist) {
  expect("llama_3", "{\"name\": \"f\", \"parameters\": {\"n\": 1}}",
         {"", "", {{"f", "{\"n\": 1}", ""}}, {}});
  expect("llama_3", "{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}} ",
         {"", "", {{"f", "{}", ""}}, {}});
  for (const char* text : {"{\"name\": \"Ada\", \"born\": 1815}", "{\"answer\": 42}", "{oops", "{",
                           "Say {\"name\": \"f\"}", "{\"name\"", "{\"parameters\": {}}"}) {
    expect("llama_3", text, {text, "", {}, {}});
  }
}

TEST(chat_output_parser, ids) {
  expect("mistral_nemo",
         "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}, \"id\": \"123456789\"}]",
         {"", "", {{"f", "{}", "123456789"}}, {}});
  expect("mistral_args", "[TOOL_CALLS]f[CALL_ID]123456789[ARGS]{}",
         {"", "", {{"f", "{}", "123456789"}}, {}});
  expect("kimi_k2", "<|tool_call_begin|> functions.f:12 <|tool_call_argument_begin|> {}",
         {"<|tool_call_begin|> functions.f:12 <|tool_call_argument_begin|> {}", "", {}, {""}});
  expect("kimi_k2", "<|tool_call_begin|>functions.f:12<|tool_call_argument_begin|> {}",
         {"", "", {{"f", "{}", "functions.f:12"}}, {}});
}

TEST(chat_output_parser, harmony_headers) {
  const ToolCall f = {"f", "{\"n\": 1}", ""};
  // Without a channel; with words nobody asked for; the end of a message left out.
  expect("gpt_oss", " to=functions.f<|message|>{\"n\": 1}<|call|>", {"", "", {f}, {}});
  expect("gpt_oss", "<|channel|>commentary to=functions.f code json<|message|>{\"n\": 1}",
         {"", "", {f}, {}});
  expect("gpt_oss", "<|channel|>analysis<|message|>A<|channel|>final<|message|>B",
         {"B", "A", {}, {}});
  expect("gpt_oss",
         "<|channel|>analysis<|message|>A<|end|><|channel|>analysis<|message|>B<|return|>",
         {"", "A\nB", {}, {}});
  expect("gpt_oss",
         "<|channel|>commentary<|message|>A<|end|><|start|>assistant<|channel|>final<|message|>B",
         {"A\nB", "", {}, {}});
  // Text instead of a header; a body that is no JSON; a header that does not end.
  expect("gpt_oss", "Hello <|end|>", {"Hello ", "", {}, {"a message has no header"}});
  expect("gpt_oss", "<|channel|>commentary to=functions.f<|message|>f(1)<|call|>",
         {"<|channel|>commentary to=functions.f<|message|>f(1)", "", {}, {"what began as a call"}});
  expect("gpt_oss", "<|channel|>comm",
         {"", "", {}, {"the output ends in a header: <|channel|>comm"}});
  expect("gpt_oss", "<|channel|>final<|message|>A<|return|>", {"A", "", {}, {}});
}

TEST(chat_output_parser, a_message_to_no_tool_is_in_a_warning) {
  const std::string python = "<|channel|>commentary to=python<|message|>print(1)";
  const char* const warning = "a message to python, which is no tool of this request: print(1)";
  expect("gpt_oss", python, {"", "", {}, {warning}});
  expect("gpt_oss", python + "<|call|><|start|>assistant<|channel|>final<|message|>A",
         {"A", "", {}, {warning}});
}

TEST(chat_output_parser, a_fence_around_json_is_no_content) {
  ParserOptions options = options_for("hermes");
  options.json_content = true;
  expect("hermes", "```json\n{\"a\": \"```\"}\n```\n", {"{\"a\": \"```\"}", "", {}, {}}, options);
  expect("hermes", " {\"a\": 1} \n", {"{\"a\": 1}", "", {}, {}}, options);
  options.json_content = false;
  expect("hermes", "```json\n1\n```\n", {"```json\n1\n```\n", "", {}, {}}, options);
}

TEST(chat_output_parser, only_what_may_begin_a_marker_is_held) {
  OutputParser parser(options_for("hermes"));
  std::string content;
  const auto feed = [&](std::string_view piece) {
    for (const Delta& delta : parser.feed(piece)) content += delta.text;
    return content;
  };
  EXPECT_EQ(feed("a <"), "a");  // white space before a call is none of the content
  EXPECT_EQ(feed("b"), "a <b");
  EXPECT_EQ(feed(" <tool_cal"), "a <b");
  EXPECT_EQ(feed("m"), "a <b <tool_calm");
  EXPECT_EQ(feed("<tool_call>"), "a <b <tool_calm");
  EXPECT_EQ(feed("x"), "a <b <tool_calm<tool_call>x");
}

TEST(chat_output_parser, arguments_come_piece_by_piece) {
  OutputParser parser(options_for("hermes"));
  parser.feed("<tool_call>{\"name\": \"f\", ");
  const std::span<const Delta> deltas = parser.feed("\"arguments\": {\"s\": \"some te");
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].kind, Delta::Kind::arguments);
  EXPECT_EQ(deltas[0].text, "{\"s\": \"some te");
  EXPECT_EQ(parser.feed("xt")[0].text, "xt");
}

// A call whose name does not come, and white space without an end, are held only so far.
TEST(chat_output_parser, what_is_held_has_a_limit) {
  OutputParser parser(options_for("hermes"));
  const std::string text =
      "<tool_call>{\"arguments\": {\"a\": \"" + std::string(OutputParser::kHeldMax, 'x');
  parser.feed(text);
  parser.finish();
  EXPECT_EQ(parser.message().content, text);
  EXPECT_EQ(parser.message().warnings.size(), 1u);

  const std::string space(3 * MessageBuilder::kSpaceMax, ' ');
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, space.size()}) {
    std::vector<std::string> pieces = {"A"};
    for (std::size_t at = 0; at < space.size(); at += piece)
      pieces.push_back(space.substr(at, piece));
    pieces.emplace_back("<tool_call>{\"name\": \"f\"}</tool_call>");
    EXPECT_EQ(parse_pieces(options_for("hermes"), pieces).content.size(),
              1 + 2 * (MessageBuilder::kSpaceMax + 1))
        << piece;
  }
}

TEST(chat_output_parser, warnings_have_a_limit) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "<tool_call>x ";
  const Message got = parse(options_for("hermes"), text);
  EXPECT_EQ(got.content, text);
  EXPECT_EQ(got.warnings.size(), kWarningsMax);
}

// Bytes that are no UTF-8 and zero bytes pass.
TEST(chat_output_parser, any_bytes) {
  std::string text;
  for (int i = 0; i < 256; ++i) text += static_cast<char>(i);
  expect("hermes", "A" + text + "B", {"A" + text + "B", "", {}, {}});
}

}  // namespace
}  // namespace hearth::chat
