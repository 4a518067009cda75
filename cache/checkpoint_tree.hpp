// Finds checkpoints by the page they lie in, and knows which one continues which.
//
// Two structures over the committed slots of a segment of checkpoints, in ordinary memory:
//   a table, by the key of the page before: those that lie in one page of one text
//   a tree: the parent of a checkpoint is the nearest one above it on its text, of its own
//     namespace or of kPublishedNamespace
//
// A checkpoint stores the tokens of its last page only.  What lies above it is found through the
// page cache, from page to page: as far as these are there, and what is not above pages that are
// there cannot be used.
//
// THREAD: the engine.  Takes memory when slots are added, and when a namespace gets its first
// checkpoint.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "cache/page_cache.hpp"
#include "cache/segment.hpp"

namespace hearth::cache {

class CheckpointTree {
 public:
  // At most so many of one page are looked at, the newest first; likewise when a new one is put
  // between one and those that continue it.
  static constexpr int kScanMax = 4096;

  // Both outlive us.
  CheckpointTree(const Segment* segment, PageCache* pages) : segment_(segment), pages_(pages) {}

  // Have room for slots [0, count).
  void add_slots(std::uint32_t count);

  // The one of this namespace with exactly this parent key and these tokens; kNoSlot: none.
  SlotId find(NamespaceId id, const Digest& parent_key, std::span<const std::int32_t> tokens) const;

  // Those of namespace id that lie in the page after parent_key and whose tokens are a prefix of
  // tokens, added to the list in no order.
  void collect(NamespaceId id, const Digest& parent_key, std::span<const std::int32_t> tokens,
               std::vector<SlotId>& ret_slots) const;

  // Add one that was just committed, between its parent and those that continue it; take one out:
  // what continued it continues its parent.
  void insert(SlotId slot);
  void remove(SlotId slot);

  std::uint32_t position(SlotId slot) const;
  SlotId parent(SlotId slot) const { return nodes_[slot].parent; }
  SlotId first_child(SlotId slot) const { return nodes_[slot].first_child; }
  SlotId next_sibling(SlotId slot) const { return nodes_[slot].next_sibling; }
  bool is_fork(SlotId slot) const;
  // Whether all pages that it continues are there.
  bool has_pages(SlotId slot) const;

  // The nearest one above, as the pages that are there tell: what parent() is but for those whose
  // pages were gone when it was added.
  SlotId nearest_above(SlotId slot) const;

 private:
  struct Node {
    SlotId next_in_bucket = kNoSlot;
    SlotId parent = kNoSlot;
    SlotId first_child = kNoSlot;
    SlotId previous_sibling = kNoSlot;
    SlotId next_sibling = kNoSlot;
  };
  SlotId deepest_of(NamespaceId id, const Digest& parent_key,
                    std::span<const std::int32_t> tokens) const;
  SlotId deepest_in_page(NamespaceId id, const Digest* page_before,
                         std::span<const std::int32_t> tokens) const;
  SlotId& first_child_of(NamespaceId id, SlotId parent);
  void link(SlotId slot, SlotId parent);
  void unlink(SlotId slot);
  std::size_t bucket_of(const Digest& parent_key) const;

  const Segment* segment_;
  PageCache* pages_;
  std::vector<Node> nodes_;                        // [slots that have memory]
  std::vector<SlotId> buckets_;                    // lists by parent key, a power of two
  std::unordered_map<NamespaceId, SlotId> roots_;  // first of those without a parent
};

}  // namespace hearth::cache
