// A bounded ring of messages between two threads: one writes, one reads, nobody waits.
//
// Messages are plain bytes of any size up to the ring's, so that the two ends may later be two
// processes.  An eventfd tells the reader that something came and the writer that room was made.
//
// Layout: [u32 size][u32 type][payload][padding to 8], wrapping at the end byte by byte.  write_
// and read_ only grow; their difference is what the ring holds.
#pragma once

#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "common/checked.hpp"
#include "common/unique_fd.hpp"

namespace hearth {

// A counter that can be polled.
class Event {
 public:
  Event() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { assert(fd_); }
  int fd() const { return fd_.get(); }
  void set() {
    const std::uint64_t one = 1;
    while (::write(fd_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
    }
  }
  void clear() {
    std::uint64_t count;
    while (::read(fd_.get(), &count, sizeof(count)) < 0 && errno == EINTR) {
    }
  }

 private:
  UniqueFd fd_;
};

class MessageRing {
 public:
  using Part = std::span<const std::byte>;

  // capacity: bytes, a power of two.
  explicit MessageRing(std::uint32_t capacity)
      : capacity_(capacity), data_(std::make_unique<std::byte[]>(capacity)) {
    assert(std::has_single_bit(capacity));
  }

  // Append a message made of parts; false when there is no room for it now.  Writer's thread.
  bool push(std::uint32_t type, std::initializer_list<Part> parts) {
    std::uint64_t size = 0;
    for (const Part& part : parts) size += part.size();
    const std::uint64_t needed = align_up<std::uint64_t>(sizeof(Head) + size, 8);
    const std::uint64_t write = write_.load(std::memory_order_relaxed);
    if (needed > capacity_ - (write - read_.load(std::memory_order_acquire))) {
      // Ask to be told, then look again: the reader may have made room in between.
      writer_waits_.store(true, std::memory_order_seq_cst);
      if (needed > capacity_ - (write - read_.load(std::memory_order_seq_cst))) return false;
      writer_waits_.store(false, std::memory_order_relaxed);
    }
    const Head head = {static_cast<std::uint32_t>(size), type};
    std::uint64_t at = write;
    put(at, std::as_bytes(std::span(&head, 1)));
    for (const Part& part : parts) put(at, part);
    write_.store(write + needed, std::memory_order_release);
    readable_.set();
    return true;
  }

  // Take the oldest message into payload (its memory is reused); false when the ring is empty.
  // Reader's thread.
  bool pop(std::uint32_t& type, std::vector<std::byte>& payload) {
    const std::uint64_t read = read_.load(std::memory_order_relaxed);
    if (read == write_.load(std::memory_order_acquire)) return false;
    Head head;
    std::uint64_t at = read;
    take(at, std::as_writable_bytes(std::span(&head, 1)));
    payload.resize(head.size);
    take(at, payload);
    type = head.type;
    read_.store(read + align_up<std::uint64_t>(sizeof(Head) + head.size, 8),
                std::memory_order_seq_cst);
    if (writer_waits_.exchange(false, std::memory_order_seq_cst)) writable_.set();
    return true;
  }

  Event& readable() { return readable_; }  // set after a push
  Event& writable() { return writable_; }  // set after a pop when a push had failed before
  std::uint32_t capacity() const { return capacity_; }

 private:
  struct Head {
    std::uint32_t size;  // bytes of the payload
    std::uint32_t type;
  };

  void put(std::uint64_t& at, Part part) {
    const std::uint64_t offset = at % capacity_;
    const std::uint64_t first = std::min<std::uint64_t>(part.size(), capacity_ - offset);
    if (first > 0) std::memcpy(data_.get() + offset, part.data(), first);
    if (part.size() > first) std::memcpy(data_.get(), part.data() + first, part.size() - first);
    at += part.size();
  }
  void take(std::uint64_t& at, std::span<std::byte> part) {
    const std::uint64_t offset = at % capacity_;
    const std::uint64_t first = std::min<std::uint64_t>(part.size(), capacity_ - offset);
    if (first > 0) std::memcpy(part.data(), data_.get() + offset, first);
    if (part.size() > first) std::memcpy(part.data() + first, data_.get(), part.size() - first);
    at += part.size();
  }

  const std::uint32_t capacity_;
  const std::unique_ptr<std::byte[]> data_;
  alignas(64) std::atomic<std::uint64_t> write_{0};  // bytes ever written; writer only
  alignas(64) std::atomic<std::uint64_t> read_{0};   // bytes ever read; reader only
  alignas(64) std::atomic<bool> writer_waits_{false};
  Event readable_;
  Event writable_;
};

}  // namespace hearth
