// See server.hpp.
#include "daemon/server.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cassert>

#include "daemon/log.hpp"
#include "engine/clock.hpp"

namespace hearth {
namespace {

constexpr std::uint64_t kDrainCheckMs = 20;

std::string make_epoch() {
  const cache::Digest random = cache::random_secret();
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) text += fmt::format("{:02x}", random[i]);
  return text;
}

uv_loop_t* init_loop(uv_loop_t* loop) {
  uv_loop_init(loop);
  return loop;
}

// Every client is a descriptor: take what the administrator allows.
void raise_descriptor_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Server::Server(Config config)
    : config_(std::move(config)),
      epoch_(make_epoch()),
      started_ns_(now_ns()),
      budget_(config_.kv_bytes),
      flusher_(init_loop(&loop_)),
      residency_(&loop_,
                 {.model_bytes = config_.model_bytes,
                  .keep_alive_s = config_.keep_alive_s,
                  .patience_s = config_.drain_seconds,
                  .preload = config_.preload == "all"},
                 &dispatcher_),
      dispatcher_(&loop_, &residency_, &kept_sessions_),
      listener_(&loop_) {}

Server::~Server() {
  uv_run(&loop_, UV_RUN_NOWAIT);  // close callbacks of what a failed start has made
  const int busy = uv_loop_close(&loop_);
  assert(busy == 0);
  (void)busy;
}

Status Server::run() {
  const Status status = start();
  if (status) {
    log_info("hearthd {} serves {} on {}", HEARTH_VERSION_STRING, model_ids(), socket());
    tell_status();
    manager_.tell_ready();
    uv_run(&loop_, UV_RUN_DEFAULT);
  } else {
    manager_.tell_status(status.error().message);
  }
  shut_down();
  return status;
}

Status Server::start() {
  raise_descriptor_limit();
  signal(SIGPIPE, SIG_IGN);
  for (std::size_t i = 0; i < std::size(signals_); ++i) {
    uv_signal_init(&loop_, &signals_[i]);
    signals_[i].data = this;
    uv_signal_start(&signals_[i], on_signal, i == 0 ? SIGTERM : SIGINT);
    uv_unref(reinterpret_cast<uv_handle_t*>(&signals_[i]));
  }
  uv_timer_init(&loop_, &drain_timer_);
  drain_timer_.data = this;
  uv_timer_init(&loop_, &watchdog_timer_);
  watchdog_timer_.data = this;
  HEARTH_CHECK(manager_.take_over());
  HEARTH_CHECK(open_store());
  HEARTH_CHECK(kept_sessions_.open(config_.state_dir + "/sessions", store_->secret()));
  HEARTH_CHECK(start_workers());
  HEARTH_CHECK(start_listening());
  start_models();
  // In the loop: as long as it turns, the daemon lives.
  if (const std::uint64_t interval_ms = ServiceManager::watchdog_ms(); interval_ms != 0) {
    uv_timer_start(
        &watchdog_timer_,
        [](uv_timer_t* timer) { static_cast<Server*>(timer->data)->manager_.tell_alive(); },
        /*timeout_ms=*/0, interval_ms);
    uv_unref(reinterpret_cast<uv_handle_t*>(&watchdog_timer_));
  }
  return {};
}

Status Server::open_store() {
  cache::StoreOptions options;
  options.backend = config_.cache_backend;
  options.keeper = ServiceManager::is_present() ? &manager_ : nullptr;
  options.kept = manager_.take_kept();
  HEARTH_TRY(auto store,
             cache::SegmentStore::open(config_.state_dir, "/dev/shm", std::move(options)));
  store_ = std::make_unique<cache::SegmentStore>(std::move(store));
  const std::string& directory = store_->directory();
  log_info("the cache lies in {}",
           directory.empty() ? "memory that the service manager keeps" : directory);
  return {};
}

Status Server::start_listening() {
  auto on_client = [this](UniqueFd fd, uid_t uid) { this->on_client(std::move(fd), uid); };
  UniqueFd listener = manager_.take_listener();
  if (!listener) return listener_.open(config_.socket, config_.socket_mode, on_client);
  return listener_.adopt(std::move(listener), on_client);
}

Status Server::start_workers() {
  HEARTH_TRY(auto topology, cache::Topology::discover());
  topology_ = std::make_unique<cache::Topology>(std::move(topology));
  const int threads =
      config_.threads != 0 ? static_cast<int>(config_.threads) : topology_->core_count();
  pool_ = std::make_unique<WorkerPool>(threads, topology_.get());
  std::string list;
  for (const int node : pool_->places().nodes) {
    list += fmt::format("{}{} on NUMA node {}", list.empty() ? "" : ", ",
                        pool_->places().count_on(node), node);
  }
  log_info("workers: {}", list);
  return {};
}

void Server::start_models() {
  services_ = {.loop = &loop_,
               .owner = this,
               .jobs = &dispatcher_.jobs(),
               .pool = pool_.get(),
               .store = store_.get(),
               .kv_budget = &budget_,
               .model_count = config_.models.size(),
               .published = &config_.published,
               .options = {}};
  EngineOptions& options = services_.options;
  options.fingerprint_dir = config_.state_dir + "/fingerprints";
  options.context = config_.ctx;
  options.kv_type = kv_type_of(config_.kv_type);
  options.cpu_features = config_.cpu_features;
  options.master_secret = store_->secret();
  options.namespace_bytes = config_.user_kv_bytes;
  options.checkpoint_bytes = config_.checkpoint_bytes;
  for (const ModelConfig& model_config : config_.models) {
    models_.push_back(std::make_unique<ServedModel>(model_config, &services_));
    residency_.add(models_.back().get());
  }
  // Everybody has an equal share first, then what is kept counts.
  for (const auto& model : models_) model->count_kept_bytes();
  forget_other_caches();
}

// What models kept that are served no more would take memory for ever.
void Server::forget_other_caches() {
  std::vector<std::string> names;
  for (const auto& model : models_) {
    names.push_back(model->segment_name());
    names.push_back(model->checkpoint_segment_name());
  }
  const auto removed = store_->keep_only(names);
  if (!removed) return log_warning("caches of other models: {}", removed.error().message);
  for (const std::string& name : *removed) log_info("{}: no model's cache any more, removed", name);
}

ServedModel* Server::find_model(const std::string& id) {
  const auto found =
      std::ranges::find_if(models_, [&](const auto& model) { return model->id() == id; });
  return found == models_.end() ? nullptr : found->get();
}

std::string Server::model_ids() const {
  std::string ids;
  for (const auto& model : models_) ids += (ids.empty() ? "" : ", ") + model->id();
  return ids.empty() ? "no model" : ids;
}

void Server::on_client(UniqueFd fd, uid_t uid) {
  if (sessions_.size() >= kConnectionsMax || sessions_of_user_[uid] >= kConnectionsPerUserMax) {
    log_warning("uid {}: refused: too many connections", uid);
    return;  // closing is the answer: nothing was said yet
  }
  const std::uint64_t id = next_session_++;
  ++sessions_of_user_[uid];
  sessions_.emplace(id, std::make_unique<Session>(this, &loop_, &flusher_, std::move(fd), id, uid));
}

void Server::forget(std::uint64_t session) {
  const auto found = sessions_.find(session);
  const auto of_user = sessions_of_user_.find(found->second->uid());
  if (--of_user->second == 0) sessions_of_user_.erase(of_user);
  sessions_.erase(found);
}

void Server::on_model_changed(ServedModel& model) {
  dispatcher_.on_model_changed(model);
  warn_of_refusal(model);
  tell_status();
}

// Once: it will be the same for all models.
void Server::warn_of_refusal(const ServedModel& model) {
  if (placement_warned_ || model.placement_refusal().empty()) return;
  placement_warned_ = true;
  log_warning(
      "model {}: {}: memory lies where the kernel likes, which costs speed on a machine of "
      "several NUMA nodes",
      model.id(), model.placement_refusal());
}

void Server::on_notice(ServedModel& model, Notice notice, std::span<const std::byte> payload) {
  dispatcher_.on_notice(model, notice, payload);
}

// The models and their states, to the service manager; only what is new.
void Server::tell_status() {
  std::string status;
  for (const auto& model : models_) {
    status += fmt::format("{}{} {}", status.empty() ? "models: " : ", ", model->id(),
                          model_state_name(model->state()));
  }
  if (draining_ || status == told_status_) return;
  manager_.tell_status(status);
  told_status_ = std::move(status);
}

void Server::on_signal(uv_signal_t* handle, int number) {
  auto& self = *static_cast<Server*>(handle->data);
  if (self.draining_) {
    log_warning("signal {} again: stopping at once", number);
    self.drain_deadline_ns_ = 0;
    return self.stop_when_drained();
  }
  log_info("signal {}: no new requests; {} are under way", number, self.dispatcher_.count());
  self.drain();
}

void Server::drain() {
  draining_ = true;
  drain_deadline_ns_ = now_ns() + std::int64_t{config_.drain_seconds} * 1'000'000'000;
  listener_.close();
  // What is cut off then takes a moment to end.
  constexpr std::uint32_t kEndSeconds = 30;
  manager_.tell_stopping(config_.drain_seconds + kEndSeconds);
  manager_.tell_status(fmt::format("ending: {} requests are under way", dispatcher_.count()));
  uv_timer_start(
      &drain_timer_,
      [](uv_timer_t* timer) { static_cast<Server*>(timer->data)->stop_when_drained(); },
      /*timeout_ms=*/0, kDrainCheckMs);
}

void Server::stop_when_drained() {
  const bool late = now_ns() >= drain_deadline_ns_;
  if (dispatcher_.count() > 0 && !late) return;
  if (dispatcher_.count() > 0) {
    log_warning("{} requests were cut off", dispatcher_.count());
  }
  uv_timer_stop(&drain_timer_);
  stopping_ = true;
  for (const auto& [id, session] : sessions_) {
    session->finish({Code::UNAVAILABLE, "the daemon is shutting down"});
  }
  // The loop ends when the last session is gone and the engines' handles are closed.
  residency_.close();
  for (const auto& model : models_) model->shut_down();
}

// Also after a start that failed half way.
void Server::shut_down() {
  stopping_ = true;
  listener_.close();
  residency_.close();
  for (const auto& model : models_) model->shut_down();
  for (uv_signal_t& handle : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&drain_timer_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&watchdog_timer_), nullptr);
  flusher_.close();
  uv_run(&loop_, UV_RUN_DEFAULT);  // text jobs still running, and close callbacks
  models_.clear();
  pool_.reset();
}

}  // namespace hearth
