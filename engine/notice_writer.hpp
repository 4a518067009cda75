// The engine's end of the ring of notices.
//
// THREAD: the engine; error_of() any.  A full ring makes the engine wait: the daemon always drains
// it, and credits bound what can be under way.  abandon() ends that when the daemon itself is
// going.
#pragma once

#include <poll.h>

#include <atomic>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "common/message_ring.hpp"
#include "common/result.hpp"
#include "engine/messages.hpp"
#include "engine/tokenizer/utf8.hpp"

namespace hearth {

// What fail() below has put into a message: a FailedNotice and the text behind it.
inline Error error_of(std::span<const std::byte> message) {
  FailedNotice head;
  std::memcpy(&head, message.data(), sizeof(head));
  const auto* text = reinterpret_cast<const char*>(message.data() + sizeof(head));
  return {static_cast<Code>(head.code), std::string(text, head.text_size)};
}

class NoticeWriter {
 public:
  static constexpr std::size_t kErrorBytesMax = 4096;  // of a message

  explicit NoticeWriter(MessageRing* ring) : ring_(ring) {}

  // Any thread: from now on notices are dropped instead of waited for.
  void abandon() {
    abandoned_ = true;
    ring_->writable().set();
  }

  template <class Head>
  void send(Notice notice, const Head& head, MessageRing::Part first = {},
            MessageRing::Part second = {}) {
    const MessageRing::Part head_bytes = std::as_bytes(std::span(&head, 1));
    while (!ring_->push(static_cast<std::uint32_t>(notice), {head_bytes, first, second})) {
      if (abandoned_) return;
      pollfd writable = {ring_->writable().fd(), POLLIN, 0};
      poll(&writable, 1, /*timeout_ms=*/100);
      ring_->writable().clear();
    }
  }

  void fail(Notice notice, RequestId request, const Error& error) {
    // A file may put megabytes into a message: only so much is of use, and a ring has an end.
    std::string_view text = error.message;
    if (text.size() > kErrorBytesMax) {
      text = text.substr(0, kErrorBytesMax);
      text.remove_suffix(utf8_unfinished_bytes(text));
    }
    const FailedNotice head = {request, static_cast<std::int32_t>(error.code),
                               static_cast<std::uint32_t>(text.size())};
    send(notice, head, std::as_bytes(std::span(text)));
  }

 private:
  MessageRing* ring_;  // outlives us
  std::atomic<bool> abandoned_{false};
};

}  // namespace hearth
