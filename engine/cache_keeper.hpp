// Answers what the owners of cached pages ask: what is there, evict it, check it.
//
// THREAD: the engine.  One part of one request after every step, in turn, so that none of them and
// nobody who generates waits for the whole of another.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "cache/cache_upkeep.hpp"
#include "cache/checkpoint_upkeep.hpp"
#include "engine/messages.hpp"
#include "engine/notice_writer.hpp"
#include "engine/scheduler.hpp"

namespace hearth {

class CacheKeeper {
 public:
  // All outlive us.  checkpoints: of the states beside the pages; null: the model has none.
  CacheKeeper(cache::PageCache* cache, NoticeWriter* notices, Scheduler* scheduler,
              cache::CheckpointStore* checkpoints = nullptr);

  void submit(const CacheCommand& command, std::vector<std::int32_t> prefix);
  // Ends it with what was done until now; no such request is no error.
  void cancel(RequestId request);

  // Do a part, of about budget_ns.  False when there was nothing to do.
  bool step(std::int64_t budget_ns);

 private:
  struct Job {
    CacheCommand command;
    std::vector<std::int32_t> prefix;
    std::int64_t begin_ns = 0;  // 0: it had no turn yet
    std::int64_t last_progress_ns = 0;
    std::uint64_t pages_left = 0;       // evict
    cache::SlotId next_slot = 0;        // verify
    cache::SlotId next_checkpoint = 0;  // verify, after all pages
    CacheDoneNotice done = {};
    std::vector<std::byte> texts;  // list
    cache::PageSelection selection() const {
      return {command.all != 0, command.namespace_id, prefix};
    }
  };
  bool work(Job& job, std::int64_t budget_ns);
  void list(Job& job);
  bool evict(Job& job);
  bool verify(Job& job, std::int64_t budget_ns);
  void finish(Job& job);

  cache::CacheUpkeep upkeep_;
  std::optional<cache::CheckpointUpkeep> checkpoints_;
  const std::uint64_t page_bytes_;
  const std::uint64_t checkpoint_bytes_;
  NoticeWriter* notices_;
  Scheduler* scheduler_;  // who puts the numbers on the board
  std::deque<std::unique_ptr<Job>> jobs_;
};

}  // namespace hearth
