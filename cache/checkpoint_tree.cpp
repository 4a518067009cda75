// See checkpoint_tree.hpp.
#include "cache/checkpoint_tree.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace hearth::cache {
namespace {

// Pages that are walked, at most, to find which ones a new checkpoint is put above.
constexpr int kWalkMax = 1 << 16;

bool begins_with(std::span<const std::int32_t> tokens, std::span<const std::int32_t> prefix) {
  return prefix.size() <= tokens.size() && std::ranges::equal(prefix, tokens.first(prefix.size()));
}

// Whether two objects lie in one page of one text.  What comes first may have another root: that of
// its own namespace, or of the published ones.
bool in_same_page(const ObjectHeader& a, const ObjectHeader& b) {
  return a.first_token == b.first_token && (a.first_token == 0 || a.parent_key == b.parent_key);
}

}  // namespace

void CheckpointTree::add_slots(std::uint32_t count) {
  std::vector<SlotId> old = std::move(buckets_);
  nodes_.resize(count);
  buckets_.assign(std::bit_ceil<std::size_t>(2 * std::size_t{count}), kNoSlot);
  for (const SlotId first : old) {
    for (SlotId slot = first; slot != kNoSlot;) {
      const SlotId next = nodes_[slot].next_in_bucket;
      SlotId& bucket = buckets_[bucket_of(segment_->header(slot).parent_key)];
      nodes_[slot].next_in_bucket = std::exchange(bucket, slot);
      slot = next;
    }
  }
}

// Keys are hashes: any eight bytes of one are as good as random.
std::size_t CheckpointTree::bucket_of(const Digest& parent_key) const {
  std::uint64_t bits;
  std::memcpy(&bits, parent_key.data(), sizeof(bits));
  return bits & (buckets_.size() - 1);
}

std::uint32_t CheckpointTree::position(SlotId slot) const {
  const ObjectHeader& object = segment_->header(slot);
  return object.first_token + object.token_count;
}

// Calls visit(slot) for each of this namespace in the page whose tokens the page begins with.
template <class Visit>
void CheckpointTree::each_in_page(NamespaceId id, const Page& page, Visit visit) const {
  if (buckets_.empty()) return;
  int scanned = 0;
  for (SlotId slot = buckets_[bucket_of(page.parent_key)]; slot != kNoSlot && scanned < kScanMax;
       slot = nodes_[slot].next_in_bucket, ++scanned) {
    const ObjectHeader& object = segment_->header(slot);
    const bool there = object.namespace_id == id && object.first_token == page.first_token &&
                       object.parent_key == page.parent_key;
    if (there && begins_with(page.tokens, segment_->tokens(slot))) visit(slot);
  }
}

SlotId CheckpointTree::find(const PageIdentity& identity) const {
  const Page page = {identity.parent_key, identity.first_token, identity.tokens};
  SlotId found = kNoSlot;
  each_in_page(identity.namespace_id, page, [&](SlotId slot) {
    if (segment_->tokens(slot).size() == identity.tokens.size()) found = slot;
  });
  return found;
}

void CheckpointTree::collect(NamespaceId id, const Page& page,
                             std::vector<SlotId>& ret_slots) const {
  each_in_page(id, page, [&](SlotId slot) { ret_slots.push_back(slot); });
}

// Of namespace id or published, in the page that this object lies in.
SlotId CheckpointTree::deepest_in_page(NamespaceId id, const ObjectHeader& object,
                                       std::span<const std::int32_t> tokens) const {
  SlotId deepest = kNoSlot;
  for (const NamespaceId whose : {id, kPublishedNamespace}) {
    const bool first = object.first_token == 0;
    const Page page = {first ? pages_->root_key(whose) : object.parent_key, object.first_token,
                       tokens};
    each_in_page(whose, page, [&](SlotId slot) {
      if (deepest == kNoSlot || position(slot) > position(deepest)) deepest = slot;
    });
    if (id == kPublishedNamespace) break;
  }
  return deepest;
}

