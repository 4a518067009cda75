// Scheduler: from logits to tokens, text and the end of a request.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "engine/clock.hpp"
#include "engine/scheduler.hpp"

namespace hearth {
namespace {

constexpr std::int64_t kProgressIntervalNs = 100'000'000;  // of a long prompt

// -log softmax(logits)[token], in double.
double negative_log_likelihood(std::span<const float> logits, TokenId token) {
  const double max = static_cast<double>(std::ranges::max(logits));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - max);
  return max + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

}  // namespace

// What was computed, for the whole batch before anybody is told of a result.
void Scheduler::count_rows(std::int64_t begin_ns) {
  for (const Share& share : shares_) {
    Sequence& sequence = *share.sequence;
    const std::uint32_t first = sequence.computed();
    const std::uint32_t end = first + share.row_count;
    const std::uint32_t prompt_rows =
        std::min(end, sequence.prompt_count) - std::min(first, sequence.prompt_count);
    stats_.prompt_rows += prompt_rows;
    stats_.generated_rows += share.row_count - prompt_rows;
    if (sequence.prefill_begin_ns == 0) {
      sequence.prefill_begin_ns = begin_ns;
      stats_.cached_tokens += sequence.cached_tokens;
      sequence.seen_until = first;
    }
    const std::uint32_t again =
        std::min(end, sequence.seen_until) - std::min(first, sequence.seen_until);
    sequence.seen_until = std::max(end, sequence.seen_until);
    sequence.cache_use.recomputed_tokens += again;
    sequence.cache_use.computed_tokens =
        std::min(sequence.seen_until, sequence.prompt_count) - sequence.cached_tokens;
    sequence.pages.advance(sequence.tokens, end);
  }
}

void Scheduler::take_results(std::int64_t end_ns) {
  std::int64_t logit = 0;
  for (const Share& share : shares_) {
    Sequence& sequence = *share.sequence;
    const std::int64_t first_logit = logit;
    logit += share.logit_rows;
    if (sequence.publishes()) {
      if (sequence.pending() == 0) keep_published(sequence);
    } else if (sequence.evaluates()) {
      take_evaluation(sequence, share, first_logit);
    } else if (share.logit_rows > 0) {
      take_token(sequence, executor_->logits(first_logit), end_ns);
    } else if (end_ns - std::max(sequence.last_progress_ns, sequence.prefill_begin_ns) >
               kProgressIntervalNs) {
      sequence.last_progress_ns = end_ns;
      const PrefillNotice notice = {sequence.command.request,
                                    std::min(sequence.computed(), sequence.prompt_count),
                                    sequence.prompt_count};
      notices_->send(Notice::prefill, notice);
    }
  }
}

void Scheduler::send_logits(const Sequence& sequence, std::uint32_t position,
                            std::int64_t first_logit, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::span<const float> row = executor_->logits(first_logit + i);
    const LogitsNotice notice = {sequence.command.request, position + i, 1,
                                 static_cast<std::uint32_t>(row.size())};
    notices_->send(Notice::logits, notice, std::as_bytes(row));
  }
}

void Scheduler::take_evaluation(Sequence& sequence, const Share& share, std::int64_t first_logit) {
  if (share.logit_rows == 0) return;  // computed again after a preemption
  if (sequence.command.pooling != Pooling::none) return take_hidden(sequence, share, first_logit);
  const std::uint32_t first = sequence.computed() - share.row_count;
  sequence.evaluated = sequence.computed();
  for (std::uint32_t i = 0; i < share.row_count; ++i) {
    if (first + i + 1 == sequence.tokens.size()) break;  // nothing follows the last token
    sequence.nll_sum +=
        negative_log_likelihood(executor_->logits(first_logit + i), sequence.tokens[first + i + 1]);
  }
  if (sequence.command.want_logits != 0) {
    send_logits(sequence, first, first_logit, share.row_count);
    sequence.credit -= share.row_count;
  }
  if (sequence.pending() == 0) finish(sequence, HEARTH_STOP_LENGTH);
}

// Rows of the last layer, for a vector that stands for the text.
void Scheduler::take_hidden(Sequence& sequence, const Share& share, std::int64_t first_row) {
  const bool mean = sequence.command.pooling == Pooling::mean;
  std::vector<double>& pooled = sequence.pooled;
  for (std::uint32_t i = 0; i < share.row_count; ++i) {
    const std::span<const float> row = executor_->hidden(first_row + i);
    if (!mean) pooled.clear();
    pooled.resize(row.size());
    for (std::size_t k = 0; k < row.size(); ++k) pooled[k] += static_cast<double>(row[k]);
  }
  sequence.evaluated = sequence.computed();
  if (sequence.pending() != 0) return;
  const double count = mean ? static_cast<double>(sequence.tokens.size()) : 1;
  std::vector<float> vector;
  for (const double sum : pooled) vector.push_back(static_cast<float>(sum / count));
  const EmbeddingNotice notice = {sequence.command.request,
                                  static_cast<std::uint32_t>(vector.size()), 0};
  notices_->send(Notice::embedding, notice, std::as_bytes(std::span(vector)));
  finish(sequence, HEARTH_STOP_LENGTH);
}

