// Scheduler: who gets pages, who waits for whom, who gives way.
#include <algorithm>
#include <cassert>

#include "engine/scheduler.hpp"

namespace hearth {
namespace {

// Waiting for another sequence costs up to a step: it must save at least this many tokens.
constexpr std::uint32_t kWaitTokensMin = 8;

std::uint32_t common_prefix(const std::vector<TokenId>& a, const std::vector<TokenId>& b) {
  return static_cast<std::uint32_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

// Admit in order of arrival, passing over sequences that could not compute anything anyway.  Who
// does not read keeps nobody out: parked sequences give their place to those that can go on.
void Scheduler::admit() {
  const auto is_parked = [](const auto& sequence) { return sequence->parked(); };
  if (std::ranges::all_of(running_, is_parked)) admission_closed_ = false;
  admit_published();
  for (std::size_t i = 0; i < queue_.size() && !admission_closed_;) {
    if (queue_[i]->parked()) {
      ++i;
      continue;
    }
    if (running_.size() >= limits_.sequences_max) {
      Sequence* victim = find_victim(*queue_[i], /*parked_only=*/true);
      if (victim == nullptr) return;
      if (!victim->publishes()) ++i;  // it goes to the front of the queue
      preempt(*victim);
    }
    running_.push_back(std::move(queue_[i]));
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
    Sequence& sequence = *running_.back();
    sequence.admitted = ++admissions_;
    place(sequence);
  }
}

// Give an admitted sequence what the cache has for it; let it wait where another one is computing
// more.
void Scheduler::place(Sequence& sequence) {
  // The last token is always computed, for its logits; an evaluation needs those of every token.
  const auto size = static_cast<std::uint32_t>(sequence.tokens.size());
  const std::uint32_t limit = sequence.evaluates()   ? sequence.evaluated
                              : sequence.publishes() ? size
                                                     : size - 1;
  sequence.state = SequenceState::running;
  sequence.pages.adopt_pages(sequence.tokens, limit);

  std::uint32_t common = 0;
  Sequence* ahead = sequence.evaluates() ? nullptr : find_ahead(sequence, limit, common);
  const std::uint32_t reached = has_state() ? reachable(sequence, limit) : sequence.computed();
  const bool waits =
      ahead != nullptr && ahead->computed() < common && common >= reached + kWaitTokensMin;
  if (waits) {
    sequence.state = SequenceState::waiting;
    sequence.waits_for = ahead->command.request;
    sequence.waits_until = common;
    sequence.waited_from = std::min(sequence.waited_from, reached);
    if (has_state()) ask_checkpoint(*ahead, common);
  } else if (has_state()) {
    const Status restored = restore_state(sequence, limit);
    if (!restored) return fail(sequence, restored.error());
  } else {
    const auto adopted =
        sequence.pages.adopt_tail(sequence.tokens, limit, ahead ? &ahead->pages : nullptr, common);
    if (!adopted) return fail(sequence, adopted.error());
  }
  note_cache_use(sequence, limit, common, waits);
  if (waits) return;
  if (sequence.publishes() && sequence.pending() == 0) return keep_published(sequence);

  // Do not start what cannot be finished: the prompt and one more token must find pages.
  const std::uint32_t page_tokens = cache_->page_tokens();
  const std::uint64_t held = (sequence.computed() + page_tokens - 1) / page_tokens;
  const std::uint64_t wanted = size / page_tokens + 1;
  const auto has_room = [&] {
    const cache::PageCacheStats pages = cache_->stats();
    return wanted <= held + pages.pages_total - pages.pages_in_use;
  };
  while (!has_room()) {
    Sequence* victim = find_victim(sequence, /*parked_only=*/true);
    if (victim != nullptr) {
      preempt(*victim);
      continue;
    }
    if (running_.size() > 1) {
      preempt(sequence);
      admission_closed_ = true;
    }
    return;
  }
}

// What the cache has for a sequence that has not begun.  common: tokens that another one has, or
// will have.
void Scheduler::note_cache_use(Sequence& sequence, std::uint32_t limit, std::uint32_t common,
                               bool waits) const {
  if (sequence.prefill_begin_ns != 0) return;
  const cache::Adoption& adopted = sequence.pages.adoption();
  CacheUse& use = sequence.cache_use;
  sequence.cached_tokens = sequence.computed();
  use.copied_tokens = adopted.copied_tokens;
  use.waited_tokens = sequence.computed() - std::min(sequence.computed(), sequence.waited_from);
  use.published_tokens = adopted.published_tokens;
  use.restored_tokens = adopted.restored_tokens;
  use.restored_pages = adopted.restored_pages;
  use.restore_ns = adopted.restore_ns;
  use.tier = sequence.computed() > 0 ? HEARTH_CACHE_TIER_HOST : HEARTH_CACHE_TIER_NONE;
  if (waits) {
    use.match_end = HEARTH_MATCH_END_NONE;
  } else if (sequence.evaluates()) {
    use.match_end = HEARTH_MATCH_END_EVALUATION;
  } else if (sequence.computed() == limit) {
    use.match_end = HEARTH_MATCH_END_LAST_TOKEN;
  } else if (use.lost_tokens > 0) {
    use.match_end = HEARTH_MATCH_END_NO_CHECKPOINT;
  } else if (adopted.no_room) {
    use.match_end = HEARTH_MATCH_END_NO_ROOM;
  } else if (adopted.damaged) {
    use.match_end = HEARTH_MATCH_END_DAMAGED;
  } else if (common > sequence.computed()) {
    use.match_end = HEARTH_MATCH_END_IN_PROGRESS;
  } else if (adopted.published_tokens == 0 && !cache_->has_pages(sequence.command.namespace_id)) {
    use.match_end = HEARTH_MATCH_END_COLD;
    use.was_empty = cache_->had_pages(sequence.command.namespace_id) ? 0 : 1;
  } else {
    use.match_end = HEARTH_MATCH_END_NEVER_SEEN;
  }
}

// The sequence admitted earlier, of the same namespace or published, that shares the most tokens
// with this one, and how many of them, limit at most, it has computed or surely will.
Sequence* Scheduler::find_ahead(const Sequence& sequence, std::uint32_t limit,
                                std::uint32_t& ret_common) const {
  Sequence* best = nullptr;
  for (const auto& other : running_) {
    const bool for_us =
        (other->command.namespace_id == sequence.command.namespace_id || other->publishes()) &&
        sequence.pages.goes_with(other->pages);
    if (other->admitted >= sequence.admitted || other->evaluates() || !for_us) continue;
    // Its last token is computed only when it has credit: nobody may wait for that one.
    const auto sure =
        static_cast<std::uint32_t>(other->tokens.size()) - (other->publishes() ? 0 : 1);
    const std::uint32_t common = std::min(
        {common_prefix(sequence.tokens, other->tokens), std::max(sure, other->computed()), limit});
    if (has_state() && !keeps_state_at(*other, common)) continue;
    if (common > ret_common) {
      best = other.get();
      ret_common = common;
    }
  }
  return best;
}

void Scheduler::wake_waiting() {
  turn_.clear();  // place() may take a sequence out of running_
  for (const auto& sequence : running_) {
    if (sequence->state == SequenceState::waiting) turn_.push_back(sequence.get());
  }
  for (Sequence* sequence : turn_) {
    // An earlier one may have sent this one back to the queue to make room.
    if (sequence->state != SequenceState::waiting) continue;
    const Sequence* ahead = find(sequence->waits_for);
    const bool goes_on = ahead != nullptr && ahead->state != SequenceState::queued &&
                         ahead->computed() < sequence->waits_until;
    if (!goes_on) place(*sequence);
  }
}

// Have pages for the positions of a sequence below end, at the expense of others if need be.
bool Scheduler::make_room(Sequence& sequence, std::uint32_t end) {
  for (;;) {
    const Result<bool> reserved = sequence.pages.reserve(end);
    if (!reserved) {
      fail(sequence, reserved.error());
      return false;
    }
    if (*reserved) return true;
    Sequence* victim = find_victim(sequence, /*parked_only=*/true);
    if (victim == nullptr) victim = find_victim(sequence, /*parked_only=*/false);
    if (victim == nullptr && last_resort_ && last_resort_()) continue;
    if (victim == nullptr) {
      fail(sequence, {Code::KV_CACHE, "no page is left for this sequence: raise kv-bytes"});
      return false;
    }
    const bool itself = victim == &sequence;
    admission_closed_ = true;
    preempt(*victim);
    if (itself) return false;
  }
}

// Who gives way: a text that is being published, the parked sequence admitted last, else the one
// admitted last of all, needy itself included; null when nobody else is there.
Sequence* Scheduler::find_victim(const Sequence& needy, bool parked_only) const {
  for (const auto& candidate : running_) {
    if (!candidate->publishes()) continue;
    if (!needy.publishes()) return candidate.get();
    // Nobody gives way to it.
    if (candidate.get() == &needy && !parked_only && running_.size() > 1) return candidate.get();
  }
  if (needy.publishes()) return nullptr;
  for (auto it = running_.rbegin(); it != running_.rend(); ++it) {
    Sequence* candidate = it->get();
    if (parked_only ? candidate != &needy && candidate->parked() : running_.size() > 1) {
      return candidate;
    }
  }
  return nullptr;
}

// Back to the front of the queue.  What it has computed stays in the cache as long as there is
// room.
void Scheduler::preempt(Sequence& sequence) {
  ++stats_.preemptions;
  std::erase_if(shares_, [&](const Share& share) {
    if (share.sequence != &sequence) return false;
    row_count_ -= share.row_count;
    logit_rows_ -= share.logit_rows;
    if (sequence.generates()) generated_rows_ -= share.row_count;
    return true;
  });
  let_go(sequence);
  sequence.state = SequenceState::queued;
  const auto found = std::ranges::find(running_, &sequence, &std::unique_ptr<Sequence>::get);
  assert(found != running_.end());
  (sequence.publishes() ? unpublished_ : queue_).push_front(std::move(*found));
  running_.erase(found);
}

}  // namespace hearth
