// A store of checkpoints from what a segment has kept, and its invariants: see
// checkpoint_store.hpp.
#include <algorithm>
#include <cassert>
#include <utility>

#include "cache/checkpoint_store.hpp"

namespace hearth::cache {
namespace {

bool in_state(const Segment& segment, SlotId slot, SlotState state) {
  return segment.record(slot).state == static_cast<std::uint32_t>(state);
}

}  // namespace

CheckpointStore::CheckpointStore(std::unique_ptr<Segment> segment, PageCache* pages,
                                 const NamespaceRules& rules)
    : segment_(std::move(segment)),
      pages_(pages),
      tree_(segment_.get(), pages),
      quota_(rules.bytes_max / segment_->slot_bytes()),
      namespaces_(rules.clock) {
  assert(segment_->geometry().kind == ObjectKind::checkpoint);
  assert(geometry_of(pages->geometry(), geometry().state_bytes)->payload_bytes ==
         segment_->payload_bytes());
  rebuild();
}

// Slots from one on have got memory.
void CheckpointStore::add_slots(std::uint32_t first) {
  const std::uint32_t end = segment_->backed_slots();
  checkpoints_.resize(end);
  tree_.add_slots(end);
  for (SlotId slot = end; slot > first; --slot) {  // so that low slots are used first
    if (!in_state(*segment_, slot - 1, SlotState::free)) continue;
    checkpoints_[slot - 1].next = std::exchange(free_, slot - 1);
    ++free_count_;
  }
}

// Whether a committed one has the key that this daemon would give it, and stands where the page
// does that it continues: another secret, or a forged record, ends here.
bool CheckpointStore::is_ours(SlotId slot) const {
  const ObjectHeader& object = segment_->header(slot);
  const NamespaceId id = object.namespace_id;
  if ((object.first_token == 0) != (object.parent_key == pages_->root_key(id))) return false;
  const SlotId page = pages_->look_up_key(object.parent_key);
  const std::uint64_t place = object.first_token;
  if (page != kNoSlot && pages_->header(page).first_token + segment_->page_tokens() != place) {
    return false;
  }
  const Digest key = pages_->page_key(id, object.parent_key, segment_->tokens(slot));
  return segment_->record(slot).key == key;
}

// Upper ones before what continues them.  Pages that are gone may come back: they are no reason to
// give a checkpoint up before its memory is needed.
void CheckpointStore::rebuild() {
  std::vector<SlotId> kept;
  for (SlotId slot = 0; slot < segment_->backed_slots(); ++slot) {
    if (in_state(*segment_, slot, SlotState::committed)) kept.push_back(slot);
  }
  std::ranges::stable_sort(kept, {}, [&](SlotId slot) { return position(slot); });
  checkpoints_.resize(segment_->backed_slots());
  tree_.add_slots(segment_->backed_slots());
  for (const SlotId slot : kept) {
    const ObjectHeader& object = segment_->header(slot);
    const PageIdentity identity = {.namespace_id = object.namespace_id,
                                   .key = segment_->record(slot).key,
                                   .parent_key = object.parent_key,
                                   .first_token = object.first_token,
                                   .tokens = segment_->tokens(slot)};
    if (!is_ours(slot) || tree_.find(identity) != kNoSlot) {
      segment_->free_orphan(slot);
      continue;
    }
    tree_.insert(slot);
    Checkpoint& one = checkpoints_[slot];
    one.committed = true;
    one.owner = namespaces_.meet(object.namespace_id).first;
    namespaces_.count(*one.owner, /*held=*/1, /*cached=*/0);
    list_push(slot);
  }
  add_slots(0);
  for (const SlotId slot : kept) {
    if (checkpoints_[slot].committed) keep_quota(*checkpoints_[slot].owner);
  }
}

void CheckpointStore::check() const {
  std::vector<int> seen(segment_->backed_slots(), 0);
  std::uint64_t free_count = 0, kept_count = 0;
  for (SlotId slot = free_; slot != kNoSlot; slot = checkpoints_[slot].next, ++free_count) {
    ++seen[slot];
    assert(checkpoints_[slot].owner == nullptr && in_state(*segment_, slot, SlotState::free));
  }
  namespaces_.check();
  for (const auto& [id, one] : namespaces_.all()) {
    const std::uint64_t before = kept_count;
    for (SlotId slot = one.lru_first; slot != kNoSlot; slot = checkpoints_[slot].next) {
      ++seen[slot];
      ++kept_count;
      assert(checkpoints_[slot].owner == &one && checkpoints_[slot].references == 0);
      assert(checkpoints_[slot].committed);
    }
    assert(one.pages_cached == kept_count - before);
    assert(one.pages_held <= quota_of(one) || one.pages_cached == 0);
    (void)before;
  }
  assert(free_count == free_count_ && kept_count == kept_count_);
  for (SlotId slot = 0; slot < segment_->backed_slots(); ++slot) check_slot(slot, seen[slot]);
}

// lists: how many it is on.
void CheckpointStore::check_slot(SlotId slot, int lists) const {
  const Checkpoint& one = checkpoints_[slot];
  assert(lists == (one.references > 0 ? 0 : 1));
  (void)lists;
  if (!one.committed) return;
  assert(in_state(*segment_, slot, SlotState::committed));
  assert(segment_->record(slot).namespace_id == one.owner->id);
  const SlotId above = tree_.parent(slot);
  if (above != kNoSlot) {
    assert(checkpoints_[above].committed && position(above) < position(slot));
    const Namespace* const its = checkpoints_[above].owner;
    assert(its == one.owner || its->id == kPublishedNamespace);
    (void)its;
  }
  for (SlotId child = tree_.first_child(slot); child != kNoSlot;
       child = tree_.next_sibling(child)) {
    assert(tree_.parent(child) == slot && checkpoints_[child].committed);
  }
}

}  // namespace hearth::cache
