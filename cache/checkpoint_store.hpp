// The state checkpoints of one model: which are there, where a text can go on from, which one goes.
//
// A checkpoint at position p of a text holds the state of all recurrent layers after its first p
// tokens, and a copy of the KV page that position p - 1 lies in: tokens [first, p), where first is
// the greatest multiple of the page below p.  Its parent key is that of the page before (the root
// key of its namespace for the first page), its key what the page of these tokens would have; the
// token ids are compared whenever it is found.  It can be used where all pages below first are
// there.  docs/checkpoints.md says all of it.
//
// What an engine does, with pages a SequencePages and P = page_tokens:
//
//   restore   pages.adopt_pages(tokens, limit);
//             slot = store.find({id, pages.keys(), tokens, limit});   // kNoSlot: truncate(0)
//             p = store.position(slot);
//             pages.truncate(p / P * P);
//             if (pages.end() < p) pages.adopt_payload(tokens, p, store.page(slot));
//             copy store.state(slot) to the sequence's state; store.release(slot);
//   take      if (store.has(identity)) return;                        // at p == pages.end()
//             slot = store.begin(id);                                 // kNoSlot: no room
//             copy to store.state(slot) and store.page(slot);         // the page may be shared
//             store.release(store.commit(slot, identity, max_checkpoints));
//   identity  pages.checkpoint_identity(tokens)
//
// Life: as that of a page (page_cache.hpp): begin() gives a slot with one reference, which commit()
// keeps; who refers to one keeps it from going; without references it is kept until its memory is
// needed, it is thinned, or erased.  Published ones (those of kPublishedNamespace) are found by
// everybody after publish() and held by whoever publishes the text.
//
// Tree: each knows the nearest one above it on its text, its parent; a fork is one with two
// children or more.  When a path from the root has more than max_checkpoints of the namespace, one
// is dropped, the one of the least
//
//   cost = (tokens between its neighbours) / (tokens to the end of the path),  times 4 for a fork
//
// (of equals, the first): so many tokens are the most that a text which parts there computes again,
// and texts part near the end more often than far from it: what stays lies the denser the nearer to
// the end.  Never the last one of the path nor, while there is another choice, the one above it,
// the end of a turn and the end of its prompt, and the one where the user's last turn begins: what
// comes after that may change as a whole.  Never one in use, never another namespace's.
//
// Eviction, when a slot is needed: namespaces.hpp says who gives way, by the rules of pages; of
// theirs, among the kEvictScan used longest ago, the one of the least worth goes:
//
//   worth = (position - position of its parent) / (1 + age)
//
// tokens that it saves against what is left, over its age: how often checkpoints were taken or
// restored since it was (Marconi's recency and compute per byte; all have one size, so bytes do not
// count).  One whose pages are gone is worth 0.  A restore makes the one that is used young, and
// none of those above it.
//
// After a restart the tree is made again by one scan, from the records and from the pages that are
// there; a payload is held to its checksum when it is used first.
//
// THREAD: the engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache/checkpoint_tree.hpp"
#include "cache/namespaces.hpp"
#include "cache/page_cache.hpp"
#include "cache/segment.hpp"

namespace hearth::cache {

struct CheckpointStats {
  std::uint64_t checkpoints_total = 0;   // that there may ever be
  std::uint64_t checkpoints_backed = 0;  // slots with memory
  std::uint64_t checkpoints_in_use = 0;  // being filled, or referred to
  std::uint64_t checkpoints_kept = 0;    // free to evict
  std::uint64_t evictions = 0;           // for want of memory, since the start
  std::uint64_t thinned = 0;             // because a path had too many, since the start
  std::uint64_t damaged = 0;             // whose bytes were not what they had been, dropped
  std::uint64_t checkpoint_bytes = 0;    // of one with its header and record
};

// Where to look: the begin of a text whose whole pages are there.
struct CheckpointPath {
  NamespaceId id;
  std::span<const Digest> keys;          // of its whole pages: SequencePages::keys()
  std::span<const std::int32_t> tokens;  // of the text
  std::uint32_t limit;                   // no position beyond
};

class CheckpointStore {
 public:
  static constexpr std::uint32_t kEvictScan = 1024;

  // What the segment of a model's checkpoints has in common, from that of its pages.  INVALID when
  // the sizes overflow, or the state has no bytes.
  static Result<SegmentGeometry> geometry_of(const SegmentGeometry& pages,
                                             std::uint64_t state_bytes);

  // With what the segment has kept; pages outlives us.  rules: of the bytes of checkpoints.
  CheckpointStore(std::unique_ptr<Segment> segment, PageCache* pages,
                  const NamespaceRules& rules = {});

  // The share of the budget of a store that nobody uses any more.
  static BudgetShare dissolve(std::unique_ptr<CheckpointStore> store) {
    return Segment::dissolve(std::move(store->segment_));
  }

  const SegmentGeometry& geometry() const { return segment_->geometry(); }
  const Recovery& recovery() const { return segment_->recovery(); }
  const Status& spread_status() const { return segment_->spread_status(); }
  std::uint64_t capacity_bytes() const { return segment_->capacity_bytes(); }

