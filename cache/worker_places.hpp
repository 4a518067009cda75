// Which core and which NUMA node each worker belongs to.
//
// Pure functions of a topology and a number of workers: any thread.
#pragma once

#include <cstddef>
#include <vector>

#include "cache/topology.hpp"

namespace hearth::cache {

struct WorkerPlaces {
  struct Place {
    int core;  // index in the topology; -1: its node has no core left
    int node;  // whose memory is near
  };
  std::vector<Place> workers;  // of one node behind each other, so that their shares of an
                               // operation lie behind each other, too
  std::vector<int> nodes;      // of all workers, each once, in the workers' order

  bool on_several_nodes() const { return nodes.size() > 1; }
  std::size_t count_on(int node) const;

  // All workers in the order in which one of them looks for something to do: itself, those of its
  // node, the others; each time from itself on, so that not everybody helps the same one.
  std::vector<int> helping_order(int worker) const;
};

// Every node has workers in proportion to its cores: memory is what limits them, and each node has
// its own.  Without a topology (null) all are on one node and on no core.
WorkerPlaces place_workers(const Topology* topology, int workers);

}  // namespace hearth::cache
