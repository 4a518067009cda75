// Goal: every row of the table reads what its family writes.
// Method: one message, written in every dialect, parses to the same; and so it does however it is
// cut.  A row without a text here fails.
#include <map>

#include "tests/engine/chat/parse/parse_testing.hpp"

namespace hearth::chat {
namespace {

constexpr char kWant[] =
    "reasoning: I think\n"
    "content: Let me see.\n"
    "call: f {\"a\": 1, \"s\": \"x < y\"} id \n"
    "call: g {} id ";

// As a JSON object of the calls' usual keys.
constexpr char kF[] = R"({"name": "f", "arguments": {"a": 1, "s": "x < y"}})";
constexpr char kG[] = R"({"name": "g", "arguments": {}})";
constexpr char kArguments[] = R"({"a": 1, "s": "x < y"})";

std::string array(const std::string& open, const std::string& close) {
  return open + "[" + kF + ", " + kG + "]" + close;
}

// The message in each dialect; the ids that some carry are taken out before comparing.
// tidy: long, because it is a table
std::map<std::string, std::string> texts() {
  const std::string think = "<think>\nI think\n</think>\n\nLet me see.";
  const std::string arguments = kArguments;
  std::map<std::string, std::string> all;
  all["gpt_oss"] =
      "<|channel|>analysis<|message|>I "
      "think<|end|><|start|>assistant<|channel|>commentary<|message|>"
      "Let me see.<|end|><|start|>assistant to=functions.f<|channel|>commentary json<|message|>" +
      arguments +
      "<|call|><|start|>assistant<|channel|>commentary to=functions.g <|constrain|>json<|message|>"
      "{}<|call|>";
  all["gemma4"] =
      "<|channel>thought\nI think\n<channel|>Let me see."
      "<|tool_call>call:f{a:1,s:<|\"|>x < y<|\"|>}<tool_call|><|tool_call>call:g{}<tool_call|>";
  all["deepseek_v32"] =
      "<think>I think</think>Let me see.\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n"
      "<｜DSML｜parameter name=\"a\" string=\"false\">1</｜DSML｜parameter>\n"
      "<｜DSML｜parameter name=\"s\" string=\"true\">x < y</｜DSML｜parameter>\n"
      "</｜DSML｜invoke>\n<｜DSML｜invoke "
      "name=\"g\">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>";
  all["deepseek_r1"] =
      think + "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n" +
      arguments +
      "\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n" +
      "{}```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
  all["deepseek_v31"] =
      think + "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>" + arguments +
      "<｜tool▁call▁end｜><｜tool▁call▁begin｜>g<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
      "<｜tool▁calls▁end｜>";
  all["kimi_k2"] = think +
                   "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0"
                   "<|tool_call_argument_begin|>" +
                   arguments +
                   "<|tool_call_end|><|tool_call_begin|>functions.g:1<|tool_call_argument_begin|>{}"
                   "<|tool_call_end|><|tool_calls_section_end|>";
  all["mistral_args"] = "[THINK]I think[/THINK]Let me see.[TOOL_CALLS]f[CALL_ID]000000001[ARGS]" +
                        arguments + "[TOOL_CALLS]g[ARGS]{}";
  all["mistral_nemo"] = "[THINK]I think[/THINK]Let me see." + array("[TOOL_CALLS]", "");
  all["command_r7b"] =
      "<|START_THINKING|>I think<|END_THINKING|><|START_TEXT|>Let me see.<|END_TEXT|>"
      "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"f\", \"parameters\": " +
      arguments +
      "},\n    {\"tool_call_id\": \"1\", \"tool_name\": \"g\", \"parameters\": "
      "{}}\n]<|END_ACTION|>";
  all["command_r_plus"] = "<think>I think</think>Let me see.\nAction:\n```json\n[" +
                          std::string(kF) + ",\n" + kG + "]\n```";
  const std::string m3 = "]<]minimax[>[";
  all["minimax_m3"] = "<mm:think>I think</mm:think>Let me see." + m3 + "<tool_call>\n" + m3 +
                      "<invoke name=\"f\">" + m3 + "<a>1" + m3 + "</a>" + m3 + "<s>x < y" + m3 +
                      "</s>" + m3 + "</invoke>\n" + m3 + "<invoke name=\"g\">" + m3 +
                      "</invoke>\n" + m3 + "</tool_call>";
  all["minimax_m2"] = think +
                      "\n<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"a\">1"
                      "</parameter>\n<parameter name=\"s\">x < y</parameter>\n</invoke>\n"
                      "<invoke name=\"g\">\n</invoke>\n</minimax:tool_call>";
  all["seed_oss"] =
      "<seed:think>I think</seed:think>\nLet me "
      "see.\n<seed:tool_call>\n<function=f>\n<parameter=a>1"
      "</parameter>\n<parameter=s>x < y</parameter>\n</function>\n</seed:tool_call>\n"
      "<seed:tool_call>\n<function=g>\n</function>\n</seed:tool_call>";
  all["hunyuan_3"] =
      "<think:opensource>I think</think:opensource>Let me see.<tool_calls:opensource>\n"
      "<tool_call:opensource>f<tool_sep:opensource>\n"
      "<arg_key:opensource>a</arg_key:opensource>\n"
      "<arg_value:opensource>1</arg_value:opensource>\n"
      "<arg_key:opensource>s</arg_key:opensource>\n"
      "<arg_value:opensource>x < y</arg_value:opensource>\n</tool_call:opensource>\n"
      "<tool_call:opensource>g<tool_sep:opensource>\n</tool_call:opensource>\n"
      "</tool_calls:opensource>";
  all["glm_4"] =
      think +
      "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>\n<arg_key>s</arg_key>"
      "<arg_value>x < y</arg_value></tool_call>\n<tool_call>g</tool_call>";
  all["minicpm_5"] = think +
                     "<function name=\"f\"><param name=\"a\">1</param><param name=\"s\">"
                     "<![CDATA[x < y]]></param></function>\n<function name=\"g\"></function>";
  all["qwen3_coder"] = think +
                       "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n<parameter=s>\n"
                       "x < y\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=g>\n"
                       "</function>\n</tool_call>";
  all["lfm2"] = think + "<|tool_call_start|>[f(a=1, s='x < y'), g()]<|tool_call_end|>";
  all["apertus"] =
      think + "<|tools_prefix|>[{\"f\": " + arguments + "}, {\"g\": {}}]<|tools_suffix|>";
  all["nemotron_v2"] = think + array("\n<TOOLCALL>", "</TOOLCALL>\n");
  all["apriel_1.6"] = "<|begin_assistant|>\nI think\n[BEGIN FINAL RESPONSE]\nLet me see.\n" +
                      array("<tool_calls>", "</tool_calls>");
  all["apriel_1.5"] = think + array("\n<tool_calls>", "</tool_calls>");
  const std::string giga = "<|message_sep|>\n\nfunction call<|role_sep|>\n";
  all["gigachat_3"] = think + giga + kF + "<|function_call|>" + kG;
  all["firefunction_v2"] = think + array(" functools", "");
  all["functionary_3.2"] =
      "<think>I think</think>>>>all\nLet me see.\n>>>f\n" + arguments + ">>>g\n{}";
  all["functionary_3.1"] =
      think + "<function=f>" + arguments + "</function>\n<function=g>{}</function>";
  const std::string hermes =
      think + "\n<tool_call>\n" + kF + "\n</tool_call>\n<tool_call>\n" + kG + "</tool_call>";
  all["hermes"] = all["generic"] = hermes;
  all["llama_3"] = "";  // see bare_objects_are_calls_of_tools_that_exist
  return all;
}

// Gemma's notation has no spaces, and the JSON it is written as has none.
std::string with_spaces(std::string text) {
  constexpr std::string_view kCompact = "{\"a\":1,\"s\":";
  const std::size_t at = text.find(kCompact);
  if (at != std::string::npos) text.replace(at, kCompact.size(), "{\"a\": 1, \"s\": ");
  return text;
}

ParserOptions options_for(const Dialect& dialect) {
  ParserOptions options;
  options.dialect = &dialect;
  options.tools = {{"f", {{"a", ParameterKind::json}, {"s", ParameterKind::string}}}, {"g", {}}};
  return options;
}

TEST(chat_dialects, one_message_in_every_dialect) {
  const std::map<std::string, std::string> all = texts();
  std::mt19937 random(1);
  for (const Dialect& dialect : dialects()) {
    SCOPED_TRACE(dialect.name);
    const auto text = all.find(std::string(dialect.name));
    ASSERT_NE(text, all.end());
    if (text->second.empty()) continue;
    const ParserOptions options = options_for(dialect);
    Message got = parse(options, text->second);
    EXPECT_TRUE(got.warnings.empty()) << got.warnings[0];
    for (ToolCall& call : got.calls) call.id.clear();
    if (dialect.content_keeps_space && got.content.ends_with('\n')) got.content.pop_back();
    EXPECT_EQ(with_spaces(shown(got)), kWant) << text->second;
    expect_cuts_change_nothing(options, text->second, random);
  }
  EXPECT_EQ(all.size(), dialects().size());
}

// What ends early keeps what there is of it; nothing is made up, nothing of what was sent is taken
// back.
TEST(chat_dialects, what_ends_early_is_a_beginning_of_the_message) {
  for (const auto& [name, text] : texts()) {
    SCOPED_TRACE(name);
    const ParserOptions options = options_for(*dialect_named(name));
    const Message whole = parse(options, text);
    for (std::size_t size = 0; size < text.size(); ++size) {
      const Message part = parse(options, text.substr(0, size));
      ASSERT_LE(part.calls.size(), whole.calls.size()) << size;
      for (std::size_t i = 0; i < part.calls.size(); ++i) {
        EXPECT_EQ(part.calls[i].name, whole.calls[i].name) << size;
        EXPECT_TRUE(whole.calls[i].arguments.starts_with(part.calls[i].arguments))
            << size << ": " << part.calls[i].arguments;
      }
    }
  }
}

// Without tools nothing is a call.
TEST(chat_dialects, without_tools_calls_are_text) {
  for (const auto& [name, text] : texts()) {
    ParserOptions options = options_for(*dialect_named(name));
    options.tools.clear();
    const Message got = parse(options, text);
    EXPECT_TRUE(got.calls.empty()) << name;
    const std::string& where = name == "gpt_oss" ? got.warnings[0] : got.content;
    EXPECT_EQ(where.find("x < y") == std::string::npos, text.empty()) << name << ": " << where;
  }
}

// Bytes of text that are no marker of any kind pass through every dialect.
TEST(chat_dialects, plain_text_is_content) {
  const std::string text =
      "  a < b, [x](y), {\"k\": 1}, ]<, <|, ｜, <tool, `c`, >>, to=you\n\t<f>\n";
  for (const Dialect& dialect : dialects()) {
    ParserOptions options = options_for(dialect);
    const bool harmony = dialect.style == CallStyle::harmony;
    const std::string header = "<|channel|>final<|message|>";
    const Message got = parse(options, (harmony ? header : "") + text);
    EXPECT_EQ(got.content, harmony ? text.substr(2) : text) << dialect.name;
    EXPECT_TRUE(got.warnings.empty()) << dialect.name << ": " << got.warnings[0];
  }
}

TEST(chat_dialects, names_are_unique_and_the_last_fits_everything) {
  for (const Dialect& dialect : dialects()) EXPECT_EQ(dialect_named(dialect.name), &dialect);
  EXPECT_EQ(choose_dialect("no such template").name, "generic");
}

TEST(chat_dialects, are_chosen_by_the_template_or_by_the_card) {
  EXPECT_EQ(choose_dialect("..'<|tool_call>call:' + name..").name, "gemma4");
  EXPECT_EQ(choose_dialect("<tool_call>\n<function=x>\n<parameter=y>").name, "qwen3_coder");
  EXPECT_EQ(choose_dialect("<tool_call>\n{\"name\"").name, "hermes");
  EXPECT_EQ(choose_dialect(OutputFormat::gpt_oss, "").name, "gpt_oss");
  EXPECT_EQ(choose_dialect(OutputFormat::deepseek_v32, "<tool_call>").name, "deepseek_v32");
  EXPECT_EQ(choose_dialect(OutputFormat::gemma4, "").name, "gemma4");
  // A card that says generic: what the template declares, but none of the other three.
  EXPECT_EQ(choose_dialect(OutputFormat::generic, "<|tool_call>call:").name, "generic");
  EXPECT_EQ(choose_dialect(OutputFormat::generic, "<arg_key>").name, "glm_4");
}

TEST(chat_dialects, begun_markers_are_those_that_are_not_ended) {
  const Dialect& hermes = *dialect_named("hermes");
  EXPECT_EQ(begun_markers(hermes, "<|im_start|>assistant\n<think>\n"), "<think>\n");
  EXPECT_EQ(begun_markers(hermes, "<|im_start|>assistant\n<think>\n\n</think>\n\n"), "");
  EXPECT_EQ(begun_markers(hermes, "<|im_start|>assistant\n"), "");
  EXPECT_EQ(begun_markers(*dialect_named("functionary_3.2"), "\n\n>>>"), ">>>");
  EXPECT_EQ(begun_markers(*dialect_named("gpt_oss"), "<|start|>assistant"), "");
}

}  // namespace
}  // namespace hearth::chat
