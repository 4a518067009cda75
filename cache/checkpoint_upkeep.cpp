// See checkpoint_upkeep.hpp.
#include "cache/checkpoint_upkeep.hpp"

#include <algorithm>
#include <chrono>

namespace hearth::cache {
namespace {

// Whether tokens [first, first + held.size()) of a text are what prefix says, as far as it goes.
bool agrees(std::span<const std::int32_t> held, std::uint32_t first,
            std::span<const std::int32_t> prefix) {
  if (first >= prefix.size()) return true;
  const auto wanted = prefix.subspan(first);
  const std::size_t compared = std::min(held.size(), wanted.size());
  return std::ranges::equal(held.first(compared), wanted.first(compared));
}

}  // namespace

// Its text, from its end to its begin.
bool CheckpointUpkeep::begins_with(SlotId slot, std::span<const std::int32_t> prefix) const {
  const ObjectHeader& object = store_->segment_->header(slot);
  if (store_->position(slot) < prefix.size()) return false;
  if (!agrees(store_->segment_->tokens(slot), object.first_token, prefix)) return false;
  if (object.first_token == 0) return true;
  const PageCache& pages = *store_->pages_;
  for (SlotId page = pages.look_up_key(object.parent_key); page != kNoSlot;
       page = pages.parent(page)) {
    if (!agrees(pages.tokens(page), pages.header(page).first_token, prefix)) return false;
  }
  return true;
}

bool CheckpointUpkeep::is_meant(const PageSelection& which, SlotId slot) const {
  const CheckpointStore::Checkpoint& one = store_->checkpoints_[slot];
  if (!one.committed || (!which.all && one.owner->id != which.id)) return false;
  return which.prefix.empty() || !store_->tree_.has_pages(slot) || begins_with(slot, which.prefix);
}

CheckpointCounts CheckpointUpkeep::count(const PageSelection& which) const {
  CheckpointCounts counts;
  for (SlotId slot = 0; slot < slot_count(); ++slot) {
    if (!is_meant(which, slot)) continue;
    ++counts.checkpoints;
    counts.in_use += store_->checkpoints_[slot].references > 0 ? 1 : 0;
  }
  return counts;
}

std::uint32_t CheckpointUpkeep::evict(const PageSelection& which, bool orphans_only) {
  std::uint32_t evicted = 0;
  for (SlotId slot = 0; slot < slot_count(); ++slot) {
    if (store_->checkpoints_[slot].references > 0 || !is_meant(which, slot)) continue;
    if (orphans_only && store_->tree_.has_pages(slot)) continue;
    store_->drop(slot);
    ++evicted;
  }
  return evicted;
}

SlotId CheckpointUpkeep::verify(const PageSelection& which, SlotId slot, std::int64_t budget_ns,
                                VerifyCounts& counts) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(budget_ns);
  while (slot < slot_count()) {
    const SlotId at = slot++;
    CheckpointStore::Checkpoint& one = store_->checkpoints_[at];
    if (!one.committed || (!which.all && one.owner->id != which.id)) continue;
    ++counts.checked;
    one.intact = store_->segment_->payload_intact(at);
    if (!one.intact) {
      ++counts.damaged;
      if (one.references > 0) {
        ++counts.damaged_in_use;
        store_->withdraw(at);
      } else {
        ++counts.dropped;
        ++store_->damaged_;
        store_->drop(at);
      }
    }
    if (std::chrono::steady_clock::now() >= end) break;
  }
  return slot;
}

}  // namespace hearth::cache
