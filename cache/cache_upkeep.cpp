// See cache_upkeep.hpp.
#include "cache/cache_upkeep.hpp"

#include <algorithm>
#include <chrono>

namespace hearth::cache {

// [slot_count()] true for the pages that are meant.
std::vector<bool> CacheUpkeep::select(const PageSelection& which) const {
  std::vector<bool> selected(slot_count(), false);
  if (!which.prefix.empty()) {
    for (const auto& [id, one] : cache_->namespaces_.all()) {
      if (which.all || which.id == id) select_below(id, which.prefix, selected);
    }
    return selected;
  }
  for (SlotId slot = 0; slot < slot_count(); ++slot) {
    const bool theirs = which.all || cache_->segment_->record(slot).namespace_id == which.id;
    selected[slot] = theirs && cache_->pages_[slot].committed;
  }
  return selected;
}

// The pages of one namespace whose texts begin with prefix: down the tree as far as the prefix
// goes, then all of the subtree.  A page that holds less of the prefix does not begin with it.  The
// way may lead through published pages.
void CacheUpkeep::select_below(NamespaceId id, std::span<const std::int32_t> prefix,
                               std::vector<bool>& ret_selected) const {
  const PrefixIndex& index = cache_->index_;
  struct Level {
    SlotId page;
    std::uint32_t matched;  // tokens of the prefix before it
  };
  std::vector<Level> open;
  const auto is_theirs = [&](SlotId page) {
    return cache_->segment_->record(page).namespace_id == id;
  };
  const auto open_children = [&](SlotId parent, std::uint32_t matched) {
    for (const NamespaceId whose : {id, kPublishedNamespace}) {
      if (whose != id && parent != kNoSlot && is_theirs(parent)) break;
      for (SlotId child = index.first_child(whose, parent); child != kNoSlot;
           child = index.next_sibling(child)) {
        open.push_back({child, matched});
      }
      if (id == kPublishedNamespace) break;
    }
  };
  open_children(kNoSlot, 0);
  while (!open.empty()) {
    const auto [page, matched] = open.back();
    open.pop_back();
    const std::span<const std::int32_t> held = cache_->segment_->tokens(page);
    const auto wanted = prefix.subspan(matched);
    const std::size_t compared = std::min(held.size(), wanted.size());
    if (!std::ranges::equal(held.first(compared), wanted.first(compared))) continue;
    if (compared == wanted.size() && is_theirs(page)) ret_selected[page] = true;
    open_children(page, matched + static_cast<std::uint32_t>(compared));
  }
}

CachedText CacheUpkeep::describe(SlotId last, std::uint32_t first_tokens) const {
  const PrefixIndex& index = cache_->index_;
  CachedText text = {.id = cache_->segment_->record(last).namespace_id,
                     .tokens = 0,
                     .pages = 0,
                     .published_pages = 0,
                     .own_pages = 0,
                     .pages_in_use = 0,
                     .first_tokens = {}};
  std::vector<SlotId> path;
  bool own = true;
  for (SlotId page = last; page != kNoSlot; page = index.parent(page)) {
    // What two texts continue belongs to both, and all before it; what is published, to all.
    const bool theirs = cache_->segment_->record(page).namespace_id == text.id;
    const SlotId child = path.empty() ? kNoSlot : index.first_child(text.id, page);
    own = own && theirs && (child == kNoSlot || index.next_sibling(child) == kNoSlot);
    path.push_back(page);
    ++text.pages;
    text.published_pages += theirs ? 0 : 1;
    text.own_pages += own ? 1 : 0;
    text.pages_in_use += theirs && cache_->pages_[page].references > 0 ? 1 : 0;
    text.tokens += cache_->segment_->tokens(page).size();
  }
  for (auto page = path.rbegin(); page != path.rend(); ++page) {
    const std::span<const std::int32_t> held = cache_->segment_->tokens(*page);
    const std::size_t room = first_tokens - text.first_tokens.size();
    const auto taken = held.first(std::min(room, held.size()));
    text.first_tokens.insert(text.first_tokens.end(), taken.begin(), taken.end());
    if (text.first_tokens.size() == first_tokens) break;
  }
  return text;
}

CacheListing CacheUpkeep::list(const PageSelection& which, std::uint32_t limit,
                               std::uint32_t first_tokens) const {
  const std::vector<bool> selected = select(which);
  CacheListing listing;
  const auto add = [&](SlotId slot) {
    if (cache_->index_.has_children(slot)) return;
    if (listing.texts.size() == limit) {
      ++listing.left_out;
    } else {
      listing.texts.push_back(describe(slot, first_tokens));
    }
  };
  // Pages in use are on no list: nothing was used later.
  for (SlotId slot = 0; slot < slot_count(); ++slot) {
    if (!selected[slot]) continue;
    ++listing.pages;
    listing.tokens += cache_->segment_->tokens(slot).size();
    if (cache_->pages_[slot].references == 0) continue;
    ++listing.pages_in_use;
    add(slot);
  }
  for (const auto& [id, one] : cache_->namespaces_.all()) {
    for (SlotId slot = one.lru_last; slot != kNoSlot; slot = cache_->pages_[slot].previous) {
      if (selected[slot]) add(slot);
    }
  }
  return listing;
}

// On the LRU list a page stands before the one that it continues, and whoever uses a page uses all
// before it: so what comes first has no children.
std::uint32_t CacheUpkeep::evict(const PageSelection& which, std::uint32_t count,
                                 std::uint64_t& ret_tokens) {
  const std::vector<bool> selected = select(which);
  std::uint32_t evicted = 0;
  const auto evict_of = [&](const Namespace& one) {
    for (SlotId slot = one.lru_first; slot != kNoSlot && evicted < count;) {
      const SlotId next = cache_->pages_[slot].next;
      if (selected[slot] && cache_->index_.any_child(slot) == kNoSlot) {
        ret_tokens += cache_->segment_->tokens(slot).size();
        cache_->list_unlink(slot);
        cache_->drop(slot);
        ++evicted;
      }
      slot = next;
    }
  };
  const auto& all = cache_->namespaces_.all();
  for (const auto& [id, one] : all) {
    if (id != kPublishedNamespace) evict_of(one);
  }
  // After what users have continued it with.
  if (const auto found = all.find(kPublishedNamespace); found != all.end()) evict_of(found->second);
  return evicted;
}

std::uint64_t CacheUpkeep::count_in_use(const PageSelection& which) const {
  const std::vector<bool> selected = select(which);
  std::uint64_t count = 0;
  for (SlotId slot = 0; slot < slot_count(); ++slot) {
    if (selected[slot] && cache_->pages_[slot].references > 0) ++count;
  }
  return count;
}

SlotId CacheUpkeep::verify(const PageSelection& which, SlotId slot, std::int64_t budget_ns,
                           VerifyCounts& counts) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(budget_ns);
  while (slot < slot_count()) {
    const SlotId page = slot++;
    const bool theirs = which.all || cache_->segment_->record(page).namespace_id == which.id;
    if (!theirs || !cache_->pages_[page].committed) continue;
    verify_page(page, counts);
    if (std::chrono::steady_clock::now() >= end) break;
  }
  return slot;
}

void CacheUpkeep::verify_page(SlotId slot, VerifyCounts& counts) {
  PageCache::Page& page = cache_->pages_[slot];
  ++counts.checked;
  if (cache_->segment_->payload_intact(slot)) {
    page.intact = true;
    return;
  }
  ++counts.damaged;
  if (page.references > 0) {
    page.damaged = true;
    page.intact = false;
    ++counts.damaged_in_use;
    return;
  }
  const std::uint64_t before = cache_->damaged_;
  cache_->drop_damaged(slot);
  counts.dropped += cache_->damaged_ - before;
}

}  // namespace hearth::cache
