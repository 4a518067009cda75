// See conversation.hpp.
#include "engine/chat/conversation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace hearth::chat {
namespace {

using jinja::Input;
using jinja::InputDict;
using jinja::InputList;

constexpr std::size_t kNameMax = 256;  // bytes of a tool's or an author's name

Error wrong(const std::string& where, std::string_view why) {
  return {Code::INVALID, fmt::format("{}: {}", where, why)};
}

template <class T>
T* as(Input* value) {
  return value == nullptr ? nullptr : std::get_if<T>(&value->held);
}
bool is_none(const Input* value) {
  return value == nullptr || std::holds_alternative<std::monostate>(value->held);
}

void set(InputDict& dict, std::string_view key, Input value) {
  if (Input* found = find(dict, key)) {
    *found = std::move(value);
  } else {
    dict.emplace_back(key, std::move(value));
  }
}

// A text, or parts of text, which are joined.
Status settle_content(InputDict& message, const std::string& where) {
  Input* content = find(message, "content");
  if (is_none(content)) {
    set(message, "content", "");
    return {};
  }
  if (as<std::string>(content) != nullptr) return {};
  InputList* parts = as<InputList>(content);
  if (parts == nullptr) return wrong(where, "neither a text nor a list of parts");
  std::string joined;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    InputDict* part = as<InputDict>(&(*parts)[i]);
    if (part == nullptr) return wrong(at, "no object");
    const std::string* type = as<std::string>(find(*part, "type"));
    if (type == nullptr) return wrong(at + ".type", "no text");
    if (*type != "text") {
      return wrong(at + ".type",
                   fmt::format("\"{}\": this version takes parts of type \"text\" only",
                               type->substr(0, 64)));
    }
    const std::string* text = as<std::string>(find(*part, "text"));
    if (text == nullptr) return wrong(at + ".text", "no text");
    if (i != 0) joined += '\n';
    joined += *text;
  }
  *content = std::move(joined);
  return {};
}

Status check_call(Input& call, const std::string& where) {
  InputDict* dict = as<InputDict>(&call);
  InputDict* function = dict == nullptr ? nullptr : as<InputDict>(find(*dict, "function"));
  if (function == nullptr) return wrong(where + ".function", "no object");
  const std::string* name = as<std::string>(find(*function, "name"));
  if (name == nullptr || name->empty() || name->size() > kNameMax) {
    return wrong(where + ".function.name", fmt::format("no text of 1 to {} bytes", kNameMax));
  }
  Input* arguments = find(*function, "arguments");
  if (is_none(arguments)) {
    set(*function, "arguments", InputDict());
  } else if (as<std::string>(arguments) == nullptr && as<InputDict>(arguments) == nullptr) {
    return wrong(where + ".function.arguments", "neither a text nor an object");
  }
  if (is_none(find(*dict, "type"))) set(*dict, "type", "function");
  return {};
}

Status settle_calls(InputDict& message, bool is_model, const std::string& where) {
  Input* calls = find(message, "tool_calls");
  if (is_none(calls)) {
    std::erase_if(message, [](const auto& member) { return member.first == "tool_calls"; });
    return {};
  }
  if (!is_model) return wrong(where, "only messages of the assistant have calls");
  InputList* list = as<InputList>(calls);
  if (list == nullptr || list->size() > kToolsMax) {
    return wrong(where, fmt::format("no list of at most {} calls", kToolsMax));
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    HEARTH_CHECK(check_call((*list)[i], fmt::format("{}[{}]", where, i)));
  }
  return {};
}

// One name for it; two are in use.
Status settle_reasoning(InputDict& message, const std::string& where) {
  for (const char* key : {"reasoning_content", "reasoning"}) {
    Input* reasoning = find(message, key);
    if (reasoning == nullptr) continue;
    if (is_none(reasoning)) {
      std::erase_if(message, [&](const auto& member) { return member.first == key; });
      continue;
    }
    if (as<std::string>(reasoning) == nullptr) {
      return wrong(fmt::format("{}.{}", where, key), "no text");
    }
    if (std::string_view(key) == "reasoning" && find(message, "reasoning_content") == nullptr) {
      Input text = std::move(*reasoning);
      std::erase_if(message, [&](const auto& member) { return member.first == key; });
      set(message, "reasoning_content", std::move(text));
    }
  }
  return {};
}

