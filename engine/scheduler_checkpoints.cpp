// Scheduler: the states of models with recurrent layers.
//
// A running sequence has its own state, which its rows change.  What the cache keeps are
// checkpoints: the state after so many tokens, beside the pages of these tokens.  A sequence goes
// on from the deepest one that it finds; pages behind that are of no use to it, for the layers
// between have to be computed anyway: those tokens are lost for want of a checkpoint, and one is
// left where the pages ended, for the next to come this way.
//
// Checkpoints are filled by the step that computes their last row (BatchRow::snapshot), and at the
// end of a turn by copying what is there.  docs/checkpoints.md says where they are taken.
#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "engine/scheduler.hpp"

namespace hearth {

cache::CheckpointPath Scheduler::path_of(const Sequence& sequence, std::uint32_t limit) const {
  return {sequence.command.namespace_id, sequence.pages.keys(), sequence.tokens, limit};
}

// How far a sequence that has adopted pages could begin, by the checkpoints there.
std::uint32_t Scheduler::reachable(const Sequence& sequence, std::uint32_t limit) {
  if (checkpoints_ == nullptr) return 0;
  const cache::SlotId slot = checkpoints_->find(path_of(sequence, limit));
  if (slot == cache::kNoSlot) return 0;
  const std::uint32_t position = checkpoints_->position(slot);
  checkpoints_->release(slot);
  return position;
}

// Whether a sequence keeps its state at a position for others who ask for it.  A published text has
// it at its end only: what is published stays, and everybody sees where it is.
bool Scheduler::keeps_state_at(const Sequence& sequence, std::uint32_t position) const {
  if (checkpoints_ == nullptr) return false;
  if (sequence.publishes()) return position == sequence.prompt_count;
  return sequence.command.checkpoints.max_checkpoints > 0;
}

// Somebody waits for what this sequence is about to compute.
void Scheduler::ask_checkpoint(Sequence& sequence, std::uint32_t position) {
  std::vector<std::uint32_t>& planned = sequence.checkpoints;
  const auto at = std::ranges::lower_bound(planned, position);
  if (position > sequence.computed() && (at == planned.end() || *at != position)) {
    planned.insert(at, position);
  }
}

// Give a sequence that has adopted pages a state, and only those pages that go with it.
Status Scheduler::restore_state(Sequence& sequence, std::uint32_t limit) {
  HEARTH_TRY(sequence.recurrent, states_.take());
  const std::uint32_t hit = sequence.computed();
  std::uint32_t position = 0;
  if (checkpoints_ != nullptr) {
    const cache::SlotId slot = checkpoints_->find(path_of(sequence, limit));
    if (slot != cache::kNoSlot) {
      const Result<std::uint32_t> adopted = adopt_checkpoint(sequence, slot);
      if (adopted && sequence.publishes() && *adopted == sequence.prompt_count) {
        hold_published(sequence, slot);
      } else {
        checkpoints_->release(slot);
      }
      if (!adopted) {
        sequence.recurrent.reset();  // it is none
        return adopted.error();
      }
      position = *adopted;
    }
  }
  if (position == 0) {
    sequence.pages.truncate(0);
    std::memset(sequence.recurrent.get(), 0, states_.bytes());
  }
  sequence.last_checkpoint = position;
  const bool begun = sequence.prefill_begin_ns != 0;
  if (!begun) {
    sequence.cache_use.state_tokens = position;
    sequence.cache_use.lost_tokens = hit > position ? hit - position : 0;
  }
  plan_checkpoints(sequence, hit > position ? hit : 0);
  return {};
}

// The position of the checkpoint; 0 when there is no page for what it holds of one.
Result<std::uint32_t> Scheduler::adopt_checkpoint(Sequence& sequence, cache::SlotId slot) {
  const std::uint32_t position = checkpoints_->position(slot);
  const std::uint32_t page_tokens = cache_->page_tokens();
  sequence.pages.truncate(position / page_tokens * page_tokens);
  if (sequence.computed() < position) {
    HEARTH_TRY(const bool room,
               sequence.pages.adopt_payload(sequence.tokens, position, checkpoints_->page(slot)));
    if (!room) return 0u;
  }
  const std::span<const std::byte> state = checkpoints_->state(slot);
  assert(state.size() == states_.bytes());
  std::memcpy(sequence.recurrent.get(), state.data(), state.size());
  return position;
}

// What others asked for while it waited itself stays.
void Scheduler::plan_checkpoints(Sequence& sequence, std::uint32_t divergence) const {
  const std::vector<std::uint32_t> asked = std::exchange(sequence.checkpoints, {});
  if (checkpoints_ == nullptr || sequence.evaluates()) return;
  // Of what is published everybody begins behind the last token.
  if (sequence.publishes()) return ask_checkpoint(sequence, sequence.prompt_count);
  const bool turns = sequence.command.marks_are_turns != 0;
  const std::span<const std::uint32_t> marks = sequence.marks, none = {};
  sequence.checkpoints = cache::plan_checkpoints(
      sequence.command.checkpoints,
      {.begin = sequence.computed(),
       .end = sequence.prompt_count,
       .microbatch = static_cast<std::uint32_t>(executor_->limits().rows_max),
       .turn_starts = turns ? marks : none,
       .marks = turns ? none : marks,
       .divergence = divergence});
  for (const std::uint32_t position : asked) ask_checkpoint(sequence, position);
}

// How many checkpoints are planned behind what is computed, up to a position.
std::int64_t Scheduler::planned_until(const Sequence& sequence, std::uint32_t end) {
  const std::vector<std::uint32_t>& planned = sequence.checkpoints;
  return std::ranges::upper_bound(planned, end) -
         std::ranges::upper_bound(planned, sequence.computed());
}

// How many of the next count rows a step may compute, for the states that it is to copy.
std::int64_t Scheduler::limit_snapshots(const Sequence& sequence, std::int64_t count) const {
  const auto next = std::ranges::upper_bound(sequence.checkpoints, sequence.computed());
  const std::int64_t room = snapshots_max_ - std::min(snapshots_max_, snapshot_rows_);
  if (sequence.checkpoints.end() - next <= room) return count;
  return std::min<std::int64_t>(count, next[room] - 1 - sequence.computed());
}

// Where the next row's state is to be copied to, if this position is planned.  Without room for it
// there is no checkpoint: the sequence goes on.
float* Scheduler::begin_snapshot(Sequence& sequence, std::uint32_t position) {
  std::vector<std::uint32_t>& planned = sequence.checkpoints;
  while (!planned.empty() && planned.front() < position) planned.erase(planned.begin());
  if (planned.empty() || planned.front() != position) return nullptr;
  planned.erase(planned.begin());
  const Result<cache::SlotId> slot = checkpoints_->begin(sequence.command.namespace_id);
  if (!slot || *slot == cache::kNoSlot) return nullptr;
  snapshots_.push_back({&sequence, *slot, position});
  return reinterpret_cast<float*>(checkpoints_->state(*slot).data());
}

// The step has filled them: now the pages that they lie in are there, too.
void Scheduler::keep_snapshots() {
  for (const Snapshot& snapshot : snapshots_) {
    keep_checkpoint(*snapshot.sequence, snapshot.slot, snapshot.position);
  }
  snapshots_.clear();
}

// Commit a slot whose state is complete.  What was computed from a damaged page is no checkpoint:
// its own checksum would say that it is right.
void Scheduler::keep_checkpoint(Sequence& sequence, cache::SlotId slot, std::uint32_t position) {
  if (sequence.pages.has_damage()) return checkpoints_->release(slot);
  const std::uint32_t page = (position - 1) / cache_->page_tokens();
  const std::span<std::byte> copy = checkpoints_->page(slot);
  std::memcpy(copy.data(), sequence.pages.payloads()[page], copy.size());
  const bool turns = sequence.command.marks_are_turns != 0;
  const cache::SlotId kept =
      checkpoints_->commit(slot, sequence.pages.checkpoint_identity(sequence.tokens, position),
                           sequence.command.checkpoints.max_checkpoints,
                           turns && !sequence.marks.empty() ? sequence.marks.back() : 0);
  sequence.last_checkpoint = std::max(sequence.last_checkpoint, position);
  if (!sequence.publishes()) return checkpoints_->release(kept);
  hold_published(sequence, kept);
}

// For everybody to find, for as long as the text is published: the reference is the sequence's.
void Scheduler::hold_published(Sequence& sequence, cache::SlotId slot) {
  checkpoints_->publish(slot);
  sequence.held_checkpoints.push_back(slot);
}

bool Scheduler::has_damage(const Sequence& published) const {
  return published.pages.has_damage() ||
         std::ranges::any_of(published.held_checkpoints,
                             [&](cache::SlotId slot) { return checkpoints_->is_damaged(slot); });
}

// What a sequence has computed when its turn ends, or it has to wait for its next one.
void Scheduler::leave_checkpoint(Sequence& sequence) {
  if (checkpoints_ == nullptr || sequence.recurrent == nullptr || sequence.publishes()) return;
  const std::uint32_t position = sequence.computed();
  if (!cache::at_turn_end(sequence.command.checkpoints, position, sequence.last_checkpoint)) return;
  if (checkpoints_->has(sequence.pages.checkpoint_identity(sequence.tokens))) return;
  const Result<cache::SlotId> slot = checkpoints_->begin(sequence.command.namespace_id);
  if (!slot || *slot == cache::kNoSlot) return;
  std::memcpy(checkpoints_->state(*slot).data(), sequence.recurrent.get(), states_.bytes());
  keep_checkpoint(sequence, *slot, position);
}

// Give up pages and state; what was computed stays in the cache as long as there is room.  A begun
// page is of use to nobody without a state: where there are states, checkpoints have what is.
void Scheduler::let_go(Sequence& sequence) {
  leave_checkpoint(sequence);
  for (const cache::SlotId slot : sequence.held_checkpoints) checkpoints_->release(slot);
  sequence.held_checkpoints.clear();
  sequence.pages.release(sequence.tokens, /*keep=*/!has_state());
  sequence.recurrent.reset();
  sequence.checkpoints.clear();
  sequence.last_checkpoint = 0;
}

}  // namespace hearth
