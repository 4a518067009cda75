// A whole engine in its thread, with a cache of its own, driven as the daemon drives it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/clock.hpp"
#include "engine/engine.hpp"
#include "files/gguf.hpp"
#include "tests/engine/outcomes.hpp"
#include "tests/random_prompt.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {

class EngineHarness {
 public:
  struct Settings {
    std::uint64_t kv_bytes = 64 << 20;
    std::uint32_t context = 0;
    std::uint32_t sequences_max = 64;
    int threads = 2;
    bool with_tokenizer = true;
    cache::MemoryBudget* budget = nullptr;      // instead of one of its own; outlives the harness
    std::uint64_t aside_bytes = 0;              // of the budget
    const cache::Topology* topology = nullptr;  // outlives the harness
    std::vector<std::vector<TokenId>> published = {};
    std::uint64_t published_bytes = UINT64_MAX;
    std::uint64_t checkpoint_bytes = 0;
  };

  EngineHarness(const std::string& path, const Settings& settings)
      : budget_(settings.kv_bytes), pool_(settings.threads, settings.topology) {
    auto store = cache::SegmentStore::open(directory_.path() + "/state", directory_.path());
    EXPECT_TRUE(store);
    store_ = std::make_unique<cache::SegmentStore>(*std::move(store));
    if (settings.with_tokenizer) {
      const auto file = GgufFile::open(path);
      if (file) {
        auto vocabulary = read_vocabulary(*file);
        if (vocabulary && vocabulary->model != TokenizerModel::none) {
          tokenizer_ = *Tokenizer::create(*std::move(vocabulary));
        }
      }
    }
    cache::BudgetShare share(settings.budget != nullptr ? settings.budget : &budget_);
    EXPECT_TRUE(share.set_aside(settings.aside_bytes));
    EngineOptions options;
    options.model_path = path;
    options.segment_name = "test";
    options.checkpoint_segment = "test-state";
    options.checkpoint_bytes = settings.checkpoint_bytes;
    options.context = settings.context;
    options.sequences_max = settings.sequences_max;
    options.cpu_features = kernels::cpu_features();
    options.published = settings.published;
    options.published_bytes = settings.published_bytes;
    engine_ = std::make_unique<Engine>(options, tokenizer_.get(), &pool_, store_.get(),
                                       KvMemory{std::move(share), nullptr});
    while (!loaded_ && !load_error_) take_notices();
  }

  const Tokenizer* tokenizer() const { return tokenizer_.get(); }
  Engine& engine() { return *engine_; }
  const std::optional<Error>& load_error() const { return load_error_; }
  const LoadedNotice& loaded() const { return *loaded_; }
  const std::string& placement_refusal() const { return placement_refusal_; }
  cache::MemoryBudget& budget() { return budget_; }

  // A greedy request without limits on credit, to be changed as a test likes.
  static SubmitCommand greedy(std::uint32_t max_tokens) {
    SubmitCommand command = {};
    command.namespace_id = 1000;
    command.max_tokens = max_tokens;
    command.credit = 1u << 30;
    command.temperature = 0;
    command.top_p = 1;
    return command;
  }

  RequestId submit(SubmitCommand command, const std::vector<TokenId>& prompt,
                   const std::vector<std::string>& stops = {},
                   const std::vector<LogitBias>& biases = {},
                   const std::vector<std::uint32_t>& marks = {}) {
    command.request = next_id_++;
    command.received_ns = now_ns();
    command.prompt_count = static_cast<std::uint32_t>(prompt.size());
    command.stop_count = static_cast<std::uint32_t>(stops.size());
    command.bias_count = static_cast<std::uint32_t>(biases.size());
    command.mark_count = static_cast<std::uint8_t>(marks.size());
    EXPECT_TRUE(engine_->submit(command, prompt, stops, biases, marks));
    outcomes_[command.request];
    return command.request;
  }

  Outcome& outcome(RequestId id) { return outcomes_[id]; }

