// The listening socket: made safely, or taken over from who made it; accepted from without starving
// anybody.  What we made is removed at the end.
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

  // Listen on a socket that somebody else made and listens on; it stays when we close it.
  Status adopt(UniqueFd socket, OnClient on_client);

  // Stop accepting, and remove the socket if we made it.
  void close();

  const std::string& path() const { return path_; }  // that clients connect to

 private:
  static void on_poll(uv_poll_t* handle, int status, int events);
  void serve(OnClient on_client);
  void accept_some();
  void pause();

  uv_loop_t* loop_;
  UniqueFd fd_;
  std::string path_;
  bool ours_ = false;  // we made it
  dev_t device_ = 0;   // of the socket that we made: another one at this path is not ours to remove
  ino_t inode_ = 0;
  OnClient on_client_;
  uv_poll_t poll_ = {};
  uv_timer_t pause_timer_ = {};  // runs while no descriptor is left to accept with
  bool open_ = false;
};

}  // namespace hearth
