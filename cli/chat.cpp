// hearth chat: a conversation in the terminal.
//
// Answers go to standard output as they come, figures and the prompt to standard error.  A signal
// while an answer comes cancels it, and the chat goes on with what is there.  Without a terminal
// every line of standard input is a message.
#include <fmt/format.h>
#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "cli/cache_use.hpp"
#include "cli/chat_history.hpp"
#include "cli/chat_input.hpp"
#include "cli/commands.hpp"
#include "cli/connection.hpp"
#include "cli/conversation.hpp"
#include "cli/generation.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress_bar.hpp"
#include "cli/standard_output.hpp"
#include "cli/token_file.hpp"

namespace hearth::cli {
namespace {

constexpr const char* kHelp =
    "/help              this\n"
    "/system TEXT       what the model is told first; without TEXT: show it\n"
    "/reasoning WHAT    on, off, default, or an effort as low, medium, high\n"
    "/retry             another answer to the last message\n"
    "/undo              without the last message and its answer\n"
    "/clear             without all messages\n"
    "/save FILE         write the messages, JSON\n"
    "/load FILE         go on with such messages\n"
    "/stats on|off      figures behind each answer\n"
    "/bye               leave; Ctrl-D does too\n"
    "Several lines: begin with \"\"\" and end with \"\"\".  Ctrl-C stops an answer, or drops what "
    "is\n"
    "typed.  Arrow keys and Ctrl-R find what was typed before.\n";

// An answer on its way to the terminal: reasoning and calls apart from what is said.
class Answer {
 public:
  explicit Answer(bool colours) : colours_(colours) {}

  Status take(const hearth_event& event) {
    const std::string_view text(event.text, event.text_size);
    switch (event.delta_kind) {
      case HEARTH_DELTA_REASONING: return write(Part::reasoning, text);
      case HEARTH_DELTA_CONTENT: return write(Part::content, text);
      case HEARTH_DELTA_CALL: return write(Part::none, fmt::format("\n[call {} ", text));
      case HEARTH_DELTA_ARGUMENTS: return write(Part::call, text);
      default: return {};  // of a later version
    }
  }

  Status end() {
    HEARTH_CHECK(write(Part::none, ""));
    return ends_line_ ? Status() : write_output("\n");
  }

 private:
  enum class Part { none, reasoning, content, call };

  Status write(Part part, std::string_view text) {
    std::string out;
    if (part != part_) {
      if (part_ == Part::reasoning) out += colours_ ? "\x1b[0m\n" : "\n";
      if (part_ == Part::call) out += "]\n";
      if (part == Part::reasoning && colours_) out += "\x1b[2m";
      part_ = part;
    }
    out += text;
    if (out.empty()) return {};
    ends_line_ = out.back() == '\n';
    return write_output(out);
  }

  const bool colours_;
  Part part_ = Part::none;
  bool ends_line_ = true;
};

class Chat {
 public:
  Chat(const Options& options, Connection connection, Generation generation)
      : options_(options),
        connection_(std::move(connection)),
        generation_(std::move(generation)),
        input_(options.keeps_history),
        stats_(input_.is_terminal()),
        reasoning_(options.reasoning) {
    history_.set_system(options.system);
  }

  Result<int> run() {
    if (input_.is_terminal()) tell("/help tells what can be said; Ctrl-D leaves.");
    for (;;) {
      HEARTH_TRY(const std::optional<std::string> message, input_.next());
      if (!message) return 0;
      if (message->empty()) continue;
      if (message->front() == '/') {
        HEARTH_TRY(const bool goes_on, obey(*message));
        if (!goes_on) return 0;
        continue;
      }
      history_.add_user(*message);
      HEARTH_CHECK(answer());
    }
  }

