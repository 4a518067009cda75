// See scheduler.hpp.
#include "engine/scheduler.hpp"

#include <algorithm>
#include <cassert>

#include "engine/clock.hpp"

namespace hearth {
namespace {

std::int64_t max_snapshots(const cache::CheckpointStore* checkpoints, std::uint64_t bytes) {
  if (checkpoints == nullptr) return 0;
  return static_cast<std::int64_t>(
      std::max<std::uint64_t>(1, bytes / checkpoints->geometry().payload_bytes));
}

}  // namespace

Scheduler::Scheduler(Executor* executor, cache::PageCache* cache,
                     cache::CheckpointStore* checkpoints, const Tokenizer* tokenizer,
                     NoticeWriter* notices, StatsBoard* board, const Limits& limits,
                     std::uint32_t vocab)
    : executor_(executor),
      cache_(cache),
      checkpoints_(checkpoints),
      tokenizer_(tokenizer),
      notices_(notices),
      board_(board),
      limits_(limits),
      states_(executor->state_floats()),
      snapshots_max_(max_snapshots(checkpoints, limits.snapshot_bytes)),
      scratch_(vocab, executor->kernels().scan),
      pacer_(executor->limits().rows_max) {
  running_.reserve(limits.sequences_max);
  turn_.reserve(limits.sequences_max);
  shares_.reserve(limits.sequences_max);
  rows_.reserve(static_cast<std::size_t>(executor->limits().rows_max));
}

void Scheduler::submit(const SubmitCommand& command, std::vector<TokenId> prompt,
                       std::vector<std::string> stops, std::vector<LogitBias> biases,
                       std::vector<std::uint32_t> marks) {
  assert(!prompt.empty() && prompt.size() == command.prompt_count);
  if (prompt.size() > limits_.context) {
    notices_->fail(Notice::failed, command.request,
                   {Code::LIMIT, "prompt: longer than the context"});
    return;
  }
  const std::uint64_t wanted = std::uint64_t{command.prompt_count} + command.max_tokens;
  const auto tokens_max =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, limits_.context));
  SamplingParameters sampling = sampling_parameters(command, std::move(biases));
  if (sampling.dry.active()) sampling.dry.breakers = dry_breakers();
  queue_.push_back(std::make_unique<Sequence>(command, std::move(prompt), std::move(stops),
                                              std::move(sampling), cache_, tokens_max, tokenizer_));
  queue_.back()->marks = std::move(marks);
}

// Tokens that end a repetition: those with one of the field's breakers in their text.  Found once.
std::shared_ptr<const BreakerIndex> Scheduler::dry_breakers() {
  if (breakers_ != nullptr || tokenizer_ == nullptr) return breakers_;
  const auto breakers = std::make_shared<BreakerIndex>();
  for (std::size_t id = 0; id < tokenizer_->vocabulary().size(); ++id) {
    const auto token = static_cast<TokenId>(id);
    if (tokenizer_->piece(token, /*spell_special=*/true).find_first_of("\n:\"*") !=
        std::string_view::npos) {
      breakers->add({token});
    }
  }
  breakers_ = breakers;
  return breakers_;
}

Sequence* Scheduler::find(RequestId request) {
  for (const auto& sequence : running_) {
    if (sequence->command.request == request) return sequence.get();
  }
  for (const auto& sequence : queue_) {
    if (sequence->command.request == request) return sequence.get();
  }
  return nullptr;
}

// A request may be over when the daemon's command arrives: that is no error.
void Scheduler::grant(const CreditCommand& command) {
  if (Sequence* sequence = find(command.request)) {
    sequence->credit += std::min(command.tokens, UINT32_MAX - sequence->credit);
  }
}

void Scheduler::cancel(RequestId request) {
  if (Sequence* sequence = find(request)) finish(*sequence, HEARTH_STOP_CANCELED);
}

bool Scheduler::step(const std::atomic<bool>* give_up) {
  const std::size_t under_way = running_.size() + queue_.size();
  wake_waiting();
  admit();
  shares_.clear();
  row_count_ = logit_rows_ = generated_rows_ = snapshot_rows_ = 0;
  share_generated_rows();
  share_prompt_rows(/*published=*/false);
  if (shares_.empty()) share_prompt_rows(/*published=*/true);
  if (shares_.empty()) {
    gave_up_ = false;
    // One has failed or given way in vain: what it leaves may be of use to others.
    return running_.size() + queue_.size() < under_way;
  }
  build_rows();
  publish();

  const std::int64_t begin_ns = now_ns();
  // Rows that change a state cannot be computed again: their step is always finished.
  gave_up_ = !executor_->forward(rows_, gave_up_ || has_state() ? nullptr : give_up);
  if (gave_up_) return true;
  const std::int64_t end_ns = now_ns();
  pacer_.measured(generated_rows_, row_count_ - generated_rows_, end_ns - begin_ns);
  ++stats_.steps;
  count_rows(begin_ns);
  keep_snapshots();
  take_results(end_ns);
  publish();
  return true;
}

