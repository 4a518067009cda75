// What this machine can do at most: the limits that every row of hearth-bench is a fraction of.
//
// THREAD: the caller's, and the workers of the pool.
#pragma once

#include <cstdint>
#include <vector>

#include "common/result.hpp"
#include "engine/worker_pool.hpp"
#include "kernels/kernels.hpp"

namespace hearth::bench {

class Machine {
 public:
  // Takes memory to read: bytes, in huge pages where the kernel gives them, and filled.
  // Errors: OUT_OF_MEMORY.
  static Result<Machine> create(WorkerPool* pool, const kernels::KernelSet& kernels,
                                std::uint64_t bytes);
  Machine(Machine&& other) noexcept;
  Machine& operator=(Machine&&) = delete;
  ~Machine();

  // One measurement each, some tenths of a second: per second, of one core or of all workers
  // together.  peak_ops counts multiplications and additions.
  double read_bytes(bool one_core) const;
  double peak_ops(kernels::PeakKind kind, bool one_core) const;

 private:
  Machine(WorkerPool* pool, const kernels::KernelSet& kernels) : pool_(pool), kernels_(kernels) {}
  template <class Work>
  double rate(bool one_core, Work work) const;

  WorkerPool* pool_;  // outlives us
  kernels::KernelSet kernels_;
  std::byte* data_ = nullptr;  // [bytes_]
  std::uint64_t bytes_ = 0;
};

// Of at least one value; of an even number the mean of the middle two.
double median(std::vector<double> values);

}  // namespace hearth::bench
