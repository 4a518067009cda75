// See machine.hpp.
#include "bench/machine.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "engine/clock.hpp"

namespace hearth::bench {
namespace {

constexpr std::int64_t kPeakRounds = 1'000'000;  // some ten milliseconds
constexpr std::int64_t kPeakNs = 100'000'000;

}  // namespace

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Result<Machine> Machine::create(WorkerPool* pool, const kernels::KernelSet& kernels,
                                std::uint64_t bytes) {
  Machine machine(pool, kernels);
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return Error{Code::OUT_OF_MEMORY, "no memory to measure reading with"};
  machine.data_ = static_cast<std::byte*>(data);
  machine.bytes_ = bytes;
  madvise(data, bytes, MADV_HUGEPAGE);
  // Not zeros: those might be one page of the kernel's.
  const std::uint64_t part = bytes / static_cast<std::uint64_t>(pool->size());
  pool->run([&](int worker) {
    std::memset(machine.data_ + static_cast<std::uint64_t>(worker) * part, 1, part);
  });
  return machine;
}

Machine::Machine(Machine&& other) noexcept
    : pool_(other.pool_),
      kernels_(other.kernels_),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(other.bytes_) {}

Machine::~Machine() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

// work(worker) returns how much it did.  The rate of all is what they did in the time that the
// slowest took: so it is for the steps of a model too.
template <class Work>
double Machine::rate(bool one_core, Work work) const {
  std::vector<double> done(static_cast<std::size_t>(pool_->size()));
  const std::int64_t begin_ns = now_ns();
  if (one_core) {
    done[0] = work(0);
  } else {
    pool_->run([&](int worker) { done[static_cast<std::size_t>(worker)] = work(worker); });
  }
  const double seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
  return std::accumulate(done.begin(), done.end(), 0.0) / seconds;
}

double Machine::read_bytes(bool one_core) const {
  const auto workers = static_cast<std::uint64_t>(pool_->size());
  const std::uint64_t part = bytes_ / workers / 4096 * 4096;
  return rate(one_core, [&](int worker) {
    float out = 0;
    kernels_.read_probe({.data = data_ + static_cast<std::uint64_t>(worker) * part,
                         .bytes = static_cast<std::int64_t>(part),
                         .out = &out});
    return static_cast<double>(part);
  });
}

double Machine::peak_ops(kernels::PeakKind kind, bool one_core) const {
  return rate(one_core, [&](int) {
    double ops = 0;
    float out = 0;
    const std::int64_t end_ns = now_ns() + kPeakNs;
    do {
      ops += static_cast<double>(kernels_.peak_probe[static_cast<int>(kind)](kPeakRounds, &out));
    } while (now_ns() < end_ns);
    return ops;
  });
}

}  // namespace hearth::bench