 private:
  // A command; false: leave.
  Result<bool> obey(const std::string& line) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string command = line.substr(1, space - 1);
    const std::string argument = line.substr(std::min(space + 1, line.size()));
    if (command == "bye" || command == "quit" || command == "exit") return false;
    if (command == "system" && !argument.empty()) {
      history_.set_system(argument);
    } else if (command == "system") {
      tell(history_.system().empty() ? "there is no system message" : history_.system());
    } else if (command == "reasoning") {
      reasoning_ = argument == "default" ? "" : argument;
    } else if (command == "retry") {
      if (!history_.drop_answer()) {
        tell("there is nothing to answer");
      } else {
        HEARTH_CHECK(answer());
      }
    } else if (command == "undo") {
      if (!history_.drop_exchange()) tell("there is nothing to undo");
    } else if (command == "clear") {
      history_.clear();
    } else if (command == "save" || command == "load") {
      const Status status = command == "save" ? history_.save(argument) : history_.load(argument);
      if (!status) tell(status.error().message);
    } else if (command == "stats") {
      stats_ = argument != "off";
    } else if (command == "help") {
      std::fputs(kHelp, stderr);
    } else {
      tell("there is no /" + command + ": see /help");
    }
    return true;
  }

  static void tell(const std::string& text) { std::fputs((text + '\n').c_str(), stderr); }

  // Asks, shows what comes, and keeps it.  A request that fails is told; the message stays for
  // /retry.
  Status answer() {
    const SignalHold hold;
    const std::string messages = history_.json();
    hearth_conversation conversation = conversation_of(messages, reasoning_);
    hearth_stream* opened = nullptr;
    const hearth_generate_options request = generation_.request();
    Status status = connection_.call([&](hearth_client* client) {
      return hearth_chat(client, &request, &conversation, &opened);
    });
    const Stream stream(opened);
    Answer shown(output_is_terminal());
    if (status) status = follow(stream, shown);
    const Status ended = shown.end();
    if (!status) {
      if (!can_go_on(status.error())) return status;
      tell("hearth: " + status.error().message);
      return input_.is_terminal() ? Status() : status;
    }
    HEARTH_CHECK(ended);
    HEARTH_TRY(const hearth_result result, connection_.result_of(stream));
    if (result.document == nullptr) return {};  // canceled before it began
    const JsonDocument document(std::string(result.document, result.document_size));
    history_.add_message(document.view()["message"].text());
    document.view()["warnings"].each([](JsonView one) { tell("warning: " + one.string()); });
    if (!stats_) return {};
    show(result);
    const double again = document.view()["recomputed_for_template"].number();
    if (again > 0) {
      tell(fmt::format("{} tokens were computed again: the template leaves out earlier reasoning",
                       again));
    }
    return {};
  }

  Status follow(const Stream& stream, Answer& shown) {
    ProgressBar bar;
    hearth_event event;
    hearth_event_init(&event);
    bool canceled = false;
    for (;;) {
      HEARTH_TRY(const bool came, connection_.next(stream, event));
      if (!came) {
        take_signal();
        if (std::exchange(canceled, true)) return Error{Code::CANCELED, "interrupted"};
        HEARTH_CHECK(connection_.cancel(stream));
        continue;
      }
      if (event.kind == HEARTH_EVENT_DONE) return {};
      if (event.kind == HEARTH_EVENT_PROGRESS) bar.show(event.state, event.progress);
      if (event.kind != HEARTH_EVENT_DELTA) continue;
      bar.erase();
      HEARTH_CHECK(shown.take(event));
    }
  }

  // Of this request only: the daemon is there.
  static bool can_go_on(const Error& error) {
    return error.code != Code::UNAVAILABLE && error.code != Code::PROTOCOL &&
           error.code != Code::IO && error.code != Code::CANCELED;
  }

  void show(const hearth_result& result) const {
    tell(fmt::format("{}; {} tokens, {}; first after {:.0f} ms, then {:.1f} tokens/s",
                     cache_use_text(result), result.completion_tokens,
                     hearth_stop_reason_name(result.stop_reason), result.ttft_ms,
                     result.decode_tps));
  }

  const Options& options_;
  const Connection connection_;
  const Generation generation_;
  ChatInput input_;
  bool stats_;
  std::string reasoning_;  // "on", "off", an effort; empty: no opinion
  ChatHistory history_;
};

}  // namespace

Result<int> run_chat(const Options& options) {
  HEARTH_TRY(Connection connection, Connection::open(options.socket));
  HEARTH_TRY(Generation generation, Generation::create(options));
  return Chat(options, std::move(connection), std::move(generation)).run();
}

}  // namespace hearth::cli
