// See checkpoint_store.hpp.
#include "cache/checkpoint_store.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <limits>
#include <ranges>
#include <utility>

#include "common/checked.hpp"

namespace hearth::cache {
namespace {

constexpr std::uint64_t kPartAlignmentBytes = 64;  // of state and page in a payload
constexpr double kForkWeight = 4;                  // a third text may part there, too

}  // namespace

Result<SegmentGeometry> CheckpointStore::geometry_of(const SegmentGeometry& pages,
                                                     std::uint64_t state_bytes) {
  SegmentGeometry geometry = pages;
  const auto page_at = checked_align<std::uint64_t>(state_bytes, kPartAlignmentBytes);
  const auto payload = page_at ? checked_add(*page_at, pages.payload_bytes) : std::nullopt;
  if (state_bytes == 0 || !payload) {
    return Error{Code::INVALID, "the recurrent state of this model is empty or too large"};
  }
  geometry.kind = ObjectKind::checkpoint;
  geometry.payload_bytes = *payload;
  geometry.state_bytes = state_bytes;
  return geometry;
}

std::span<std::byte> CheckpointStore::page(SlotId slot) const {
  const std::uint64_t at = align_up(segment_->geometry().state_bytes, kPartAlignmentBytes);
  return {segment_->payload(slot) + at, segment_->payload_bytes() - at};
}

// Those of others are found when they are published now.
bool CheckpointStore::is_visible(NamespaceId id, SlotId slot) const {
  return checkpoints_[slot].owner->id == id || checkpoints_[slot].published;
}

void CheckpointStore::list(const CheckpointPath& path, std::vector<SlotId>& ret_slots) const {
  ret_slots.clear();
  for (std::uint32_t page = 0; page <= path.keys.size(); ++page) {
    if (!collect_in_page(path, page, ret_slots)) break;
  }
}

// Those that lie in this page of the path, ascending, behind what is in the list.  False when the
// path does not reach it.
bool CheckpointStore::collect_in_page(const CheckpointPath& path, std::uint32_t page,
                                      std::vector<SlotId>& ret_slots) const {
  const std::size_t begin = std::size_t{page} * segment_->page_tokens();
  const std::size_t end =
      std::min<std::size_t>({path.limit, path.tokens.size(), begin + segment_->page_tokens()});
  if (begin >= end) return false;
  const auto tokens = path.tokens.subspan(begin, end - begin);
  const std::size_t before = ret_slots.size();
  for (const NamespaceId whose : {kPublishedNamespace, path.id}) {
    const Digest& parent_key = page == 0 ? pages_->root_key(whose) : path.keys[page - 1];
    const auto first = static_cast<std::uint32_t>(begin);
    tree_.collect(whose, {parent_key, first, tokens}, ret_slots);
    if (path.id == kPublishedNamespace) break;
  }
  const auto hidden = std::ranges::remove_if(
      ret_slots.begin() + static_cast<std::ptrdiff_t>(before), ret_slots.end(),
      [&](SlotId slot) { return !is_visible(path.id, slot); });
  ret_slots.erase(hidden.begin(), hidden.end());
  std::ranges::stable_sort(ret_slots.begin() + static_cast<std::ptrdiff_t>(before), ret_slots.end(),
                           {}, [&](SlotId slot) { return position(slot); });
  return true;
}

// Damaged pages were dropped with all that continued them, for it may have been computed from them.
// So may checkpoints: those whose pages are gone go, before the pages are computed again.
void CheckpointStore::drop_tainted() {
  if (pages_->damaged_count() == pages_damaged_seen_) return;
  pages_damaged_seen_ = pages_->damaged_count();
  for (SlotId slot = 0; slot < checkpoints_.size(); ++slot) {
    const Checkpoint& one = checkpoints_[slot];
    if (one.committed && one.references == 0 && !tree_.has_pages(slot)) drop(slot);
  }
}

SlotId CheckpointStore::find(const CheckpointPath& path) {
  drop_tainted();
  const std::uint32_t reach = std::min(path.limit, static_cast<std::uint32_t>(path.tokens.size()));
  if (reach == 0) return kNoSlot;
  std::uint32_t page = (reach - 1) / segment_->page_tokens();
  page = std::min(page, static_cast<std::uint32_t>(path.keys.size()));
  for (;; --page) {
    found_.clear();
    collect_in_page(path, page, found_);
    for (const SlotId slot : found_ | std::views::reverse) {
      if (is_intact(slot)) {
        hold(slot);
        return slot;
      }
      drop(slot);
      ++damaged_;
    }
    if (page == 0) return kNoSlot;
  }
}

bool CheckpointStore::has(const PageIdentity& identity) const {
  return tree_.find(identity) != kNoSlot;
}

// Nobody refers to one that is not.
bool CheckpointStore::is_intact(SlotId slot) {
  Checkpoint& one = checkpoints_[slot];
  if (one.intact) return true;
  const auto begin = std::chrono::steady_clock::now();
  one.intact = segment_->payload_intact(slot);
  checks_.ns += std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
  ++(one.intact ? checks_.intact : checks_.damaged);
  return one.intact;
}

std::uint64_t CheckpointStore::quota_of(const Namespace& owner) const {
  return owner.id == kPublishedNamespace ? UINT64_MAX : quota_;
}

// Have the namespace hold no more than its quota, as far as those that nobody refers to go.
void CheckpointStore::keep_quota(Namespace& owner) {
  while (owner.pages_held > quota_of(owner) && owner.pages_cached > 0) evict(owner);
}

// Have a slot on the free list, if there can be one.  A system without memory for more slots is no
// reason to keep those that there are for ever.
Status CheckpointStore::make_free() {
  if (free_ != kNoSlot) return {};
  const std::uint32_t first = segment_->backed_slots();
  const Result<std::uint32_t> added = segment_->grow();
  if (added && *added > 0) {
    add_slots(first);
  } else if (Namespace* const giver = namespaces_.gives_way(); giver != nullptr) {
    evict(*giver);
  } else if (!added) {
    return added.error();
  }
  return {};
}

Result<SlotId> CheckpointStore::begin(NamespaceId id) {
  Namespace& owner = *namespaces_.meet(id).first;
  if (quota_of(owner) == 0) return kNoSlot;  // it would go as soon as it is there
  // First of all, so that at equal shares who needs the slot gives one of its own.
  namespaces_.count(owner, /*held=*/1, /*cached=*/0);
  keep_quota(owner);
  const Status made = make_free();
  if (free_ == kNoSlot) {
    namespaces_.count(owner, /*held=*/-1, /*cached=*/0);
    if (!made) return made.error();
    return kNoSlot;
  }
  const SlotId slot = free_;
  free_ = checkpoints_[slot].next;
  --free_count_;
  checkpoints_[slot] = Checkpoint{.references = 1, .owner = &owner};
  segment_->begin_fill(slot, id);
  return slot;
}

SlotId CheckpointStore::commit(SlotId slot, const PageIdentity& identity,
                               std::uint32_t max_checkpoints, std::uint32_t turn_start) {
  assert(checkpoints_[slot].references == 1 && !checkpoints_[slot].committed);
  assert(checkpoints_[slot].owner->id == identity.namespace_id);
  drop_tainted();
  const SlotId same = tree_.find(identity);
  if (same != kNoSlot) {
    if (is_intact(same)) {
      hold(same);
      release(slot);
      return same;
    }
    drop(same);
    ++damaged_;
  }
  segment_->commit(slot, identity);
  checkpoints_[slot].committed = checkpoints_[slot].intact = true;
  checkpoints_[slot].used = ++clock_;
  tree_.insert(slot);
  thin_paths(slot, std::max(1u, max_checkpoints), turn_start);
  return slot;
}

void CheckpointStore::hold(SlotId slot) {
  if (checkpoints_[slot].references++ == 0) list_unlink(slot);
  checkpoints_[slot].used = ++clock_;
}

void CheckpointStore::release(SlotId slot) {
  Checkpoint& one = checkpoints_[slot];
  assert(one.references > 0);
  if (--one.references > 0) return;
  list_push(slot);
  if (!one.committed) return drop(slot);
  keep_quota(*one.owner);
}

void CheckpointStore::publish(SlotId slot) {
  assert(checkpoints_[slot].owner->id == kPublishedNamespace && checkpoints_[slot].committed);
  checkpoints_[slot].published = true;
}

// One that somebody refers to is not what it was: nobody finds it any more.
void CheckpointStore::withdraw(SlotId slot) {
  Checkpoint& one = checkpoints_[slot];
  assert(one.references > 0 && one.committed);
  tree_.remove(slot);
  one.committed = one.intact = one.published = false;
  one.damaged = true;
  ++damaged_;
}

// Nobody refers to it.
void CheckpointStore::drop(SlotId slot) {
  Checkpoint& one = checkpoints_[slot];
  list_unlink(slot);
  if (one.committed) tree_.remove(slot);
  segment_->free_slot(slot);
  namespaces_.count(*one.owner, /*held=*/-1, /*cached=*/0);
  one = Checkpoint{.next = free_};
  free_ = slot;
  ++free_count_;
}

double CheckpointStore::worth(SlotId slot) const {
  if (!tree_.has_pages(slot)) return 0;
  const SlotId above = tree_.parent(slot);
  const std::uint32_t saved = position(slot) - (above == kNoSlot ? 0 : position(above));
  return saved / (1.0 + static_cast<double>(clock_ - checkpoints_[slot].used));
}

// The namespace has one that nobody refers to.
void CheckpointStore::evict(Namespace& owner) {
  SlotId least = owner.lru_first;
  double least_worth = worth(least);
  std::uint32_t scanned = 1;
  for (SlotId slot = checkpoints_[least].next; slot != kNoSlot && scanned < kEvictScan;
       slot = checkpoints_[slot].next, ++scanned) {
    const double its_worth = worth(slot);
    if (its_worth >= least_worth) continue;
    least = slot;
    least_worth = its_worth;
  }
  drop(least);
  ++evictions_;
}

// The paths that a new one lies on: its own and, where it was put above others, theirs.
void CheckpointStore::thin_paths(SlotId slot, std::uint32_t max_checkpoints,
                                 std::uint32_t turn_start) {
  std::vector<SlotId> open = {slot}, ends;
  while (!open.empty()) {
    const SlotId at = open.back();
    open.pop_back();
    const std::size_t before = open.size();
    for (SlotId child = tree_.first_child(at); child != kNoSlot;
         child = tree_.next_sibling(child)) {
      if (checkpoints_[child].owner == checkpoints_[slot].owner) open.push_back(child);
    }
    if (open.size() == before) ends.push_back(at);
  }
  // Paths share what is above: the order decides what goes, and is that of the next daemon, too.
  std::ranges::sort(ends, {}, [&](SlotId end) { return segment_->record(end).key; });
  for (const SlotId last : ends) {
    for (SlotId one; (one = choose_to_thin(last, max_checkpoints, turn_start)) != kNoSlot;
         ++thinned_) {
      drop(one);
    }
  }
}

// Of the path that ends with last, the one to go; kNoSlot when none has to or none may.
SlotId CheckpointStore::choose_to_thin(SlotId last, std::uint32_t max_checkpoints,
                                       std::uint32_t turn_start) const {
  const Namespace* owner = checkpoints_[last].owner;
  SlotId best = kNoSlot;
  SlotId turn = kNoSlot, second = kNoSlot;  // turn_start's, the one above the last: if they may go
  double best_cost = std::numeric_limits<double>::infinity();
  std::uint32_t count = 1;
  SlotId below = last;
  for (SlotId at = tree_.parent(last); at != kNoSlot; below = at, at = tree_.parent(at)) {
    if (checkpoints_[at].owner != owner) break;
    ++count;
    if (checkpoints_[at].references > 0) continue;
    if (below == last) {
      second = at;
      continue;
    }
    if (position(at) == turn_start) {
      turn = at;
      continue;
    }
    const SlotId above = tree_.parent(at);
    const double gap = position(below) - (above == kNoSlot ? 0 : position(above));
    const double cost =
        (tree_.is_fork(at) ? kForkWeight : 1) * gap / (position(last) - position(at));
    if (cost > best_cost) continue;
    best = at;
    best_cost = cost;
  }
  if (count <= max_checkpoints) return kNoSlot;
  if (best != kNoSlot) return best;
  return turn != kNoSlot ? turn : second;
}

void CheckpointStore::list_push(SlotId slot) {
  lru_push(checkpoints_, slot);
  namespaces_.count(*checkpoints_[slot].owner, /*held=*/0, /*cached=*/1);
  ++kept_count_;
}

void CheckpointStore::list_unlink(SlotId slot) {
  lru_unlink(checkpoints_, slot);
  namespaces_.count(*checkpoints_[slot].owner, /*held=*/0, /*cached=*/-1);
  --kept_count_;
}

CheckpointStats CheckpointStore::stats() const {
  CheckpointStats stats;
  stats.checkpoints_total = std::max(segment_->slots_max(), segment_->backed_slots());
  stats.checkpoints_backed = segment_->backed_slots();
  stats.checkpoints_in_use = segment_->backed_slots() - kept_count_ - free_count_;
  stats.checkpoints_kept = kept_count_;
  stats.evictions = evictions_;
  stats.thinned = thinned_;
  stats.damaged = damaged_;
  stats.checkpoint_bytes = segment_->slot_bytes();
  return stats;
}

void CheckpointStore::add_uses(std::vector<NamespaceUse>& uses) const {
  for (const auto& [id, one] : namespaces_.all()) {
    if (one.pages_held == 0) continue;
    auto use = std::ranges::find(uses, id, &NamespaceUse::id);
    if (use == uses.end()) use = uses.insert(uses.end(), NamespaceUse{.id = id});
    use->checkpoints += one.pages_held;
    use->checkpoint_bytes += one.pages_held * segment_->slot_bytes();
  }
}

}  // namespace hearth::cache
