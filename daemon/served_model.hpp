// One model that the daemon serves: its file's facts, its tokenizer, its engine.
//
// THREAD: loop.  waiting -> loading -> ready, or vocabulary for a file without tensors, or failed.
#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/catalog.hpp"
#include "daemon/config.hpp"
#include "engine/engine.hpp"

namespace hearth {

enum class ModelState : std::uint8_t { waiting, loading, ready, vocabulary, failed };
const char* model_state_name(ModelState state);

class ServedModel;

// What a model tells the dispatcher.
class ModelOwner {
 public:
  // The catalog was read, the weights were loaded, or one of them failed.
  virtual void on_model_changed(ServedModel& model) = 0;
  // A message of the engine about a request.
  virtual void on_notice(ServedModel& model, Notice notice, std::span<const std::byte> payload) = 0;

 protected:
  ~ModelOwner() = default;
};

class ServedModel {
 public:
  // share: what may be used of the budget for caches, once there is an engine.
  ServedModel(ModelConfig config, uv_loop_t* loop, ModelOwner* owner, cache::BudgetShare share);
  ~ServedModel();
  ServedModel(const ServedModel&) = delete;
  ServedModel& operator=(const ServedModel&) = delete;

  // The catalog has come: start the engine where there are weights.
  struct EngineParts {
    EngineOptions options;  // model_path and segment_name are filled in here
    WorkerPool* pool;
    const cache::SegmentStore* store;
  };
  void take_catalog(Result<Catalog> catalog, const EngineParts& parts);

  // Stop the engine and close the handle; the model may be destroyed after the loop has turned.
  void shut_down();

  const std::string& id() const { return config_.id; }
  const std::string& path() const { return config_.path; }
  ModelState state() const { return state_; }
  const Error& error() const { return error_; }               // failed only
  const ModelFacts& facts() const { return catalog_.facts; }  // once the catalog is read
  bool has_catalog() const { return has_catalog_; }
  const Tokenizer* tokenizer() const { return catalog_.tokenizer.get(); }
  const LoadedNotice& loaded() const { return loaded_; }  // ready only
  double progress() const { return progress_; }           // loading: 0 .. 1
  Engine* engine() { return state_ == ModelState::ready ? engine_.get() : nullptr; }

  EngineStats stats() const { return engine_ ? engine_->stats() : EngineStats{}; }

 private:
  static void on_notices(uv_poll_t* handle, int status, int events);
  void handle_notices();
  void fail(Error error);

  const ModelConfig config_;
  uv_loop_t* loop_;
  ModelOwner* owner_;
  ModelState state_ = ModelState::waiting;
  Error error_{Code::MODEL, ""};
  bool has_catalog_ = false;
  Catalog catalog_;
  LoadedNotice loaded_ = {};
  double progress_ = 0;
  std::optional<cache::BudgetShare> share_;  // until the engine has it
  std::unique_ptr<Engine> engine_;
  uv_poll_t* notices_poll_ = nullptr;  // freed in its close callback
  std::vector<std::byte> message_;     // the notice being handled
};

}  // namespace hearth
