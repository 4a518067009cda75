// See template_traits.hpp.
#include "engine/chat/template_traits.hpp"

#include <fmt/format.h>

#include "engine/chat/input_json.hpp"

namespace hearth::chat {
namespace {

using jinja::Input;
using jinja::InputDict;
using jinja::InputList;

// A text that no template has of its own.
constexpr const char* kProbe = "hearth probe";

InputDict message(const char* role, Input content) {
  return {{"role", role}, {"content", std::move(content)}};
}

// What comes of the messages; empty when the template refuses them.
std::string rendered(const jinja::Template& compiled, InputList messages, Input tools = {}) {
  const InputDict context = {{"messages", std::move(messages)},
                             {"add_generation_prompt", false},
                             {"bos_token", ""},
                             {"eos_token", ""},
                             {"tools", std::move(tools)}};
  const auto result = jinja::render(compiled, context);
  return result ? result->text : std::string();
}

bool contains(const std::string& text, std::string_view what) {
  return text.find(what) != std::string::npos;
}

std::string with_call(const jinja::Template& compiled, Input arguments, const Input& tools) {
  InputDict call = {
      {"id", "call00001"},
      {"type", "function"},
      {"function", InputDict{{"name", "probe"}, {"arguments", std::move(arguments)}}}};
  InputDict model = message("assistant", "");
  model.emplace_back("tool_calls", InputList{std::move(call)});
  return rendered(compiled, {message("user", "x"), std::move(model)}, tools);
}

// Both kinds may be shown; one of them wrongly: values in Python's spelling, or JSON text as a JSON
// text.
bool takes_text_arguments(const jinja::Template& compiled, const Input& tools) {
  const std::string of_values = with_call(compiled, InputDict{{"probe_key", kProbe}}, tools);
  if (contains(of_values, kProbe) && !contains(of_values, "'probe_key'")) return false;
  const std::string of_text = with_call(compiled, R"({"probe_key": "hearth probe"})", tools);
  return contains(of_text, R"({"probe_key": "hearth probe"})");
}

std::string* text_of(Input* value) {
  return value == nullptr ? nullptr : std::get_if<std::string>(&value->held);
}

// Arguments as JSON text: what a client gave as values.
Status adapt_arguments(const TemplateTraits& traits, InputDict& model, std::size_t number) {
  Input* calls = find(model, "tool_calls");
  auto* list = calls == nullptr ? nullptr : std::get_if<InputList>(&calls->held);
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    auto& call = std::get<InputDict>((*list)[i].held);
    Input* arguments = find(std::get<InputDict>(find(call, "function")->held), "arguments");
    const std::string* text = text_of(arguments);
    if (traits.text_arguments == (text != nullptr)) continue;
    if (text == nullptr) {
      *arguments = to_json(*arguments);
      continue;
    }
    auto values = text->empty() ? Result<Input>(InputDict()) : jinja::parse_json(*text);
    if (!values || !std::holds_alternative<InputDict>(values->held)) {
      return Error{Code::INVALID,
                   fmt::format("messages[{}].tool_calls[{}].function.arguments: no JSON object: {}",
                               number, i, values ? "another value" : values.error().message)};
    }
    *arguments = *std::move(values);
  }
  return {};
}

}  // namespace

TemplateTraits find_traits(const jinja::Template& compiled, std::string_view source) {
  TemplateTraits traits;
  traits.developer = source.find("developer") != std::string_view::npos;
  const InputList said = {message("user", kProbe)};
  traits.tools_list = !contains(rendered(compiled, said), kProbe) &&
                      contains(rendered(compiled, said, InputList()), kProbe);
  const Input tools = traits.tools_list ? Input(InputList()) : Input();
  InputList parts = {InputDict{{"type", "text"}, {"text", kProbe}}};
  traits.parts = !contains(rendered(compiled, said, tools), kProbe) &&
                 contains(rendered(compiled, {message("user", std::move(parts))}, tools), kProbe);
  if (traits.parts) return traits;  // the other probes have content as text
  const InputList told = {message("system", kProbe), message("user", "x")};
  traits.system = contains(rendered(compiled, told, tools), kProbe);
  traits.text_arguments = takes_text_arguments(compiled, tools);
  return traits;
}

Status adapt(const TemplateTraits& traits, InputList& messages) {
  std::string system;  // without a place
  InputList adapted;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    auto& message = std::get<InputDict>(messages[i].held);
    std::string& role = *text_of(find(message, "role"));
    std::string& content = *text_of(find(message, "content"));
    if (role == "developer" && !traits.developer) role = "system";
    if (role == "system" && !traits.system) {
      system += content + "\n\n";
      continue;
    }
    if (role == "user" && !system.empty()) content.insert(0, std::exchange(system, ""));
    HEARTH_CHECK(adapt_arguments(traits, message, i));
    if (traits.parts) {
      InputList parts = {InputDict{{"type", "text"}, {"text", std::move(content)}}};
      *find(message, "content") = std::move(parts);
    }
    adapted.push_back(std::move(messages[i]));
  }
  if (!system.empty()) {  // no user comes behind it
    system.resize(system.find_last_not_of('\n') + 1);
    Input content = traits.parts
                        ? Input(InputList{InputDict{{"type", "text"}, {"text", std::move(system)}}})
                        : Input(std::move(system));
    adapted.push_back(message("user", std::move(content)));
  }
  messages = std::move(adapted);
  return {};
}

}  // namespace hearth::chat
