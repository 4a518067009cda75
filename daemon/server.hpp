// The daemon: socket, sessions, models, and how it starts and ends.
//
// THREAD: loop.  run() makes everything, turns the loop until SIGTERM or SIGINT, and takes
// everything down in reverse.
#pragma once

#include <uv.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/memory_budget.hpp"
#include "cache/segment_store.hpp"
#include "cache/topology.hpp"
#include "daemon/config.hpp"
#include "daemon/connection.hpp"
#include "daemon/dispatcher.hpp"
#include "daemon/listener.hpp"
#include "daemon/residency.hpp"
#include "daemon/served_model.hpp"
#include "daemon/service_manager.hpp"
#include "daemon/session.hpp"
#include "daemon/session_store.hpp"
#include "engine/worker_pool.hpp"

namespace hearth {

class Server : private ModelOwner {
 public:
  explicit Server(Config config);
  ~Server();

  // Serve until told to stop.  Errors: what kept the daemon from starting.
  Status run();

  // For sessions and reports.
  Dispatcher& dispatcher() { return dispatcher_; }
  ServedModel* find_model(const std::string& id);
  std::span<const std::unique_ptr<ServedModel>> models() const { return models_; }
  std::string model_ids() const;  // "a, b", for error texts
  const Residency& residency() const { return residency_; }
  bool draining() const { return draining_; }
  const std::string& epoch() const { return epoch_; }
  const Config& config() const { return config_; }
  const std::string& socket() const { return listener_.path(); }
  const cache::MemoryBudget& budget() const { return budget_; }
  SessionStore& kept_sessions() { return kept_sessions_; }
  int threads() const { return pool_ ? pool_->size() : 0; }
  const WorkerPool* workers() const { return pool_.get(); }
  std::int64_t started_ns() const { return started_ns_; }
  std::size_t connection_count() const { return sessions_.size(); }
  std::uint64_t connections_total() const { return next_session_ - 1; }
  void forget(std::uint64_t session);  // destroys it

  static constexpr std::size_t kConnectionsMax = 4096;
  static constexpr std::size_t kConnectionsPerUserMax = 1024;

 private:
  Status start();
  Status open_store();
  Status start_workers();
  Status start_listening();
  void start_models();
  void forget_other_caches();
  void on_client(UniqueFd fd, uid_t uid);
  void on_model_changed(ServedModel& model) override;
  void on_notice(ServedModel& model, Notice notice, std::span<const std::byte> payload) override;
  void tell_status();
  void warn_of_refusal(const ServedModel& model);
  static void on_signal(uv_signal_t* handle, int number);
  void drain();
  void stop_when_drained();
  void shut_down();

  const Config config_;
  const std::string epoch_;
  const std::int64_t started_ns_;
  uv_loop_t loop_ = {};
  ServiceManager manager_;  // outlives the store
  std::string told_status_;
  cache::MemoryBudget budget_;
  std::unique_ptr<cache::Topology> topology_;
  std::unique_ptr<cache::SegmentStore> store_;
  std::unique_ptr<WorkerPool> pool_;
  Flusher flusher_;
  Residency residency_;
  SessionStore kept_sessions_;
  Dispatcher dispatcher_;
  Listener listener_;
  ModelServices services_ = {};  // before the models
  std::vector<std::unique_ptr<ServedModel>> models_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::unordered_map<uid_t, std::size_t> sessions_of_user_;
  std::uint64_t next_session_ = 1;
  uv_signal_t signals_[2] = {};
  uv_timer_t watchdog_timer_ = {};
  uv_timer_t drain_timer_ = {};
  std::int64_t drain_deadline_ns_ = 0;
  bool placement_warned_ = false;
  bool draining_ = false;  // no new requests
  bool stopping_ = false;  // engines are gone or going
};

}  // namespace hearth
