// See listener.hpp.
#include "daemon/listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>

#include "daemon/log.hpp"

namespace hearth {
namespace {

constexpr int kBacklog = 512;
constexpr int kAcceptsPerTurn = 32;
constexpr std::uint64_t kPauseMs = 100;

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error{Code::CONFIG, fmt::format("socket: {} has {} characters, at most {} are possible",
                                           path, path.size(), sizeof(address.sun_path) - 1)};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// A socket file nobody listens on is left from a daemon that died.
Status remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? Status() : from_errno("stat " + path);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return Error{Code::CONFIG, fmt::format("socket: {} is there and is no socket", path)};
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return from_errno("make a socket");
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (connect(probe.get(), generic, sizeof(address)) == 0 || errno == EAGAIN) {
    return Error{
        Code::INVALID_OPERATION,
        fmt::format("socket: another daemon listens on {}: stop it, or name another socket", path)};
  }
  if (errno != ECONNREFUSED) return from_errno("probe " + path);
  if (unlink(path.c_str()) != 0) return from_errno("remove " + path);
  return {};
}

}  // namespace

Status Listener::open(const std::string& path, std::uint32_t mode, OnClient on_client) {
  HEARTH_TRY(const sockaddr_un address, socket_address(path));
  std::error_code ignored;  // bind() reports what matters
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  HEARTH_CHECK(remove_stale(path, address));
  fd_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return from_errno("make a socket");
  // Nobody may connect before the mode is set.
  const mode_t old_mask = umask(0177);
  const int failed = bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  umask(old_mask);
  if (failed != 0) return from_errno("bind " + path);
  path_ = path;
  struct stat status = {};
  if (chmod(path.c_str(), mode) != 0 || lstat(path.c_str(), &status) != 0) {
    return from_errno("set the mode of " + path);
  }
  ours_ = true;
  device_ = status.st_dev;
  inode_ = status.st_ino;
  if (listen(fd_.get(), kBacklog) != 0) return from_errno("listen on " + path);
  serve(std::move(on_client));
  return {};
}

Status Listener::adopt(UniqueFd socket, OnClient on_client) {
  sockaddr_un address = {};
  socklen_t size = sizeof(address);
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return from_errno("name the socket that was handed over");
  }
  const int flags = fcntl(socket.get(), F_GETFL);
  if (flags < 0 || fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return from_errno("prepare the socket that was handed over");
  }
  path_.assign(address.sun_path, strnlen(address.sun_path, sizeof(address.sun_path)));
  fd_ = std::move(socket);
  serve(std::move(on_client));
  return {};
}

void Listener::serve(OnClient on_client) {
  on_client_ = std::move(on_client);
  uv_poll_init(loop_, &poll_, fd_.get());
  poll_.data = this;
  uv_timer_init(loop_, &pause_timer_);
  pause_timer_.data = this;
  uv_poll_start(&poll_, UV_READABLE, on_poll);
  open_ = true;
}

void Listener::on_poll(uv_poll_t* handle, int, int) {
  static_cast<Listener*>(handle->data)->accept_some();
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn && open_; ++i) {
    UniqueFd fd(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) pause();
      return;
    }
    ucred peer = {};
    socklen_t size = sizeof(peer);
    if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) continue;
    on_client_(std::move(fd), peer.uid);
  }
}

// No descriptor or memory is left: a level-triggered poll would spin until there is.
void Listener::pause() {
  log_warning("accept: {}; waiting {} ms", std::strerror(errno), kPauseMs);
  uv_poll_stop(&poll_);
  uv_timer_start(
      &pause_timer_,
      [](uv_timer_t* timer) {
        auto& self = *static_cast<Listener*>(timer->data);
        uv_poll_start(&self.poll_, UV_READABLE, on_poll);
      },
      kPauseMs, 0);
}

void Listener::close() {
  if (!open_) return;
  open_ = false;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&pause_timer_), nullptr);
  fd_.reset();
  struct stat status = {};
  if (ours_ && lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
      status.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

}  // namespace hearth
