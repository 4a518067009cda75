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

  // The one of exactly this identity; kNoSlot: none.
  SlotId find(const PageIdentity& identity) const;

  // A page of a text, as far as its tokens are known.
  struct Page {
    Digest parent_key;
    std::uint32_t first_token;
    std::span<const std::int32_t> tokens;
  };
  // Those of namespace id that lie in this page, their tokens a prefix of its, added to the list in
  // no order.
  void collect(NamespaceId id, const Page& page, std::vector<SlotId>& ret_slots) const;

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

  // The nearest one above, as the pages that are there tell: what parent() is, but where pages were
  // gone when the one or the other was added, and above what users continue published ones with.
  SlotId nearest_above(SlotId slot) const;

 private:
  struct Node {
    SlotId next_in_bucket = kNoSlot;
    SlotId parent = kNoSlot;
    SlotId first_child = kNoSlot;
    SlotId previous_sibling = kNoSlot;
    SlotId next_sibling = kNoSlot;
  };
  template <class Visit>
  void each_in_page(NamespaceId id, const Page& page, Visit visit) const;
  SlotId deepest_in_page(NamespaceId id, const ObjectHeader& object,
                         std::span<const std::int32_t> tokens) const;
  bool continues(SlotId lower, SlotId upper, int& walk) const;
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
