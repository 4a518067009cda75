// On which NUMA node each part of a model's weights lies: that of the worker who begins with it.
//
// Nodes change at the borders of huge pages, which are worth more than the few rows that lie on the
// wrong side of one (reference/kernels.md, section 2.1); a page goes to the node that begins with
// most of it.  What is no worker's, as the rows of an embedding and the experts of a mixture, is
// dealt out to all nodes.
//
// THREAD: the engine while it loads, before the panels are filled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cache/memory_binder.hpp"
#include "cache/worker_places.hpp"
#include "engine/plan.hpp"

namespace hearth {

inline constexpr std::uintptr_t kHugePageBytes = 2 << 20;

struct PlacedBytes {
  std::span<std::byte> memory;  // from and to borders of huge pages, or of all weights
  int node;
};

// The parts of the weights' memory that some worker begins with, in rising order.  A pure function.
std::vector<PlacedBytes> plan_weights(const Plan& plan, const cache::WorkerPlaces& places,
                                      std::span<std::byte> memory);

struct WeightPlacement {
  std::vector<std::uint64_t> bytes_on_node;  // beside places.nodes; empty: one node, or refused
  Status status;                             // what the system said
};

// Have the weights placed as planned.  On one node nothing is said to the system.
WeightPlacement place_weights(const Plan& plan, const cache::WorkerPlaces& places,
                              const cache::MemoryBinder* binder, std::span<std::byte> memory);

}  // namespace hearth
