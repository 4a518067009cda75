// Memory that faults on the first byte beyond it: an array placed against the end of a mapping,
// with an inaccessible page after it, and known bytes before it.
//
// Inputs in such memory prove that a kernel reads nothing past their end; outputs, that it writes
// nothing past it.  guards_intact() says whether what lies before the array was left alone.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

namespace hearth::kernels {

template <class T>
class GuardedBuffer {
 public:
  // count elements; offset bytes before the end of the mapping, 0 to find over-reads.
  explicit GuardedBuffer(std::size_t count, std::size_t offset = 0)
      : count_(count), page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    const std::size_t bytes = count * sizeof(T) + offset;
    mapped_ = (bytes + kGuardBytes + page_ - 1) / page_ * page_ + page_;
    void* base = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) std::abort();
    base_ = static_cast<unsigned char*>(base);
    if (mprotect(base_ + mapped_ - page_, page_, PROT_NONE) != 0) std::abort();
    begin_ = base_ + mapped_ - page_ - bytes;
    std::memset(begin_ - kGuardBytes, kGuard, kGuardBytes);
  }
  ~GuardedBuffer() { munmap(base_, mapped_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  // For T of more than one byte, offset must keep the array aligned; bytes() has no such rule.
  T* data() { return reinterpret_cast<T*>(begin_); }
  unsigned char* bytes() { return begin_; }
  std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + count_; }

  bool guards_intact() const {
    for (std::size_t i = 1; i <= kGuardBytes; ++i) {
      if (begin_[-static_cast<std::ptrdiff_t>(i)] != kGuard) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kGuardBytes = 128;
  static constexpr unsigned char kGuard = 0xa5;

  std::size_t count_;
  std::size_t page_;
  std::size_t mapped_ = 0;
  unsigned char* base_ = nullptr;
  unsigned char* begin_ = nullptr;
};

}  // namespace hearth::kernels
