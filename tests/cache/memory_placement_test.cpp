// Goal: memory is told its nodes before it is there, by the real system and by a segment; and where
// that is refused, all goes on.
#include <gtest/gtest.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/unique_fd.hpp"
#include "tests/cache/testing.hpp"
#include "tests/fake_binder.hpp"

#include "cache/topology.hpp"

namespace hearth::cache {
namespace {

constexpr std::size_t kBytes = 16 << 20;

// Memory of our own, or a file's.
struct Mapping {
  explicit Mapping(int fd = -1)
      : memory(
            static_cast<std::byte*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                         fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0)),
            kBytes) {}
  ~Mapping() { munmap(memory.data(), kBytes); }
  std::span<std::byte> memory;
};

// The system's policy for an address; -1 where it does not tell (seccomp).
int policy_at(const std::byte* address) {
  int policy = -1;
  unsigned long nodes[16] = {};
  if (syscall(SYS_get_mempolicy, &policy, nodes, sizeof(nodes) * 8, address, MPOL_F_ADDR) != 0) {
    return -1;
  }
  return policy;
}

TEST(memory_placement, this_machine_binds_memory_or_refuses_politely) {
  const auto topology = Topology::discover();
  ASSERT_TRUE(topology);
  const Mapping mapping;
  const Status bound = topology->bind(mapping.memory.first(kBytes / 2), topology->node_of_core(0));
  std::memset(mapping.memory.data(), 1, kBytes);  // it is memory, wherever it lies
  if (!bound) {
    EXPECT_EQ(bound.error().code, Code::IO) << bound.error().message;
    GTEST_SKIP() << "memory cannot be placed here: " << bound.error().message;
  }
  const int policy = policy_at(mapping.memory.data());
  if (policy < 0) GTEST_SKIP() << "the system does not tell policies";
  // Not MPOL_BIND: a node that is full must not end the daemon.
  EXPECT_TRUE(policy == MPOL_PREFERRED || policy == MPOL_PREFERRED_MANY) << policy;
  EXPECT_EQ(policy_at(mapping.memory.data() + kBytes / 2), MPOL_DEFAULT);
}

TEST(memory_placement, shared_memory_keeps_its_policy_with_the_file) {
  const auto topology = Topology::discover();
  ASSERT_TRUE(topology);
  const UniqueFd fd(memfd_create("hearth-test", MFD_CLOEXEC));
  ASSERT_TRUE(fd);
  ASSERT_EQ(ftruncate(fd.get(), kBytes), 0);
  const int node = topology->node_of_core(0);
  {
    const Mapping first(fd.get());
    const Status spread = topology->interleave(first.memory, std::span(&node, 1));
    if (!spread) GTEST_SKIP() << "memory cannot be placed here: " << spread.error().message;
    if (policy_at(first.memory.data()) < 0) GTEST_SKIP() << "the system does not tell policies";
  }
  const Mapping second(fd.get());
  EXPECT_EQ(policy_at(second.memory.data()), MPOL_INTERLEAVE);
}

TEST(memory_placement, a_node_that_is_not_there_is_refused) {
  const auto topology = Topology::discover();
  ASSERT_TRUE(topology);
  const Mapping mapping;
  EXPECT_FALSE(topology->bind(mapping.memory, 1000));
  const auto synthetic = Topology::synthetic("numa:2 core:1 pu:1");
  EXPECT_FALSE(synthetic->bind(mapping.memory, 1));
}

class SegmentPlacement : public testing::Test {
 protected:
  void SetUp() override {
    auto store = SegmentStore::open(directory_.path() + "/state", directory_.path());
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::make_unique<SegmentStore>(*std::move(store));
  }
  std::unique_ptr<Segment> open() {
    auto segment = Segment::open(*store_, "test", SmallCache::geometry(), SmallCache::capacity(100),
                                 BudgetShare(&budget_), {&binder_, nodes_});
    EXPECT_TRUE(segment) << segment.error().message;
    return *std::move(segment);
  }

  TemporaryDirectory directory_{"/dev/shm"};
  MemoryBudget budget_{1 << 30};
  std::unique_ptr<SegmentStore> store_;
  FakeBinder binder_;
  std::vector<int> nodes_ = {0, 2};
};

TEST_F(SegmentPlacement, payloads_are_dealt_out_before_memory_is_taken) {
  const auto segment = open();
  ASSERT_TRUE(segment->grow());
  ASSERT_EQ(binder_.calls.size(), 1u);
  const FakeBinder::Call& call = binder_.calls.front();
  EXPECT_TRUE(call.interleaved);
  EXPECT_EQ(call.nodes, (std::vector<int>{0, 2}));
  EXPECT_FALSE(call.was_there);
  // All payloads that there may ever be.
  EXPECT_EQ(call.memory.data(), segment->payload(0));
  EXPECT_GE(call.memory.size(), 100u * 4096);
  EXPECT_TRUE(segment->spread_status());
}

TEST_F(SegmentPlacement, a_restart_says_it_again_and_keeps_the_pages) {
  {
    const auto segment = open();
    ASSERT_TRUE(segment->grow());
    segment->begin_fill(0, 42);
    std::memset(segment->payload(0), 0x5a, segment->payload_bytes());
    const auto tokens = ids(1, 8);
    segment->commit(
        0, {.namespace_id = 42, .key = {5}, .parent_key = {6}, .first_token = 0, .tokens = tokens});
  }
  nodes_ = {0, 1, 2};  // on other nodes than before
  const auto segment = open();
  EXPECT_EQ(segment->recovery().cold, ColdReason::none);
  EXPECT_EQ(segment->recovery().kept, 1u);
  EXPECT_TRUE(segment->payload_intact(0));
  ASSERT_EQ(binder_.calls.size(), 2u);
  EXPECT_EQ(binder_.calls.back().nodes, (std::vector<int>{0, 1, 2}));
}

TEST_F(SegmentPlacement, on_one_node_nothing_is_said) {
  nodes_ = {3};
  const auto segment = open();
  ASSERT_TRUE(segment->grow());
  EXPECT_TRUE(binder_.calls.empty());
  EXPECT_TRUE(segment->spread_status());
}

TEST_F(SegmentPlacement, a_refusal_is_told_and_costs_nothing_else) {
  binder_.refuse_from = 0;
  const auto segment = open();
  ASSERT_TRUE(segment->grow());
  EXPECT_FALSE(segment->spread_status());
  EXPECT_EQ(segment->spread_status().error().message, "not on this machine");
  std::memset(segment->payload(0), 1, segment->payload_bytes());
}

}  // namespace
}  // namespace hearth::cache
