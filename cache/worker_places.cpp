// See worker_places.hpp.
#include "cache/worker_places.hpp"

#include <algorithm>
#include <numeric>

namespace hearth::cache {

std::size_t WorkerPlaces::count_on(int node) const {
  return static_cast<std::size_t>(std::ranges::count(workers, node, &Place::node));
}

std::vector<int> WorkerPlaces::helping_order(int worker) const {
  std::vector<int> order(workers.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::rotate(order, order.begin() + worker);
  const int node = workers[static_cast<std::size_t>(worker)].node;
  std::ranges::stable_partition(
      order, [&](int other) { return workers[static_cast<std::size_t>(other)].node == node; });
  return order;
}

WorkerPlaces place_workers(const Topology* topology, int workers) {
  WorkerPlaces places;
  if (topology == nullptr) {
    places.workers.assign(static_cast<std::size_t>(workers), {.core = -1, .node = 0});
    places.nodes = {0};
    return places;
  }
  std::vector<int> cores(static_cast<std::size_t>(topology->core_count()));
  std::iota(cores.begin(), cores.end(), 0);
  const auto node_of = [&](int core) { return topology->node_of_core(core); };
  std::ranges::stable_sort(cores, {}, node_of);
  std::vector<int> free = cores;  // that no worker has yet
  for (std::size_t worker = 0; worker < static_cast<std::size_t>(workers); ++worker) {
    const int node = node_of(cores[worker * cores.size() / static_cast<std::size_t>(workers)]);
    const auto core = std::ranges::find(free, node, node_of);
    places.workers.push_back({.core = core == free.end() ? -1 : *core, .node = node});
    if (core != free.end()) free.erase(core);
    if (places.nodes.empty() || places.nodes.back() != node) places.nodes.push_back(node);
  }
  return places;
}

}  // namespace hearth::cache
