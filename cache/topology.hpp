// What the machine looks like: cores and NUMA nodes, through hwloc.
//
// Immutable once made; any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/result.hpp"

namespace hearth::cache {

class Topology {
 public:
  // The machine we run on, as far as this process may use it (cpusets, affinity).
  static Result<Topology> discover();
  // A made-up machine in hwloc's synthetic notation, "numa:2 core:4 pu:2", for tests.
  static Result<Topology> synthetic(const std::string& description);

  Topology(Topology&&) noexcept;
  Topology& operator=(Topology&&) noexcept;
  ~Topology();

  // Physical cores that we may use, and the NUMA node each belongs to.
  int core_count() const;
  int node_of_core(int core) const;
  int node_count() const;

  // Let the calling thread run on one core only (any of its hardware threads).
  // Errors: INVALID (no such core), IO (not permitted, or a synthetic machine).
  Status bind_thread_to_core(int core) const;

 private:
  struct State;
  explicit Topology(std::unique_ptr<State> state);
  static Result<Topology> load(const char* synthetic_description);
  std::unique_ptr<State> state_;
};

}  // namespace hearth::cache
