// What a client asks of a chat: messages, tools, and how to reason.  Hostile input: all of it is
// checked here, before a template sees it.
//
// THREAD: plain data and pure functions: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "engine/chat/jinja/input.hpp"
#include "engine/chat/parse/message.hpp"

namespace hearth::chat {

inline constexpr std::size_t kMessagesMax = 16'384;
inline constexpr std::size_t kToolsMax = 1024;
inline constexpr std::size_t kArgumentsMax = 256;

struct Conversation {
  // Each a dict with "role", one of system, developer, user, assistant, tool, and "content", a
  // text: parts of text are joined by line breaks, none is the empty text.  Reasoning is
  // "reasoning_content", arguments of calls are as they came: a text or a dict.  Other keys stay.
  jinja::InputList messages;
  jinja::InputList tools;         // each a dict with "type" and "function", which has a "name"
  std::optional<bool> reasoning;  // whether the model should reason; unset: as its template likes
  std::string effort;             // "low", "high" ...; empty: no opinion
  jinja::InputDict arguments;     // variables for the template alone
  bool generation_prompt = true;  // the prompt ends with the begin of the model's turn
  bool continues = false;         // the last message is the model's, and it goes on with it
  bool split_reasoning = true;    // reasoning apart from content in what is answered
};

// One JSON document; keys as docs/wire.md has them.  Errors: INVALID naming the key,
// "messages[3].content: ...".
Result<Conversation> parse_conversation(std::string_view json);

// What the parser has to know of the tools.
std::vector<ToolShape> tool_shapes(const jinja::InputList& tools);

// The value of a key of a dict that may be changed; nullptr: there is none.
jinja::Input* find(jinja::InputDict& dict, std::string_view key);

}  // namespace hearth::chat
