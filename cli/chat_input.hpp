// What a user says in hearth chat, message by message: from the keyboard with a line editor, or
// line by line from anything else.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/line_editor.hpp"
#include "common/result.hpp"

namespace hearth::cli {

class ChatInput {
 public:
  // keeps_history: lines typed are kept in $XDG_STATE_HOME/hearth/chat_history for the next chat.
  explicit ChatInput(bool keeps_history);

  // Standard input and standard error are a terminal: somebody sits there.
  bool is_terminal() const { return editor_ != nullptr; }
  // A line, or what stands between """ and """; "" where Ctrl-C dropped it; nullopt: there is no
  // more.  Errors: CANCELED for a signal that ends the program.
  Result<std::optional<std::string>> next();

 private:
  using Read = LineEditor::Read;
  Read read(const char* prompt, std::string& line);

  std::unique_ptr<LineEditor> editor_;  // nullptr: no terminal
};

}  // namespace hearth::cli
