// Decides which rows of which sequences the next step computes, and what becomes of the results.
//
// THREAD: the engine.  Continuous batching: every generating sequence with credit puts one row into
// a step, sequences that still read their prompt fill it up in turn, as far as the pacer allows.
//
// Life of a sequence: queued -> (waiting ->) running -> done.  A sequence whose next
// prompt tokens are being computed by an earlier one waits for it instead of computing them again.
// When pages run out, the sequence admitted last goes back to the queue with what it has; its pages
// stay in the cache.
//
// A model with recurrent layers gives each running sequence a state; what of it is kept, and where
// a sequence goes on from, is in scheduler_checkpoints.cpp.
//
// Texts that the administrator publishes are sequences, too: they are computed while nobody else
// has rows, or somebody waits for them, and keep their pages when they are done.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/checkpoint_policy.hpp"
#include "cache/checkpoint_store.hpp"
#include "cache/page_cache.hpp"
#include "engine/executor.hpp"
#include "engine/notice_writer.hpp"
#include "engine/sequence.hpp"
#include "engine/stats_board.hpp"
#include "engine/step_pacer.hpp"

namespace hearth {

class Scheduler {
 public:
  struct Limits {
    std::uint32_t sequences_max = 64;  // admitted at a time
    std::uint32_t context = 0;         // longest sequence, tokens
    // Of checkpoints that one step copies, at least one: who asks for more takes more steps, and
    // keeps nobody waiting.
    std::uint64_t snapshot_bytes = 512u << 20;
  };
  // tokenizer may be null: then no text comes out and nothing but lengths ends a sequence.
  // checkpoints: of the states of a model that has any; else null.
  Scheduler(Executor* executor, cache::PageCache* cache, cache::CheckpointStore* checkpoints,
            const Tokenizer* tokenizer, NoticeWriter* notices, StatsBoard* board,
            const Limits& limits, std::uint32_t vocab);

  void submit(const SubmitCommand& command, std::vector<TokenId> prompt,
              std::vector<std::string> stops, std::vector<LogitBias> biases,
              std::vector<std::uint32_t> marks);
  void grant(const CreditCommand& command);
  void cancel(RequestId request);

  // Have these texts for everybody, as far as bytes_max goes; each is told of by Notice::published
  // or Notice::publish_failed.  Once, before all requests: what is there already is found and held.
  void add_published(std::span<const std::vector<TokenId>> texts, std::uint64_t bytes_max);
  // Compute anew those of them that have damaged pages.
  void renew_published();

  // What gives up pages for a sequence that cannot get any from others; false when it has none.
  void set_last_resort(std::function<bool()> give_way) { last_resort_ = std::move(give_way); }

  // Compute one step.  False when there is nothing to compute now.  A step ends without results as
  // soon as give_up (which may be null) is true, but never two in a row: whoever cancels requests
  // cannot keep others from theirs.
  bool step(const std::atomic<bool>* give_up = nullptr);

  // Put the numbers on the board.  A step does it by itself: before it computes, and before anybody
  // is told that a request is over.
  void publish();
  bool empty() const { return queue_.empty() && running_.empty(); }

 private:
  // What one sequence has in the current batch.
  struct Share {
    Sequence* sequence;
    std::uint32_t row_count;   // its next positions
    std::uint32_t logit_rows;  // of these, the last ones: how many give logits
  };

  // A checkpoint that the current batch fills.
  struct Snapshot {
    Sequence* sequence;
    cache::SlotId slot;
    std::uint32_t position;
  };

  // Admission: scheduler_admission.cpp
  void admit();
  void place(Sequence& sequence);
  void wake_waiting();
  void note_cache_use(Sequence& sequence, std::uint32_t limit, std::uint32_t common,
                      bool waits) const;
  Sequence* find_ahead(const Sequence& sequence, std::uint32_t limit,
                       std::uint32_t& ret_common) const;
  bool make_room(Sequence& sequence, std::uint32_t end);
  Sequence* find_victim(const Sequence& needy, bool parked_only) const;
  void preempt(Sequence& sequence);

