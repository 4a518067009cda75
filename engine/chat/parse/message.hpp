// What a model's output is parsed to: a message, and the deltas that add up to it.
//
// Bytes are the model's own: text is not checked for UTF-8 here, and a delta never ends inside a
// character where the pieces that came in did not.
//
// THREAD: plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace hearth::chat {

struct ToolCall {
  std::string name;
  std::string arguments;  // JSON text; a prefix of it where the call did not finish
  std::string id;         // empty where the syntax carries none
};

struct Message {
  std::string content;
  std::string reasoning;
  std::vector<ToolCall> calls;
  // For people.  The first kWarningsMax of them, and those that hold text which stands nowhere
  // else.
  std::vector<std::string> warnings;
};

inline constexpr std::size_t kWarningsMax = 16;

struct Delta {
  enum class Kind : std::uint8_t {
    reasoning,   // text: more of the reasoning
    content,     // text: more of the content
    call_begin,  // text: the name of call number `call`, id: its id or empty
    call_id,     // id: that of call number `call`, where the syntax has it behind the arguments
    arguments,   // text: more of the JSON text of the arguments of call number `call`
  };
  Kind kind;
  std::uint32_t call = 0;  // index in Message::calls
  std::string text;
  std::string id;
};

// What the parser has to know of a tool: how to read a parameter that is written as bare text.
// The daemon fills it from the JSON schema of the tool.
enum class ParameterKind : std::uint8_t {
  unknown,  // not declared: JSON where it reads as JSON, else a string
  string,   // a string may be meant: the text as it is
  json,     // a number, boolean, array, object, ...: JSON; a string where it is no JSON
};

struct ToolParameter {
  std::string name;
  ParameterKind kind = ParameterKind::unknown;
};

struct ToolShape {
  std::string name;
  std::vector<ToolParameter> parameters;
};

}  // namespace hearth::chat
