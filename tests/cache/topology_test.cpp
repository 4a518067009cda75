// Goal: cores and nodes are found, on this machine and on described ones.
#include "cache/topology.hpp"

#include <gtest/gtest.h>

namespace hearth::cache {
namespace {

TEST(topology, this_machine_has_a_core_we_may_use) {
  const auto topology = Topology::discover();
  ASSERT_TRUE(topology) << topology.error().message;
  EXPECT_GE(topology->core_count(), 1);
  EXPECT_GE(topology->node_count(), 1);
  EXPECT_LT(topology->node_of_core(0), 1024);
}

TEST(topology, a_two_node_machine_knows_where_its_cores_are) {
  const auto topology = Topology::synthetic("numa:2 core:4 pu:2");
  ASSERT_TRUE(topology) << topology.error().message;
  EXPECT_EQ(topology->node_count(), 2);
  ASSERT_EQ(topology->core_count(), 8);
  EXPECT_EQ(topology->node_of_core(0), 0);
  EXPECT_EQ(topology->node_of_core(3), 0);
  EXPECT_EQ(topology->node_of_core(4), 1);
  EXPECT_EQ(topology->node_of_core(7), 1);
}

TEST(topology, nonsense_is_an_error) {
  EXPECT_FALSE(Topology::synthetic("numa:two"));
  const auto topology = Topology::synthetic("core:2 pu:1");
  ASSERT_TRUE(topology);
  EXPECT_FALSE(topology->bind_thread_to_core(2));
  EXPECT_FALSE(topology->bind_thread_to_core(-1));
}

}  // namespace
}  // namespace hearth::cache
