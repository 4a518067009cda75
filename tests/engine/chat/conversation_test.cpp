// Goal: what a client sends is brought to one form, or refused by the name of what is wrong.
#include "engine/chat/conversation.hpp"

#include <gtest/gtest.h>

#include "engine/chat/input_json.hpp"

namespace hearth::chat {
namespace {

std::string error_of(const std::string& json) {
  const auto conversation = parse_conversation(json);
  return conversation ? "none" : conversation.error().message;
}

std::string with_message(const std::string& message) {
  return R"({"messages": [{"role": "user", "content": "a"}, )" + message + "]}";
}

TEST(Conversation, is_brought_to_one_form) {
  const auto conversation = parse_conversation(R"({
    "messages": [
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
      {"role": "assistant", "content": null, "reasoning": "r",
       "tool_calls": [{"function": {"name": "f"}}]},
      {"role": "tool", "tool_call_id": "1", "content": "c", "tool_calls": null}],
    "tools": [{"function": {"name": "f", "parameters": {}}}],
    "reasoning": "high", "template_arguments": {"x": 1}, "split_reasoning": false})");
  ASSERT_TRUE(conversation) << conversation.error().message;
  EXPECT_EQ(to_json(conversation->messages),
            R"([{"role": "user", "content": "a\nb"}, )"
            R"({"role": "assistant", "content": "", )"
            R"("tool_calls": [{"function": {"name": "f", "arguments": {}}, "type": "function"}], )"
            R"("reasoning_content": "r"}, )"
            R"({"role": "tool", "tool_call_id": "1", "content": "c"}])");
  EXPECT_EQ(to_json(conversation->tools),
            R"([{"function": {"name": "f", "parameters": {}}, "type": "function"}])");
  EXPECT_EQ(conversation->reasoning, true);
  EXPECT_EQ(conversation->effort, "high");
  EXPECT_FALSE(conversation->split_reasoning);
  EXPECT_TRUE(conversation->generation_prompt);
}

TEST(Conversation, reasoning_is_on_off_or_an_effort) {
  const auto read = [](const std::string& value) {
    return parse_conversation(R"({"messages": [{"role": "user"}], "reasoning": )" + value + "}");
  };
  EXPECT_EQ(read("true")->reasoning, true);
  EXPECT_EQ(read("false")->reasoning, false);
  EXPECT_EQ(read("\"off\"")->reasoning, false);
  EXPECT_EQ(read("\"none\"")->effort, "");
  EXPECT_EQ(read("\"on\"")->effort, "");
  EXPECT_EQ(read("\"low\"")->effort, "low");
  EXPECT_FALSE(read("3"));
  EXPECT_FALSE(read("\"\""));
}

TEST(Conversation, what_is_wrong_is_named) {
  const std::pair<std::string, const char*> cases[] = {
      {"{}", "messages: there are none"},
      {"[]", "a conversation is one JSON object"},
      {R"({"messages": {}})", "messages: no list"},
      {R"({"messages": [1]})", "messages[0]: no object"},
      {R"({"messages": [{"content": "a"}]})", "messages[0].role: not one of system"},
      {R"({"messages": [{"role": "root"}]})", "messages[0].role: not one of system"},
      {with_message(R"({"role": "user", "content": 1})"), "messages[1].content: neither a text"},
      {with_message(R"({"role": "user", "content": [{"type": "image"}]})"),
       "messages[1].content[0].type: \"image\": this version takes parts of type \"text\" only"},
      {with_message(R"({"role": "user", "content": [{"type": "text"}]})"),
       "messages[1].content[0].text: no text"},
      {with_message(R"({"role": "user", "tool_calls": []})"), "messages[1].tool_calls: only"},
      {with_message(R"({"role": "assistant", "tool_calls": [{}]})"),
       "messages[1].tool_calls[0].function: no object"},
      {with_message(R"({"role": "assistant", "tool_calls": [{"function": {"name": ""}}]})"),
       "messages[1].tool_calls[0].function.name: no text"},
      {with_message(
           R"({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 1}}]})"),
       "messages[1].tool_calls[0].function.arguments: neither a text"},
      {with_message(R"({"role": "assistant", "reasoning_content": 1})"),
       "messages[1].reasoning_content: no text"},
      {with_message(R"({"role": "user", "name": 1})"), "messages[1].name: no text"},
      {R"({"messages": [{"role": "user"}], "tools": [{"function": {}}]})",
       "tools[0].function.name: no text"},
      {R"({"messages": [{"role": "user"}], "tools": [{"type": "x"}]})", "tools[0].type: not"},
      {R"({"messages": [{"role": "user"}], "continue": true})", "continue: the last message"},
      {R"({"messages": [{"role": "user"}], "colour": 1})", "colour: unknown; there are messages"},
      {R"({"messages": [{"role": "assistant", "content": " "}], "continue": true})",
       "continue: the last message has no content"},
      {R"({"messages": [{"role": "assistant", "content": "a", "tool_calls": [{"function":)"
       R"( {"name": "f"}}]}], "continue": true})",
       "continue: the last message has calls"},
      {R"({"messages": [{"role": "user", "role": "boss"}]})", "role: it stands twice"},
      {R"({"messages": [{"role": "user", "content": "a\u0000b"}]})", "has a NUL"},
      {R"({"messages": [{"role": "user", "a\u0000b": 1}]})", "has a NUL"},
  };
  for (const auto& [json, why] : cases) {
    EXPECT_NE(error_of(json).find(why), std::string::npos) << json << ": " << error_of(json);
  }
}

TEST(Conversation, arguments_are_limited) {
  std::string arguments;
  for (std::size_t i = 0; i <= kArgumentsMax; ++i) {
    arguments += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
  }
  EXPECT_NE(
      error_of(R"({"messages": [{"role": "user"}], "template_arguments": {)" + arguments + "}}")
          .find("template_arguments: no object of at most 256"),
      std::string::npos);
}

TEST(Conversation, nesting_is_limited) {
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  EXPECT_EQ(parse_conversation(R"({"messages": )" + deep + "}").error().code, Code::LIMIT);
}

TEST(Conversation, schemas_tell_which_parameters_may_be_texts) {
  const auto conversation = parse_conversation(R"({
    "messages": [{"role": "user"}],
    "tools": [{"function": {"name": "f", "parameters": {"properties": {
      "a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": ["null", "string"]},
      "d": {"enum": ["x"]}, "e": {"anyOf": [{"type": "number"}, {"type": "string"}]},
      "g": {"enum": [1]}, "h": {}}}}}]})");
  ASSERT_TRUE(conversation);
  const std::vector<ToolShape> shapes = tool_shapes(conversation->tools);
  ASSERT_EQ(shapes.size(), 1u);
  EXPECT_EQ(shapes[0].name, "f");
  std::string texts;
  for (const ToolParameter& parameter : shapes[0].parameters) {
    if (parameter.kind == ParameterKind::string) texts += parameter.name;
  }
  EXPECT_EQ(texts, "acde");
}

TEST(InputJson, is_spelled_as_python_does) {
  const std::string json =
      R"({"a": [1, 2.5, 1e+20, 2.0, true, false, null], "b": "\"\\\n\t\u0001é", "c": {}, "d": []})";
  const auto parsed = jinja::parse_json(json);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(to_json(*parsed), json);
}

}  // namespace
}  // namespace hearth::chat
