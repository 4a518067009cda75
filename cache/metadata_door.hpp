// The one door through which a segment's metadata is written: superblocks, records and headers.
//
// Everybody else sees them through a mapping for reading only, so that a stray store faults instead
// of changing what a later attach believes.  Every store is a crash point.
//
// THREAD: the engine that owns the segment.
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cache/crash_point.hpp"

namespace hearth::cache {

class MetadataDoor {
 public:
  MetadataDoor() = default;
  // base: the segment's first bytes, mapped for writing; outlives us.
  MetadataDoor(std::byte* base, std::size_t bytes) : base_(base), bytes_(bytes) {}

  // Write bytes, in no order that could be relied on.
  void write(std::size_t offset, const void* from, std::size_t bytes) const {
    assert(offset <= bytes_ && bytes <= bytes_ - offset);
    if (crash_hook == nullptr) {
      std::memcpy(base_ + offset, from, bytes);
      return;
    }
    const auto* source = static_cast<const std::byte*>(from);
    for (std::size_t done = 0; done < bytes; done += kWord) {
      std::memcpy(base_ + offset + done, source + done,
                  done + kWord <= bytes ? kWord : bytes - done);
      crash_point();
    }
  }

  // Write one word after everything that was written before.
  void publish(std::size_t offset, std::uint32_t value) const {
    assert(offset % sizeof(value) == 0 && offset + sizeof(value) <= bytes_);
    std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(base_ + offset))
        .store(value, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // nor is anything later written before
    crash_point();
  }

 private:
  static constexpr std::size_t kWord = 8;  // what a store writes at once
  std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace hearth::cache
