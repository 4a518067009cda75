// Who can say on which NUMA node memory shall lie: Topology, and in tests one that writes it down.
//
// What is said holds for pages that are not there yet; those that are stay where they are.  It is
// a wish: where a node is full, the kernel takes memory of another one.
//
// THREAD: any.
#pragma once

#include <cstddef>
#include <span>

#include "common/result.hpp"

namespace hearth::cache {

class MemoryBinder {
 public:
  virtual ~MemoryBinder() = default;

  // The pages that memory touches shall lie on this node; or shall be dealt out to these nodes in
  // turn.  Nodes are numbers of the operating system.  Memory that files share keeps this with the
  // file, as long as that is in memory.
  // Errors: IO, where the system does not allow it (containers) or does not know how.
  virtual Status bind(std::span<std::byte> memory, int node) const = 0;
  virtual Status interleave(std::span<std::byte> memory, std::span<const int> nodes) const = 0;
};

// Nodes to deal memory out to.
struct MemorySpread {
  const MemoryBinder* binder = nullptr;
  std::span<const int> nodes = {};  // outlives us

  // Where there are fewer than two nodes there is nothing to say, and nothing is.
  Status apply(std::span<std::byte> memory) const {
    if (binder == nullptr || nodes.size() < 2) return {};
    return binder->interleave(memory, nodes);
  }
};

}  // namespace hearth::cache
