// See served_model.hpp.
#include "daemon/served_model.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "common/checked.hpp"
#include "daemon/log.hpp"

namespace hearth {
namespace {

// Notices handled in one turn of the loop: a fast engine must not keep clients waiting.
constexpr int kNoticesPerTurn = 256;

// Counts go on where the last engine ended; the rest is as it is now.
EngineStats sum(const EngineStats& past, EngineStats now) {
  now.prompt_rows += past.prompt_rows;
  now.generated_rows += past.generated_rows;
  now.cached_tokens += past.cached_tokens;
  now.steps += past.steps;
  now.preemptions += past.preemptions;
  return now;
}

}  // namespace

const char* model_state_name(ModelState state) {
  switch (state) {
    case ModelState::waiting: return "waiting";
    case ModelState::unloaded: return "unloaded";
    case ModelState::loading: return "loading";
    case ModelState::ready: return "ready";
    case ModelState::unloading: return "unloading";
    case ModelState::vocabulary: return "vocabulary";
    case ModelState::failed: return "failed";
  }
  return "failed";
}

ServedModel::ServedModel(ModelConfig config, const ModelServices* services)
    : config_(std::move(config)), services_(services), kept_bytes_(kept_bytes()) {
  kv_.share.emplace(services_->kv_budget);
  kv_.share->set_aside(services_->kv_budget->limit() / services_->model_count);
  for (const PublishedText& text : *services_->published) {
    if (text.model == id()) published_.push_back(&text);
  }
  read_file();
}

std::uint64_t ServedModel::kept_bytes() const {
  std::uint64_t all = 0;
  for (const std::string& name : {segment_name(), checkpoint_segment_name()}) {
    const std::uint64_t bytes = services_->store->kept_bytes(name);
    if (bytes != 0) all += bytes + cache::Segment::kFixedBytes;
  }
  return all;
}

// As far as the budget has it: what it has not is given up when the model is loaded.
void ServedModel::count_kept_bytes() {
  if (kept_bytes_ == 0) return;
  if (!kv_.share) kv_.share.emplace(services_->kv_budget);
  const cache::MemoryBudget& budget = *services_->kv_budget;
  const std::uint64_t possible = kv_.share->aside() + budget.limit() - budget.used();
  kv_.share->set_aside(std::min(std::max(kept_bytes_, kv_.share->aside()), possible));
}

ServedModel::~ServedModel() {
  assert(notices_poll_ == nullptr);
}

void ServedModel::change(ModelState state) {
  state_ = state;
  services_->owner->on_model_changed(*this);
}

void ServedModel::fail(Error error) {
  log_error("model {}: {}", id(), error.message);
  drop_engine();
  // Pages stay, and count as long as they lie there.
  kv_.share.reset();
  count_kept_bytes();
  error_ = std::move(error);
  change(ModelState::failed);
}

void ServedModel::read_file() {
  if (shut_down_) return;
  state_ = ModelState::waiting;
  const auto facts = std::make_shared<std::optional<FileFacts>>();
  services_->jobs->run(
      [facts, config = config_, texts = published_] { facts->emplace(read_facts(config, texts)); },
      [this, facts] {
        if (!shut_down_) take_facts(std::move(**facts));
      });
}

ServedModel::FileFacts ServedModel::read_facts(const ModelConfig& config,
                                               std::span<const PublishedText* const> texts) {
  FileFacts facts = {read_catalog(config), {}};
  for (const PublishedText* text : texts) {
    if (!facts.catalog || !facts.catalog->facts.has_tensors) break;
    facts.published.push_back(tokenize_published(facts.catalog->tokenizer.get(), text->text));
  }
  return facts;
}

void ServedModel::take_facts(FileFacts read) {
  if (!read.catalog) return fail(read.catalog.error());
  catalog_ = *std::move(read.catalog);
  published_ids_.assign(read.published.size(), {});
  for (std::size_t i = 0; i < read.published.size(); ++i) {
    if (read.published[i]) {
      published_ids_[i] = *std::move(read.published[i]);
    } else {
      log_warning("model {}: {} is not published: {}", id(), published_[i]->file,
                  read.published[i].error().message);
    }
  }
  ++catalog_version_;
  loaded_ = {};
  if (!facts().has_tensors) {
    drop_cache();
    log_info("model {}: vocabulary only, {} tokens", id(), facts().vocab);
    return change(ModelState::vocabulary);
  }
  // Or it keeps what it has.
  if (kv_.share) kv_.share->set_aside(std::max(context_bytes(), kept_bytes_));
  change(ModelState::unloaded);
}

// What one sequence of the greatest length takes of the budget, rather more than less; an equal
// share until the file was read.
std::uint64_t ServedModel::context_bytes() const {
  const EngineOptions& options = services_->options;
  const std::uint64_t equal_share = services_->kv_budget->limit() / services_->model_count;
  const std::uint64_t tokens =
      (options.context != 0 ? options.context : facts().context_length) + options.page_tokens;
  const auto format = options.kv_type.value_or(kernels::KvFormat::f32);
  const std::uint64_t values = facts().kv_bytes(tokens, /*value_bytes=*/1);
  const auto bytes = static_cast<std::uint64_t>(
      kernels::kv_bytes(format, static_cast<std::int64_t>(align_up<std::uint64_t>(values, 32))));
  constexpr std::uint64_t kTables = 4u << 20;
  return facts().kv_values == 0 ? equal_share : std::min(equal_share, bytes / 8 * 9 + kTables);
}

std::uint64_t ServedModel::memory_bytes() const {
  if (loaded_.weight_bytes != 0) return loaded_.weight_bytes + loaded_.buffer_bytes;
  return facts().memory_bytes;
}

bool ServedModel::reserve_cache() {
  if (kv_.pages) return true;
  if (kv_.share) {
    return kv_.share->aside() >= context_bytes() || kv_.share->set_aside(context_bytes());
  }
  cache::BudgetShare share(services_->kv_budget);
  if (!share.set_aside(context_bytes())) return false;
  kv_.share.emplace(std::move(share));
  return true;
}

void ServedModel::drop_cache() {
  if (has_idle_cache()) log_info("model {}: its cache is dropped", id());
  kv_ = {};
  kept_bytes_ = 0;
  past_cache_uses_.clear();
  for (const std::string& name : {segment_name(), checkpoint_segment_name()}) {
    if (const Status removed = services_->store->remove(name); !removed) {
      log_warning("model {}: {}", id(), removed.error().message);
    }
  }
}

void ServedModel::load() {
  if (shut_down_) return;
  assert(state_ == ModelState::unloaded && (kv_.pages || kv_.share));
  EngineOptions options = services_->options;
  options.rope = config_.rope;
  options.model_path = config_.path;
  options.file_identity = catalog_.identity;
  options.segment_name = segment_name();
  options.checkpoint_segment = checkpoint_segment_name();
  options.published = published_ids_;
  // The other half stays for what users ask.
  options.published_bytes = services_->kv_budget->limit() / services_->model_count / 2;
  progress_ = 0;
  kept_bytes_ = 0;
  ++load_count_;
  engine_ = std::make_shared<Engine>(std::move(options), tokenizer().get(), services_->pool,
                                     services_->store, std::exchange(kv_, {}));
  notices_poll_ = new uv_poll_t;
  uv_poll_init(services_->loop, notices_poll_, engine_->notices().readable().fd());
  notices_poll_->data = this;
  uv_poll_start(notices_poll_, UV_READABLE, on_notices);
  change(ModelState::loading);
}

void ServedModel::unload() {
  if (shut_down_) return;
  assert(state_ == ModelState::ready);
  const std::shared_ptr<Engine> engine = engine_;
  const auto kv = std::make_shared<KvMemory>();
  past_stats_ = stats();
  past_stats_.running = past_stats_.queued = 0;
  past_stats_.pages_cached += std::exchange(past_stats_.pages_in_use, 0);
  past_cache_uses_ = engine_->cache_uses();
  for (cache::NamespaceUse& use : past_cache_uses_) {
    use.pages_cached += std::exchange(use.pages_in_use, 0);
  }
  progress_ = 0;
  end_polling();
  engine_.reset();
  services_->jobs->run([engine, kv] { *kv = engine->stop(); },
                       [this, kv] {
                         if (shut_down_) return;
                         kv_ = std::move(*kv);
                         log_info("model {}: unloaded", id());
                         change(ModelState::unloaded);
                       });
  change(ModelState::unloading);
}

EngineStats ServedModel::stats() const {
  return engine_ ? sum(past_stats_, engine_->stats()) : past_stats_;
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
      change(ModelState::loading);
    } else if (notice == Notice::loaded) {
      take_loaded();
      change(ModelState::ready);
    } else if (notice == Notice::load_failed) {
      return fail(error_of(message_));
    } else if (notice == Notice::published || notice == Notice::publish_failed) {
      log_published(notice);
    } else {
      services_->owner->on_notice(*this, notice, message_);
    }
  }
  ring.readable().set();  // there may be more: go on in the next turn
}

