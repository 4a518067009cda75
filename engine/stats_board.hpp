// The engine's numbers, for others to look at whenever they like: a step of a large model may take
// seconds, and who asks how things are must not wait for it.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "cache/page_cache.hpp"

namespace hearth {

struct EngineStats {
  std::uint64_t prompt_rows;     // rows computed in the role of prompt tokens
  std::uint64_t generated_rows;  // rows computed in the role of generated tokens
  std::uint64_t cached_tokens;   // prompt tokens taken from the cache
  std::uint64_t steps;           // forward steps
  std::uint64_t preemptions;     // sequences sent back to the queue for want of pages
  std::uint64_t pages_total;     // that the segment may hold
  std::uint64_t pages_backed;    // with memory behind them
  std::uint64_t pages_in_use;    // of running sequences
  std::uint64_t pages_cached;    // kept for later
  std::uint64_t evictions;
  std::uint64_t pages_damaged;  // found when they were to be used again, and dropped
  std::uint64_t checkpoints;    // of states, that are there
  std::uint64_t checkpoint_evictions;
  std::uint64_t checkpoints_thinned;  // dropped because a text had too many
  std::uint64_t checkpoints_damaged;
  std::uint32_t running;  // sequences with pages
  std::uint32_t queued;   // sequences waiting for their turn
};

// Any thread.
class StatsBoard {
 public:
  // Takes memory only when there are more namespaces than ever before.
  void put(const EngineStats& stats, std::span<const cache::NamespaceUse> cache_uses) {
    const std::lock_guard lock(mutex_);
    stats_ = stats;
    cache_uses_.assign(cache_uses.begin(), cache_uses.end());
  }
  EngineStats get() const {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  // Who has what of the cache, in no order.
  std::vector<cache::NamespaceUse> cache_uses() const {
    const std::lock_guard lock(mutex_);
    return cache_uses_;
  }

 private:
  mutable std::mutex mutex_;
  EngineStats stats_ = {};
  std::vector<cache::NamespaceUse> cache_uses_;
};

}  // namespace hearth
