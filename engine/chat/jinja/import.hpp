// Input to values of a render.
#pragma once

#include "engine/chat/jinja/input.hpp"
#include "engine/chat/jinja/run.hpp"

namespace hearth::jinja {

// What the texts of a value count as.
struct Origin {
  bool input = true;  // else the template's
  std::int32_t message = kNoMessage;
};

// copy: texts are copied, else they must live as long as the render.  Fails for text that is not
// UTF-8, and for what is nested too deeply.
Value import(Run& run, const Input& input, Origin origin, bool copy);
// The list of messages: each item has its index for origin.
Value import_messages(Run& run, const Input& input);

}  // namespace hearth::jinja
