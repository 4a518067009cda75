// Finds pages by what they hold: a tree of committed pages, per namespace, over token ids.
//
// THREAD: the engine.  Ordinary memory, rebuilt from the segment's records; a page's key and token
// ids stay in the segment.  A node is a page, its children are the pages that continue it; only
// full pages have children.  The key routes, the token ids decide.
//
// A page may continue one of another namespace (a user's, one that is published).  Such children,
// grafts, are listed apart for each namespace: what one has does not show in the lists of others.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "cache/segment.hpp"

namespace hearth::cache {

class PrefixIndex {
 public:
  explicit PrefixIndex(const Segment* segment) : segment_(segment) {}

  // Have room for slots [0, count).
  void add_slots(std::uint32_t count);

  // The page that continues parent (kNoSlot: the begin of the namespace) with exactly these tokens.
  // kNoSlot when there is none.
  SlotId find(NamespaceId id, SlotId parent, const Digest& key,
              std::span<const std::int32_t> tokens) const;

  // The page with this key, wherever it stands; kNoSlot when there is none.
  SlotId find_key(const Digest& key) const;

  // The child of parent that begins with the most of tokens, and how many those are.  At most
  // kScanMax children are looked at, the newest first.
  struct Partial {
    SlotId slot = kNoSlot;
    std::uint32_t tokens = 0;
  };
  Partial find_partial(NamespaceId id, SlotId parent, std::span<const std::int32_t> tokens) const;

  // Add a page that was just committed, or take one out that has no children and no grafts.  Takes
  // memory when a namespace continues a page of another for the first time.
  void insert(NamespaceId id, SlotId parent, SlotId slot);
  void remove(SlotId slot);

  SlotId parent(SlotId slot) const { return nodes_[slot].parent; }
  // Of its own namespace; of others.
  bool has_children(SlotId slot) const { return nodes_[slot].first_child != kNoSlot; }
  bool has_grafts(SlotId slot) const { return !grafts_.empty() && grafts_.contains(slot); }
  // Any page that continues this one, whoever's it is; kNoSlot when there is none.
  SlotId any_child(SlotId slot) const;
  SlotId first_child(NamespaceId id, SlotId parent) const;
  SlotId next_sibling(SlotId slot) const { return nodes_[slot].next_sibling; }

  static constexpr int kScanMax = 4096;

 private:
  struct Node {
    NamespaceId namespace_id = 0;
    SlotId parent = kNoSlot;
    SlotId first_child = kNoSlot;
    SlotId previous_sibling = kNoSlot;
    SlotId next_sibling = kNoSlot;
  };
  SlotId& first_child_of(NamespaceId id, SlotId parent);
  void forget_grafts(NamespaceId id, SlotId parent);
  std::size_t home(const Digest& key) const;
  void enter(SlotId slot);

  const Segment* segment_;                               // outlives us
  std::vector<Node> nodes_;                              // [slots that have memory]
  std::unordered_map<NamespaceId, SlotId> first_pages_;  // first child of each namespace's root
  // By the page that they continue: the first child of each other namespace.
  std::unordered_map<SlotId, std::map<NamespaceId, SlotId>> grafts_;
  std::vector<SlotId> table_;  // open addressing by key, a power of two
};

}  // namespace hearth::cache
