// A real hearthd in a directory of its own, and a client that speaks the wire by hand.
//
// The client is written from docs/wire.md alone and shares no code with libhearth or the daemon.
#pragma once

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/temporary_directory.hpp"
#include "tests/wire_verbs.hpp"

namespace hearth {

using Json = std::unique_ptr<cJSON, decltype(&cJSON_Delete)>;
inline Json parse_json(const std::string& text) {
  return {cJSON_Parse(text.c_str()), &cJSON_Delete};
}
// What is at a path of keys and indexes, "models.0.rows.prompt"; null where there is nothing.
inline const cJSON* node_at(const cJSON* node, const std::string& path) {
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string key = path.substr(begin, end - begin);
    node = cJSON_IsArray(node) ? cJSON_GetArrayItem(node, std::stoi(key))
                               : cJSON_GetObjectItemCaseSensitive(node, key.c_str());
    begin = end + 1;
  }
  return node;
}
inline double number_at(const cJSON* node, const std::string& path) {  // NaN: there is none
  const cJSON* value = node_at(node, path);
  return cJSON_IsNumber(value) ? value->valuedouble : std::nan("");
}
inline std::string string_at(const cJSON* node, const std::string& path) {
  const cJSON* value = node_at(node, path);
  return cJSON_IsString(value) ? value->valuestring : "";
}

inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Wait until a condition holds; false after a time that no sanitizer build needs.
template <class Condition>
bool eventually(Condition condition, double timeout_s = 30) {
  for (const double end = seconds_now() + timeout_s; seconds_now() < end;) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// What a daemon is started with, beside its arguments.
struct ProcessSetup {
  std::vector<std::string> environment;  // NAME=VALUE
  std::vector<int> descriptors;          // that it has as 3, 4, ..., as LISTEN_FDS says
};

class DaemonProcess {
 public:
  // setup: asked before every start.
  explicit DaemonProcess(std::vector<std::string> arguments, bool wait_until_it_serves = true,
                         std::function<ProcessSetup()> setup = nullptr)
      : setup_(std::move(setup)) {
    arguments.insert(arguments.begin(), {HEARTH_PROGRAMS_DIR "/hearthd", "--socket", socket(),
                                         "--state-dir", directory_.path() + "/state"});
    arguments_ = std::move(arguments);
    start(arguments_);
    // The file is there a moment before it can be connected to.
    if (wait_until_it_serves) {
      EXPECT_TRUE(eventually([&] { return says_it_serves(1) || !alive(); }));
    }
  }
  ~DaemonProcess() {
    if (pid_ > 0) end_at_once();
    EXPECT_EQ(log().find("Sanitizer"), std::string::npos) << log();
    // What it kept in shared memory.
    setup_ = nullptr;
    std::vector<std::string> purge = {HEARTH_PROGRAMS_DIR "/hearthd", "--purge", "--state-dir",
                                      directory_.path() + "/state"};
    start(purge);
    wait();
  }

  std::string socket() const { return directory_.path() + "/h.sock"; }
  const std::string& directory() const { return directory_.path(); }
  pid_t pid() const { return pid_; }
  bool alive() {
    if (pid_ > 0 && !ended_) ended_ = waitpid(pid_, &status_, WNOHANG) != 0;
    return pid_ > 0 && !ended_;
  }

  // Send a signal and wait for the end; the exit code, or minus the signal that killed it.
  int stop(int signal_number) {
    if (alive()) kill(pid_, signal_number);
    return wait();
  }
  int wait() {
    if (!ended_) waitpid(pid_, &status_, 0);
    pid_ = -1;
    return exit_code();
  }
  // As the service manager does: start it again, where it was; with more arguments, it may be.
  void restart(const std::vector<std::string>& more = {}) {
    ASSERT_FALSE(alive());
    arguments_.insert(arguments_.end(), more.begin(), more.end());
    start(arguments_);
    ++starts_;
    EXPECT_TRUE(eventually([&] { return says_it_serves(starts_) || !alive(); }));
    EXPECT_TRUE(alive()) << log();
  }
  // Everything the daemon has logged.
  std::string log() const {
    std::ifstream file(directory_.path() + "/log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  // Not SIGKILL: a sanitizer tells what it found when the process ends.
  void end_at_once() {
    if (alive()) kill(pid_, SIGTERM);
    if (!eventually([&] { return !alive(); }, /*timeout_s=*/5)) kill(pid_, SIGTERM);
    EXPECT_TRUE(eventually([&] { return !alive(); })) << log();
    if (alive()) kill(pid_, SIGKILL);
    EXPECT_EQ(exit_code(), 0) << log();
    pid_ = -1;
  }

  void start(std::vector<std::string>& arguments) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ended_ = false;
    const ProcessSetup setup = setup_ ? setup_() : ProcessSetup{};
    pid_ = fork();
    if (pid_ == 0) {
      apply(setup);
      const std::string log = directory_.path() + "/log";
      const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      dup2(fd, STDERR_FILENO);
      dup2(fd, STDOUT_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }

  // In the child.
  static void apply(const ProcessSetup& setup) {
    for (const std::string& variable : setup.environment) {
      const std::size_t equals = variable.find('=');
      setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
    }
    if (setup.descriptors.empty()) return;
    setenv("LISTEN_FDS", std::to_string(setup.descriptors.size()).c_str(), 1);
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    std::vector<int> high;  // out of the way first
    for (const int fd : setup.descriptors) high.push_back(fcntl(fd, F_DUPFD_CLOEXEC, 200));
    for (std::size_t i = 0; i < high.size(); ++i) dup2(high[i], static_cast<int>(3 + i));
  }

  bool says_it_serves(int times) const {
    const std::string text = log();
    for (std::size_t at = 0; times > 0 && at != std::string::npos; --times) {
      at = text.find(" serves ", at == 0 ? 0 : at + 1);
      if (at == std::string::npos) return false;
    }
    return true;
  }
  int exit_code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_); }

  TemporaryDirectory directory_;
  std::function<ProcessSetup()> setup_;
  std::vector<std::string> arguments_;
  int starts_ = 1;
  pid_t pid_ = -1;      // -1: none
  bool ended_ = false;  // and status_ says how
  int status_ = 0;
};

struct RawFrame {
  std::uint16_t verb = 0;
  std::uint8_t flags = 0;
  std::uint32_t request = 0;
  std::string json;
  std::string payload;
  bool error() const { return (flags & 2) != 0; }
};

class RawClient {
 public:
  explicit RawClient(const std::string& path, bool hello = true) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    if (connected_ && hello) {
      send(kHello, 0, R"({"protocol_min":1,"protocol_max":1,"client":"raw"})");
      hello_ = read();
    }
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }
  bool connected() const { return connected_; }
  const RawFrame& hello() const { return hello_; }

  static std::string encode(std::uint16_t verb, std::uint32_t request, const std::string& json,
                            const std::string& payload = "") {
    std::string bytes(16, '\0');
    const auto size = static_cast<std::uint32_t>(json.size() + payload.size());
    const auto json_size = static_cast<std::uint32_t>(json.size());
    std::memcpy(bytes.data(), &size, 4);
    std::memcpy(bytes.data() + 4, &verb, 2);
    std::memcpy(bytes.data() + 8, &request, 4);
    std::memcpy(bytes.data() + 12, &json_size, 4);
    return bytes + json + payload;
  }
  bool send(std::uint16_t verb, std::uint32_t request, const std::string& json,
            const std::string& payload = "") {
    return send_bytes(encode(verb, request, json, payload));
  }
  bool send_bytes(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t sent = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      at += static_cast<std::size_t>(sent);
    }
    return true;
  }

  // The next frame; one of verb 0 when the daemon has closed the connection.
  RawFrame read() {
    std::string head;
    RawFrame frame;
    if (!read_bytes(16, head)) return frame;
    std::uint32_t size;
    std::uint32_t json_size;
    std::memcpy(&size, head.data(), 4);
    std::memcpy(&frame.verb, head.data() + 4, 2);
    std::memcpy(&frame.flags, head.data() + 6, 1);
    std::memcpy(&frame.request, head.data() + 8, 4);
    std::memcpy(&json_size, head.data() + 12, 4);
    std::string body;
    if (!read_bytes(size, body)) return RawFrame();
    frame.json = body.substr(0, json_size);
    frame.payload = body.substr(json_size);
    return frame;
  }
  bool closed_by_peer() { return read().verb == 0; }

  // One request that is answered by one frame.
  RawFrame ask(std::uint16_t verb, const std::string& json = "", const std::string& payload = "") {
    const std::uint32_t request = next_++;
    send(verb, request, json, payload);
    return read_reply(request);
  }
  // Skips stream frames; collects tokens.
  RawFrame read_reply(std::uint32_t request) {
    for (;;) {
      const RawFrame frame = read();
      if (frame.verb == 0 || (frame.request == request && (frame.flags & 1) != 0)) return frame;
      collect(frame);
    }
  }
  // One frame of a stream, its tokens collected; false for a reply and for the end.
  bool read_stream() {
    const RawFrame frame = read();
    collect(frame);
    return frame.verb != 0 && (frame.flags & 1) == 0;
  }
  std::uint32_t next() { return next_++; }

  std::vector<std::int32_t> tokens;  // of all read_reply() calls
  std::string text;

 private:
  void collect(const RawFrame& frame) {
    if (frame.verb != kTokens) return;
    std::uint32_t id_count;
    std::memcpy(&id_count, frame.payload.data(), 4);
    for (std::uint32_t i = 0; i < id_count; ++i) {
      std::int32_t id;
      std::memcpy(&id, frame.payload.data() + 8 + 4 * i, 4);
      tokens.push_back(id);
    }
    text += frame.payload.substr(8 + 4 * id_count);
  }
  bool read_bytes(std::size_t size, std::string& bytes) {
    bytes.resize(size);
    for (std::size_t at = 0; at < size;) {
      pollfd state = {fd_, POLLIN, 0};
      if (poll(&state, 1, 60000) <= 0) {
        ADD_FAILURE() << "the daemon is silent";
        return false;
      }
      const ssize_t got = recv(fd_, bytes.data() + at, size - at, 0);
      if (got <= 0) return false;
      at += static_cast<std::size_t>(got);
    }
    return true;
  }
  int fd_ = -1;
  bool connected_ = false;
  RawFrame hello_;
  std::uint32_t next_ = 1;
};

// A number that STATS has of the first model, "pages.in_use".
inline double stat_of(const DaemonProcess& daemon, const std::string& path) {
  RawClient client(daemon.socket());
  return number_at(parse_json(client.ask(kStats).payload).get(), "models.0." + path);
}
inline double prompt_rows(const DaemonProcess& daemon) {
  return stat_of(daemon, "rows.prompt");
}

inline std::string ids_payload(const std::vector<std::int32_t>& ids) {
  return {reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(std::int32_t)};
}

// The code of an error reply, "" for another frame.
inline std::string error_code(const RawFrame& frame) {
  const Json json = parse_json(frame.json);
  return string_at(cJSON_GetObjectItem(json.get(), "error"), "code");
}
inline std::string error_message(const RawFrame& frame) {
  const Json json = parse_json(frame.json);
  return string_at(cJSON_GetObjectItem(json.get(), "error"), "message");
}

}  // namespace hearth
