// One budget of bytes for all segments of the daemon.  Any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace hearth::cache {

class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit) : limit_(limit) {}

  // Take bytes from the budget, or return false and take nothing.
  bool reserve(std::uint64_t bytes) {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  void give_back(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t limit() const { return limit_; }

 private:
  const std::uint64_t limit_;           // bytes
  std::atomic<std::uint64_t> used_{0};  // bytes, never above limit_
};

}  // namespace hearth::cache
