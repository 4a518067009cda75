// Input to JSON text, spelled as Python's json.dumps() does: ", " and ": " between, in order, no
// escapes but those that JSON needs.
//
// Pure function: any thread.
#pragma once

#include <string>

#include "engine/chat/jinja/input.hpp"

namespace hearth::chat {

std::string to_json(const jinja::Input& value);

}  // namespace hearth::chat
