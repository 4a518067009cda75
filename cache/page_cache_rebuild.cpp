// A page cache from what a segment has kept: see page_cache.hpp.
#include <algorithm>
#include <cstring>

#include "cache/page_cache.hpp"

namespace hearth::cache {
namespace {

// Of a key, which is a hash, to find it by.
std::uint64_t first_bits(const Digest& key) {
  std::uint64_t bits;
  std::memcpy(&bits, key.data(), sizeof(bits));
  return bits;
}

}  // namespace

// Slots from one on have got memory.
void PageCache::add_slots(std::uint32_t first) {
  const std::uint32_t end = segment_->backed_slots();
  pages_.resize(end);
  index_.add_slots(end);
  for (SlotId slot = end; slot > first; --slot) {  // so that low slots are used first
    if (segment_->record(slot - 1).state != static_cast<std::uint32_t>(SlotState::free)) continue;
    pages_[slot - 1].next = std::exchange(free_, slot - 1);
    ++free_count_;
  }
}

// The page that a committed one says it continues; kNoSlot for the first page of its namespace, and
// the slot itself when it continues nothing that is there.
SlotId PageCache::parent_by_key(const std::unordered_map<std::uint64_t, SlotId>& full,
                                SlotId slot) {
  const ObjectHeader& object = segment_->header(slot);
  if (object.first_token == 0) {
    return object.parent_key == root_key(object.namespace_id) ? kNoSlot : slot;
  }
  const auto found = full.find(first_bits(object.parent_key));
  if (found == full.end()) return slot;
  const Record& parent = segment_->record(found->second);
  const bool possible =
      parent.namespace_id == object.namespace_id || parent.namespace_id == kPublishedNamespace;
  const bool continues =
      parent.key == object.parent_key && possible &&
      segment_->header(found->second).first_token + page_tokens() == object.first_token;
  return continues ? found->second : slot;
}

// Parents before what continues them.  A key must be what this daemon would give the page: another
// secret, or a forged record, ends here.
void PageCache::rebuild() {
  std::vector<SlotId> kept;
  for (SlotId slot = 0; slot < segment_->backed_slots(); ++slot) {
    if (segment_->record(slot).state == static_cast<std::uint32_t>(SlotState::committed)) {
      kept.push_back(slot);
    }
  }
  const auto first_token = [&](SlotId slot) { return segment_->header(slot).first_token; };
  std::ranges::stable_sort(kept, {}, first_token);
  pages_.resize(segment_->backed_slots());
  index_.add_slots(segment_->backed_slots());
  std::unordered_map<std::uint64_t, SlotId> full;  // pages of whole length, by their key
  for (const SlotId slot : kept) {
    const Record& record = segment_->record(slot);
    const std::span<const std::int32_t> tokens = segment_->tokens(slot);
    const Digest& parent_key = segment_->header(slot).parent_key;
    const SlotId parent = parent_by_key(full, slot);
    if (parent == slot || record.key != page_key(record.namespace_id, parent_key, tokens) ||
        index_.find(record.namespace_id, parent, record.key, tokens) != kNoSlot) {
      segment_->free_orphan(slot);
      continue;
    }
    index_.insert(record.namespace_id, parent, slot);
    pages_[slot].committed = true;
    pages_[slot].owner = &find_namespace(record.namespace_id);
    namespaces_.count(*pages_[slot].owner, /*held=*/1, /*cached=*/0);
    pages_[slot].owner->had_pages = true;
    ++pages_[slot].owner->pages_kept;
    if (tokens.size() == page_tokens()) full.emplace(first_bits(record.key), slot);
  }
  // The last pages of sequences are evicted before those that they continue.
  for (auto slot = kept.rbegin(); slot != kept.rend(); ++slot) {
    if (pages_[*slot].committed) list_push(*slot);
  }
  add_slots(0);
  for (const SlotId slot : kept) {
    if (pages_[slot].committed) keep_quota(*pages_[slot].owner);
  }
}

}  // namespace hearth::cache
