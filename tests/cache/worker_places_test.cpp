// Goal: every worker knows the node whose memory is near it, on machines of all shapes.
#include "cache/worker_places.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace hearth::cache {
namespace {

struct Places {
  std::vector<int> cores, nodes, distinct;
  bool operator==(const Places&) const = default;
};

Places places_on(const Result<Topology>& topology, int workers) {
  EXPECT_TRUE(topology) << topology.error().message;
  Places places;
  const WorkerPlaces found = place_workers(&*topology, workers);
  for (const WorkerPlaces::Place& place : found.workers) {
    places.cores.push_back(place.core);
    places.nodes.push_back(place.node);
  }
  places.distinct = found.nodes;
  return places;
}

using List = std::vector<int>;

TEST(worker_places, on_one_node_workers_take_the_cores_as_they_come) {
  const auto topology = Topology::synthetic("numa:1 core:4 pu:2");
  EXPECT_EQ(places_on(topology, 4), (Places{{0, 1, 2, 3}, {0, 0, 0, 0}, {0}}));
  EXPECT_EQ(places_on(topology, 2), (Places{{0, 1}, {0, 0}, {0}}));
  EXPECT_EQ(places_on(topology, 6), (Places{{0, 1, 2, 3, -1, -1}, List(6, 0), {0}}));
}

TEST(worker_places, without_a_topology_all_are_together_and_on_no_core) {
  const WorkerPlaces places = place_workers(nullptr, 3);
  ASSERT_EQ(places.workers.size(), 3u);
  EXPECT_EQ(places.workers[2].core, -1);
  EXPECT_EQ(places.nodes, List{0});
  EXPECT_FALSE(places.on_several_nodes());
}

TEST(worker_places, fewer_workers_than_cores_are_spread_over_the_nodes) {
  const auto topology = Topology::synthetic("numa:2 core:4 pu:2");
  EXPECT_EQ(places_on(topology, 8),
            (Places{{0, 1, 2, 3, 4, 5, 6, 7}, {0, 0, 0, 0, 1, 1, 1, 1}, {0, 1}}));
  EXPECT_EQ(places_on(topology, 4), (Places{{0, 1, 4, 5}, {0, 0, 1, 1}, {0, 1}}));
  EXPECT_EQ(places_on(topology, 3), (Places{{0, 1, 4}, {0, 0, 1}, {0, 1}}));
  EXPECT_EQ(places_on(topology, 1), (Places{{0}, {0}, {0}}));
}

TEST(worker_places, more_workers_than_cores_stay_with_their_node) {
  const auto topology = Topology::synthetic("numa:2 core:1 pu:2");
  EXPECT_EQ(places_on(topology, 4), (Places{{0, -1, 1, -1}, {0, 0, 1, 1}, {0, 1}}));
}

TEST(worker_places, four_nodes_have_a_quarter_each) {
  const auto topology = Topology::synthetic("pack:2 numa:2 core:3 pu:1");
  EXPECT_EQ(places_on(topology, 8).nodes, (List{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(places_on(topology, 12).distinct, (List{0, 1, 2, 3}));
}

TEST(worker_places, uneven_nodes_have_workers_in_proportion) {
  // Four cores and two of them.
  const auto topology = Topology::synthetic("numa:2 core:4 pu:1", "0-5");
  EXPECT_EQ(places_on(topology, 6).nodes, (List{0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(places_on(topology, 3), (Places{{0, 1, 4}, {0, 0, 1}, {0, 1}}));
}

TEST(worker_places, a_node_without_cores_has_no_workers) {
  // All cores of the second node are another cpuset's; and memory of the whole machine (CXL).
  const auto cpuset = Topology::synthetic("numa:2 core:2 pu:1", "0-1");
  EXPECT_EQ(places_on(cpuset, 2), (Places{{0, 1}, {0, 0}, {0}}));
  const auto cxl = Topology::synthetic("[numa(memory=64GB)] pack:2 [numa(memory=8GB)] core:2 pu:1");
  EXPECT_EQ(cxl->node_count(), 3);
  EXPECT_EQ(places_on(cxl, 4), (Places{{0, 1, 2, 3}, {0, 0, 1, 1}, {0, 1}}));
}

TEST(worker_places, slower_memory_beside_a_nodes_own_is_not_its_nearest) {
  const auto topology =
      Topology::synthetic("pack:2 [numa(memory=8GB)] [numa(memory=64GB)] core:2 pu:1");
  EXPECT_EQ(topology->node_count(), 4);
  EXPECT_EQ(places_on(topology, 4).nodes, (List{0, 0, 2, 2}));
}

TEST(worker_places, a_node_without_memory_takes_the_nearest) {
  // No package has memory of its own, the machine has.
  const auto machine =
      Topology::synthetic("[numa(memory=8GB)] pack:2 [numa(memory=0)] core:2 pu:1");
  EXPECT_EQ(places_on(machine, 4), (Places{{0, 1, 2, 3}, List(4, 2), {2}}));
  // Of each package one half has none.
  const auto halves =
      Topology::synthetic("pack:2 [numa(memory=8GB)] group:2 [numa(memory=0)] core:1 pu:1");
  const Places places = places_on(halves, 4);
  EXPECT_EQ(places.nodes[0], places.nodes[1]);
  EXPECT_EQ(places.nodes[2], places.nodes[3]);
  EXPECT_NE(places.nodes[0], places.nodes[2]);
}

TEST(worker_places, where_nobody_says_how_much_memory_there_is_all_is_one_node) {
  EXPECT_EQ(places_on(Topology::synthetic("pack:2 [numa(memory=0)] core:2 pu:1"), 4).distinct,
            List{0});
}

TEST(worker_places, a_cpuset_that_allows_one_nodes_memory_leaves_one_node) {
  const auto topology = Topology::synthetic("numa:2 core:2 pu:1", "", "1");
  EXPECT_EQ(topology->core_count(), 4);
  EXPECT_EQ(places_on(topology, 4), (Places{{0, 1, 2, 3}, List(4, 1), {1}}));
}

TEST(worker_places, who_helps_looks_at_its_own_node_first) {
  const WorkerPlaces one = place_workers(nullptr, 4);
  EXPECT_EQ(one.helping_order(2), (List{2, 3, 0, 1}));
  const auto topology = Topology::synthetic("numa:2 core:2 pu:1");
  const WorkerPlaces two = place_workers(&*topology, 4);
  EXPECT_EQ(two.helping_order(0), (List{0, 1, 2, 3}));
  EXPECT_EQ(two.helping_order(1), (List{1, 0, 2, 3}));
  EXPECT_EQ(two.helping_order(3), (List{3, 2, 0, 1}));
  EXPECT_EQ(two.count_on(1), 2u);
}

TEST(worker_places, everybody_helps_everybody_on_any_machine) {
  const auto topology = Topology::synthetic("pack:2 numa:2 core:3 pu:1", "0-7");
  for (int workers = 1; workers <= 20; ++workers) {
    const WorkerPlaces places = place_workers(&*topology, workers);
    std::vector<int> all(static_cast<std::size_t>(workers));
    std::iota(all.begin(), all.end(), 0);
    EXPECT_TRUE(std::ranges::is_sorted(places.workers, {}, &WorkerPlaces::Place::node)) << workers;
    for (int worker = 0; worker < workers; ++worker) {
      std::vector<int> order = places.helping_order(worker);
      EXPECT_EQ(order.front(), worker);
      std::ranges::sort(order);
      EXPECT_EQ(order, all) << workers;
    }
  }
}

}  // namespace
}  // namespace hearth::cache
