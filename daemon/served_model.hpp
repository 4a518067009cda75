// One model that the daemon serves: its file's facts, its tokenizer, its cache, and its engine
// while its weights are in memory.
//
// THREAD: loop.  What takes long is done by text threads and by the engine's own.
//
//   waiting -> unloaded -> loading -> ready -> unloading -> unloaded
//   waiting, loading -> failed
//   waiting -> vocabulary: a file without tensors
//   unloaded, failed, vocabulary -> waiting: read_file()
#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/catalog.hpp"
#include "daemon/config.hpp"
#include "daemon/text_job.hpp"
#include "engine/engine.hpp"

namespace hearth {

enum class ModelState : std::uint8_t {
  waiting,  // the file is being read
  unloaded,
  loading,
  ready,
  unloading,
  vocabulary,
  failed,
};
const char* model_state_name(ModelState state);

class ServedModel;

// What a model tells the dispatcher.
class ModelOwner {
 public:
  // The state of the model is another one, or loading has come further.
  virtual void on_model_changed(ServedModel& model) = 0;
  // A message of the engine about a request.
  virtual void on_notice(ServedModel& model, Notice notice, std::span<const std::byte> payload) = 0;

 protected:
  ~ModelOwner() = default;
};

// What the models of a daemon share.
struct ModelServices {
  uv_loop_t* loop;
  ModelOwner* owner;
  TextJobs* jobs;
  WorkerPool* pool;
  const cache::SegmentStore* store;
  cache::MemoryBudget* kv_budget;
  std::size_t model_count;                      // that share the budget
  const std::vector<PublishedText>* published;  // of all models; outlive them
  EngineOptions options;                        // but for what is a model's own
};

class ServedModel {
 public:
  // Begins to read the file; services outlive the model.
  ServedModel(ModelConfig config, const ModelServices* services);
  ~ServedModel();
  ServedModel(const ServedModel&) = delete;
  ServedModel& operator=(const ServedModel&) = delete;

  // unloaded, failed, vocabulary -> waiting: read the file again.
  void read_file();
  // unloaded -> loading: start the engine.  After reserve_cache().
  void load();
  // ready -> unloading -> unloaded: end it.  Its cache stays.
  void unload();

  // Have a part of the budget for the cache, enough for one context.  False when others have it
  // all.
  bool reserve_cache();
  // Have what an earlier daemon has left counted against the budget.
  void count_kept_bytes();
  // Whether there is a cache that nobody uses, and its end: what it had goes back to the budget.
  bool has_idle_cache() const { return kv_.pages != nullptr || kept_bytes_ > 0; }
  void drop_cache();

  // Stop the engine and close the handle; the model may be destroyed after the loop has turned.
  void shut_down();

  const std::string& id() const { return config_.id; }
  std::string segment_name() const { return "kv-" + segment_name_of(id()); }
  // Of the checkpoints of its state, where it is recurrent; there may be none.
  std::string checkpoint_segment_name() const { return "state-" + segment_name_of(id()); }
  const std::string& path() const { return config_.path; }
  const cache::CheckpointSettings& checkpoint_settings() const { return config_.checkpoints; }
  ModelState state() const { return state_; }
  const Error& error() const { return error_; }               // failed only
  const ModelFacts& facts() const { return catalog_.facts; }  // once the file is read
  // False when the file is another one than was read.
  bool is_current() const { return catalog_.is_current(); }
  // Grows whenever the file was read: what an earlier tokenizer made is of no use then.
  std::uint64_t catalog_version() const { return catalog_version_; }
  // May be kept by others while the file is read again.
  const std::shared_ptr<const Tokenizer>& tokenizer() const { return catalog_.tokenizer; }
  // How it chats; null: it does not, and chat_error() says why.
  const std::shared_ptr<const chat::ChatFormat>& chat_format() const { return catalog_.chat; }
  const Error& chat_error() const { return catalog_.chat_error; }
  const LoadedNotice& loaded() const { return loaded_; }  // of the last time; zeros before
  // Of the weights on each of the workers' NUMA nodes; empty: there is one, or the system would not
  // have memory placed, and then why.
  const std::vector<std::uint64_t>& bytes_on_node() const { return bytes_on_node_; }
  const std::string& placement_refusal() const { return placement_refusal_; }
  double progress() const { return progress_; }  // loading: 0 .. 1
  Engine* engine() { return state_ == ModelState::ready ? engine_.get() : nullptr; }
  // Bytes that the weights and buffers of the model take when it is loaded; an estimate before the
  // first time.
  std::uint64_t memory_bytes() const;
  // Whether they are taken now.
  bool in_memory() const {
    return state_ == ModelState::loading || state_ == ModelState::ready ||
           state_ == ModelState::unloading;
  }

  // Since the daemon started, however often the model was loaded.
  EngineStats stats() const;
  // Who has what of its cache, in no order.
  std::vector<cache::NamespaceUse> cache_uses() const {
    return engine_ ? engine_->cache_uses() : past_cache_uses_;
  }
  std::uint64_t load_count() const { return load_count_; }

 private:
  static void on_notices(uv_poll_t* handle, int status, int events);
  void handle_notices();
  void take_loaded();
  // What a text thread has made of the model's file, and of the texts that are published.
  struct FileFacts {
    Result<Catalog> catalog;
    std::vector<Result<std::vector<TokenId>>> published;
  };
  static FileFacts read_facts(const ModelConfig& config,
                              std::span<const PublishedText* const> texts);
  void take_facts(FileFacts read);
  void fail(Error error);
  std::uint64_t kept_bytes() const;
  void log_placement() const;
  void log_cache_start() const;
  void log_published(Notice notice) const;
  void end_polling();
  void drop_engine();
  std::uint64_t context_bytes() const;
  void change(ModelState state);

  const ModelConfig config_;
  const ModelServices* services_;
  ModelState state_ = ModelState::waiting;
  Error error_{Code::MODEL, ""};
  bool shut_down_ = false;
  std::vector<const PublishedText*> published_;      // of this model
  std::vector<std::vector<TokenId>> published_ids_;  // of each; empty: it cannot be
  Catalog catalog_;
  std::uint64_t catalog_version_ = 0;
  LoadedNotice loaded_ = {};
  std::vector<std::uint64_t> bytes_on_node_;
  std::string placement_refusal_;
  double progress_ = 0;
  KvMemory kv_;                   // while there is no engine
  std::uint64_t kept_bytes_ = 0;  // of a segment that no engine of ours has looked at yet
  std::shared_ptr<Engine> engine_;
  EngineStats past_stats_ = {};                       // of engines that are gone
  std::vector<cache::NamespaceUse> past_cache_uses_;  // of the last one
  std::uint64_t load_count_ = 0;
  uv_poll_t* notices_poll_ = nullptr;  // freed in its close callback
  std::vector<std::byte> message_;     // the notice being handled
};

}  // namespace hearth
