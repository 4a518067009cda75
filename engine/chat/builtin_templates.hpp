// Templates that come with Hearth: engine/chat/templates/*.jinja, for models whose file has none.
//
// They are compiled as any other; constant: any thread.
#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace hearth::chat {

struct BuiltinTemplate {
  std::string_view name;  // "chatml"
  std::string_view source;
};

// All of them, by name.
std::span<const BuiltinTemplate> builtin_templates();

// nullptr: there is none of this name.
const BuiltinTemplate* find_builtin_template(std::string_view name);

// The one for a vocabulary, by tokens that only its family has; nullptr: none is known.  has_token
// says whether a token is spelled so.
const BuiltinTemplate* builtin_template_for(const std::function<bool(std::string_view)>& has_token);

}  // namespace hearth::chat
