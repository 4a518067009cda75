// See connection.hpp.
#include "daemon/connection.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

#include "engine/clock.hpp"

namespace hearth {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;  // per turn: other connections get theirs
constexpr std::size_t kSendParts = 64;        // chunks handed to the kernel in one call
constexpr std::int64_t kTurnNs = 5'000'000;   // likewise: frames that take longer are put off
constexpr std::uint64_t kHalfClosedCheckMs = 50;
constexpr std::uint64_t kFinishMs = 5000;  // for a client to take its last frames

// The descriptors that a client sent along; false when the kernel had to leave some out.
bool take_received(msghdr& message, std::vector<UniqueFd>& ret_fds) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
      ret_fds.emplace_back(fd);
    }
  }
  return (message.msg_flags & MSG_CTRUNC) == 0;
}

// Hand a descriptor to the kernel with what the message sends.
constexpr std::size_t kOneFdSpace = CMSG_SPACE(sizeof(int));
void attach(msghdr& message, std::array<char, kOneFdSpace>& control, int fd) {
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &fd, sizeof(int));
}

}  // namespace

Flusher::Flusher(uv_loop_t* loop) {
  uv_prepare_init(loop, &prepare_);
  prepare_.data = this;
  uv_prepare_start(&prepare_, on_prepare);
  uv_unref(reinterpret_cast<uv_handle_t*>(&prepare_));
}

void Flusher::close() {
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
}

void Flusher::on_prepare(uv_prepare_t* handle) {
  Flusher& self = *static_cast<Flusher*>(handle->data);
  // What on_sent() leads to is queued again and sent in the next round.
  for (int round = 0; round < 4 && !self.waiting_.empty(); ++round) {
    self.flushing_.swap(self.waiting_);
    for (Connection* connection : self.flushing_) connection->write_some();
    self.flushing_.clear();
  }
}

Connection::Connection(uv_loop_t* loop, Flusher* flusher, UniqueFd fd, ConnectionOwner* owner)
    : fd_(std::move(fd)), flusher_(flusher), owner_(owner) {
  const int failed = uv_poll_init(loop, &poll_, fd_.get());
  assert(failed == 0);  // a fresh socket can be polled
  (void)failed;
  poll_.data = this;
  uv_timer_init(loop, &half_closed_timer_);
  half_closed_timer_.data = this;
  uv_timer_init(loop, &again_timer_);
  again_timer_.data = this;
  watch();
}

Connection::~Connection() {
  assert(open_handles_ == 0);
  flusher_->forget(this);
}

// Poll for what we can use now.
void Connection::watch() {
  if (closed_) return;
  const int events =
      (read_ended_ || !put_off_.empty() ? 0 : UV_READABLE) | (blocked_ ? UV_WRITABLE : 0);
  if (events == watched_) return;
  watched_ = events;
  if (events == 0) {
    uv_poll_stop(&poll_);
  } else {
    uv_poll_start(&poll_, events, on_poll);
  }
}

void Connection::on_poll(uv_poll_t* handle, int status, int events) {
  Connection& self = *static_cast<Connection*>(handle->data);
  if (status < 0) return self.close({Code::UNAVAILABLE, uv_strerror(status)});
  if ((events & UV_WRITABLE) != 0) {
    self.blocked_ = false;
    self.write_some();
  }
  if (!self.closed_ && !self.read_ended_ && (events & UV_READABLE) != 0) self.read_some();
}

void Connection::read_some() {
  std::array<std::byte, kReadBytes> buffer;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(253 * sizeof(int))> control;
  iovec part = {buffer.data(), buffer.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count = recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR) return;
    return close(from_errno("read from a client"));
  }
  // A read ends with the bytes that descriptors came with, so that there is one at a time.
  std::vector<UniqueFd> fds;
  const bool all = take_received(message, fds);
  if (!all || fds.size() > 1 || (fds.size() == 1 && received_fd_)) {
    return close({Code::PROTOCOL, "a client sent descriptors that belong to no frame"});
  }
  if (!fds.empty()) received_fd_ = std::move(fds.front());
  if (count == 0) return check_half_closed();

  take_in({buffer.data(), static_cast<std::size_t>(count)});
}

