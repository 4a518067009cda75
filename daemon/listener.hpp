// The listening socket: made safely, accepted from without starving anybody, removed at the end.
//
// THREAD: loop.
#pragma once

#include <sys/types.h>
#include <uv.h>

#include <functional>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hearth {

class Listener {
 public:
  // A new client's socket, with the uid that the kernel saw when it connected.
  using OnClient = std::function<void(UniqueFd fd, uid_t uid)>;

  explicit Listener(uv_loop_t* loop) : loop_(loop) {}

  // Bind and listen; replaces the socket of a daemon that died.  Errors: INVALID_OPERATION when a
  // living daemon listens there; CONFIG for a path too long; IO.
  Status open(const std::string& path, std::uint32_t mode, OnClient on_client);

  // Stop accepting and remove the socket.
  void close();

 private:
  static void on_poll(uv_poll_t* handle, int status, int events);
  void accept_some();
  void pause();

  uv_loop_t* loop_;
  UniqueFd fd_;
  std::string path_;
  dev_t device_ = 0;  // of the socket that we made: another one at this path is not ours to remove
  ino_t inode_ = 0;
  OnClient on_client_;
  uv_poll_t poll_ = {};
  uv_timer_t pause_timer_ = {};  // runs while no descriptor is left to accept with
  bool open_ = false;
};

}  // namespace hearth
