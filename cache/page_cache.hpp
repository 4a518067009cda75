// The pages of one model: which are free, who uses them, which one goes next.
//
// THREAD: the engine.  A page is taken (FILLING, one reference), filled, committed, shared by
// reference and kept after its last user until its memory is needed.  Eviction takes the least
// recently used page that nobody refers to.
//
// Invariants, asserted by check():
//  (1) a page is on exactly one of: free list, LRU list, in use (references > 0);
//  (2) who refers to a page refers to every page before it in its sequence;
//  (3) on the LRU list a page stands before the page it continues, so that the front has no
//  children.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "cache/page_key.hpp"
#include "cache/prefix_index.hpp"
#include "cache/segment.hpp"

namespace hearth::cache {

struct PageCacheStats {
  std::uint64_t pages_total = 0;   // that there may ever be
  std::uint64_t pages_backed = 0;  // slots with memory
  std::uint64_t pages_in_use = 0;  // referred to by a sequence
  std::uint64_t pages_cached = 0;  // kept for later, free to evict
  std::uint64_t evictions = 0;     // pages evicted since the start
  std::uint64_t damaged = 0;       // pages whose bytes were not what they had been, dropped
  std::uint64_t page_bytes = 0;    // of one object with its header and record
};

class PageCache {
 public:
  // With what the segment has kept: the index is rebuilt from its records.  A page is held to its
  // checksum when it is used first.
  PageCache(std::unique_ptr<Segment> segment, const Digest& master_secret);

  // The share of the budget of a cache that no sequence uses any more.
  static BudgetShare dissolve(std::unique_ptr<PageCache> cache) {
    return Segment::dissolve(std::move(cache->segment_));
  }

  const SegmentGeometry& geometry() const { return segment_->geometry(); }
  std::uint64_t capacity_bytes() const { return segment_->capacity_bytes(); }
  const Recovery& recovery() const { return segment_->recovery(); }
  std::uint32_t page_tokens() const { return segment_->page_tokens(); }
  std::byte* payload(SlotId slot) const { return segment_->payload(slot); }
  std::uint64_t payload_bytes() const { return segment_->payload_bytes(); }
  std::span<const std::int32_t> tokens(SlotId slot) const { return segment_->tokens(slot); }

  // The key that a namespace's first pages have as parent, and the key of a page.
  const Digest& root_key(NamespaceId id);
  Digest page_key(NamespaceId id, const Digest& parent, std::span<const std::int32_t> tokens);

  // The committed page that continues parent with exactly these tokens, with a reference taken; or
  // kNoSlot.
  SlotId find(NamespaceId id, SlotId parent, const Digest& key,
              std::span<const std::int32_t> tokens);
  // The best partial match below parent; no reference is taken: copy at once.
  PrefixIndex::Partial find_partial(NamespaceId id, SlotId parent,
                                    std::span<const std::int32_t> tokens);

  // A page to fill, with one reference; kNoSlot when every page is in use.  Error: IO from growing.
  Result<SlotId> take(NamespaceId id);

  // Publish a page that take() gave.  When the cache holds the same page already, the reference
  // moves to that one and the new page is given back: use the slot that is returned.
  SlotId commit(SlotId slot, SlotId parent, const PageIdentity& identity);

  // Take one more reference to a page; give one up.  A committed page without references stays in
  // the cache until it is evicted; one that was never committed is freed.
  void hold(SlotId slot);
  void release(SlotId slot);

  PageCacheStats stats() const;
  std::uint32_t references(SlotId slot) const { return pages_[slot].references; }
  void check() const;  // asserts the invariants

 private:
  struct Page {
    std::uint32_t references = 0;
    bool committed = false;
    bool intact = false;        // the payload was computed or checked by this daemon
    SlotId previous = kNoSlot;  // LRU list
    SlotId next = kNoSlot;      // LRU list or free list
  };
  struct Namespace {
    Digest secret;
    Digest root;
  };
  Namespace& find_namespace(NamespaceId id);
  void rebuild();
  SlotId parent_by_key(const std::unordered_map<std::uint64_t, SlotId>& full, SlotId slot);
  void add_slots(std::uint32_t first);
  bool is_intact(SlotId slot);
  void drop_tree(SlotId slot);
  void drop(SlotId slot);      // out of index and segment, onto the free list
  void lru_push(SlotId slot);  // most recently used
  void lru_unlink(SlotId slot);
  void drop_shorter_siblings(SlotId slot, SlotId parent, const PageIdentity& identity);

  std::unique_ptr<Segment> segment_;
  const Digest master_secret_;
  PrefixIndex index_;
  std::vector<Page> pages_;  // [slots that have memory]
  std::unordered_map<NamespaceId, Namespace> namespaces_;
  SlotId free_ = kNoSlot;       // list by next
  SlotId lru_first_ = kNoSlot;  // evicted next
  SlotId lru_last_ = kNoSlot;
  std::uint64_t cached_count_ = 0;  // pages on the LRU list
  std::uint64_t free_count_ = 0;    // pages on the free list
  std::uint64_t evictions_ = 0;
  std::uint64_t damaged_ = 0;
};

}  // namespace hearth::cache
