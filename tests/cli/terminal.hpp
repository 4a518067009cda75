// Runs build/.../hearth in a terminal of its own, and types there.
#pragma once

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "tests/daemon/daemon_process.hpp"

namespace hearth {

class Terminal {
 public:
  // environment: NAME=VALUE, besides the test's own.
  Terminal(const DaemonProcess& daemon, std::vector<std::string> arguments,
           std::vector<std::string> environment) {
    arguments.insert(arguments.begin(),
                     {HEARTH_PROGRAMS_DIR "/hearth", "--socket", daemon.socket()});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int master = -1;
    pid_ = forkpty(&master, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      for (std::string& variable : environment) putenv(variable.data());
      execv(argv[0], argv.data());
      _exit(127);
    }
    EXPECT_GT(pid_, 0);
    master_ = UniqueFd(master);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  void type(const std::string& keys) const {
    EXPECT_EQ(write(master_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  // What the terminal got up to this text, which comes after all that was returned before.  The
  // test fails where the program ends before, or says nothing for a minute.
  std::string shown_until(const std::string& text) {
    for (;;) {
      if (const std::size_t at = shown_.find(text); at != std::string::npos) {
        const std::string until = shown_.substr(0, at + text.size());
        shown_.erase(0, until.size());
        return until;
      }
      char chunk[4096];
      pollfd ready = {master_.get(), POLLIN, 0};
      const bool waits = poll(&ready, 1, kPatienceMs) == 1;
      const ssize_t got = waits ? read(master_.get(), chunk, sizeof(chunk)) : 0;
      if (got <= 0) {
        ADD_FAILURE() << "no \"" << text << "\" in: " << shown_;
        return shown_;
      }
      shown_.append(chunk, static_cast<std::size_t>(got));
    }
  }
  // As shown_until, and then until the program takes keys: libedit shows its prompt first.
  std::string edits_behind(const std::string& prompt) {
    std::string shown = shown_until(prompt);
    while (is_as_before()) usleep(1000);
    return shown;
  }
  // Whether the terminal shows what is typed by itself, line by line, as a shell expects it.
  bool is_as_before() const {
    termios modes = {};
    EXPECT_EQ(tcgetattr(master_.get(), &modes), 0);
    return (modes.c_lflag & ICANON) != 0 && (modes.c_lflag & ECHO) != 0;
  }
  // Exit code, or minus the signal that ended the program; what it still writes is taken in.
  int end() {
    char chunk[4096];
    while (read(master_.get(), chunk, sizeof(chunk)) > 0) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  static constexpr int kPatienceMs = 60'000;

  pid_t pid_ = -1;
  UniqueFd master_;
  std::string shown_;
};

}  // namespace hearth
