// What the machine looks like: cores and NUMA nodes, through hwloc.
//
// Immutable once made; any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/memory_binder.hpp"
#include "common/result.hpp"

namespace hearth::cache {

class Topology final : public MemoryBinder {
 public:
  // The machine we run on, as far as this process may use it (cpusets, affinity, numactl).
  static Result<Topology> discover();
  // A made-up machine in hwloc's synthetic notation, "numa:2 core:4 pu:2", for tests; and what a
  // cpuset leaves of it: lists as "0-2,5", empty for all.
  static Result<Topology> synthetic(const std::string& description, const std::string& cpus = "",
                                    const std::string& mems = "");

  Topology(Topology&&) noexcept;
  Topology& operator=(Topology&&) noexcept;
  ~Topology() override;

  // Physical cores that we may use.
  int core_count() const;
  // The node whose memory is nearest to a core: of those that have memory, and that we may use.
  // Its number is the operating system's.
  int node_of_core(int core) const;
  // Nodes of the machine, also without memory or cores.
  int node_count() const;

  // Let the calling thread run on one core only (any of its hardware threads), or on the cores of
  // a node.  Errors: INVALID (no such core or node), IO (not permitted, or a synthetic machine).
  Status bind_thread_to_core(int core) const;
  Status bind_thread_to_node(int node) const;

  // As MemoryBinder says.  Errors: IO, also for a synthetic machine.
  Status bind(std::span<std::byte> memory, int node) const override;
  Status interleave(std::span<std::byte> memory, std::span<const int> nodes) const override;

 private:
  struct State;
  explicit Topology(std::unique_ptr<State> state);
  static Result<Topology> read(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hearth::cache