  // Wait for the next notices, and handle them.
  void take_notices(int timeout_ms = 10000) {
    pollfd readable = {engine_->notices().readable().fd(), POLLIN, 0};
    ASSERT_EQ(poll(&readable, 1, timeout_ms), 1) << "the engine is silent";
    engine_->notices().readable().clear();
    std::uint32_t type = 0;
    while (engine_->notices().pop(type, message_)) handle(static_cast<Notice>(type));
  }

  Outcome& wait(RequestId id) {
    while (!outcomes_[id].over() && !testing::Test::HasFatalFailure()) take_notices();
    return outcomes_[id];
  }

  Outcome run(const SubmitCommand& command, const std::vector<TokenId>& prompt,
              const std::vector<std::string>& stops = {}) {
    return wait(submit(command, prompt, stops));
  }

  EngineStats stats() const { return engine_->stats(); }

  // What became of the texts that are published, in the order in which it was told; an error is of
  // that one text.
  const std::vector<Result<PublishedNotice>>& published() const { return published_; }
  void wait_for_published(std::size_t count) {
    while (published_.size() < count && !testing::Test::HasFatalFailure()) take_notices();
  }

  // What a command about the cache has done.
  CacheDoneNotice ask_cache(CacheCommand command, const std::vector<TokenId>& prefix = {}) {
    command.request = next_id_++;
    command.namespace_id = greedy(1).namespace_id;
    command.prefix_count = static_cast<std::uint32_t>(prefix.size());
    EXPECT_TRUE(engine_->ask_cache(command, prefix));
    while (cache_done_.request != command.request && !testing::Test::HasFatalFailure()) {
      take_notices();
    }
    return cache_done_;
  }

  // Have the engine move a text and what it has of it, to or from command.fd, which stays the
  // caller's.  The request of one that fails is an outcome that has failed.
  TransferredNotice transfer(TransferCommand command, const std::vector<TokenId>& ids) {
    command.request = next_id_++;
    if (command.namespace_id == 0) command.namespace_id = greedy(1).namespace_id;
    command.token_count = static_cast<std::uint32_t>(ids.size());
    command.fd = fcntl(command.fd, F_DUPFD_CLOEXEC, 0);
    EXPECT_TRUE(engine_->transfer(command, ids));
    const Outcome& outcome = outcomes_[command.request];
    while (transferred_.request != command.request && !outcome.failed &&
           !testing::Test::HasFatalFailure()) {
      take_notices();
    }
    return outcome.failed ? TransferredNotice{} : transferred_;
  }

 private:
  template <class T>
  T head() const {
    return head_of<T>(message_);
  }

  void handle(Notice notice) {
    switch (notice) {
      case Notice::loading:
      case Notice::prefill:
      case Notice::cache_progress: break;
      case Notice::transferred: {
        transferred_ = head<TransferredNotice>();
        break;
      }
      case Notice::cache_done: cache_done_ = head<CacheDoneNotice>(); break;
      case Notice::loaded: {
        loaded_ = head<LoadedNotice>();
        const auto* rest = reinterpret_cast<const char*>(message_.data());
        placement_refusal_.assign(
            rest + sizeof(LoadedNotice) + loaded_->node_count * sizeof(std::uint64_t),
            rest + message_.size());
        break;
      }
      case Notice::load_failed: load_error_ = error_of(message_); break;
      case Notice::published: published_.emplace_back(head<PublishedNotice>()); break;
      case Notice::publish_failed: published_.emplace_back(error_of(message_)); break;
      default: outcomes_.take(notice, message_); break;
    }
  }

  TemporaryDirectory directory_;
  cache::MemoryBudget budget_;
  WorkerPool pool_;
  std::unique_ptr<cache::SegmentStore> store_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Engine> engine_;
  std::optional<LoadedNotice> loaded_;
  std::string placement_refusal_;
  std::optional<Error> load_error_;
  Outcomes outcomes_;
  CacheDoneNotice cache_done_ = {};     // the last one
  TransferredNotice transferred_ = {};  // likewise
  std::vector<Result<PublishedNotice>> published_;
  std::vector<std::byte> message_;
  RequestId next_id_ = 1;
};

}  // namespace hearth
