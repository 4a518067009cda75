// One request inside the scheduler: its tokens, its pages, how it chooses tokens and what it may
// send.
//
// THREAD: the engine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cache/sequence_pages.hpp"
#include "engine/batch.hpp"
#include "engine/messages.hpp"
#include "engine/sampler.hpp"
#include "engine/state_pool.hpp"
#include "engine/stop_matcher.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

enum class SequenceState : std::uint8_t {
  queued,   // has no pages
  waiting,  // has pages; another sequence computes what it needs next
  running,  // may have rows in the next step
};

struct Sequence {
  Sequence(const SubmitCommand& submit, std::vector<TokenId> prompt, std::vector<std::string> stops,
           SamplingParameters sampling, cache::PageCache* cache, std::uint32_t tokens_max,
           const Tokenizer* tokenizer)
      : command(submit),
        tokens(std::move(prompt)),
        prompt_count(submit.prompt_count),
        pages(cache, submit.namespace_id, tokens_max),
        sampler(std::move(sampling)),
        decoder(tokenizer, submit.spell_special != 0),
        has_text(tokenizer != nullptr),
        stops(std::move(stops)),
        credit(submit.credit) {
    tokens.reserve(tokens_max);
  }

  std::uint32_t computed() const { return pages.end(); }
  std::uint32_t pending() const { return static_cast<std::uint32_t>(tokens.size()) - computed(); }
  std::uint32_t generated() const {
    return static_cast<std::uint32_t>(tokens.size()) - prompt_count;
  }
  bool evaluates() const { return command.kind == RequestKind::evaluate; }
  bool publishes() const { return command.kind == RequestKind::publish; }
  // Of the next row.  What was generated before a preemption is computed again as it was.
  RowRole role() const { return computed() < prompt_count ? RowRole::prompt : RowRole::generated; }
  // All but the newest generated token is computed: the next row is a generated one.
  bool generates() const { return pending() == 1 && generated() > 0; }
  // Nothing can be computed before the client grants credit.
  bool parked() const {
    return credit == 0 && (evaluates() ? command.want_logits != 0 : pending() == 1);
  }

  const SubmitCommand command;
  std::vector<TokenId> tokens;  // prompt and generated; the last one may not be computed yet
  const std::uint32_t prompt_count;
  std::vector<std::uint32_t> marks;  // of the prompt: see SubmitCommand::mark_count
  cache::SequencePages pages;        // positions [0, computed()) are in the cache
  StatePool::State recurrent;  // state of the model's layers, after computed() tokens; or null
  std::vector<std::uint32_t> checkpoints;  // positions not computed yet, ascending, to keep it at
  std::vector<cache::SlotId> held_checkpoints;  // publishes: they are held with its pages
  std::uint32_t last_checkpoint = 0;            // the deepest position that it was kept at; 0: none
  Sampler sampler;
  StreamDecoder decoder;  // used only with has_text
  const bool has_text;
  StopMatcher stops;
  std::uint32_t credit;  // tokens (or rows of logits) that may still be sent

  SequenceState state = SequenceState::queued;
  RequestId waits_for = 0;          // waiting: the sequence that computes
  std::uint32_t waits_until = 0;    // and how far it must have come
  std::uint64_t admitted = 0;       // order of admission; the latest is preempted first
  std::uint32_t cached_tokens = 0;  // of the prompt: adopted before its first row was computed
  CacheUse cache_use = {};
  std::uint32_t waited_from = UINT32_MAX;  // positions that it had when it first had to wait
  std::uint32_t seen_until = 0;            // positions that were cached or computed for it before
  double nll_sum = 0;                      // evaluate
  std::uint32_t evaluated = 0;             // evaluate: positions whose logits were taken
  std::vector<double> pooled;              // evaluate: sums over rows of the last layer
  std::int64_t prefill_begin_ns = 0;
  std::int64_t first_token_ns = 0;  // 0: none yet
  std::int64_t last_token_ns = 0;
  std::int64_t last_progress_ns = 0;
};

}  // namespace hearth
