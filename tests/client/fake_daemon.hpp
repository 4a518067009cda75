// A daemon that does what a test tells it: greets, answers, lies, breaks off.
//
// It runs in a thread of its own and shares no code with libhearth: frames are put together here
// as docs/wire.md describes them.  A script is called for every connection, one after the other;
// when it returns the connection is closed.  Nothing waits longer than kPatienceMs.
#pragma once

#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/temporary_directory.hpp"
#include "tests/wire_verbs.hpp"

namespace hearth::client_test {

constexpr int kPatienceMs = 60000;

// Flags, as docs/wire.md numbers them.
enum : std::uint8_t { kReply = 1, kError = 2 };

// Opened once, by one thread; others wait for it.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    const auto patience = std::chrono::milliseconds(kPatienceMs);
    EXPECT_TRUE(changed_.wait_for(lock, patience, [&] { return open_; })) << "a closed gate";
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

struct FrameFields {
  std::uint32_t size = 0;
  std::uint16_t verb = 0;
  std::uint8_t flags = 0;
  std::uint8_t fd_count = 0;
  std::uint32_t request = 0;
  std::uint32_t json_size = 0;
};

// The bytes of a header, right or wrong.
inline std::string encode_header(const FrameFields& fields) {
  std::string bytes(16, '\0');
  std::memcpy(bytes.data(), &fields.size, 4);
  std::memcpy(bytes.data() + 4, &fields.verb, 2);
  std::memcpy(bytes.data() + 6, &fields.flags, 1);
  std::memcpy(bytes.data() + 7, &fields.fd_count, 1);
  std::memcpy(bytes.data() + 8, &fields.request, 4);
  std::memcpy(bytes.data() + 12, &fields.json_size, 4);
  return bytes;
}

inline std::string encode(std::uint16_t verb, std::uint8_t flags, std::uint32_t request,
                          const std::string& json, const std::string& payload = "") {
  const FrameFields fields = {static_cast<std::uint32_t>(json.size() + payload.size()),
                              verb,
                              flags,
                              0,
                              request,
                              static_cast<std::uint32_t>(json.size())};
  return encode_header(fields) + json + payload;
}

template <class T>
std::string raw_bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::string encode_tokens(std::uint32_t request, const std::vector<std::int32_t>& ids,
                                 const std::string& text = "") {
  const std::vector<std::uint32_t> head = {static_cast<std::uint32_t>(ids.size()),
                                           static_cast<std::uint32_t>(text.size())};
  return encode(kTokens, 0, request, "", raw_bytes(head) + raw_bytes(ids) + text);
}

inline std::string encode_logits(std::uint32_t request, std::uint64_t position, std::uint32_t rows,
                                 std::uint32_t row_size, const std::vector<float>& values) {
  return encode(kLogits, 0, request, "",
                raw_bytes(std::vector<std::uint64_t>{position}) +
                    raw_bytes(std::vector<std::uint32_t>{rows, row_size}) + raw_bytes(values));
}

struct ReceivedFrame {
  FrameFields header;
  std::string json;
  std::string payload;
  std::uint16_t verb() const { return header.verb; }  // 0: the client has closed the connection
  std::uint32_t request() const { return header.request; }
};

inline const std::string kGreeting =
    R"({"protocol":1,"server":"fake","epoch":"0123456789abcdef","features":[],)"
    R"("limits":{"frame_bytes":8454144,"payload_bytes":8388608,"requests":64,"credit":65536}})";
inline const std::string kResult =
    R"({"usage":{"prompt_tokens":7,"cached_tokens":3,"completion_tokens":5},)"
    R"("timings":{"ttft_ms":1.5,"prefill_ms":1.25,"decode_ms":8,"prefill_tps":800,)"
    R"("decode_tps":500.5},"seed":4294967295,"stop_reason":"length"})";

// The daemon's end of one connection.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  ~Peer() { close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  int fd() const { return fd_; }