void Connection::take_in(std::span<const std::byte> bytes) {
  const std::int64_t begin_ns = now_ns();
  while (!closed_ && !read_ended_ && !bytes.empty()) {
    const Result<std::size_t> used = reader_.feed(bytes);
    if (!used) return close(used.error());
    bytes = bytes.subspan(*used);
    // A frame without a body is complete with its header.
    if (!reader_.complete()) continue;
    hand_over(reader_.take());
    if (closed_ || bytes.empty() || now_ns() - begin_ns < kTurnNs) continue;
    put_off_.assign(bytes.begin(), bytes.end());
    uv_timer_start(
        &again_timer_,
        [](uv_timer_t* timer) {
          Connection& self = *static_cast<Connection*>(timer->data);
          const std::vector<std::byte> rest = std::exchange(self.put_off_, {});
          self.take_in(rest);
          self.watch();
        },
        /*timeout=*/0, /*repeat=*/0);
    return watch();
  }
  if (!closed_ && received_fd_ && !reader_.takes_fd()) {
    close({Code::PROTOCOL, "a client sent descriptors that belong to no frame"});
  }
}

void Connection::hand_over(Frame frame) {
  UniqueFd fd;
  if (frame.header.fd_count > 0) {
    if (!received_fd_) return close({Code::PROTOCOL, "a frame came without its descriptor"});
    fd = std::move(received_fd_);
    frame.fd = fd.get();
  }
  owner_->on_frame(frame);
}

// The client sends no more.  One that closed the socket hangs up both ways; one that only shut down
// its sending half still reads.  The kernel reports a later hang-up to nobody who does not poll for
// it, so a timer looks.
void Connection::check_half_closed() {
  pollfd state = {fd_.get(), 0, 0};
  if (poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0) {
    return close({Code::UNAVAILABLE, "the client closed the connection"});
  }
  if (read_ended_) return;  // the timer's look
  read_ended_ = true;
  watch();
  uv_timer_start(
      &half_closed_timer_,
      [](uv_timer_t* timer) { static_cast<Connection*>(timer->data)->check_half_closed(); },
      kHalfClosedCheckMs, kHalfClosedCheckMs);
  owner_->on_half_closed();
}

void Connection::send(std::vector<std::byte> bytes, std::uint64_t tag, UniqueFd fd) {
  if (closed_ || finishing_) return;
  queued_bytes_ += bytes.size();
  if (queue_.empty()) flusher_->add(this);
  queue_.push_back({std::move(bytes), tag, std::move(fd)});
  if (queued_bytes_ > kQueuedBytesMax) {
    close({Code::LIMIT,
           fmt::format("the client does not read: {} bytes are queued for it", queued_bytes_)});
  }
}

void Connection::write_some() {
  while (!closed_ && !blocked_ && !queue_.empty()) {
    std::array<iovec, kSendParts> parts;
    std::size_t count = 0;
    for (Chunk& chunk : queue_) {
      // A descriptor travels with the first byte of a message.
      if (count == parts.size() || (count > 0 && chunk.fd)) break;
      const std::size_t skip = count == 0 ? front_sent_ : 0;
      parts[count++] = {chunk.bytes.data() + skip, chunk.bytes.size() - skip};
    }
    msghdr message = {};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    alignas(cmsghdr) std::array<char, kOneFdSpace> control = {};
    if (queue_.front().fd) attach(message, control, queue_.front().fd.get());
    const ssize_t sent = sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return close(from_errno("send to a client"));
      blocked_ = true;
      break;
    }
    queue_.front().fd.reset();
    front_sent_ += static_cast<std::size_t>(sent);
    while (!queue_.empty() && front_sent_ >= queue_.front().bytes.size()) {
      const std::uint64_t tag = queue_.front().tag;
      front_sent_ -= queue_.front().bytes.size();
      queued_bytes_ -= queue_.front().bytes.size();
      queue_.pop_front();
      if (tag != 0) owner_->on_sent(tag);  // may queue more
    }
  }
  if (finishing_ && queue_.empty()) return close(why_);
  watch();
}

void Connection::finish(Error why) {
  if (closed_ || finishing_) return;
  finishing_ = true;
  read_ended_ = true;
  why_ = std::move(why);
  if (queue_.empty()) return close(why_);
  watch();
  uv_timer_start(
      &half_closed_timer_,
      [](uv_timer_t* timer) {
        Connection& self = *static_cast<Connection*>(timer->data);
        self.close(self.why_);
      },
      kFinishMs, 0);
}

void Connection::close(Error why) {
  if (closed_) return;
  closed_ = true;
  why_ = std::move(why);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), on_handle_closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&half_closed_timer_), on_handle_closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&again_timer_), on_handle_closed);
}

void Connection::on_handle_closed(uv_handle_t* handle) {
  Connection& self = *static_cast<Connection*>(handle->data);
  if (--self.open_handles_ > 0) return;
  self.fd_.reset();
  self.owner_->on_gone(self.why_);  // may destroy self; nothing may follow
}

}  // namespace hearth
