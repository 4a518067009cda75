// See page_cache.hpp.
#include "cache/page_cache.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>

namespace hearth::cache {

PageCache::PageCache(std::unique_ptr<Segment> segment, const Digest& master_secret,
                     const NamespaceRules& rules)
    : segment_(std::move(segment)),
      master_secret_(master_secret),
      index_(segment_.get()),
      quota_pages_(rules.bytes_max / segment_->slot_bytes()),
      namespaces_(rules.clock) {
  rebuild();
}

Namespace& PageCache::find_namespace(NamespaceId id) {
  const auto [found, added] = namespaces_.meet(id);
  if (added) {
    found->secret = namespace_secret(master_secret_, id);
    found->root = cache::root_key(found->secret, segment_->fingerprint(), /*adapter=*/Digest{});
  }
  return *found;
}

const Digest& PageCache::root_key(NamespaceId id) {
  return find_namespace(id).root;
}

Digest PageCache::page_key(NamespaceId id, const Digest& parent,
                           std::span<const std::int32_t> tokens) {
  return cache::page_key(find_namespace(id).secret, parent, tokens);
}

SlotId PageCache::find(NamespaceId id, SlotId parent, const Digest& key,
                       std::span<const std::int32_t> tokens) {
  const SlotId slot = look_up(id, parent, key, tokens);
  return slot != kNoSlot && hold_intact(slot) ? slot : kNoSlot;
}

bool PageCache::hold_intact(SlotId slot) {
  if (is_intact(slot)) {
    hold(slot);
    return true;
  }
  if (!pages_[slot].damaged) drop_damaged(slot);
  return false;
}

PrefixIndex::Partial PageCache::find_partial(NamespaceId id, SlotId parent,
                                             std::span<const std::int32_t> tokens) {
  for (;;) {
    const PrefixIndex::Partial found = index_.find_partial(id, parent, tokens);
    if (found.slot == kNoSlot || is_intact(found.slot)) return found;
    if (pages_[found.slot].damaged) return {};
    drop_damaged(found.slot);
  }
}

bool PageCache::is_intact(SlotId slot) {
  Page& page = pages_[slot];
  if (page.damaged) ++checks_.damaged;
  if (page.intact || page.damaged) return page.intact;
  const auto begin = std::chrono::steady_clock::now();
  page.intact = segment_->payload_intact(slot);
  checks_.ns += std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
  ++(page.intact ? checks_.intact : checks_.damaged);
  return page.intact;
}

// A page that nobody refers to, and so nobody to what continues it: all of these go, the deepest
// first.  Returns how many.
std::uint64_t PageCache::drop_tree(SlotId slot) {
  std::uint64_t dropped = 0;
  for (SlotId at = slot;;) {
    for (SlotId child; (child = index_.any_child(at)) != kNoSlot;) at = child;
    const SlotId next = at == slot ? kNoSlot : index_.parent(at);
    list_unlink(at);
    drop(at);
    ++dropped;
    if (next == kNoSlot) return dropped;
    at = next;
  }
}

std::uint64_t PageCache::quota_of(const Namespace& owner) const {
  return owner.id == kPublishedNamespace ? UINT64_MAX : quota_pages_;
}

// Have the namespace hold no more than its quota, as far as its cached pages go.
void PageCache::keep_quota(Namespace& owner) {
  while (owner.pages_held > quota_of(owner) && owner.pages_cached > 0) evict_page(owner);
}

// The front of the list has no children; what others have continued a published one with goes too.
void PageCache::evict_page(Namespace& owner) {
  evictions_ += drop_tree(owner.lru_first);
}

// Have a slot on the free list, if there can be one.  A system without memory for more slots is no
// reason to keep those that there are for ever.
Status PageCache::make_free() {
  if (free_ != kNoSlot) return {};
  const std::uint32_t first = segment_->backed_slots();
  const Result<std::uint32_t> added = segment_->grow();
  if (added && *added > 0) {
    add_slots(first);
  } else if (Namespace* const giver = namespaces_.gives_way(); giver != nullptr) {
    evict_page(*giver);
  } else if (!added) {
    return added.error();
  }
  return {};
}

Result<SlotId> PageCache::take(NamespaceId id) {
  Namespace& owner = find_namespace(id);
  // First of all, so that at equal shares who needs the page gives one of its own.
  namespaces_.count(owner, /*held=*/1, /*cached=*/0);
  keep_quota(owner);
  const Status made = make_free();
  if (free_ == kNoSlot) {
    namespaces_.count(owner, /*held=*/-1, /*cached=*/0);
    if (!made) return made.error();
    return kNoSlot;
  }
  const SlotId slot = free_;
  free_ = pages_[slot].next;
  --free_count_;
  pages_[slot] = Page{.references = 1, .owner = &owner};
  segment_->begin_fill(slot, id);
  return slot;
}

// Pages that hold less of the same, and that nobody uses, have no further purpose.
void PageCache::drop_shorter_siblings(SlotId slot, SlotId parent, const PageIdentity& identity) {
  int scanned = 0;
  for (SlotId child = index_.first_child(identity.namespace_id, parent);
       child != kNoSlot && scanned < PrefixIndex::kScanMax; ++scanned) {
    const SlotId next = index_.next_sibling(child);
    const std::span<const std::int32_t> held = segment_->tokens(child);
    if (child != slot && pages_[child].references == 0 && held.size() < identity.tokens.size() &&
        std::ranges::equal(held, identity.tokens.first(held.size()))) {
      list_unlink(child);
      drop(child);
    }
    child = next;
  }
}

SlotId PageCache::commit(SlotId slot, SlotId parent, const PageIdentity& identity) {
  assert(pages_[slot].references == 1 && !pages_[slot].committed);
  assert(pages_[slot].owner->id == identity.namespace_id);
  if (const SlotId same = find(identity.namespace_id, parent, identity.key, identity.tokens);
      same != kNoSlot) {
    release(slot);
    return same;
  }
  segment_->commit(slot, identity);
  pages_[slot].owner->had_pages = true;
  ++pages_[slot].owner->pages_kept;
  pages_[slot].committed = pages_[slot].intact = true;
  index_.insert(identity.namespace_id, parent, slot);
  drop_shorter_siblings(slot, parent, identity);
  return slot;
}

void PageCache::hold(SlotId slot) {
  if (pages_[slot].references++ == 0) list_unlink(slot);
}

void PageCache::release(SlotId slot) {
  Page& page = pages_[slot];
  assert(page.references > 0);
  if (--page.references > 0) return;
  if (page.committed) {
    list_push(slot);
    if (page.damaged) return drop_damaged(slot);
    keep_quota(*page.owner);
  } else {
    drop(slot);
  }
}

void PageCache::publish(SlotId slot) {
  assert(pages_[slot].committed && pages_[slot].owner->id == kPublishedNamespace);
  pages_[slot].published = has_published_ = true;
}

void PageCache::drop(SlotId slot) {
  Page& page = pages_[slot];
  if (page.committed) {
    index_.remove(slot);
    --page.owner->pages_kept;
  }
  segment_->free_slot(slot);
  namespaces_.count(*page.owner, /*held=*/-1, /*cached=*/0);
  page = Page{.next = free_};
  free_ = slot;
  ++free_count_;
}

void PageCache::list_push(SlotId slot) {
  lru_push(pages_, slot);
  namespaces_.count(*pages_[slot].owner, /*held=*/0, /*cached=*/1);
  ++cached_count_;
}

void PageCache::list_unlink(SlotId slot) {
  lru_unlink(pages_, slot);
  namespaces_.count(*pages_[slot].owner, /*held=*/0, /*cached=*/-1);
  --cached_count_;
}

PageCacheStats PageCache::stats() const {
  PageCacheStats stats;
  stats.pages_total = std::max(segment_->slots_max(), segment_->backed_slots());
  stats.pages_backed = segment_->backed_slots();
  stats.pages_cached = cached_count_;
  stats.pages_in_use = segment_->backed_slots() - cached_count_ - free_count_;
  stats.evictions = evictions_;
  stats.damaged = damaged_;
  stats.page_bytes = segment_->slot_bytes();
  return stats;
}

void PageCache::list_uses(std::vector<NamespaceUse>& ret_uses) const {
  ret_uses.clear();
  for (const auto& [id, one] : namespaces_.all()) {
    if (one.pages_held == 0) continue;
    ret_uses.push_back({.id = id,
                        .pages_in_use = one.pages_held - one.pages_cached,
                        .pages_cached = one.pages_cached,
                        .bytes = one.pages_held * segment_->slot_bytes()});
  }
}

void PageCache::check() const {
  std::vector<int> seen(segment_->backed_slots(), 0);
  std::uint64_t free_count = 0;
  for (SlotId slot = free_; slot != kNoSlot; slot = pages_[slot].next, ++free_count) {
    ++seen[slot];
    assert(seen[slot] == 1 && pages_[slot].references == 0 && !pages_[slot].committed);
    assert(segment_->record(slot).state == static_cast<std::uint32_t>(SlotState::free));
  }
  std::uint64_t cached_count = 0;
  std::vector<std::uint64_t> order(segment_->backed_slots(), 0);
  namespaces_.check();
  for (const auto& [id, one] : namespaces_.all()) {
    const std::uint64_t before = cached_count;
    for (SlotId slot = one.lru_first; slot != kNoSlot; slot = pages_[slot].next) {
      ++seen[slot];
      assert(seen[slot] == 1 && pages_[slot].references == 0 && pages_[slot].committed);
      assert(pages_[slot].owner == &one);
      order[slot] = ++cached_count;
    }
    assert(one.pages_cached == cached_count - before);
    assert(one.pages_held <= quota_of(one) || one.pages_cached == 0);
  }
  assert(free_count == free_count_ && cached_count == cached_count_);
  check_pages(seen, order);
}

// Of the pages by themselves: seen, how often each is on a list; order, its place on its LRU list.
void PageCache::check_pages(const std::vector<int>& seen,
                            const std::vector<std::uint64_t>& order) const {
  std::unordered_map<const Namespace*, std::uint64_t> held;
  std::unordered_map<const Namespace*, std::uint64_t> kept;
  for (SlotId slot = 0; slot < segment_->backed_slots(); ++slot) {
    const Page& page = pages_[slot];
    assert((page.references > 0) == (seen[slot] == 0));
    const bool is_free =
        segment_->record(slot).state == static_cast<std::uint32_t>(SlotState::free);
    assert((page.owner == nullptr) == is_free);
    if (is_free) continue;
    assert(segment_->record(slot).namespace_id == page.owner->id);
    ++held[page.owner];
    assert(!page.published || page.owner->id == kPublishedNamespace);
    if (!page.committed) continue;
    ++kept[page.owner];
    assert(segment_->record(slot).state == static_cast<std::uint32_t>(SlotState::committed));
    const SlotId parent = index_.parent(slot);
    if (parent == kNoSlot) continue;
    assert(pages_[parent].committed && segment_->tokens(parent).size() == page_tokens());
    const bool grafted = pages_[parent].owner != page.owner;
    assert(!grafted || pages_[parent].owner->id == kPublishedNamespace);
    if (page.references > 0) assert(pages_[parent].references > 0);
    if (!grafted && order[slot] > 0 && order[parent] > 0) assert(order[slot] < order[parent]);
  }
  for (const auto& [id, one] : namespaces_.all()) {
    assert(one.pages_held == held[&one] && one.pages_kept == kept[&one]);
  }
}

}  // namespace hearth::cache