  // False when the client has closed the connection: scripts may go on, it ends them soon.
  bool send(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t sent = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      at += static_cast<std::size_t>(sent);
    }
    return true;
  }
  // The client takes in every byte before it can see the next.
  void send_byte_by_byte(const std::string& bytes) {
    for (const char byte : bytes) {
      if (!send(std::string(1, byte))) return;
      for (int unread = 1; unread > 0;) {
        ASSERT_EQ(ioctl(fd_, SIOCOUTQ, &unread), 0);
        if (unread > 0) std::this_thread::yield();
      }
    }
  }
  bool reply(const ReceivedFrame& to, const std::string& json, const std::string& payload = "") {
    return send(encode(to.verb(), kReply, to.request(), json, payload));
  }
  bool reply_error(const ReceivedFrame& to, const std::string& code, const std::string& message) {
    return send(encode(to.verb(), kReply | kError, to.request(),
                       R"({"error":{"code":")" + code + R"(","message":")" + message + "\"}}"));
  }
  bool tokens(const ReceivedFrame& to, const std::vector<std::int32_t>& ids,
              const std::string& text = "") {
    return send(encode_tokens(to.request(), ids, text));
  }

  ReceivedFrame read() {
    ReceivedFrame frame;
    const std::string head = read_bytes(16);
    if (head.size() < 16) return {};
    std::memcpy(&frame.header.size, head.data(), 4);
    std::memcpy(&frame.header.verb, head.data() + 4, 2);
    std::memcpy(&frame.header.flags, head.data() + 6, 1);
    std::memcpy(&frame.header.fd_count, head.data() + 7, 1);
    std::memcpy(&frame.header.request, head.data() + 8, 4);
    std::memcpy(&frame.header.json_size, head.data() + 12, 4);
    const std::string body = read_bytes(frame.header.size);
    if (body.size() < frame.header.size) return {};
    EXPECT_LE(frame.header.json_size, frame.header.size);
    frame.json = body.substr(0, frame.header.json_size);
    frame.payload = body.substr(frame.header.json_size);
    return frame;
  }
  // The next frame, which must be of this verb.
  ReceivedFrame expect(std::uint16_t verb) {
    ReceivedFrame frame = read();
    EXPECT_EQ(frame.verb(), verb);
    return frame;
  }
  void greet() { reply(expect(kHello), kGreeting); }
  // Until the client closes the connection; frames that come are dropped.
  void wait_for_end() {
    while (read().verb() != 0) continue;
  }

 private:
  // Fewer when the client has closed the connection.
  std::string read_bytes(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t at = 0;
    while (at < size) {
      pollfd state = {fd_, POLLIN, 0};
      const int ready = poll(&state, 1, kPatienceMs);
      EXPECT_GT(ready, 0) << "the client is silent";
      const ssize_t got = ready > 0 ? recv(fd_, bytes.data() + at, size - at, 0) : 0;
      if (got <= 0) break;
      at += static_cast<std::size_t>(got);
    }
    bytes.resize(at);
    return bytes;
  }
  int fd_;
};

class FakeDaemon {
 public:
  using Script = std::function<void(Peer&)>;

  explicit FakeDaemon(Script script, const std::string& path = "")
      : path_(path.empty() ? directory_.path() + "/h.sock" : path), script_(std::move(script)) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0) << path_;
    EXPECT_EQ(listen(listener_, 16), 0);
    thread_ = std::thread([this] { run(); });
  }
  // The script has returned when this has.  A client that the script waits for is closed before.
  ~FakeDaemon() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    unlink(path_.c_str());
  }
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;

  const std::string& socket() const { return path_; }

 private:
  void run() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;  // shut down
      Peer peer(fd);
      script_(peer);
    }
  }

  TemporaryDirectory directory_;
  std::string path_;
  Script script_;
  int listener_ = -1;
  std::thread thread_;
};

}  // namespace hearth::client_test
