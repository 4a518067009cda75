// What is done with checkpoints on their owner's word, beside their pages: counted, erased, held to
// their checksums.
//
// THREAD: the engine, between its steps.  Those in use are never taken from their users.
#pragma once

#include <cstdint>
#include <span>

#include "cache/cache_upkeep.hpp"
#include "cache/checkpoint_store.hpp"

namespace hearth::cache {

struct CheckpointCounts {
  std::uint64_t checkpoints = 0;
  std::uint64_t in_use = 0;
};

class CheckpointUpkeep {
 public:
  explicit CheckpointUpkeep(CheckpointStore* store) : store_(store) {}

  // Those that are meant.  One whose pages are gone belongs to no text, and so to every prefix.
  CheckpointCounts count(const PageSelection& which) const;

  // Erase those that are meant and that nobody refers to; orphans_only: of these, those whose pages
  // are gone.  After the pages were evicted, with the same selection: then nothing is left of what
  // they went with.  Returns how many.
  std::uint32_t evict(const PageSelection& which, bool orphans_only);

  // Hold the committed ones from slot on to their checksums (a prefix is not looked at), one at
  // least and until budget_ns have passed.  Returns the next slot; slot_count() at the end.
  SlotId verify(const PageSelection& which, SlotId slot, std::int64_t budget_ns,
                VerifyCounts& counts);
  std::uint32_t slot_count() const {
    return static_cast<std::uint32_t>(store_->checkpoints_.size());
  }

 private:
  bool is_meant(const PageSelection& which, SlotId slot) const;
  bool begins_with(SlotId slot, std::span<const std::int32_t> prefix) const;

  CheckpointStore* store_;  // outlives us
};

}  // namespace hearth::cache
