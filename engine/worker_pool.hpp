// The compute threads of the machine, shared by all engines.
//
// run() executes a function on every worker, the caller being worker 0, and returns when all are
// done; inside it barrier() separates phases.  Engines take turns: one run at a time.  An idle
// worker spins for some 50 us, because the next step of a running generation is that near, and then
// sleeps.  Which core and NUMA node each belongs to is cache/worker_places.hpp's matter.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "cache/topology.hpp"
#include "cache/worker_places.hpp"

namespace hearth {

class WorkerPool {
 public:
  using Work = std::function<void(int worker)>;

  // workers >= 1, the caller of run() included.  Threads are bound to their workers' cores where
  // the topology has them (null: not bound).  It outlives us.
  WorkerPool(int workers, const cache::Topology* topology);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int size() const { return workers_; }
  const cache::WorkerPlaces& places() const { return places_; }
  const cache::MemoryBinder* binder() const { return topology_; }  // null: memory lies anywhere
  // WorkerPlaces::helping_order().
  std::span<const int> helping_order(int worker) const {
    return helping_orders_[static_cast<std::size_t>(worker)];
  }

  // Keep the calling thread, which is going to call run(), on worker 0's node where there are
  // several.  Threads that it makes from then on stay there, too.
  void settle_caller() const;

  // Run work(0 .. size - 1) in parallel.  Any thread, but not from within work.  work is borrowed
  // for the call.
  void run(const Work& work);

  // Wait until every worker of the current run() is here.  What they wrote before is visible after.
  void barrier();

 private:
  void serve(int worker);
  void wait_for_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) const;

  const int workers_;
  const cache::Topology* const topology_;
  const cache::WorkerPlaces places_;
  std::vector<std::vector<int>> helping_orders_;       // [workers]
  std::mutex turn_;                                    // held during run()
  const Work* work_ = nullptr;                         // of the current run
  alignas(64) std::atomic<std::uint32_t> epoch_{0};    // grows with every run
  alignas(64) std::atomic<std::uint32_t> running_{0};  // helpers not done yet
  alignas(64) std::atomic<std::uint32_t> arrived_{0};  // workers at the barrier
  alignas(64) std::atomic<std::uint32_t> phase_{0};    // grows with every barrier
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace hearth
