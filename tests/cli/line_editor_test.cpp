// Goal: at a terminal a line of hearth chat can be edited, dropped and found again, in this chat
// and in the next; whatever ends the chat, the terminal is left as it was.
#include <sys/stat.h>

#include "tests/cli/program.hpp"
#include "tests/cli/terminal.hpp"

namespace hearth {
namespace {

constexpr const char* kUp = "\x1b[A";
constexpr const char* kLeft = "\x1b[D";

class line_editor : public ::testing::Test {
 protected:
  std::vector<std::string> environment(const std::string& locale = "C") const {
    return {"TERM=xterm", "LC_ALL=" + locale, "HOME=" + daemon.directory(),
            "XDG_STATE_HOME=" + daemon.directory() + "/of-user"};
  }
  std::string history_file() const { return daemon.directory() + "/of-user/hearth/chat_history"; }

  // A chat at its prompt.
  std::unique_ptr<Terminal> chat(std::vector<std::string> more = {},
                                 const std::string& locale = "C") const {
    std::vector<std::string> arguments = {"chat", "ember", "--temp", "0", "-n", "8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto terminal = std::make_unique<Terminal>(daemon, arguments, environment(locale));
    terminal->edits_behind("leaves.\r\n> ");
    return terminal;
  }
  // The system message, asked for at the prompt.
  static std::string system_message(Terminal& terminal) {
    terminal.type("/system\n");
    terminal.shown_until("/system\r\n");
    std::string message = terminal.shown_until("\r\n");
    terminal.edits_behind("> ");
    return message;
  }

  DaemonProcess daemon{
      std::vector<std::string>{"--model", "ember=" HEARTH_MODELS_DIR "/ember-q8_0.gguf"}};
};

TEST_F(line_editor, a_line_is_edited_where_the_cursor_is) {
  for (const char* locale : {"C", "C.UTF-8"}) {
    const auto terminal = chat({}, locale);
    terminal->type(std::string("/system Grüße über") + kLeft + kLeft + "!\n");
    terminal->edits_behind("\r\n> ");
    EXPECT_EQ(system_message(*terminal), "Grüße üb!er\r\n") << locale;
    terminal->type("/bye\n");
    EXPECT_EQ(terminal->end(), 0);
  }
}

TEST_F(line_editor, what_was_typed_is_found_again_in_the_next_chat) {
  {
    const auto terminal = chat();
    terminal->type("/system of the first chat\n");
    terminal->edits_behind("\r\n> ");
    terminal->type("\"\"\"two\nlines\"\"\"\n");
    terminal->edits_behind("... ");
    terminal->edits_behind("tokens/s\r\n> ");
    terminal->type("\x04");
    EXPECT_EQ(terminal->end(), 0);
  }
  struct stat state = {};
  ASSERT_EQ(stat(history_file().c_str(), &state), 0);
  EXPECT_EQ(state.st_mode & 0777, 0600u);
  const std::string kept = read_whole(history_file());
  EXPECT_EQ(std::count(kept.begin(), kept.end(), '\n'), 4) << kept;  // libedit's own, and three

  const auto terminal = chat();
  terminal->type(std::string(kUp) + kUp + kUp);
  terminal->shown_until("first chat");
  terminal->type("\n");
  terminal->edits_behind("\r\n> ");
  EXPECT_EQ(system_message(*terminal), "of the first chat\r\n");
  terminal->type("/system other\n");
  terminal->edits_behind("\r\n> ");
  terminal->type("\x12");  // Ctrl-R
  terminal->shown_until("bck:");
  terminal->type("the fi");
  terminal->shown_until("first chat");
  terminal->type("\n");
  terminal->edits_behind("\r\n> ");
  EXPECT_EQ(system_message(*terminal), "of the first chat\r\n");
}

TEST_F(line_editor, no_history_keeps_and_shows_nothing) {
  {
    const auto terminal = chat({"--no-history"});
    terminal->type("/system secret\n");
    terminal->edits_behind("\r\n> ");
    EXPECT_EQ(system_message(*terminal), "secret\r\n");
    terminal->type("/bye\n");
    EXPECT_EQ(terminal->end(), 0);
  }
  EXPECT_NE(access(history_file().c_str(), F_OK), 0);
}

TEST_F(line_editor, a_history_that_cannot_be_read_is_told_and_left_alone) {
  std::filesystem::create_directories(daemon.directory() + "/of-user/hearth");
  std::ofstream(history_file()) << "something else\n";
  Terminal terminal(daemon, {"chat", "ember"}, environment());
  EXPECT_NE(terminal.edits_behind("leaves.\r\n> ").find("chat_history: it is no history"),
            std::string::npos);
  terminal.type("/stats on\n/bye\n");
  EXPECT_EQ(terminal.end(), 0);
  EXPECT_EQ(read_whole(history_file()), "something else\n");
}

TEST_F(line_editor, an_interrupt_drops_the_line_and_not_the_chat) {
  const auto terminal = chat();
  terminal->type("/system of no use");
  terminal->shown_until("of no use");
  terminal->type("\x03");
  terminal->edits_behind("\r\n> ");
  EXPECT_EQ(system_message(*terminal), "there is no system message\r\n");
  terminal->type("\"\"\"begun\n");  // the whole message, not only its last line
  terminal->edits_behind("... ");
  terminal->type("\x03");
  terminal->edits_behind("\r\n> ");
  terminal->type("/retry\n");
  terminal->edits_behind("there is nothing to answer\r\n> ");
  terminal->type("\x04");
  EXPECT_EQ(terminal->end(), 0);
}

TEST_F(line_editor, the_terminal_is_left_as_it_was) {
  const auto terminated = chat();
  EXPECT_FALSE(terminated->is_as_before());  // else the check below shows nothing
  terminated->type("half a line");
  terminated->shown_until("half a line");
  kill(terminated->pid(), SIGTERM);
  terminated->shown_until("\r\n");
  EXPECT_TRUE(terminated->is_as_before());
  EXPECT_EQ(terminated->end(), 128 + SIGTERM);

  const auto resized = chat();
  resized->type("half a line");
  resized->shown_until("half a line");
  kill(resized->pid(), SIGWINCH);
  resized->shown_until("> half a line");  // drawn again
  resized->type("\x15/bye\n");            // Ctrl-U
  EXPECT_EQ(resized->end(), 0);
}

}  // namespace
}  // namespace hearth