// How likely the drawn token and the likeliest ones were, by the model alone.
void Scheduler::send_probabilities(const Sequence& sequence, std::span<const float> logits,
                                   TokenId token) {
  const LogitRow row = {logits, scratch_.scan, scratch_.tops};
  const double log_sum = log_sum_exp(row);
  const auto probability = [&](TokenId id) {
    const double value = static_cast<double>(logits[static_cast<std::size_t>(id)]) - log_sum;
    return TokenProbability{id, std::isfinite(value) ? static_cast<float>(value)
                                                     : std::numeric_limits<float>::lowest()};
  };
  std::vector<TokenProbability> told = {probability(token)};
  list_best(row, static_cast<std::int32_t>(sequence.command.n_probs), scratch_.candidates);
  for (const Candidate& one : scratch_.candidates.list) told.push_back(probability(one.id));
  const ProbsNotice notice = {sequence.command.request, sequence.tokens.size(),
                              static_cast<std::uint32_t>(told.size()), 0};
  notices_->send(Notice::probs, notice, std::as_bytes(std::span(told)));
}

void Scheduler::take_token(Sequence& sequence, std::span<float> logits, std::int64_t now_ns) {
  const TokenId token = sequence.sampler.sample(logits, sequence.tokens, scratch_);
  if (sequence.command.want_logits != 0) {
    const LogitsNotice notice = {sequence.command.request, sequence.tokens.size() - 1, 1,
                                 static_cast<std::uint32_t>(logits.size())};
    notices_->send(Notice::logits, notice, std::as_bytes(logits));
  }
  if (sequence.command.n_probs != 0) send_probabilities(sequence, logits, token);
  sequence.tokens.push_back(token);
  if (sequence.first_token_ns == 0) sequence.first_token_ns = now_ns;
  sequence.last_token_ns = now_ns;
  --sequence.credit;

  text_.clear();
  shown_.clear();
  bool stopped = false;
  if (sequence.has_text) {
    sequence.decoder.push(token, text_);
    stopped = sequence.stops.push(text_, shown_);
  }
  std::uint32_t reason = HEARTH_STOP_NONE;
  if (stopped) {
    reason = HEARTH_STOP_SEQUENCE;
  } else if (sequence.has_text && sequence.command.ignore_eos == 0 && tokenizer_->is_end(token)) {
    reason = HEARTH_STOP_END;
  } else if (sequence.generated() >= sequence.command.max_tokens) {
    reason = HEARTH_STOP_LENGTH;
  } else if (sequence.tokens.size() >= limits_.context) {
    reason = HEARTH_STOP_CONTEXT;
  }
  if (reason != HEARTH_STOP_NONE && !stopped && sequence.has_text) {
    // Nothing follows: what was held back comes out, unless it completes a stop text after all.
    text_.clear();
    sequence.decoder.finish(text_);
    if (sequence.stops.push(text_, shown_)) {
      reason = HEARTH_STOP_SEQUENCE;
    } else {
      sequence.stops.finish(shown_);
    }
  }
  const TokensNotice notice = {sequence.command.request, 1,
                               static_cast<std::uint32_t>(shown_.size())};
  notices_->send(Notice::tokens, notice, std::as_bytes(std::span(&token, 1)),
                 std::as_bytes(std::span(shown_)));
  if (reason != HEARTH_STOP_NONE) finish(sequence, reason);
}

void Scheduler::finish(Sequence& sequence, std::uint32_t stop_reason) {
  const std::int64_t end_ns = now_ns();
  const std::int64_t first = sequence.first_token_ns == 0 ? end_ns : sequence.first_token_ns;
  const bool computed = sequence.prefill_begin_ns != 0;
  const std::size_t predictions = sequence.tokens.size() - 1;
  const DoneNotice notice = {
      .request = sequence.command.request,
      .stop_reason = stop_reason,
      .prompt_tokens = sequence.prompt_count,
      .cached_tokens = sequence.cached_tokens,
      .completion_tokens = sequence.generated(),
      .ttft_ns = first - sequence.command.received_ns,
      .prefill_ns = computed ? first - sequence.prefill_begin_ns : 0,
      .decode_ns = sequence.first_token_ns == 0 ? 0 : sequence.last_token_ns - first,
      .mean_nll = sequence.evaluates() && predictions > 0
                      ? sequence.nll_sum / static_cast<double>(predictions)
                      : 0,
      .cache = sequence.cache_use,
  };
  remove(sequence);
  publish();
  notices_->send(Notice::done, notice);
}

void Scheduler::fail(Sequence& sequence, const Error& error) {
  const RequestId request = sequence.command.request;
  const Notice notice = sequence.publishes() ? Notice::publish_failed : Notice::failed;
  remove(sequence);
  publish();
  notices_->fail(notice, request, error);
}

// Forget a sequence; what it computed stays in the cache.  The reference is dangling afterwards.
void Scheduler::remove(Sequence& sequence) {
  let_go(sequence);
  admission_closed_ = false;
  const auto is_it = [&](const std::unique_ptr<Sequence>& held) { return held.get() == &sequence; };
  if (std::erase_if(running_, is_it) == 0) std::erase_if(queue_, is_it);
}

}  // namespace hearth
