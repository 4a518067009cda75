// One client's socket: frames in, frames out, never blocking.
//
// THREAD: loop.  Framing and queue are ours, over uv_poll and sendmsg, because libuv's streams
// cannot pass memfds and queue without bound.  What is queued during a turn of the loop is sent at
// its end, in one call.  Nothing here calls the owner back from within send() or close(): it hears
// of everything from the loop, and last of all on_gone().
#pragma once

#include <sys/types.h>
#include <uv.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "daemon/frame.hpp"

namespace hearth {

class Connection;

// What a connection tells its owner.  Every call may lead to close(), none may destroy the
// connection but on_gone().
class ConnectionOwner {
 public:
  virtual void on_frame(const Frame& frame) = 0;
  // The client has shut down its sending half: no more frames come.
  virtual void on_half_closed() = 0;
  // A frame that was queued with this tag was handed to the kernel.
  virtual void on_sent(std::uint64_t tag) = 0;
  // The connection is over and may be destroyed; why says what ended it.  Nothing follows.
  virtual void on_gone(const Error& why) = 0;

 protected:
  ~ConnectionOwner() = default;
};

// Lets connections send what they have queued before the loop goes to sleep.  One per loop.
class Flusher {
 public:
  explicit Flusher(uv_loop_t* loop);
  void close();  // before the loop ends
  void add(Connection* connection) { waiting_.push_back(connection); }
  void forget(Connection* connection) { std::erase(waiting_, connection); }

 private:
  static void on_prepare(uv_prepare_t* handle);
  uv_prepare_t prepare_ = {};
  std::vector<Connection*> waiting_;
  std::vector<Connection*> flushing_;
};

class Connection {
 public:
  // fd: a connected, non-blocking stream socket.  Starts reading.
  Connection(uv_loop_t* loop, Flusher* flusher, UniqueFd fd, ConnectionOwner* owner);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Queue bytes of whole frames; tag comes back in on_sent() unless it is 0; fd travels with the
  // first byte.  A queue beyond its limit closes the connection.
  void send(std::vector<std::byte> bytes, std::uint64_t tag = 0, UniqueFd fd = {});

  // Stop at once; what is queued is lost.  Idempotent.
  void close(Error why);
  // Take no more frames; send what is queued, then close.
  void finish(Error why);

  std::size_t queued_bytes() const { return queued_bytes_; }

  static constexpr std::size_t kQueuedBytesMax = 64u << 20;

 private:
  friend class Flusher;
  struct Chunk {
    std::vector<std::byte> bytes;
    std::uint64_t tag;
    UniqueFd fd;
  };
  static void on_poll(uv_poll_t* handle, int status, int events);
  static void on_handle_closed(uv_handle_t* handle);
  void read_some();
  void take_in(std::span<const std::byte> bytes);
  void hand_over(Frame frame);
  void write_some();
  void watch();
  void check_half_closed();

  UniqueFd fd_;
  Flusher* flusher_;        // outlives us
  ConnectionOwner* owner_;  // outlives us
  uv_poll_t poll_ = {};
  uv_timer_t half_closed_timer_ = {};  // looks for the end of a client that only reads
  uv_timer_t again_timer_ = {};        // goes on with what was put off
  int open_handles_ = 3;               // of libuv, not closed yet
  int watched_ = 0;                    // events that poll_ waits for
  FrameReader reader_;
  UniqueFd received_fd_;            // of the frame that is arriving
  std::vector<std::byte> put_off_;  // read and not looked at: others have their turn first
  std::deque<Chunk> queue_;
  std::size_t front_sent_ = 0;  // bytes of the first chunk that are sent
  std::size_t queued_bytes_ = 0;
  bool blocked_ = false;     // the kernel's buffer is full
  bool read_ended_ = false;  // the client sends no more, or we take no more
  bool finishing_ = false;
  bool closed_ = false;
  Error why_{Code::UNAVAILABLE, ""};
};

}  // namespace hearth
