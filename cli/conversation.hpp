// Messages and options as libhearth takes them.
#pragma once

#include <string>

#include "hearth/hearth.h"

namespace hearth::cli {

// messages: a JSON list.  reasoning: "on", "off", an effort; empty: no opinion.  Both outlive it.
inline hearth_conversation conversation_of(const std::string& messages,
                                           const std::string& reasoning) {
  hearth_conversation conversation;
  hearth_conversation_init(&conversation);
  conversation.messages = messages.c_str();
  if (reasoning == "on" || reasoning == "off") {
    conversation.reasoning = reasoning == "on" ? 1 : 0;
  } else if (!reasoning.empty()) {
    conversation.effort = reasoning.c_str();
  }
  return conversation;
}

}  // namespace hearth::cli