  // The two parts of a payload, each on a 64-byte border: to be filled after begin(), to be read
  // while there is a reference.
  std::span<std::byte> state(SlotId slot) const {
    return {segment_->payload(slot), segment_->geometry().state_bytes};
  }
  std::span<std::byte> page(SlotId slot) const;
  std::uint32_t position(SlotId slot) const { return tree_.position(slot); }
  NamespaceId namespace_of(SlotId slot) const { return segment_->record(slot).namespace_id; }

  // The deepest checkpoint of this path that is intact, its own or a published one, with a
  // reference; kNoSlot when there is none.  Those found damaged on the way are dropped.
  SlotId find(const CheckpointPath& path);
  // All of them, ascending, in place of what was in the list; no references, and no look at their
  // bytes.
  void list(const CheckpointPath& path, std::vector<SlotId>& ret_slots) const;
  // Whether the one that would be committed so is there already.
  bool has(const PageIdentity& identity) const;

  // A slot to fill, with one reference; kNoSlot when every one is in use, or the namespace may not
  // hold one.  Error: IO from growing.
  Result<SlotId> begin(NamespaceId id);
  // Its payload is complete: from now on it is found.  When the store has the same one already, the
  // reference moves to that one and the new slot is given back: use the slot that is returned.
  // Then the paths that it lies on are thinned to max_checkpoints, at least 1; turn_start is where
  // the user's last turn begins, 0: nowhere.
  SlotId commit(SlotId slot, const PageIdentity& identity, std::uint32_t max_checkpoints,
                std::uint32_t turn_start = 0);
  // Take one more reference; give one up.  A slot that was never committed is free then: so a
  // checkpoint that was begun is abandoned.
  void hold(SlotId slot);
  void release(SlotId slot);

  // A committed one of kPublishedNamespace belongs to a text that is configured: everybody may find
  // it from now on.  It stays while its publisher refers to it.
  void publish(SlotId slot);
  // True for one in use that was found damaged: it is found no more, and goes with its users.
  bool is_damaged(SlotId slot) const { return checkpoints_[slot].damaged; }

  CheckpointStats stats() const;
  // Add what each namespace has here to the list, and to it those that have nothing else.
  void add_uses(std::vector<NamespaceUse>& uses) const;
  // Of an earlier daemon's checkpoints, those that were held to their checksums, and how long that
  // took.
  const PageChecks& checks() const { return checks_; }
  void check() const;  // asserts the invariants

 private:
  friend class CheckpointUpkeep;  // what is done with checkpoints on their owner's word
  struct Checkpoint {
    std::uint32_t references = 0;
    bool committed = false;
    bool damaged = false;        // in use, and no longer what it was
    bool intact = false;         // the payload was written or checked by this daemon
    bool published = false;      // for everybody to find
    SlotId previous = kNoSlot;   // list of its namespace, the longest unused first
    SlotId next = kNoSlot;       // that list, or the free list
    std::uint64_t used = 0;      // clock_ when it was taken or restored
    Namespace* owner = nullptr;  // while it is not free
  };
  void rebuild();
  void add_slots(std::uint32_t first);
  bool is_ours(SlotId slot) const;
  bool collect_in_page(const CheckpointPath& path, std::uint32_t page,
                       std::vector<SlotId>& ret_slots) const;
  bool is_visible(NamespaceId id, SlotId slot) const;
  bool is_intact(SlotId slot);
  void drop_tainted();
  std::uint64_t quota_of(const Namespace& owner) const;
  void keep_quota(Namespace& owner);
  Status make_free();
  void evict(Namespace& owner);
  double worth(SlotId slot) const;
  void thin_paths(SlotId slot, std::uint32_t max_checkpoints, std::uint32_t turn_start);
  SlotId choose_to_thin(SlotId last, std::uint32_t max_checkpoints, std::uint32_t turn_start) const;
  void withdraw(SlotId slot);
  void drop(SlotId slot);  // out of tree and segment, onto the free list
  void list_push(SlotId slot);
  void list_unlink(SlotId slot);
  void check_slot(SlotId slot, int lists) const;

  std::unique_ptr<Segment> segment_;
  PageCache* const pages_;
  CheckpointTree tree_;
  std::vector<Checkpoint> checkpoints_;  // [slots that have memory]
  const std::uint64_t quota_;            // of each user and group
  Namespaces namespaces_;
  SlotId free_ = kNoSlot;         // list by next
  std::uint64_t kept_count_ = 0;  // on the namespaces' lists
  std::uint64_t free_count_ = 0;  // on the free list
  std::uint64_t clock_ = 0;       // checkpoints taken or restored
  std::uint64_t evictions_ = 0;
  std::uint64_t thinned_ = 0;
  std::uint64_t damaged_ = 0;
  PageChecks checks_;
  std::vector<SlotId> found_;             // of find()
  std::uint64_t pages_damaged_seen_ = 0;  // PageCache::damaged_count() that drop_tainted() has seen
};

}  // namespace hearth::cache