// Every generating sequence has one row; one row of logits stays free for a prompt that ends.
void Scheduler::share_generated_rows() {
  turn_.clear();
  bool prompts = false;
  for (const auto& sequence : running_) {
    if (sequence->state != SequenceState::running) continue;
    if (!sequence->generates()) prompts = true;
    if (sequence->generates() && !sequence->parked()) turn_.push_back(sequence.get());
  }
  if (turn_.empty()) return;
  std::rotate(turn_.begin(),
              turn_.begin() + static_cast<std::ptrdiff_t>(decode_turn_ % turn_.size()),
              turn_.end());
  std::size_t served = 0;
  for (Sequence* sequence : turn_) {
    if (logit_room() <= (prompts ? 1 : 0) || row_count_ == executor_->limits().rows_max) break;
    ++served;
    // An earlier one may have sent this one back to the queue to make room.
    if (sequence->state == SequenceState::running) share_rows(*sequence, 1);
  }
  if (served < turn_.size()) decode_turn_ += served;
}

// Of texts that are being published, or of requests and the texts that they wait for.
void Scheduler::share_prompt_rows(bool published) {
  turn_.clear();
  for (const auto& sequence : running_) {
    const bool meant =
        published ? sequence->publishes() : !sequence->publishes() || is_awaited(*sequence);
    if (meant && sequence->state == SequenceState::running && !sequence->generates() &&
        !sequence->parked()) {
      turn_.push_back(sequence.get());
    }
  }
  if (turn_.empty()) return;
  std::int64_t budget =
      std::min(pacer_.prompt_rows(generated_rows_), executor_->limits().rows_max - row_count_);
  // Who is first gets all it can use; next time another one is first.
  std::rotate(turn_.begin(),
              turn_.begin() + static_cast<std::ptrdiff_t>(prefill_turn_ % turn_.size()),
              turn_.end());
  for (Sequence* sequence : turn_) {
    if (budget == 0) break;
    if (sequence->state != SequenceState::running) continue;
    const std::int64_t before = row_count_;
    share_rows(*sequence, budget);
    budget -= std::clamp<std::int64_t>(row_count_ - before, 0, budget);
  }
  ++prefill_turn_;
}

// Give a sequence up to count rows of one role, as far as credit, rows of logits and pages allow.
bool Scheduler::share_rows(Sequence& sequence, std::int64_t count) {
  count = std::min<std::int64_t>(count, sequence.pending());
  if (sequence.role() == RowRole::prompt) {
    count = std::min<std::int64_t>(count, sequence.prompt_count - sequence.computed());
    count = limit_snapshots(sequence, count);
  }
  std::int64_t logit_rows = 0;
  if (sequence.evaluates()) {
    if (sequence.computed() < sequence.evaluated) {  // again, after a preemption
      count = std::min<std::int64_t>(count, sequence.evaluated - sequence.computed());
    } else {
      if (sequence.command.want_logits != 0) count = std::min<std::int64_t>(count, sequence.credit);
      logit_rows = count = std::min(count, logit_room());
    }
  } else if (count == sequence.pending() && !sequence.publishes()) {
    if (logit_room() > 0 && sequence.credit > 0) {
      logit_rows = 1;
    } else {
      --count;  // the last row would give a token that cannot be sent now
    }
  }
  if (count <= 0) return false;
  if (!make_room(sequence, sequence.computed() + static_cast<std::uint32_t>(count))) return false;
  if (sequence.generates()) generated_rows_ += count;
  shares_.push_back(
      {&sequence, static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(logit_rows)});
  row_count_ += count;
  logit_rows_ += logit_rows;
  snapshot_rows_ +=
      planned_until(sequence, sequence.computed() + static_cast<std::uint32_t>(count));
  return true;
}

void Scheduler::build_rows() {
  std::ranges::partition(
      shares_, [](const Share& share) { return share.sequence->role() == RowRole::generated; });
  rows_.clear();
  snapshots_.clear();
  for (const Share& share : shares_) {
    Sequence& sequence = *share.sequence;
    const RowOutput output =
        sequence.command.pooling == Pooling::none ? RowOutput::logits : RowOutput::hidden;
    for (std::uint32_t i = 0; i < share.row_count; ++i) {
      const std::uint32_t position = sequence.computed() + i;
      rows_.push_back({sequence.tokens[position], static_cast<std::int32_t>(position),
                       sequence.pages.payloads(),
                       i + share.logit_rows < share.row_count ? RowOutput::none : output,
                       sequence.role(), sequence.recurrent.get(),
                       begin_snapshot(sequence, position + 1)});
    }
  }
}

void Scheduler::publish() {
  EngineStats stats = stats_;
  const cache::PageCacheStats pages = cache_->stats();
  stats.pages_total = pages.pages_total;
  stats.pages_backed = pages.pages_backed;
  stats.pages_in_use = pages.pages_in_use;
  stats.pages_cached = pages.pages_cached;
  stats.evictions = pages.evictions;
  stats.pages_damaged = pages.damaged;
  stats.running = static_cast<std::uint32_t>(running_.size());
  stats.queued = static_cast<std::uint32_t>(queue_.size());
  cache_->list_uses(cache_uses_);
  if (checkpoints_ != nullptr) {
    checkpoints_->add_uses(cache_uses_);
    const cache::CheckpointStats checkpoints = checkpoints_->stats();
    stats.checkpoints = checkpoints.checkpoints_in_use + checkpoints.checkpoints_kept;
    stats.checkpoint_evictions = checkpoints.evictions;
    stats.checkpoints_thinned = checkpoints.thinned;
    stats.checkpoints_damaged = checkpoints.damaged;
  }
  board_->put(stats, cache_uses_);
}

}  // namespace hearth
