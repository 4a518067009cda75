// See worker_pool.hpp.
#include "engine/worker_pool.hpp"

#include <cassert>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hearth {
namespace {

// About 50 us on current cores: a pause takes 10 to 40 ns.
constexpr int kSpins = 2000;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

WorkerPool::WorkerPool(int workers, const cache::Topology* topology)
    : workers_(workers), topology_(topology), places_(cache::place_workers(topology, workers)) {
  assert(workers >= 1);
  for (int worker = 0; worker < workers; ++worker) {
    helping_orders_.push_back(places_.helping_order(worker));
  }
  for (int worker = 1; worker < workers; ++worker) {
    threads_.emplace_back([this, worker] { serve(worker); });
  }
}

WorkerPool::~WorkerPool() {
  stop_ = true;
  epoch_.fetch_add(1);
  epoch_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::wait_for_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) const {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
}

void WorkerPool::settle_caller() const {
  if (!places_.on_several_nodes()) return;
  (void)topology_->bind_thread_to_node(places_.workers.front().node);
}

void WorkerPool::serve(int worker) {
  const auto [core, node] = places_.workers[static_cast<std::size_t>(worker)];
  // Not being bound costs speed, not correctness: containers may forbid it.
  if (core >= 0) {
    (void)topology_->bind_thread_to_core(core);
  } else if (places_.on_several_nodes()) {
    (void)topology_->bind_thread_to_node(node);
  }
  for (std::uint32_t seen = 0;;) {
    wait_for_change(epoch_, seen);
    seen = epoch_.load(std::memory_order_acquire);
    if (stop_) return;
    (*work_)(worker);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

void WorkerPool::run(const Work& work) {
  const std::lock_guard turn(turn_);
  if (workers_ == 1) {
    work(0);
    return;
  }
  work_ = &work;
  running_.store(static_cast<std::uint32_t>(workers_ - 1), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  work(0);
  while (const std::uint32_t left = running_.load(std::memory_order_acquire)) {
    wait_for_change(running_, left);
  }
  work_ = nullptr;
}

void WorkerPool::barrier() {
  if (workers_ == 1) return;
  const std::uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 ==
      static_cast<std::uint32_t>(workers_)) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.fetch_add(1, std::memory_order_release);
    phase_.notify_all();
    return;
  }
  wait_for_change(phase_, phase);
}

}  // namespace hearth