  // Checkpoints of recurrent layers: scheduler_checkpoints.cpp
  bool has_state() const { return !states_.empty(); }
  cache::CheckpointPath path_of(const Sequence& sequence, std::uint32_t limit) const;
  std::uint32_t reachable(const Sequence& sequence, std::uint32_t limit);
  bool keeps_state_at(const Sequence& sequence, std::uint32_t position) const;
  static void ask_checkpoint(Sequence& sequence, std::uint32_t position);
  Status restore_state(Sequence& sequence, std::uint32_t limit);
  Result<std::uint32_t> adopt_checkpoint(Sequence& sequence, cache::SlotId slot);
  void plan_checkpoints(Sequence& sequence, std::uint32_t divergence) const;
  std::int64_t limit_snapshots(const Sequence& sequence, std::int64_t count) const;
  static std::int64_t planned_until(const Sequence& sequence, std::uint32_t end);
  float* begin_snapshot(Sequence& sequence, std::uint32_t position);
  void keep_snapshots();
  void keep_checkpoint(Sequence& sequence, cache::SlotId slot, std::uint32_t position);
  void hold_published(Sequence& sequence, cache::SlotId slot);
  bool has_damage(const Sequence& published) const;
  void leave_checkpoint(Sequence& sequence);
  void let_go(Sequence& sequence);

  // Published texts: scheduler_published.cpp
  Status check_published(std::uint64_t tokens, std::uint64_t pages, std::uint64_t bytes_max) const;
  void prepare_published(std::uint32_t text, std::vector<TokenId> tokens);
  void admit_published();
  void keep_published(Sequence& sequence);
  bool is_awaited(const Sequence& published) const;

  // Batching: scheduler.cpp
  void share_generated_rows();
  void share_prompt_rows(bool published);
  bool share_rows(Sequence& sequence, std::int64_t count);
  void build_rows();
  std::int64_t logit_room() const { return executor_->limits().logit_rows_max - logit_rows_; }

  // Results: scheduler_results.cpp
  void count_rows(std::int64_t begin_ns);
  void take_results(std::int64_t end_ns);
  void take_evaluation(Sequence& sequence, const Share& share, std::int64_t first_logit);
  void send_probabilities(const Sequence& sequence, std::span<const float> logits, TokenId token);
  void take_hidden(Sequence& sequence, const Share& share, std::int64_t first_row);
  void take_token(Sequence& sequence, std::span<float> logits, std::int64_t now_ns);
  void send_logits(const Sequence& sequence, std::uint32_t position, std::int64_t first_logit,
                   std::uint32_t count);
  void finish(Sequence& sequence, std::uint32_t stop_reason);
  void fail(Sequence& sequence, const Error& error);
  void remove(Sequence& sequence);

  Sequence* find(RequestId request);
  std::shared_ptr<const BreakerIndex> dry_breakers();

  std::function<bool()> last_resort_;
  Executor* executor_;  // outlive us
  cache::PageCache* cache_;
  cache::CheckpointStore* checkpoints_;  // null: the model has no state, or keeps none
  const Tokenizer* tokenizer_;
  NoticeWriter* notices_;
  StatsBoard* board_;
  const Limits limits_;
  StatePool states_;
  const std::int64_t snapshots_max_;  // of one step
  SamplerScratch scratch_;
  std::shared_ptr<const BreakerIndex> breakers_;  // once DRY was asked for
  StepPacer pacer_;

  std::deque<std::unique_ptr<Sequence>> queue_;        // in order of arrival
  std::vector<std::unique_ptr<Sequence>> running_;     // admitted, in order of admission
  std::deque<std::unique_ptr<Sequence>> unpublished_;  // texts that are to be published
  std::vector<std::unique_ptr<Sequence>> published_;   // those that are: they hold their pages
  std::uint64_t admissions_ = 0;
  bool gave_up_ = false;           // the last step did
  bool admission_closed_ = false;  // after a preemption, until pages come free
  std::size_t prefill_turn_ = 0;   // rotates who prefills first
  std::size_t decode_turn_ = 0;    // rotates who generates first when not all fit

  std::vector<Sequence*> turn_;  // running sequences, in the order they are asked this time
  std::vector<Share> shares_;    // of the current batch
  std::vector<BatchRow> rows_;
  std::vector<Snapshot> snapshots_;  // of the current batch
  std::int64_t row_count_ = 0;       // rows shared out
  std::int64_t logit_rows_ = 0;      // of these, with logits
  std::int64_t generated_rows_ = 0;  // of these, of generated tokens
  std::int64_t snapshot_rows_ = 0;   // rows whose state is to be kept
  std::string text_;                 // of the token being handled
  std::string shown_;                // of it, what may be sent
  EngineStats stats_ = {};
  std::vector<cache::NamespaceUse> cache_uses_;  // being published
};

}  // namespace hearth
