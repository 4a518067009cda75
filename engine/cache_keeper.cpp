// See cache_keeper.hpp.
#include "engine/cache_keeper.hpp"

#include <algorithm>

#include "engine/clock.hpp"

namespace hearth {
namespace {

constexpr std::uint32_t kEvictedAtOnce = 4096;             // pages
constexpr std::int64_t kProgressIntervalNs = 100'000'000;  // of a verification

template <class T>
void append(std::vector<std::byte>& bytes, std::span<const T> items) {
  const auto more = std::as_bytes(items);
  bytes.insert(bytes.end(), more.begin(), more.end());
}

}  // namespace

CacheKeeper::CacheKeeper(cache::PageCache* cache, NoticeWriter* notices, Scheduler* scheduler,
                         cache::CheckpointStore* checkpoints)
    : upkeep_(cache),
      page_bytes_(cache->payload_bytes()),
      checkpoint_bytes_(checkpoints != nullptr ? checkpoints->geometry().payload_bytes : 0),
      notices_(notices),
      scheduler_(scheduler) {
  if (checkpoints != nullptr) checkpoints_.emplace(checkpoints);
}

void CacheKeeper::submit(const CacheCommand& command, std::vector<std::int32_t> prefix) {
  auto job = std::make_unique<Job>();
  job->command = command;
  job->prefix = std::move(prefix);
  job->pages_left = command.bytes_max / page_bytes_;
  job->done.request = command.request;
  job->done.page_bytes = page_bytes_;
  job->done.checkpoint_bytes = checkpoint_bytes_;
  jobs_.push_back(std::move(job));
}

void CacheKeeper::cancel(RequestId request) {
  const auto is_it = [&](const auto& job) { return job->command.request == request; };
  const auto found = std::ranges::find_if(jobs_, is_it);
  if (found == jobs_.end()) return;
  (*found)->done.canceled = 1;
  finish(**found);
  jobs_.erase(found);
}

bool CacheKeeper::step(std::int64_t budget_ns) {
  if (jobs_.empty()) return false;
  std::unique_ptr<Job> job = std::move(jobs_.front());
  jobs_.pop_front();
  if (job->begin_ns == 0) job->begin_ns = now_ns();
  if (work(*job, budget_ns)) {
    finish(*job);
  } else {
    jobs_.push_back(std::move(job));
  }
  return true;
}

// True when it is done.
bool CacheKeeper::work(Job& job, std::int64_t budget_ns) {
  switch (job.command.action) {
    case CacheAction::list: list(job); return true;
    case CacheAction::evict: return evict(job);
    case CacheAction::verify: return verify(job, budget_ns);
  }
  return true;
}

void CacheKeeper::list(Job& job) {
  const cache::CacheListing listing =
      upkeep_.list(job.selection(), job.command.limit, job.command.first_tokens);
  for (const cache::CachedText& text : listing.texts) {
    const CachedTextHead head = {
        .namespace_id = text.id,
        .tokens = text.tokens,
        .pages = text.pages,
        .published_pages = text.published_pages,
        .own_pages = text.own_pages,
        .pages_in_use = text.pages_in_use,
        .id_count = static_cast<std::uint32_t>(text.first_tokens.size()),
        .reserved = 0,
    };
    append(job.texts, std::span(&head, 1));
    append(job.texts, std::span(text.first_tokens));
  }
  job.done.text_count = static_cast<std::uint32_t>(listing.texts.size());
  job.done.left_out = listing.left_out;
  job.done.pages = listing.pages;
  job.done.pages_in_use = listing.pages_in_use;
  job.done.tokens = listing.tokens;
  if (checkpoints_) job.done.checkpoints = checkpoints_->count(job.selection()).checkpoints;
}

bool CacheKeeper::evict(Job& job) {
  const auto count =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(job.pages_left, kEvictedAtOnce));
  const std::uint32_t evicted = upkeep_.evict(job.selection(), count, job.done.tokens);
  job.done.pages += evicted;
  job.pages_left -= evicted;
  if (evicted == kEvictedAtOnce && job.pages_left > 0) return false;
  // At the limit those go whose pages went; else all that are meant.
  const bool at_limit = job.pages_left == 0;
  if (checkpoints_) job.done.checkpoints = checkpoints_->evict(job.selection(), at_limit);
  job.done.pages_in_use = upkeep_.count_in_use(job.selection());
  return true;
}

bool CacheKeeper::verify(Job& job, std::int64_t budget_ns) {
  const std::int64_t now = now_ns();
  const std::uint32_t checkpoint_slots = checkpoints_ ? checkpoints_->slot_count() : 0;
  if (now - job.last_progress_ns > kProgressIntervalNs) {
    job.last_progress_ns = now;
    const double all = std::max(1u, upkeep_.slot_count() + checkpoint_slots);
    const double done = job.next_slot + job.next_checkpoint;
    const CacheProgressNotice notice = {job.command.request, done / all};
    notices_->send(Notice::cache_progress, notice);
  }
  cache::VerifyCounts counts;
  if (job.next_slot < upkeep_.slot_count()) {
    job.next_slot = upkeep_.verify(job.selection(), job.next_slot, budget_ns, counts);
    job.done.pages += counts.checked;
  } else if (checkpoints_) {
    job.next_checkpoint =
        checkpoints_->verify(job.selection(), job.next_checkpoint, budget_ns, counts);
    job.done.checkpoints += counts.checked;
  }
  job.done.damaged += counts.damaged;
  job.done.damaged_in_use += counts.damaged_in_use;
  job.done.dropped += counts.dropped;
  if (counts.damaged_in_use > 0) scheduler_->renew_published();
  return job.next_slot >= upkeep_.slot_count() && job.next_checkpoint >= checkpoint_slots;
}

void CacheKeeper::finish(Job& job) {
  if (job.begin_ns != 0) job.done.ns = now_ns() - job.begin_ns;
  scheduler_->publish();
  notices_->send(Notice::cache_done, job.done, job.texts);
}

}  // namespace hearth