Status settle_message(Input& value, const std::string& where) {
  static constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user",
                                                             "assistant", "tool"};
  InputDict* message = as<InputDict>(&value);
  if (message == nullptr) return wrong(where, "no object");
  const std::string* role = as<std::string>(find(*message, "role"));
  if (role == nullptr || std::ranges::find(kRoles, *role) == kRoles.end()) {
    return wrong(where + ".role", "not one of system, developer, user, assistant, tool");
  }
  const bool is_model = *role == "assistant";
  for (const char* key : {"name", "tool_call_id"}) {
    Input* name = find(*message, key);
    if (is_none(name)) continue;
    const std::string* text = as<std::string>(name);
    if (text == nullptr || text->size() > kNameMax) {
      return wrong(fmt::format("{}.{}", where, key), fmt::format("no text of {} bytes", kNameMax));
    }
  }
  HEARTH_CHECK(settle_content(*message, where + ".content"));
  HEARTH_CHECK(settle_reasoning(*message, where));
  return settle_calls(*message, is_model, where + ".tool_calls");
}

Status settle_tool(Input& value, const std::string& where) {
  InputDict* tool = as<InputDict>(&value);
  if (tool == nullptr) return wrong(where, "no object");
  if (is_none(find(*tool, "type"))) set(*tool, "type", "function");
  const std::string* type = as<std::string>(find(*tool, "type"));
  if (type == nullptr || *type != "function") return wrong(where + ".type", "not \"function\"");
  InputDict* function = as<InputDict>(find(*tool, "function"));
  if (function == nullptr) return wrong(where + ".function", "no object");
  const std::string* name = as<std::string>(find(*function, "name"));
  if (name == nullptr || name->empty() || name->size() > kNameMax) {
    return wrong(where + ".function.name", fmt::format("no text of 1 to {} bytes", kNameMax));
  }
  const Input* parameters = find(*function, "parameters");
  if (!is_none(parameters) && !std::holds_alternative<InputDict>(parameters->held)) {
    return wrong(where + ".function.parameters", "no object");
  }
  return {};
}

using Settle = Status (*)(Input&, const std::string&);
Status take_list(Input& value, std::string_view key, std::size_t max, Settle settle,
                 InputList& list) {
  InputList* given = as<InputList>(&value);
  if (given == nullptr || given->size() > max) {
    return wrong(std::string(key), fmt::format("no list of at most {}", max));
  }
  for (std::size_t i = 0; i < given->size(); ++i) {
    HEARTH_CHECK(settle((*given)[i], fmt::format("{}[{}]", key, i)));
  }
  list = std::move(*given);
  return {};
}

Status take_bool(const Input& value, std::string_view key, bool& field) {
  const bool* held = std::get_if<bool>(&value.held);
  if (held == nullptr) return wrong(std::string(key), "neither true nor false");
  field = *held;
  return {};
}

// true, false, or how much of it.
Status take_reasoning(Input& value, Conversation& conversation) {
  constexpr std::size_t kEffortMax = 32;
  if (const bool* held = std::get_if<bool>(&value.held)) {
    conversation.reasoning = *held;
    return {};
  }
  std::string* effort = as<std::string>(&value);
  if (effort == nullptr || effort->empty() || effort->size() > kEffortMax) {
    return wrong("reasoning", "neither true, false nor an effort as \"low\", \"medium\", \"high\"");
  }
  conversation.reasoning = *effort != "none" && *effort != "off";
  if (*effort != "on" && *conversation.reasoning) conversation.effort = std::move(*effort);
  return {};
}

Status take_member(std::string_view key, Input& value, Conversation& conversation) {
  if (key == "messages") {
    return take_list(value, key, kMessagesMax, settle_message, conversation.messages);
  }
  if (key == "tools") {
    return is_none(&value) ? Status()
                           : take_list(value, key, kToolsMax, settle_tool, conversation.tools);
  }
  if (key == "reasoning") return take_reasoning(value, conversation);
  if (key == "template_arguments") {
    InputDict* arguments = as<InputDict>(&value);
    if (arguments == nullptr || arguments->size() > kArgumentsMax) {
      return wrong(std::string(key), fmt::format("no object of at most {} keys", kArgumentsMax));
    }
    conversation.arguments = std::move(*arguments);
    return {};
  }
  if (key == "generation_prompt") return take_bool(value, key, conversation.generation_prompt);
  if (key == "continue") return take_bool(value, key, conversation.continues);
  if (key == "split_reasoning") return take_bool(value, key, conversation.split_reasoning);
  return wrong(std::string(key.substr(0, 64)),
               "unknown; there are messages, tools, reasoning, template_arguments, "
               "generation_prompt, continue, split_reasoning");
}

