// See text_conversion.hpp.
#include "daemon/text_conversion.hpp"

#include <fmt/format.h>

#include <ctime>
#include <utility>

namespace hearth {
namespace {

std::tm local_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  return local;
}

chat::Conversation of_user(std::string text) {
  chat::Conversation conversation;
  conversation.messages.push_back(jinja::InputDict{{"role", "user"}, {"content", std::move(text)}});
  return conversation;
}

// What the client would want to know of its prompt.
std::vector<std::string> warnings_of(const chat::ChatFormat& format,
                                     const chat::Conversation& conversation,
                                     const chat::ChatPrompt& prompt) {
  std::vector<std::string> warnings;
  if (!format.warning().empty()) warnings.push_back(format.warning());
  for (const chat::ToolShape& tool : chat::tool_shapes(conversation.tools)) {
    if (prompt.text.find(tool.name) != std::string::npos) continue;
    warnings.push_back(
        fmt::format("the model's template does not show the tool \"{}\" to it", tool.name));
    break;  // nor the others
  }
  return warnings;
}

// What RENDER answers.
std::string prompt_document(const chat::ChatPrompt& prompt, std::size_t tokens,
                            std::uint64_t recomputed) {
  JsonWriter input = JsonWriter::array();
  for (const RenderedText::Range& range : prompt.input) {
    JsonWriter pair = JsonWriter::array();
    pair.push(static_cast<std::int32_t>(range.begin)).push(static_cast<std::int32_t>(range.end));
    input.push(std::move(pair));
  }
  JsonWriter json;
  json.add("prompt", prompt.text)
      .add("tokens", std::uint64_t{tokens})
      .add("generation_prompt", prompt.generation_prompt)
      .add("input", std::move(input))
      .add("recomputed_for_template", recomputed);
  return json.text();
}

}  // namespace

Status TextConversion::run() {
  switch (kind) {
    case Kind::encode: {
      HEARTH_TRY(ids, tokenizer->encode(text, encode));
      return {};
    }
    case Kind::decode: return decode_ids();
    case Kind::as_user: return make_prompt(of_user(std::move(text)));
    case Kind::converse:
    case Kind::render: {
      HEARTH_TRY(chat::Conversation conversation, chat::parse_conversation(text));
      return make_prompt(std::move(conversation));
    }
  }
  return {};
}

Status TextConversion::decode_ids() {
  const auto size = static_cast<TokenId>(tokenizer->vocabulary().size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < size) continue;
    return Error{Code::INVALID,
                 fmt::format("token {}: id {} is outside the vocabulary of {}", i, ids[i], size)};
  }
  text = tokenizer->decode(ids, spell_special);
  return {};
}

Status TextConversion::make_prompt(chat::Conversation conversation) {
  HEARTH_TRY(const chat::ChatPrompt prompt, format->render(conversation, local_now()));
  HEARTH_TRY(chat::ChatTokens tokens, format->encode(*tokenizer, prompt));
  ids = std::move(tokens.ids);
  turn_starts = std::move(tokens.turn_starts);
  const auto [begin, end] = prompt.behind_left_out;
  HEARTH_TRY(const auto behind,
             tokenizer->encode(std::string_view(prompt.text).substr(begin, end - begin),
                               {.add_special = false, .parse_special = true}));
  recomputed = behind.size();
  if (kind == Kind::render) text = prompt_document(prompt, ids.size(), recomputed);
  if (kind == Kind::converse) {
    warnings = warnings_of(*format, conversation, prompt);
    parser = std::make_unique<chat::OutputParser>(format->parser_options(conversation, prompt));
  }
  return {};
}

JsonWriter message_document(const chat::Message& message) {
  JsonWriter json;
  json.add("role", "assistant").add("content", message.content);
  if (!message.reasoning.empty()) json.add("reasoning_content", message.reasoning);
  if (message.calls.empty()) return json;
  JsonWriter calls = JsonWriter::array();
  for (const chat::ToolCall& call : message.calls) {
    JsonWriter function;
    function.add("name", call.name).add("arguments", call.arguments);
    JsonWriter one;
    one.add("id", call.id).add("type", "function").add("function", std::move(function));
    calls.push(std::move(one));
  }
  json.add("tool_calls", std::move(calls));
  return json;
}

}  // namespace hearth
