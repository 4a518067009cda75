// See prefix_index.hpp.
#include "cache/prefix_index.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace hearth::cache {

void PrefixIndex::add_slots(std::uint32_t count) {
  nodes_.resize(count);
  const std::size_t wanted = std::bit_ceil<std::size_t>(2 * std::size_t{count});
  if (table_.size() >= wanted) return;
  std::vector<SlotId> old(wanted, kNoSlot);
  old.swap(table_);
  for (const SlotId slot : old) {
    if (slot != kNoSlot) enter(slot);
  }
}

void PrefixIndex::enter(SlotId slot) {
  std::size_t at = home(segment_->record(slot).key);
  while (table_[at] != kNoSlot) at = (at + 1) & (table_.size() - 1);
  table_[at] = slot;
}

// Keys are hashes: any eight bytes of one are as good as random.
std::size_t PrefixIndex::home(const Digest& key) const {
  std::uint64_t bits;
  std::memcpy(&bits, key.data(), sizeof(bits));
  return bits & (table_.size() - 1);
}

SlotId PrefixIndex::find(NamespaceId id, SlotId parent, const Digest& key,
                         std::span<const std::int32_t> tokens) const {
  if (table_.empty()) return kNoSlot;
  for (std::size_t at = home(key); table_[at] != kNoSlot; at = (at + 1) & (table_.size() - 1)) {
    const SlotId slot = table_[at];
    if (segment_->record(slot).key != key) continue;
    const Node& node = nodes_[slot];
    if (node.namespace_id == id && node.parent == parent &&
        std::ranges::equal(segment_->tokens(slot), tokens)) {
      return slot;
    }
  }
  return kNoSlot;
}

SlotId PrefixIndex::find_key(const Digest& key) const {
  if (table_.empty()) return kNoSlot;
  for (std::size_t at = home(key); table_[at] != kNoSlot; at = (at + 1) & (table_.size() - 1)) {
    if (segment_->record(table_[at]).key == key) return table_[at];
  }
  return kNoSlot;
}

SlotId PrefixIndex::first_child(NamespaceId id, SlotId parent) const {
  if (parent == kNoSlot) {
    const auto found = first_pages_.find(id);
    return found == first_pages_.end() ? kNoSlot : found->second;
  }
  if (nodes_[parent].namespace_id == id) return nodes_[parent].first_child;
  const auto grafts = grafts_.find(parent);
  if (grafts == grafts_.end()) return kNoSlot;
  const auto found = grafts->second.find(id);
  return found == grafts->second.end() ? kNoSlot : found->second;
}

SlotId PrefixIndex::any_child(SlotId slot) const {
  if (has_children(slot)) return nodes_[slot].first_child;
  return has_grafts(slot) ? grafts_.at(slot).begin()->second : kNoSlot;
}

SlotId& PrefixIndex::first_child_of(NamespaceId id, SlotId parent) {
  if (parent == kNoSlot) return first_pages_.try_emplace(id, kNoSlot).first->second;
  if (nodes_[parent].namespace_id == id) return nodes_[parent].first_child;
  return grafts_[parent].try_emplace(id, kNoSlot).first->second;
}

// A page of this namespace was the last that continued parent: list them no more if it is
// another's.
void PrefixIndex::forget_grafts(NamespaceId id, SlotId parent) {
  const auto grafts = grafts_.find(parent);
  if (grafts == grafts_.end()) return;
  const auto first = grafts->second.find(id);
  if (first == grafts->second.end() || first->second != kNoSlot) return;
  grafts->second.erase(first);
  if (grafts->second.empty()) grafts_.erase(grafts);
}

PrefixIndex::Partial PrefixIndex::find_partial(NamespaceId id, SlotId parent,
                                               std::span<const std::int32_t> tokens) const {
  Partial best;
  int scanned = 0;
  for (SlotId child = first_child(id, parent); child != kNoSlot && scanned < kScanMax;
       child = nodes_[child].next_sibling, ++scanned) {
    const std::span<const std::int32_t> held = segment_->tokens(child);
    const auto common =
        static_cast<std::uint32_t>(std::ranges::mismatch(held, tokens).in1 - held.begin());
    if (common > best.tokens) best = {child, common};
  }
  return best;
}

void PrefixIndex::insert(NamespaceId id, SlotId parent, SlotId slot) {
  SlotId& first = first_child_of(id, parent);
  nodes_[slot] = Node{id, parent, kNoSlot, kNoSlot, first};
  if (first != kNoSlot) nodes_[first].previous_sibling = slot;
  first = slot;
  enter(slot);
}

void PrefixIndex::remove(SlotId slot) {
  Node& node = nodes_[slot];
  assert(any_child(slot) == kNoSlot);
  if (node.next_sibling != kNoSlot)
    nodes_[node.next_sibling].previous_sibling = node.previous_sibling;
  if (node.previous_sibling != kNoSlot) {
    nodes_[node.previous_sibling].next_sibling = node.next_sibling;
  } else {
    first_child_of(node.namespace_id, node.parent) = node.next_sibling;
    forget_grafts(node.namespace_id, node.parent);
  }
  node = Node{};

  const std::size_t mask = table_.size() - 1;
  std::size_t hole = home(segment_->record(slot).key);
  while (table_[hole] != slot) hole = (hole + 1) & mask;
  // Close the gap: an entry behind it moves in unless that would put it before its home.
  for (std::size_t at = (hole + 1) & mask; table_[at] != kNoSlot; at = (at + 1) & mask) {
    const std::size_t wanted = home(segment_->record(table_[at]).key);
    if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
    table_[hole] = table_[at];
    hole = at;
  }
  table_[hole] = kNoSlot;
}

}  // namespace hearth::cache
