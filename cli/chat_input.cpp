// See chat_input.hpp.
#include "cli/chat_input.hpp"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string_view>

#include "cli/environment.hpp"

namespace hearth::cli {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";

std::string history_file() {
  const std::string directory = user_directory("XDG_STATE_HOME", ".local/state");
  return directory.empty() ? "" : directory + "/chat_history";
}

}  // namespace

ChatInput::ChatInput(bool keeps_history) {
  if (isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1) {
    editor_ = std::make_unique<LineEditor>(keeps_history ? history_file() : "");
  }
}

LineEditor::Read ChatInput::read(const char* prompt, std::string& line) {
  if (is_terminal()) return editor_->read(prompt, line);
  return std::getline(std::cin, line) ? Read::line : Read::end;
}

Result<std::optional<std::string>> ChatInput::next() {
  std::string text, line;
  const char* prompt = "> ";
  for (bool quoted = false;;) {
    switch (read(prompt, line)) {
      case Read::line: break;
      case Read::interrupted: return std::optional<std::string>("");
      case Read::terminated: return Error{Code::CANCELED, "interrupted"};
      case Read::end:
        if (quoted) return std::optional(text);
        if (is_terminal()) std::fputc('\n', stderr);
        return std::optional<std::string>();
    }
    if (quoted) {
      text += '\n' + line;
    } else if (line.starts_with(kQuotes)) {
      quoted = true;
      text = line.substr(kQuotes.size());
      prompt = "... ";
    } else {
      return std::optional(line);
    }
    if (!text.ends_with(kQuotes)) continue;
    text.resize(text.size() - kQuotes.size());
    return std::optional(text);
  }
}

}  // namespace hearth::cli
