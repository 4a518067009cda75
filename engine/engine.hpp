// The engine of one model instance: a thread that loads the model, owns its cache and its scheduler
// and drives the workers.
//
// The daemon talks to it only through submit(), ask_cache(), grant() and cancel(), which write to a
// bounded ring, and through the ring of notices, whose descriptor it polls; stats() may be read at
// any time.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cache/checkpoint_store.hpp"
#include "cache/memory_budget.hpp"
#include "cache/page_cache.hpp"
#include "cache/page_key.hpp"
#include "cache/segment_store.hpp"
#include "common/message_ring.hpp"
#include "common/result.hpp"
#include "engine/messages.hpp"
#include "engine/notice_writer.hpp"
#include "engine/page_transfer.hpp"
#include "engine/rope.hpp"
#include "engine/stats_board.hpp"
#include "engine/tokenizer/tokenizer.hpp"
#include "engine/worker_pool.hpp"
#include "kernels/kernels.hpp"

namespace hearth {

// Precision of keys and values; nothing is "auto": f32 for models whose matrices are F32, else f16.
using KvType = std::optional<kernels::KvFormat>;

// What a setting's text means: the name of a format; anything else is automatic.
KvType kv_type_of(std::string_view name);
struct LayerTable;
// CONFIG: the model's heads are no whole blocks of the format.
Result<kernels::KvFormat> choose_kv_format(KvType type, const LayerTable& table);

// The features that the kernels of a tier may use: one of kernels::tiers() by name, or "auto", the
// best that this CPU has.  Errors: CONFIG (this CPU lacks it; the message says what it has).
Result<std::uint32_t> features_of_tier(std::string_view tier);

struct EngineOptions {
  std::string model_path;
  std::string file_identity;           // of its files, a line each; empty: whatever there is
  std::string segment_name;            // unique among the engines of a store
  std::string checkpoint_segment;      // likewise, of a recurrent model's checkpoints; empty: none
  std::uint64_t checkpoint_bytes = 0;  // that they may take; 0: a quarter of the cache's budget
  std::string fingerprint_dir;         // where hashes of model files are kept; empty: nowhere
  std::uint32_t context = 0;         // longest sequence, tokens; 0: what the model was trained for
  std::uint32_t page_tokens = 32;    // power of two
  std::uint32_t sequences_max = 64;  // that run at a time
  KvType kv_type;
  RopeOverride rope = {};                            // instead of what the model file says
  std::uint32_t cpu_features = 0;                    // kernels that may be used
  cache::Digest master_secret = {};                  // root of all namespaces' secrets
  std::uint64_t namespace_bytes = UINT64_MAX;        // of the cache, that one namespace may keep
  std::vector<std::vector<TokenId>> published = {};  // texts for everybody; an empty one: none
  std::uint64_t published_bytes = UINT64_MAX;        // of the cache, that they may take
};

// A model's KV cache: what it may take of the budget, and the pages it holds.  It outlives the
// engine, so that a model that was unloaded is warm when it comes back.
struct KvMemory {
  std::optional<cache::BudgetShare> share;                   // until there are pages
  std::unique_ptr<cache::PageCache> pages;                   // null: never loaded
  std::unique_ptr<cache::CheckpointStore> checkpoints = {};  // null: none are kept
};

class Engine {
 public:
  // Start the thread; it loads the model and then serves.  What is passed by pointer outlives the
  // engine; tokenizer may be null.
  Engine(EngineOptions options, const Tokenizer* tokenizer, WorkerPool* pool,
         const cache::SegmentStore* store, KvMemory kv);
  ~Engine() { stop(); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // THREAD: one thread of the daemon.  False: the ring is full, try again after the next notice.
  bool submit(const SubmitCommand& command, std::span<const TokenId> prompt,
              std::span<const std::string> stops, std::span<const LogitBias> biases = {},
              std::span<const std::uint32_t> marks = {});
  bool ask_cache(const CacheCommand& command, std::span<const TokenId> prefix);
  bool grant(RequestId request, std::uint32_t tokens);
  bool cancel(RequestId request);
  // The engine takes over command.fd when this is true.
  bool transfer(const TransferCommand& command, std::span<const TokenId> ids);

  // End the thread after its current step, and give back the memory of the weights.  Requests under
  // way are dropped without a notice.  What is left of the cache; nothing but stats() may follow.
  // THREAD: any, when no other uses the engine.
  KvMemory stop();

  MessageRing& notices() { return notices_; }

  // Any thread.  What a request did is in it before the request is said to be over.
  EngineStats stats() const { return board_.get(); }
  std::vector<cache::NamespaceUse> cache_uses() const { return board_.cache_uses(); }

  // Longest prompt that a command can carry, tokens.
  static constexpr std::uint32_t kPromptTokensMax = 1u << 20;

 private:
  struct Loaded;  // everything that exists once the model is loaded
  void run();
  void tell_loaded(const Loaded& loaded);
  void serve(Loaded& loaded);
  Status load(std::unique_ptr<Loaded>& ret_loaded);
  bool handle_commands(Loaded& loaded);
  void wait_for_command();
  void close_unread();

  const EngineOptions options_;
  const Tokenizer* const tokenizer_;
  WorkerPool* const pool_;
  const cache::SegmentStore* const store_;
  KvMemory kv_;  // the thread's, while it runs
  MessageRing commands_;
  MessageRing notices_;
  NoticeWriter writer_;
  StatsBoard board_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> hurry_{false};  // a step under way is not worth finishing: see run()
  std::vector<std::byte> message_;  // the command being read
  std::thread thread_;              // last: it uses what is above
};

}  // namespace hearth
