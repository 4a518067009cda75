// A scheduler that a test drives step by step, in its own thread, with a model's executor and a
// cache beside it: what comes after what is not left to chance.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/clock.hpp"
#include "engine/scheduler.hpp"
#include "tests/engine/forward_testing.hpp"
#include "tests/engine/outcomes.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {

class SteppedScheduler {
 public:
  struct Settings {
    std::uint32_t pages = 200, checkpoints = 100;  // that there is room for
    Scheduler::Limits limits = {.sequences_max = 8, .context = 1024};
    cache::NamespaceRules rules = {};
  };
  static constexpr std::uint32_t kPage = 32;

  SteppedScheduler(const std::string& path, const Settings& settings)
      : model_(path, best_kernels(), &pool_) {
    auto store = cache::SegmentStore::open(directory_.path() + "/state", directory_.path());
    store_ = std::make_unique<cache::SegmentStore>(*std::move(store));
    const cache::SegmentGeometry geometry = {
        .fingerprint = {1},
        .kv_format = static_cast<std::uint32_t>(executor().kv().format),
        .page_tokens = kPage,
        .payload_bytes = static_cast<std::uint64_t>(executor().kv().page_bytes)};
    pages_ = std::make_unique<cache::PageCache>(open("pages", geometry, settings.pages),
                                                cache::Digest{9}, settings.rules);
    const auto state_bytes = static_cast<std::uint64_t>(executor().state_floats()) * sizeof(float);
    checkpoints_ = std::make_unique<cache::CheckpointStore>(
        open("states", *cache::CheckpointStore::geometry_of(geometry, state_bytes),
             settings.checkpoints),
        pages_.get(), settings.rules);
    scheduler_ = std::make_unique<Scheduler>(
        &executor(), pages_.get(), checkpoints_.get(), /*tokenizer=*/nullptr, &writer_, &board_,
        settings.limits, static_cast<std::uint32_t>(model_.table().vocab));
  }

  // A greedy request whose logits are of interest; credit for all of it.
  static SubmitCommand greedy(std::uint32_t max_tokens) {
    SubmitCommand command = {};
    command.namespace_id = 1000;
    command.max_tokens = max_tokens;
    command.credit = 1u << 20;
    command.top_p = 1;
    command.ignore_eos = command.want_logits = 1;
    return command;
  }

  RequestId submit(SubmitCommand command, const std::vector<TokenId>& prompt,
                   const std::vector<std::uint32_t>& marks = {}) {
    command.request = next_id_++;
    command.received_ns = now_ns();
    command.prompt_count = static_cast<std::uint32_t>(prompt.size());
    scheduler_->submit(command, prompt, {}, {}, marks);
    return command.request;
  }

  // One step; false when there was nothing to compute.
  bool step() {
    const bool computed = scheduler_->step();
    std::uint32_t type = 0;
    while (ring_.pop(type, message_)) {
      const auto notice = static_cast<Notice>(type);
      outcomes_.take(notice, message_);
      if (notice == Notice::failed) ADD_FAILURE() << error_of(message_).message;
    }
    return computed;
  }
  // Until there is nothing to compute; returns the number of steps.
  int settle() {
    int steps = 0;
    while (step()) ++steps;
    return steps;
  }

  const Outcome& outcome(RequestId id) { return outcomes_[id]; }
  const Outcome& run(const SubmitCommand& command, const std::vector<TokenId>& prompt,
                     const std::vector<std::uint32_t>& marks = {}) {
    const RequestId id = submit(command, prompt, marks);
    settle();
    EXPECT_TRUE(outcomes_[id].done);
    return outcomes_[id];
  }

  // One of these requests that is over.
  template <class Requests>
  std::optional<RequestId> find_over(const Requests& requests) {
    for (const auto& [id, what] : requests) {
      if (outcomes_[id].done) return id;
    }
    return std::nullopt;
  }

  void check() const {
    pages_->check();
    checkpoints_->check();
  }

  Scheduler& scheduler() { return *scheduler_; }
  Executor& executor() { return model_.executor(); }
  cache::PageCache& pages() { return *pages_; }
  cache::CheckpointStore& checkpoints() { return *checkpoints_; }
  EngineStats stats() const { return board_.get(); }

 private:
  std::unique_ptr<cache::Segment> open(const char* name, const cache::SegmentGeometry& geometry,
                                       std::uint32_t slots) {
    const std::uint64_t slot_bytes = sizeof(cache::Record) + sizeof(cache::ObjectHeader) +
                                     kPage * sizeof(TokenId) +
                                     align_up<std::uint64_t>(geometry.payload_bytes, 4096);
    auto segment = cache::Segment::open(*store_, name, geometry,
                                        cache::Segment::kFixedBytes + slots * slot_bytes,
                                        cache::BudgetShare(&budget_));
    if (!segment) throw std::runtime_error(segment.error().message);
    return *std::move(segment);
  }
  TemporaryDirectory directory_;
  cache::MemoryBudget budget_{UINT64_MAX >> 1};
  WorkerPool pool_{2, nullptr};
  ForwardModel model_;
  std::unique_ptr<cache::SegmentStore> store_;
  std::unique_ptr<cache::PageCache> pages_;
  std::unique_ptr<cache::CheckpointStore> checkpoints_;
  MessageRing ring_{8u << 20};
  NoticeWriter writer_{&ring_};
  StatsBoard board_;
  std::unique_ptr<Scheduler> scheduler_;
  Outcomes outcomes_;
  std::vector<std::byte> message_;
  RequestId next_id_ = 1;
};

}  // namespace hearth
