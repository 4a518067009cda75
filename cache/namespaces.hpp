// The namespaces of one cache: what each of them holds, and which one gives way.
//
// Memory that is needed comes from the namespace that holds the most pages, its least recently used
// one first: who holds no more than an equal share loses nothing to somebody else's long run.  A
// namespace that nobody has used for a day has no share: its pages go before all others.
//
// The page that is wanted counts for who wants it.  Only pages that nobody refers to can go: a
// namespace without such pages is not asked.  Each operation is O(log namespaces), and takes memory
// only when a namespace gets its first page that could go.
//
// THREAD: the engine.  A namespace, once met, stays where it is in memory.
#pragma once

#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

#include "cache/page_key.hpp"
#include "cache/segment.hpp"

namespace hearth::cache {

// Seconds since some moment, never going back.
using SecondsClock = std::int64_t (*)();
std::int64_t seconds_now();

// What holds for every namespace of a cache.
struct NamespaceRules {
  std::uint64_t bytes_max = UINT64_MAX;  // that one may hold, but for pages in use
  SecondsClock clock = seconds_now;
};

struct Namespace {
  NamespaceId id = 0;
  Digest secret = {};
  Digest root = {};                // what its first pages have as parent
  std::uint32_t pages_held = 0;    // being filled, in use and cached
  std::uint32_t pages_kept = 0;    // of these, committed
  std::uint32_t pages_cached = 0;  // of these, nobody refers to: on the list
  SlotId lru_first = kNoSlot;      // goes next
  SlotId lru_last = kNoSlot;       // most recently used
  bool had_pages = false;          // ever, since this cache was made
  std::int64_t used_s = 0;         // when it last took or gave up a page
};

class Namespaces {
 public:
  static constexpr std::int64_t kAwaySeconds = 24 * 60 * 60;

  explicit Namespaces(SecondsClock clock) : clock_(clock) {}

  // The namespace of this id, and whether it was met now: its keys are to be filled in.
  std::pair<Namespace*, bool> meet(NamespaceId id);

  // It holds so many pages more, of which so many more are cached.
  void count(Namespace& one, int held, int cached);

  // Who loses a page when memory is needed; null when no page could go.
  Namespace* gives_way() const;

  const std::unordered_map<NamespaceId, Namespace>& all() const { return all_; }
  void check() const;  // asserts that those are asked that have pages that could go

 private:
  struct LessHeld {
    bool operator()(const Namespace* a, const Namespace* b) const {
      return std::pair(a->pages_held, a->id) < std::pair(b->pages_held, b->id);
    }
  };
  struct UsedEarlier {
    bool operator()(const Namespace* a, const Namespace* b) const {
      return std::pair(a->used_s, a->id) < std::pair(b->used_s, b->id);
    }
  };

  const SecondsClock clock_;
  std::unordered_map<NamespaceId, Namespace> all_;
  // Those with cached pages; what they are ordered by changes in count() alone.
  std::set<Namespace*, LessHeld> by_held_;
  std::set<Namespace*, UsedEarlier> by_use_;
};

// The list of a namespace's slots that nobody refers to, the longest unused first: members previous
// and next of what a cache knows of each slot, which names its owner.
template <class Entries>
void lru_push(Entries& entries, SlotId slot) {  // behind all others
  auto& one = entries[slot];
  Namespace& owner = *one.owner;
  one.previous = owner.lru_last;
  one.next = kNoSlot;
  (owner.lru_last == kNoSlot ? owner.lru_first : entries[owner.lru_last].next) = slot;
  owner.lru_last = slot;
}
template <class Entries>
void lru_unlink(Entries& entries, SlotId slot) {
  auto& one = entries[slot];
  Namespace& owner = *one.owner;
  (one.previous == kNoSlot ? owner.lru_first : entries[one.previous].next) = one.next;
  (one.next == kNoSlot ? owner.lru_last : entries[one.next].previous) = one.previous;
  one.previous = one.next = kNoSlot;
}

}  // namespace hearth::cache
