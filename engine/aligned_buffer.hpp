// Floats in memory aligned to a cache line; zeroed.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "common/checked.hpp"

namespace hearth {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t count) {
    const std::size_t bytes = align_up<std::size_t>(count * sizeof(float), 64);
    if (bytes == 0) return;
    data_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
    if (!data_) throw std::bad_alloc();  // as operator new: out of memory ends the process
    std::memset(data_.get(), 0, bytes);
  }
  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  std::unique_ptr<float, Free> data_;
};

}  // namespace hearth