void ServedModel::take_loaded() {
  std::span<const std::byte> rest = message_;
  loaded_ = take_head<LoadedNotice>(rest);
  bytes_on_node_.clear();
  for (std::uint32_t i = 0; i < loaded_.node_count; ++i) {
    bytes_on_node_.push_back(take_head<std::uint64_t>(rest));
  }
  placement_refusal_.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
  log_info("model {}: ready after {:.2f} s, {} tier, {} tokens of context", id(),
           static_cast<double>(loaded_.load_ns) / 1e9, loaded_.tier, loaded_.context);
  log_placement();
  log_cache_start();
}

// Where the weights lie, on a machine of several nodes.
void ServedModel::log_placement() const {
  std::string list;
  for (std::size_t i = 0; i < bytes_on_node_.size(); ++i) {
    list += fmt::format("{}{} MB on NUMA node {}", i == 0 ? "" : ", ", bytes_on_node_[i] / 1000000,
                        services_->pool->places().nodes[i]);
  }
  if (!list.empty()) log_info("model {}: its weights: {}", id(), list);
}

// Whether the cache begins warm, once for each segment.
void ServedModel::log_cache_start() const {
  const cache::Recovery& start = loaded_.cache_start;
  if (!loaded_.cache_opened) return;
  if (start.cold != cache::ColdReason::none) {
    return log_info("model {}: its cache begins empty: {}", id(),
                    cache::cold_reason_words(start.cold));
  }
  log_info(
      "model {}: its cache has {} pages of an earlier daemon; freed: {} unfinished, {} damaged, "
      "{} orphaned, {} over kv-bytes",
      id(), start.kept, start.unfinished, start.damaged, start.orphaned, start.over_budget);
}

// What became of a text that is to be published: the notice is in message_.
void ServedModel::log_published(Notice notice) const {
  if (notice == Notice::published) {
    PublishedNotice done;
    std::memcpy(&done, message_.data(), sizeof(done));
    return log_info("model {}: {} is published: {} tokens, {} of them computed", id(),
                    published_[done.text]->file, done.tokens, done.computed);
  }
  FailedNotice failed;
  std::memcpy(&failed, message_.data(), sizeof(failed));
  log_warning("model {}: {} is not published: {}", id(),
              published_[failed.request - kPublishRequests]->file, error_of(message_).message);
}

// Before the engine goes: its descriptor is polled no more.
void ServedModel::end_polling() {
  if (notices_poll_ == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(notices_poll_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  notices_poll_ = nullptr;
}

void ServedModel::drop_engine() {
  end_polling();
  if (engine_ == nullptr) return;
  kv_ = engine_->stop();
  if (kv_.pages == nullptr) kept_bytes_ = kept_bytes();
  engine_.reset();
}

void ServedModel::shut_down() {
  shut_down_ = true;
  drop_engine();
}

}  // namespace hearth
