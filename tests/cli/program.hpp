// Runs build/.../hearth as a shell would, and keeps what came out.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "tests/daemon/daemon_process.hpp"

namespace hearth {

struct Ran {
  int status = -1;  // exit code, or minus the signal that ended it
  std::string out, err;
};

class Program {
 public:
  // standard_input is what the program reads there.
  Program(const DaemonProcess& daemon, std::vector<std::string> arguments,
          const std::string& standard_input = "")
      : Program(daemon.socket(), std::move(arguments), standard_input) {}
  Program(const std::string& socket, std::vector<std::string> arguments,
          const std::string& standard_input = "") {
    arguments.insert(arguments.begin(), {HEARTH_PROGRAMS_DIR "/hearth", "--socket", socket});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int in[2], out[2], err[2];
    EXPECT_EQ(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    out_ = UniqueFd(out[0]);
    err_ = UniqueFd(err[0]);
    EXPECT_EQ(write(in[1], standard_input.data(), standard_input.size()),
              static_cast<ssize_t>(standard_input.size()));
    close(in[1]);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  pid_t pid() const { return pid_; }
  void close_output() { out_.reset(); }

  // Take in output until it contains a text; false when the program ended before.
  bool wait_for_output(const std::string& text) {
    while (ran_.out.find(text) == std::string::npos) {
      if (!take(out_, ran_.out)) return false;
    }
    return true;
  }

  Ran end() {
    while (out_ || err_) {
      pollfd states[] = {{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}};
      poll(states, 2, -1);
      if (states[0].revents != 0 && !take(out_, ran_.out)) out_.reset();
      if (states[1].revents != 0 && !take(err_, ran_.err)) err_.reset();
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    ran_.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return ran_;
  }

 private:
  static bool take(const UniqueFd& fd, std::string& to) {
    char chunk[4096];
    const ssize_t got = read(fd.get(), chunk, sizeof(chunk));
    if (got > 0) to.append(chunk, static_cast<std::size_t>(got));
    return got > 0;
  }

  pid_t pid_ = -1;
  UniqueFd out_, err_;
  Ran ran_;
};

template <class Where>
Ran run_hearth(const Where& where, std::vector<std::string> arguments,
               const std::string& standard_input = "") {
  return Program(where, std::move(arguments), standard_input).end();
}

inline std::vector<std::int32_t> ids_in(const cJSON* array) {
  std::vector<std::int32_t> ids;
  const cJSON* item = nullptr;
  cJSON_ArrayForEach(item, array) ids.push_back(item->valueint);
  return ids;
}

inline std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace hearth
