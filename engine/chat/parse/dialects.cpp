// The table of dialects.  Sources: the chat templates of the models themselves.
#include "engine/chat/parse/dialect.hpp"

namespace hearth::chat {
namespace {

constexpr Dialect kDialects[] = {
    {.name = "gpt_oss",
     .format = OutputFormat::gpt_oss,
     .style = CallStyle::harmony,
     .needles = {"<|start|>", "<|channel|>", "<|message|>"},
     .reasoning_open = {},
     .reasoning_close = {}},
    {.name = "gemma4",
     .format = OutputFormat::gemma4,
     .style = CallStyle::named,
     .needles = {"<|tool_call>call:"},
     .reasoning_open = "<|channel>thought",
     .reasoning_close = "<channel|>",
     .reasoning_anywhere = true,
     .stray = {"<|channel>", "<channel|>"},
     .call_open = "<|tool_call>call:",
     .call_close = "<tool_call|>",
     .gemma_values = true},
    {.name = "deepseek_v32",
     .format = OutputFormat::deepseek_v32,
     .style = CallStyle::tagged,
     .needles = {"｜DSML｜"},
     .call_ends_reasoning = true,
     .sections = {{{"<｜DSML｜function_calls>", "</｜DSML｜function_calls>"},
                   {"<｜DSML｜tool_calls>", "</｜DSML｜tool_calls>"}}},
     .call_open = "<｜DSML｜invoke name=\"",
     .name_end = "\">",
     .key_open = "<｜DSML｜parameter name=\"",
     .key_end = "\">",
     .string_key_end = "\" string=\"true\">",
     .json_key_end = "\" string=\"false\">",
     .value_close = "</｜DSML｜parameter>",
     .call_close = "</｜DSML｜invoke>"},
    {.name = "deepseek_r1",
     .style = CallStyle::named,
     .needles = {"<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>", "```json"},
     .sections = {{{"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"}}},
     .call_open = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
     .name_end = "\n```json\n",
     .call_close = "```<｜tool▁call▁end｜>"},
    {.name = "deepseek_v31",
     .style = CallStyle::named,
     .needles = {"<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>"},
     .sections = {{{"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"}}},
     .call_open = "<｜tool▁call▁begin｜>",
     .name_end = "<｜tool▁sep｜>",
     .call_close = "<｜tool▁call▁end｜>"},
    {.name = "kimi_k2",
     .style = CallStyle::named,
     .needles = {"<|tool_calls_section_begin|>"},
     .call_ends_reasoning = true,
     .sections = {{{"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"}}},
     .call_open = "<|tool_call_begin|>",
     .name_end = "<|tool_call_argument_begin|>",
     .call_close = "<|tool_call_end|>",
     .id_is_name = true},
    {.name = "mistral_args",
     .style = CallStyle::named,
     .needles = {"[TOOL_CALLS]", "[ARGS]"},
     .reasoning_open = "[THINK]",
     .reasoning_close = "[/THINK]",
     .call_open = "[TOOL_CALLS]",
     .name_end = "[ARGS]",
     .id_end = "[CALL_ID]"},
    {.name = "mistral_nemo",
     .style = CallStyle::json,
     .needles = {"[TOOL_CALLS]"},
     .reasoning_open = "[THINK]",
     .reasoning_close = "[/THINK]",
     .sections = {{{"[TOOL_CALLS]", {}}}}},
    {.name = "command_r7b",
     .style = CallStyle::json,
     .needles = {"<|START_ACTION|>"},
     .reasoning_open = "<|START_THINKING|>",
     .reasoning_close = "<|END_THINKING|>",
     .dropped = {"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"},
     .sections = {{{"<|START_ACTION|>", "<|END_ACTION|>"}}}},
    {.name = "command_r_plus",
     .style = CallStyle::json,
     .needles = {"<|CHATBOT_TOKEN|>", "Action:"},
     .dropped = {"<|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"},
     .sections = {{{"Action:\n```json\n", "```"}}}},
    {.name = "minimax_m3",
     .style = CallStyle::tagged,
     .needles = {"]<]minimax[>["},
     .reasoning_open = "<mm:think>",
     .reasoning_close = "</mm:think>",
     .sections = {{{"]<]minimax[>[<tool_call>", "]<]minimax[>[</tool_call>"}}},
     .call_open = "]<]minimax[>[<invoke name=\"",
     .name_end = "\">",
     .key_open = "]<]minimax[>[<",
     .key_end = ">",
     .value_close = "]<]minimax[>[</",
     .call_close = "]<]minimax[>[</invoke>",
     .nested_tags = true},
    {.name = "minimax_m2",
     .style = CallStyle::tagged,
     .needles = {"<minimax:tool_call>"},
     .sections = {{{"<minimax:tool_call>", "</minimax:tool_call>"}}},
     .call_open = "<invoke name=\"",
     .name_end = "\">",
     .key_open = "<parameter name=\"",
     .key_end = "\">",
     .value_close = "</parameter>",
     .call_close = "</invoke>"},
    {.name = "seed_oss",
     .style = CallStyle::tagged,
     .needles = {"<seed:tool_call>"},
     .reasoning_open = "<seed:think>",
     .reasoning_close = "</seed:think>",
     .sections = {{{"<seed:tool_call>", "</seed:tool_call>"}}},
     .call_open = "<function=",
     .name_end = ">",
     .key_open = "<parameter=",
     .key_end = ">",
     .value_close = "</parameter>",
     .call_close = "</function>"},
    {.name = "hunyuan_3",
     .style = CallStyle::tagged,
     .needles = {"'<arg_key{}>'.format(HYTK)", "HYTK = ':opensource'"},
     .reasoning_open = "<think:opensource>",
     .reasoning_close = "</think:opensource>",
     .sections = {{{"<tool_calls:opensource>", "</tool_calls:opensource>"}}},
     .call_open = "<tool_call:opensource>",
     .name_end = "<tool_sep:opensource>",
     .key_open = "<arg_key:opensource>",
     .key_end = "</arg_key:opensource>",
     .value_open = "<arg_value:opensource>",
     .value_close = "</arg_value:opensource>",
     .call_close = "</tool_call:opensource>"},
    {.name = "glm_4",
     .style = CallStyle::tagged,
     .needles = {"<arg_key>"},
     .call_open = "<tool_call>",
     .key_open = "<arg_key>",
     .key_end = "</arg_key>",
     .value_open = "<arg_value>",
     .value_close = "</arg_value>",
     .call_close = "</tool_call>"},
    {.name = "minicpm_5",
     .style = CallStyle::tagged,
     .needles = {"<function name=", "<param name="},
     .call_open = "<function name=\"",
     .name_end = "\">",
     .key_open = "<param name=\"",
     .key_end = "\">",
     .value_close = "</param>",
     .call_close = "</function>",
     .cdata = true},
    {.name = "qwen3_coder",
     .style = CallStyle::tagged,
     .needles = {"<tool_call>", "<function=", "<parameter="},
     .call_ends_reasoning = true,
     .sections = {{{"<tool_call>", "</tool_call>"}}},
     .call_open = "<function=",
     .name_end = ">",
     .key_open = "<parameter=",
     .key_end = ">",
     .value_close = "</parameter>",
     .call_close = "</function>",
     .values_on_own_lines = true,
     .content_keeps_space = true},
    {.name = "lfm2",
     .style = CallStyle::python,
     .needles = {"List of tools: "},
     .sections = {{{"<|tool_call_start|>", "<|tool_call_end|>"}}}},
    {.name = "apertus",
     .style = CallStyle::keyed,
     .needles = {"<|tools_prefix|>"},
     .sections = {{{"<|tools_prefix|>", "<|tools_suffix|>"}}}},
    {.name = "nemotron_v2",
     .style = CallStyle::json,
     .needles = {"<TOOLCALL>"},
     .sections = {{{"<TOOLCALL>", "</TOOLCALL>"}}}},
    {.name = "apriel_1.6",
     .style = CallStyle::json,
     .needles = {"<tool_calls>[", "Here are my reasoning steps:"},
     .reasoning_open = "<|begin_assistant|>",
     .reasoning_close = "[BEGIN FINAL RESPONSE]",
     .sections = {{{"<tool_calls>", "</tool_calls>"}}}},
    {.name = "apriel_1.5",
     .style = CallStyle::json,
     .needles = {"<tool_calls>["},
     .sections = {{{"<tool_calls>", "</tool_calls>"}}}},
    {.name = "gigachat_3",
     .style = CallStyle::json,
     .needles = {"function call", "<|role_sep|>", "<|message_sep|>"},
     .sections = {{{"<|message_sep|>\n\nfunction call<|role_sep|>\n", {}},
                   {"<|function_call|>", {}}}}},
    {.name = "firefunction_v2",
     .style = CallStyle::json,
     .needles = {" functools["},
     .sections = {{{"functools[", {}}}}},
    {.name = "functionary_3.2",
     .style = CallStyle::named,
     .needles = {">>>all"},
     .dropped = {">>>all\n"},
     .call_open = ">>>",
     .name_end = "\n"},
    {.name = "functionary_3.1",
     .style = CallStyle::named,
     .needles = {"<function=", "</function>"},
     .call_open = "<function=",
     .name_end = ">",
     .call_close = "</function>"},
    {.name = "hermes",
     .style = CallStyle::json,
     .needles = {"<tool_call>"},
     .sections = {{{"<tool_call>", "</tool_call>"}}}},
    {.name = "llama_3",
     .style = CallStyle::json,
     .needles = {"<|start_header_id|>", "\"parameters\":"},
     .bare = true},
    {.name = "generic",
     .style = CallStyle::json,
     .needles = {},
     .sections = {{{"<tool_call>", "</tool_call>"}}}},
};

bool fits(const Dialect& dialect, std::string_view template_text) {
  for (const std::string_view needle : dialect.needles) {
    if (template_text.find(needle) == std::string_view::npos) return false;
  }
  return true;
}

}  // namespace

std::span<const Dialect> dialects() {
  return kDialects;
}

const Dialect& choose_dialect(std::string_view template_text) {
  const Dialect* row = kDialects;
  while (!fits(*row, template_text)) ++row;  // the last one has no needles
  return *row;
}

const Dialect& choose_dialect(OutputFormat format, std::string_view template_text) {
  for (const Dialect& row : kDialects) {
    if (row.format == format && (format != OutputFormat::generic || fits(row, template_text))) {
      return row;
    }
  }
  return std::end(kDialects)[-1];
}

std::string_view begun_markers(const Dialect& dialect, std::string_view generation_prompt) {
  if (!dialect.reasoning_open.empty()) {
    const std::size_t open = generation_prompt.rfind(dialect.reasoning_open);
    if (open != std::string_view::npos) {
      const std::string_view begun = generation_prompt.substr(open);
      if (begun.find(dialect.reasoning_close) == std::string_view::npos) return begun;
    }
  }
  if (!dialect.call_open.empty() && generation_prompt.ends_with(dialect.call_open)) {
    return dialect.call_open;
  }
  return {};
}

std::string_view reasoning_beginning(const Dialect& dialect) {
  if (dialect.style == CallStyle::harmony) return "<|channel|>analysis<|message|>";
  if (dialect.format == OutputFormat::gemma4) return "<|channel>thought\n";
  return dialect.reasoning_open;
}

}  // namespace hearth::chat
