// The pages of one model: which are free, who uses them, which one goes next.
//
// THREAD: the engine.  A page is taken (FILLING, one reference), filled, committed, shared by
// reference and kept after its last user until its memory is needed.
//
// Eviction takes pages that nobody refers to, the least recently used one of a namespace first.  A
// namespace that holds more than its quota gives up its own, before anybody else needs them; when
// memory is needed, namespaces.hpp says which one gives way.
//
// Published pages, those of kPublishedNamespace, are found by everybody once publish() has named
// them, and count for no quota.  A user's page may continue one; it is then the user's alone.
//
// Invariants, asserted by check():
//  (1) a page is on exactly one of: free list, LRU list, in use (references > 0);
//  (2) who refers to a page refers to every page before it in its sequence;
//  (3) on its namespace's LRU list a page stands before the page it continues, so that the front
//      has no children;
//  (4) a namespace holds no more than its quota, or has pages in use and no others;
//  (5) a page continues one of its own namespace, or a published one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "cache/namespaces.hpp"
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

// What a namespace has of a cache.
struct NamespaceUse {
  NamespaceId id = 0;
  std::uint64_t pages_in_use = 0;
  std::uint64_t pages_cached = 0;
  std::uint64_t bytes = 0;             // of all of them
  std::uint64_t checkpoints = 0;       // of its sequences' state
  std::uint64_t checkpoint_bytes = 0;  // of all of them
};

// Pages of an earlier daemon that were held to their checksums when they were found, for nobody had
// used them before; and how long that took.
struct PageChecks {
  std::uint64_t intact = 0;
  std::uint64_t damaged = 0;  // and each time that one was met which is known to be damaged
  std::int64_t ns = 0;
};

class PageCache {
 public:
  // With what the segment has kept: the index is rebuilt from its records.  A page is held to its
  // checksum when it is used first.
  PageCache(std::unique_ptr<Segment> segment, const Digest& master_secret,
            const NamespaceRules& rules = {});

  // The share of the budget of a cache that no sequence uses any more.
  static BudgetShare dissolve(std::unique_ptr<PageCache> cache) {
    return Segment::dissolve(std::move(cache->segment_));
  }

  // A share of the same budget that has nothing of it yet.
  BudgetShare empty_share() const { return segment_->empty_share(); }

  const SegmentGeometry& geometry() const { return segment_->geometry(); }
  std::uint64_t capacity_bytes() const { return segment_->capacity_bytes(); }
  const Recovery& recovery() const { return segment_->recovery(); }
  const Status& spread_status() const { return segment_->spread_status(); }
  std::uint32_t page_tokens() const { return segment_->page_tokens(); }
  std::byte* payload(SlotId slot) const { return segment_->payload(slot); }
  std::uint64_t payload_bytes() const { return segment_->payload_bytes(); }
  std::span<const std::int32_t> tokens(SlotId slot) const { return segment_->tokens(slot); }

  // The key that a namespace's first pages have as parent, and the key of a page.
  const Digest& root_key(NamespaceId id);
  Digest page_key(NamespaceId id, const Digest& parent, std::span<const std::int32_t> tokens);

  // The committed page that continues parent with exactly these tokens; or kNoSlot.  look_up()
  // takes no reference, and does not look at its bytes.
  SlotId find(NamespaceId id, SlotId parent, const Digest& key,
              std::span<const std::int32_t> tokens);
  SlotId look_up(NamespaceId id, SlotId parent, const Digest& key,
                 std::span<const std::int32_t> tokens) const {
    return index_.find(id, parent, key, tokens);
  }
  // The committed page with this key, whoever's it is; or kNoSlot.  And what it continues: a page,
  // or kNoSlot for a first one.  All pages before a page that is there are there.
  SlotId look_up_key(const Digest& key) const { return index_.find_key(key); }
  SlotId parent(SlotId slot) const { return index_.parent(slot); }
  const ObjectHeader& header(SlotId slot) const { return segment_->header(slot); }
  // Take a reference to what look_up() gave.  False when it is damaged: it is found no more.
  bool hold_intact(SlotId slot);
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

  // A committed page of kPublishedNamespace belongs to a text that is configured: everybody may
  // find it from now on.
  void publish(SlotId slot);
  bool is_published(SlotId slot) const { return pages_[slot].published; }
  bool has_published() const { return has_published_; }  // whether there ever was one

  PageCacheStats stats() const;
  // Every namespace that holds pages, in no order, in place of what was in the list.
  void list_uses(std::vector<NamespaceUse>& ret_uses) const;
  const PageChecks& checks() const { return checks_; }
  // Whether any page is kept for a namespace.
  bool has_pages(NamespaceId id) const {
    const auto found = namespaces_.all().find(id);
    return found != namespaces_.all().end() && found->second.pages_kept > 0;
  }
  // Whether any ever was, since this cache was made.
  bool had_pages(NamespaceId id) const {
    const auto found = namespaces_.all().find(id);
    return found != namespaces_.all().end() && found->second.had_pages;
  }
  // Pages dropped because one of them was damaged, with what continued it, since the start.
  std::uint64_t damaged_count() const { return damaged_; }
  // True for a page in use that was found damaged: it is found no more, and goes with its users.
  bool is_damaged(SlotId slot) const { return pages_[slot].damaged; }
  std::uint32_t references(SlotId slot) const { return pages_[slot].references; }
  void check() const;  // asserts the invariants

 private:
  friend class CacheUpkeep;  // what is done with pages on their owner's word
  struct Page {
    std::uint32_t references = 0;
    bool committed = false;
    bool intact = false;         // the payload was computed or checked by this daemon
    bool damaged = false;        // in use, and no longer what it was
    bool published = false;      // for everybody to find
    SlotId previous = kNoSlot;   // LRU list
    SlotId next = kNoSlot;       // LRU list or free list
    Namespace* owner = nullptr;  // while it is not free
  };
  Namespace& find_namespace(NamespaceId id);
  void rebuild();
  SlotId parent_by_key(const std::unordered_map<std::uint64_t, SlotId>& full, SlotId slot);
  void add_slots(std::uint32_t first);
  bool is_intact(SlotId slot);
  std::uint64_t drop_tree(SlotId slot);
  std::uint64_t quota_of(const Namespace& owner) const;
  void drop_damaged(SlotId slot) { damaged_ += drop_tree(slot); }
  Status make_free();
  void keep_quota(Namespace& owner);
  void evict_page(Namespace& owner);
  void drop(SlotId slot);       // out of index and segment, onto the free list
  void list_push(SlotId slot);  // most recently used
  void list_unlink(SlotId slot);
  void check_pages(const std::vector<int>& seen, const std::vector<std::uint64_t>& order) const;
  void drop_shorter_siblings(SlotId slot, SlotId parent, const PageIdentity& identity);

  std::unique_ptr<Segment> segment_;
  const Digest master_secret_;
  PrefixIndex index_;
  std::vector<Page> pages_;          // [slots that have memory]
  const std::uint64_t quota_pages_;  // of each user and group
  Namespaces namespaces_;
  SlotId free_ = kNoSlot;           // list by next
  std::uint64_t cached_count_ = 0;  // pages on LRU lists
  std::uint64_t free_count_ = 0;    // pages on the free list
  std::uint64_t evictions_ = 0;
  std::uint64_t damaged_ = 0;
  bool has_published_ = false;
  PageChecks checks_;
};

}  // namespace hearth::cache
