// One model in an engine as the daemon has it, and the requests that measure it.
//
// THREAD: one; the engine's own and the workers compute.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cache/memory_budget.hpp"
#include "cache/segment_store.hpp"
#include "common/result.hpp"
#include "engine/engine.hpp"
#include "engine/work.hpp"

namespace hearth::bench {

// A directory in $TMPDIR or /tmp with the lock and the segments of an engine; nothing is left of
// it.
class ScratchStore {
 public:
  static Result<std::unique_ptr<ScratchStore>> create();
  ~ScratchStore();
  const cache::SegmentStore& store() const { return *store_; }

 private:
  std::string path_;
  std::unique_ptr<cache::SegmentStore> store_;
};

class ModelRunner {
 public:
  struct Settings {
    std::string path;
    std::uint32_t context = 0;  // longest sequence that will be asked for, tokens
    KvType kv_type = {};
    std::uint32_t cpu_features = 0;
    std::uint64_t kv_bytes = 0;
  };
  // Loads the model; pool outlives the runner.  Errors: those of the model file.
  static Result<std::unique_ptr<ModelRunner>> create(const Settings& settings, WorkerPool* pool);

  // Tokens per second of computing the last tokens of a prompt of depth + tokens, of which the
  // first are in the cache.
  Result<double> prefill(std::uint32_t depth, std::uint32_t tokens);
  // Tokens per second of all sequences together, each of them generating tokens after a prompt of
  // depth (at least one) in the cache.
  Result<double> decode(std::uint32_t depth, std::uint32_t tokens, std::uint32_t sequences);

  const Work& work() const { return work_; }
  const LoadedNotice& loaded() const { return loaded_; }
  kernels::WeightFormat format() const { return format_; }  // of most of the weights

 private:
  explicit ModelRunner(std::uint64_t kv_bytes) : budget_(kv_bytes) {}
  Status measure_file(const Settings& settings);
  // Waits for the engine's next message, which is in message_ then; or why something failed.
  Result<Notice> next_notice();
  Status wait_until_loaded();
  RequestId submit(const std::vector<TokenId>& prompt, std::uint32_t max_tokens);
  Result<std::vector<DoneNotice>> wait(std::size_t count);
  std::vector<TokenId> random_tokens(std::uint64_t seed, std::uint32_t count) const;
  std::vector<TokenId> cached_prompt(std::uint32_t sequence, std::uint32_t depth) const;
  Status fill_cache(const std::vector<TokenId>& prompt);

  std::unique_ptr<ScratchStore> scratch_;
  cache::MemoryBudget budget_;
  std::unique_ptr<Engine> engine_;
  LoadedNotice loaded_ = {};
  Work work_;
  kernels::WeightFormat format_ = kernels::WeightFormat::f32;
  std::uint64_t fresh_ = 0;  // prompts made so far that nobody has seen
  RequestId last_request_ = 0;
  std::vector<std::byte> message_;
};

}  // namespace hearth::bench
