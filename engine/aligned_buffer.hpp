// An array in memory aligned to a cache line; zeroed.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "common/checked.hpp"

namespace hearth {

template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t count) {
    const std::size_t bytes = align_up<std::size_t>(count * sizeof(T), 64);
    if (bytes == 0) return;
    data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    if (!data_) throw std::bad_alloc();  // as operator new: out of memory ends the process
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };
  std::unique_ptr<T, Free> data_;
};

}  // namespace hearth