// A NUL would end texts too early on their way; of a key that stands twice, one would be checked
// and the other used.
Status check_texts(const Input& value) {
  const auto has_nul = [](const std::string& text) { return text.find('\0') != text.npos; };
  bool found = false;
  if (const auto* text = std::get_if<std::string>(&value.held)) found = has_nul(*text);
  if (const auto* list = std::get_if<InputList>(&value.held)) {
    for (const Input& item : *list) HEARTH_CHECK(check_texts(item));
  }
  if (const auto* dict = std::get_if<InputDict>(&value.held)) {
    std::vector<std::string_view> keys;
    for (const auto& [key, item] : *dict) {
      found = found || has_nul(key);
      keys.push_back(key);
      HEARTH_CHECK(check_texts(item));
    }
    std::ranges::sort(keys);
    const auto twice = std::ranges::adjacent_find(keys);
    if (twice != keys.end()) return wrong(std::string(twice->substr(0, 64)), "it stands twice");
  }
  if (!found) return {};
  return Error{Code::INVALID, "a text of the conversation has a NUL (\\u0000)"};
}

// A text may be meant where the schema does not exclude it.
bool may_be_text(const Input& schema) {
  const Input* type = schema.find("type");
  if (type != nullptr) {
    if (const auto* name = std::get_if<std::string>(&type->held)) return *name == "string";
    if (const auto* names = std::get_if<InputList>(&type->held)) {
      return std::ranges::any_of(*names, [](const Input& name) {
        const auto* text = std::get_if<std::string>(&name.held);
        return text != nullptr && *text == "string";
      });
    }
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    const Input* choices = schema.find(key);
    const auto* list = choices == nullptr ? nullptr : std::get_if<InputList>(&choices->held);
    if (list != nullptr) return std::ranges::any_of(*list, may_be_text);
  }
  const Input* values = schema.find("enum");
  const auto* list = values == nullptr ? nullptr : std::get_if<InputList>(&values->held);
  return list != nullptr && std::ranges::any_of(*list, [](const Input& value) {
           return std::holds_alternative<std::string>(value.held);
         });
}

}  // namespace

Input* find(InputDict& dict, std::string_view key) {
  const auto found = std::ranges::find(
      dict, key, [](const auto& member) { return std::string_view(member.first); });
  return found == dict.end() ? nullptr : &found->second;
}

Result<Conversation> parse_conversation(std::string_view json) {
  constexpr std::uint32_t kNestingMax = 64;
  HEARTH_TRY(Input document, jinja::parse_json(json, kNestingMax));
  HEARTH_CHECK(check_texts(document));
  InputDict* members = as<InputDict>(&document);
  if (members == nullptr) return Error{Code::INVALID, "a conversation is one JSON object"};
  Conversation conversation;
  for (auto& [key, value] : *members) HEARTH_CHECK(take_member(key, value, conversation));
  if (conversation.messages.empty()) return wrong("messages", "there are none");
  if (conversation.continues) {
    InputDict* last = as<InputDict>(&conversation.messages.back());
    if (*as<std::string>(find(*last, "role")) != "assistant") {
      return wrong("continue", "the last message is not the assistant's");
    }
    const InputList* calls = as<InputList>(find(*last, "tool_calls"));
    if (calls != nullptr && !calls->empty()) {
      return wrong("continue", "the last message has calls: results of tools go on from there");
    }
    const auto is_blank = [&](const char* key) {
      const std::string* text = as<std::string>(find(*last, key));
      return text == nullptr || text->find_first_not_of(" \t\r\n") == text->npos;
    };
    if (is_blank("content") && is_blank("reasoning_content")) {
      return wrong("continue", "the last message has no content or reasoning to go on from");
    }
    conversation.generation_prompt = false;
  }
  return conversation;
}

std::vector<ToolShape> tool_shapes(const InputList& tools) {
  std::vector<ToolShape> shapes;
  for (const Input& tool : tools) {
    const Input* function = tool.find("function");
    const Input* name = function == nullptr ? nullptr : function->find("name");
    const auto* text = name == nullptr ? nullptr : std::get_if<std::string>(&name->held);
    if (text == nullptr) continue;
    ToolShape shape = {*text, {}};
    const Input* parameters = function->find("parameters");
    const Input* properties = parameters == nullptr ? nullptr : parameters->find("properties");
    const auto* dict = properties == nullptr ? nullptr : std::get_if<InputDict>(&properties->held);
    if (dict != nullptr) {
      for (const auto& [key, schema] : *dict) {
        shape.parameters.push_back(
            {key, may_be_text(schema) ? ParameterKind::string : ParameterKind::json});
      }
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

}  // namespace hearth::chat
