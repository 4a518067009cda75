// See line_editor.hpp.
#include "cli/line_editor.hpp"

#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "cli/interrupt.hpp"

namespace hearth::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kLinesMax = 1000;                       // of the history, in memory
constexpr std::uintmax_t kHistoryBytesMax = 1 << 20;  // of its file; a longer one is written anew

// Set while the terminal may have changed its size or shows what another program wrote.
volatile sig_atomic_t stale = 0;

void on_stale(int) {
  stale = 1;
}

// While one lives, a change of the terminal's size and the return from Ctrl-Z are noted.
class StaleHold {
 public:
  StaleHold() {
    struct sigaction action = {};
    action.sa_handler = on_stale;  // no SA_RESTART: the wait for a key is to end
    sigaction(SIGWINCH, &action, &before_resize_);
    sigaction(SIGCONT, &action, &before_continue_);
  }
  ~StaleHold() {
    sigaction(SIGWINCH, &before_resize_, nullptr);
    sigaction(SIGCONT, &before_continue_, nullptr);
  }
  StaleHold(const StaleHold&) = delete;
  StaleHold& operator=(const StaleHold&) = delete;

 private:
  struct sigaction before_resize_ = {};
  struct sigaction before_continue_ = {};
};

// Lines are UTF-8 whatever the locale says: the daemon takes nothing else.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

struct LineEditor::Parts {
  struct EditorEnd {
    void operator()(EditLine* one) const { el_end(one); }
  };
  struct HistoryEnd {
    void operator()(History* one) const { history_end(one); }
  };
  struct FileEnd {
    void operator()(std::FILE* one) const { std::fclose(one); }
  };

  std::unique_ptr<std::FILE, FileEnd> shown;  // standard error, buffered: libedit flushes
  std::unique_ptr<History, HistoryEnd> lines{history_init()};
  std::unique_ptr<EditLine, EditorEnd> editor;
  std::string history_file;
  std::string prompt;
  mbstate_t decoding = {};
  bool interrupted = false;

  static Parts& of(EditLine* editor) {
    void* parts = nullptr;
    el_get(editor, EL_CLIENTDATA, &parts);
    return *static_cast<Parts*>(parts);
  }
  static char* show_prompt(EditLine* editor) { return of(editor).prompt.data(); }
  static int read_key(EditLine* editor, wchar_t* key);

  bool wait_for_key();
  void load();
  void keep(const std::string& line);
  void give_up(const char* what);
};

// True: there is a byte to read, or the end; false: a signal came first.
bool LineEditor::Parts::wait_for_key() {
  for (;;) {
    if (std::exchange(stale, 0) != 0) {
      el_resize(editor.get());
      el_set(editor.get(), EL_REFRESH);
    }
    pollfd ready[] = {{STDIN_FILENO, POLLIN, 0}, {signal_fd(), POLLIN, 0}};
    if (poll(ready, 2, -1) < 0 && errno != EINTR) return true;  // read tells what is wrong
    if (ready[1].revents != 0) return false;
    if (ready[0].revents != 0) return true;
  }
}

// The next character; libedit's contract: 1, 0 at the end, -1 for an error.
int LineEditor::Parts::read_key(EditLine* editor, wchar_t* key) {
  Parts& parts = of(editor);
  for (;;) {
    if (!parts.wait_for_key()) {
      take_signal();
      parts.interrupted = true;
      return -1;
    }
    char byte = 0;
    const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return static_cast<int>(got);
    switch (std::mbrtowc(key, &byte, 1, &parts.decoding)) {
      case static_cast<std::size_t>(-2): continue;  // more bytes belong to it
      case static_cast<std::size_t>(-1):            // no UTF-8
        parts.decoding = {};
        *key = L'\xFFFD';
        return 1;
      default: return 1;
    }
  }
}

// Lines are kept no longer.
void LineEditor::Parts::give_up(const char* what) {
  std::fprintf(stderr, "hearth: %s %s: %s; what is typed is not kept\n", what, history_file.c_str(),
               errno != 0 ? std::strerror(errno) : "it is no history of hearth chat");
  history_file.clear();
}

void LineEditor::Parts::load() {
  HistEvent event;
  history(lines.get(), &event, H_SETSIZE, kLinesMax);
  history(lines.get(), &event, H_SETUNIQUE, 1);
  std::error_code error;
  if (history_file.empty() || !fs::exists(history_file, error)) return;
  errno = 0;
  if (history(lines.get(), &event, H_LOAD, history_file.c_str()) < 0) {
    return give_up("read");
  }
  if (fs::file_size(history_file, error) > kHistoryBytesMax) {
    history(lines.get(), &event, H_SAVE, history_file.c_str());
  }
}

// Into the list, and behind the file: chats side by side lose none of each other's lines.
void LineEditor::Parts::keep(const std::string& line) {
  HistEvent event;
  history(lines.get(), &event, H_ENTER, line.c_str());
  if (history_file.empty()) return;
  std::error_code error;
  fs::create_directories(fs::path(history_file).parent_path(), error);
  const int fd =
      open(history_file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
  if (fd < 0) return give_up("open");
  const std::unique_ptr<std::FILE, FileEnd> file(fdopen(fd, "a"));
  std::fseek(file.get(), 0, SEEK_END);  // libedit begins an empty file with a line of its own
  // A list of this line alone: H_NSAVE_FP of libedit 3.1 writes one line more than it is asked for.
  const std::unique_ptr<History, HistoryEnd> last(history_init());
  history(last.get(), &event, H_SETSIZE, 1);
  history(last.get(), &event, H_ENTER, line.c_str());
  if (history(last.get(), &event, H_SAVE_FP, file.get()) < 0 || std::fflush(file.get()) != 0) {
    give_up("write");
  }
}

LineEditor::LineEditor(std::string history_file) : parts_(std::make_unique<Parts>()) {
  use_utf8();
  Parts& parts = *parts_;
  parts.history_file = std::move(history_file);
  parts.shown.reset(fdopen(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0), "w"));
  parts.editor.reset(el_init("hearth", stdin, parts.shown.get(), parts.shown.get()));
  EditLine* const editor = parts.editor.get();
  el_set(editor, EL_CLIENTDATA, &parts);
  el_set(editor, EL_SIGNAL, 0);
  el_set(editor, EL_PROMPT, Parts::show_prompt);
  el_set(editor, EL_GETCFN, Parts::read_key);
  el_set(editor, EL_HIST, history, parts.lines.get());
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_source(editor, nullptr);
  parts.load();
}

LineEditor::~LineEditor() = default;

LineEditor::Read LineEditor::read(const char* prompt, std::string& line) {
  Parts& parts = *parts_;
  const SignalHold hold;
  const StaleHold stale_hold;
  parts.prompt = prompt;
  parts.interrupted = false;
  int size = 0;
  const char* const typed = el_gets(parts.editor.get(), &size);
  if (parts.interrupted) {
    std::fputc('\n', stderr);
    return caught_signal() == SIGINT ? Read::interrupted : Read::terminated;
  }
  if (typed == nullptr || size <= 0) return Read::end;
  line.assign(typed, static_cast<std::size_t>(size));
  if (line.ends_with('\n')) line.pop_back();
  if (!line.empty()) parts.keep(line);
  return Read::line;
}

}  // namespace hearth::cli