SlotId CheckpointTree::nearest_above(SlotId slot) const {
  const ObjectHeader& object = segment_->header(slot);
  const auto tokens = segment_->tokens(slot);
  SlotId found = deepest_in_page(object.namespace_id, object, tokens.first(tokens.size() - 1));
  SlotId page = object.first_token == 0 ? kNoSlot : pages_->look_up_key(object.parent_key);
  for (; found == kNoSlot && page != kNoSlot; page = pages_->parent(page)) {
    found = deepest_in_page(object.namespace_id, pages_->header(page), pages_->tokens(page));
  }
  return found;
}

// Whether lower lies below upper on one text; takes from walk the pages that were looked at.
bool CheckpointTree::continues(SlotId lower, SlotId upper, int& walk) const {
  const ObjectHeader& top = segment_->header(upper);
  const ObjectHeader& object = segment_->header(lower);
  if (object.first_token <= top.first_token) {
    const auto tokens = segment_->tokens(lower);
    return in_same_page(object, top) && tokens.size() > segment_->tokens(upper).size() &&
           begins_with(tokens, segment_->tokens(upper));
  }
  SlotId page = pages_->look_up_key(object.parent_key);
  while (page != kNoSlot && pages_->header(page).first_token > top.first_token && --walk > 0) {
    page = pages_->parent(page);
  }
  return page != kNoSlot && in_same_page(pages_->header(page), top) &&
         begins_with(pages_->tokens(page), segment_->tokens(upper));
}

bool CheckpointTree::is_fork(SlotId slot) const {
  const SlotId child = nodes_[slot].first_child;
  return child != kNoSlot && nodes_[child].next_sibling != kNoSlot;
}

bool CheckpointTree::has_pages(SlotId slot) const {
  const ObjectHeader& object = segment_->header(slot);
  return object.first_token == 0 || pages_->look_up_key(object.parent_key) != kNoSlot;
}

SlotId& CheckpointTree::first_child_of(NamespaceId id, SlotId parent) {
  if (parent != kNoSlot) return nodes_[parent].first_child;
  return roots_.try_emplace(id, kNoSlot).first->second;
}

void CheckpointTree::link(SlotId slot, SlotId parent) {
  SlotId& first = first_child_of(segment_->header(slot).namespace_id, parent);
  Node& node = nodes_[slot];
  node.parent = parent;
  node.previous_sibling = kNoSlot;
  node.next_sibling = first;
  if (first != kNoSlot) nodes_[first].previous_sibling = slot;
  first = slot;
}

void CheckpointTree::unlink(SlotId slot) {
  Node& node = nodes_[slot];
  if (node.next_sibling != kNoSlot) {
    nodes_[node.next_sibling].previous_sibling = node.previous_sibling;
  }
  if (node.previous_sibling != kNoSlot) {
    nodes_[node.previous_sibling].next_sibling = node.next_sibling;
  } else {
    first_child_of(segment_->header(slot).namespace_id, node.parent) = node.next_sibling;
  }
}

void CheckpointTree::insert(SlotId slot) {
  const ObjectHeader& object = segment_->header(slot);
  const SlotId parent = nearest_above(slot);
  int walk = kWalkMax, scanned = 0;
  SlotId child = first_child_of(object.namespace_id, parent);
  while (child != kNoSlot && walk > 0 && scanned++ < kScanMax) {
    const SlotId next = nodes_[child].next_sibling;
    if (continues(child, slot, walk)) {
      unlink(child);
      link(child, slot);
    }
    child = next;
  }
  link(slot, parent);
  SlotId& bucket = buckets_[bucket_of(object.parent_key)];
  nodes_[slot].next_in_bucket = std::exchange(bucket, slot);
}

void CheckpointTree::remove(SlotId slot) {
  Node& node = nodes_[slot];
  unlink(slot);
  while (node.first_child != kNoSlot) {
    const SlotId child = node.first_child;
    unlink(child);
    link(child, node.parent);
  }
  SlotId* at = &buckets_[bucket_of(segment_->header(slot).parent_key)];
  while (*at != slot) at = &nodes_[*at].next_in_bucket;
  *at = node.next_in_bucket;
  node = Node{};
}

}  // namespace hearth::cache
