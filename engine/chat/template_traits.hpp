// What a chat template takes, found out by rendering short conversations with it once.
//
// Templates differ in what they understand: no "developer", no system message, arguments of calls
// as JSON text or as values, content as text or as parts.  A conversation is brought to what a
// template takes before it is rendered (adapt()).
//
// Pure functions: any thread.
#pragma once

#include "engine/chat/conversation.hpp"
#include "engine/chat/jinja/jinja.hpp"

namespace hearth::chat {

struct TemplateTraits {
  bool system = true;           // it shows messages of the system
  bool developer = true;        // it knows that role
  bool text_arguments = false;  // arguments of calls are to be JSON text
  bool parts = false;           // content is to be a list of parts
  bool tools_list = false;      // tools are to be a list where there are none, too
};

// Renders up to eight conversations of one or two messages.
TemplateTraits find_traits(const jinja::Template& compiled, std::string_view source);

// Developers become the system, whose text is put before the first user's where the template has no
// place for it; arguments and content get the kind that it takes.  Errors: INVALID for arguments
// that are text but no JSON object, where the template wants values.
Status adapt(const TemplateTraits& traits, jinja::InputList& messages);

}  // namespace hearth::chat
