// Scheduler: texts that the administrator publishes, computed once for everybody.
//
// Each is a sequence of kPublishedNamespace of its whole pages, without logits and without a
// client.  From the moment it is added it holds what there is of it, and when all of it is computed
// it stays as it is, so that nothing of it can be evicted.
#include <fmt/format.h>

#include <algorithm>

#include "engine/scheduler.hpp"

namespace hearth {
namespace {

SubmitCommand command_of(std::uint32_t text, std::uint32_t tokens) {
  SubmitCommand command = {};
  command.request = kPublishRequests + text;
  command.namespace_id = cache::kPublishedNamespace;
  command.kind = RequestKind::publish;
  command.prompt_count = tokens;
  command.credit = 1;  // it never waits for a client
  return command;
}

std::uint32_t text_of(const Sequence& sequence) {
  return static_cast<std::uint32_t>(sequence.command.request - kPublishRequests);
}

double mib(std::uint64_t bytes) {
  return static_cast<double>(bytes) / (1u << 20);
}

}  // namespace

// Of this one, and of this many pages in all.
Status Scheduler::check_published(std::uint64_t tokens, std::uint64_t pages,
                                  std::uint64_t bytes_max) const {
  if (tokens < cache_->page_tokens()) {
    return Error{Code::LIMIT, fmt::format("it has {} tokens, less than a page of {}", tokens,
                                          cache_->page_tokens())};
  }
  if (tokens > limits_.context) {
    return Error{Code::LIMIT, fmt::format("it has {} tokens, the context is {}: no request can "
                                          "begin with it",
                                          tokens, limits_.context)};
  }
  const std::uint64_t bytes = pages * cache_->stats().page_bytes;
  if (bytes <= bytes_max) return {};
  return Error{Code::LIMIT, fmt::format("it needs {:.1f} MiB with those before it, published texts "
                                        "may take {:.1f} MiB, half of this model's share of "
                                        "kv-bytes: raise kv-bytes",
                                        mib(bytes), mib(bytes_max))};
}

void Scheduler::add_published(std::span<const std::vector<TokenId>> texts,
                              std::uint64_t bytes_max) {
  const std::uint32_t page_tokens = cache_->page_tokens();
  std::uint64_t pages = 0;
  for (std::uint32_t text = 0; text < texts.size(); ++text) {
    std::vector<TokenId> tokens = texts[text];
    if (tokens.empty()) continue;
    const std::uint64_t whole = tokens.size() / page_tokens;
    const Status fits = check_published(tokens.size(), pages + whole, bytes_max);
    if (!fits) {
      notices_->fail(Notice::publish_failed, kPublishRequests + text, fits.error());
      continue;
    }
    pages += whole;
    tokens.resize(whole * page_tokens);
    prepare_published(text, std::move(tokens));
  }
  publish();
}

// Hold what there is of a text; what is missing is to be computed.
void Scheduler::prepare_published(std::uint32_t text, std::vector<TokenId> tokens) {
  const auto size = static_cast<std::uint32_t>(tokens.size());
  const SubmitCommand command = command_of(text, size);
  auto sequence =
      std::make_unique<Sequence>(command, std::move(tokens), std::vector<std::string>(),
                                 sampling_parameters(command, {}), cache_, size, tokenizer_);
  sequence->pages.adopt_pages(sequence->tokens, size);
  unpublished_.push_back(std::move(sequence));
}

// As many as there is room for.  They are there before requests that come later, which may wait for
// them.
void Scheduler::admit_published() {
  while (!unpublished_.empty() && !admission_closed_ && running_.size() < limits_.sequences_max) {
    Sequence& sequence = *unpublished_.front();
    const cache::PageCacheStats pages = cache_->stats();
    const std::uint64_t wanted = sequence.pending() / cache_->page_tokens() + 1;
    if (wanted > pages.pages_total - pages.pages_in_use && sequence.pending() > 0) return;
    running_.push_back(std::move(unpublished_.front()));
    unpublished_.pop_front();
    sequence.admitted = ++admissions_;
    place(sequence);
  }
}

// By a request, or by a text that a request waits for; who waits was admitted later.
bool Scheduler::is_awaited(const Sequence& published) const {
  return std::ranges::any_of(running_, [&](const auto& one) {
    return one->state == SequenceState::waiting && one->waits_for == published.command.request &&
           (!one->publishes() || is_awaited(*one));
  });
}

// All of it is there.
void Scheduler::keep_published(Sequence& sequence) {
  sequence.recurrent.reset();
  const auto found = std::ranges::find(running_, &sequence, &std::unique_ptr<Sequence>::get);
  published_.push_back(std::move(*found));
  running_.erase(found);
  publish();
  const PublishedNotice notice = {
      .text = text_of(sequence),
      .tokens = sequence.prompt_count,
      .computed = sequence.cache_use.computed_tokens,
      .reserved = 0,
  };
  notices_->send(Notice::published, notice);
  renew_published();  // one of its pages may have been found damaged meanwhile
}

void Scheduler::renew_published() {
  std::vector<std::unique_ptr<Sequence>> damaged;
  for (auto& sequence : published_) {
    if (has_damage(*sequence)) damaged.push_back(std::move(sequence));
  }
  std::erase(published_, nullptr);
  // They may share pages: all let go before the first is prepared.
  for (const auto& sequence : damaged) let_go(*sequence);
  for (const auto& sequence : damaged) {
    prepare_published(text_of(*sequence), std::move(sequence->tokens));
  }
}

}  // namespace hearth
