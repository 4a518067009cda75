#include "daemon/served_model.hpp"

#include <cassert>
#include <cstring>

#include "daemon/log.hpp"

namespace hearth {
namespace {

// Notices handled in one turn of the loop: a fast engine must not keep clients waiting.
constexpr int kNoticesPerTurn = 256;

}  // namespace

const char* model_state_name(ModelState state) {
  switch (state) {
    case ModelState::waiting: return "waiting";
    case ModelState::loading: return "loading";
    case ModelState::ready: return "ready";
    case ModelState::vocabulary: return "vocabulary";
    case ModelState::failed: return "failed";
  }
  return "failed";
}

ServedModel::ServedModel(ModelConfig config, uv_loop_t* loop, ModelOwner* owner,
                         cache::BudgetShare share)
    : config_(std::move(config)), loop_(loop), owner_(owner), share_(std::move(share)) {}

ServedModel::~ServedModel() {
  assert(notices_poll_ == nullptr);
}

void ServedModel::fail(Error error) {
  log_error("model {}: {}", id(), error.message);
  state_ = ModelState::failed;
  share_.reset();
  error_ = std::move(error);
  owner_->on_model_changed(*this);
}

void ServedModel::take_catalog(Result<Catalog> catalog, const EngineParts& parts) {
  if (!catalog) return fail(catalog.error());
  catalog_ = *std::move(catalog);
  has_catalog_ = true;
  if (!facts().has_tensors) {
    share_.reset();
    state_ = ModelState::vocabulary;
    log_info("model {}: vocabulary only, {} tokens", id(), facts().vocab);
    return owner_->on_model_changed(*this);
  }
  EngineOptions options = parts.options;
  options.model_path = config_.path;
  options.segment_name = "kv-" + segment_name_of(id());
  engine_ = std::make_unique<Engine>(std::move(options), tokenizer(), parts.pool, parts.store,
                                     *std::move(share_));
  share_.reset();
  notices_poll_ = new uv_poll_t;
  uv_poll_init(loop_, notices_poll_, engine_->notices().readable().fd());
  notices_poll_->data = this;
  uv_poll_start(notices_poll_, UV_READABLE, on_notices);
  state_ = ModelState::loading;
  owner_->on_model_changed(*this);
}

void ServedModel::on_notices(uv_poll_t* handle, int, int) {
  static_cast<ServedModel*>(handle->data)->handle_notices();
}

void ServedModel::handle_notices() {
  MessageRing& ring = engine_->notices();
  ring.readable().clear();
  std::uint32_t type = 0;
  for (int i = 0; i < kNoticesPerTurn; ++i) {
    if (!ring.pop(type, message_)) return;
    const auto notice = static_cast<Notice>(type);
    if (notice == Notice::loading) {
      LoadingNotice loading;
      std::memcpy(&loading, message_.data(), sizeof(loading));
      progress_ = loading.fraction;
      owner_->on_notice(*this, notice, message_);
    } else if (notice == Notice::loaded) {
      std::memcpy(&loaded_, message_.data(), sizeof(loaded_));
      state_ = ModelState::ready;
      log_info("model {}: ready after {:.2f} s, {} tier, {} tokens of context", id(),
               static_cast<double>(loaded_.load_ns) / 1e9, loaded_.tier, loaded_.context);
      owner_->on_model_changed(*this);
    } else if (notice == Notice::load_failed) {
      FailedNotice failed;
      std::memcpy(&failed, message_.data(), sizeof(failed));
      const auto* text = reinterpret_cast<const char*>(message_.data() + sizeof(failed));
      fail({static_cast<Code>(failed.code), std::string(text, failed.text_size)});
    } else {
      owner_->on_notice(*this, notice, message_);
    }
  }
  ring.readable().set();  // there may be more: go on in the next turn
}

void ServedModel::shut_down() {
  if (notices_poll_ != nullptr) {
    uv_close(reinterpret_cast<uv_handle_t*>(notices_poll_),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
    notices_poll_ = nullptr;
  }
  engine_.reset();  // after the handle has stopped polling its descriptor
}

}  // namespace hearth
