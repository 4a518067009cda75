// Goal: what a worker begins with lies on its node.
// Method: a model of large matrices without contents, on made-up machines; what the plan says is
// held to the split of the work, and to what workers of the real executor begin with.
#include "engine/weight_placement.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <barrier>
#include <map>
#include <mutex>
#include <set>

#include "engine/work_split.hpp"
#include "tests/engine/engine_harness.hpp"
#include "tests/engine/forward_testing.hpp"
#include "tests/fake_binder.hpp"

namespace hearth {
namespace {

constexpr kernels::WeightFormat kFormat = kernels::WeightFormat::q8_0;

// One layer of a large model and its head, all zeros that nobody takes memory for.
class HollowModel {
 public:
  static constexpr std::int64_t kHidden = 4096, kFfn = 8192, kVocab = 32768;

  HollowModel()
      : memory_(static_cast<std::byte*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)),
                kBytes) {
    table_.hidden = kHidden;
    table_.vocab = kVocab;
    table_.context_length = 64;
    table_.embedding = matrix(kVocab, kHidden);
    const RmsNorm norm = {ones_.data(), kHidden, 1e-5F};
    FullAttention attention = {.q = {matrix(4096, kHidden)},
                               .k = {matrix(1024, kHidden)},
                               .v = {matrix(1024, kHidden)},
                               .out = {matrix(kHidden, 4096)},
                               .q_norm = {},
                               .k_norm = {},
                               .heads = 32,
                               .kv_heads = 8,
                               .head_dim = 128,
                               .scale = 1};
    GatedMlp mlp = {{matrix(kFfn, kHidden)}, {matrix(kFfn, kHidden)}, {matrix(kHidden, kFfn)}};
    table_.layers.push_back({{{norm, {attention}}, {norm, {mlp}}}});
    table_.final_norm = norm;
    table_.head.weight = matrix(kVocab, kHidden);
    RopeParameters rope;
    rope.dims = 128;
    table_.ropes.push_back(make_rope(rope, /*interleaved=*/false));
    plan_ = compile_plan(table_, kernels::KvFormat::f16, 32);
  }
  ~HollowModel() { munmap(memory_.data(), kBytes); }
  HollowModel(const HollowModel&) = delete;
  HollowModel& operator=(const HollowModel&) = delete;

  const LayerTable& table() const { return table_; }
  const Plan& plan() const { return plan_; }
  std::span<std::byte> memory() const { return memory_; }

 private:
  static constexpr std::size_t kBytes = 512 << 20;
  Matrix matrix(std::int64_t rows, std::int64_t cols) {
    Matrix matrix = {memory_.data() + used_, kFormat, rows, cols};
    used_ += static_cast<std::size_t>(matrix.groups() * matrix.group_bytes());
    EXPECT_LE(used_, kBytes);
    return matrix;
  }

  const std::span<std::byte> memory_;
  std::size_t used_ = 64;  // not on a border of huge pages
  std::vector<float> ones_ = std::vector<float>(kHidden, 1.0F);
  LayerTable table_;
  Plan plan_;
};

// The node that an address was given; -1: dealt out.
int node_at(std::span<const PlacedBytes> placed, const std::byte* address) {
  for (const PlacedBytes& part : placed) {
    const bool inside =
        address >= part.memory.data() && address < part.memory.data() + part.memory.size();
    if (inside) return part.node;
  }
  return -1;
}

// visit(worker, first byte, end) for every run of panels that a worker begins with.
template <class Visit>
void each_run(const Plan& plan, int workers, const Visit& visit) {
  const auto groups = [&](int worker, const Matrix& matrix, std::int64_t item, std::int64_t size) {
    const std::int64_t end = std::min((item + 1) * size, matrix.groups());
    visit(worker, matrix.panels + item * size * matrix.group_bytes(),
          matrix.panels + end * matrix.group_bytes());
  };
  for (const Op& op : plan.ops) {
    for (int worker = 0; worker < workers; ++worker) {
      if (const auto* linear = std::get_if<LinearOp>(&op)) {
        const Share share = share_of(items_of(*linear, workers), worker, workers);
        for (std::int64_t item = share.begin; item < share.end; ++item) {
          if (linear->gated) {
            for (const LinearPart& part : linear->parts) {
              groups(worker, part.linear.weight, item, groups_of_item(*linear, workers));
            }
          } else {
            const PartItem at = part_item(*linear, item, workers);
            groups(worker, linear->parts[at.part].linear.weight, at.item, at.groups);
          }
        }
      } else if (const auto* head = std::get_if<HeadOp>(&op)) {
        const std::int64_t size = groups_of_item(head->head.weight, workers);
        const Share share = share_of(items_of(head->head.weight, size), worker, workers);
        for (std::int64_t item = share.begin; item < share.end; ++item) {
          groups(worker, head->head.weight, item, size);
        }
      }
    }
  }
}

struct Machine {
  const char* description;
  const char* cpus;
  int workers;
};

class WeightPlacement : public testing::TestWithParam<Machine> {};

TEST_P(WeightPlacement, nearly_all_that_a_worker_begins_with_lies_on_its_node) {
  const Machine& machine = GetParam();
  const auto topology = cache::Topology::synthetic(machine.description, machine.cpus);
  ASSERT_TRUE(topology) << topology.error().message;
  const cache::WorkerPlaces places = cache::place_workers(&*topology, machine.workers);
  ASSERT_TRUE(places.on_several_nodes());
  const HollowModel model;
  const auto placed = plan_weights(model.plan(), places, model.memory());

  constexpr std::int64_t kStep = 512;
  std::int64_t right = 0, all = 0;
  std::set<const std::byte*> seen;
  each_run(model.plan(), machine.workers,
           [&](int worker, const std::byte* begin, const std::byte* end) {
             EXPECT_TRUE(seen.insert(begin).second) << "panels that two workers begin with";
             const int node = places.workers[static_cast<std::size_t>(worker)].node;
             for (const std::byte* at = begin; at < end; at += kStep, ++all) {
               if (node_at(placed, at) == node) ++right;
             }
           });
  EXPECT_GE(all * kStep, 250 << 20);
  // A border costs half a huge page at most; there are as many as nodes in each of nine matrices.
  const auto borders = static_cast<std::int64_t>(9 * places.nodes.size());
  EXPECT_GE(right, all - borders * static_cast<std::int64_t>(kHugePageBytes) / 2 / kStep);
  EXPECT_GE(right, all * 9 / 10);
}

TEST_P(WeightPlacement, nodes_change_at_borders_of_huge_pages) {
  const Machine& machine = GetParam();
  const auto topology = cache::Topology::synthetic(machine.description, machine.cpus);
  const cache::WorkerPlaces places = cache::place_workers(&*topology, machine.workers);
  const HollowModel model;
  const auto placed = plan_weights(model.plan(), places, model.memory());
  const std::byte* end = model.memory().data();
  for (const PlacedBytes& part : placed) {
    const auto at = reinterpret_cast<std::uintptr_t>(part.memory.data());
    EXPECT_TRUE(at % kHugePageBytes == 0 || part.memory.data() == model.memory().data());
    EXPECT_EQ((at + part.memory.size()) % kHugePageBytes, 0u);
    EXPECT_GE(part.memory.data(), end) << "parts overlap";
    end = part.memory.data() + part.memory.size();
  }
  EXPECT_LE(end, model.memory().data() + model.memory().size());
  // Nobody begins with the embedding, which lies first.
  EXPECT_EQ(node_at(placed, model.table().embedding.panels), -1);
}

INSTANTIATE_TEST_SUITE_P(
    machines, WeightPlacement,
    testing::Values(Machine{"numa:2 core:2 pu:1", "", 4}, Machine{"numa:4 core:4 pu:2", "", 16},
                    Machine{"numa:2 core:4 pu:1", "0-4", 5}, Machine{"numa:2 core:8 pu:1", "", 3},
                    Machine{"[numa] pack:2 [numa(memory=1GB)] core:3 pu:1", "", 6}));

TEST(weight_placement, all_memory_is_dealt_out_and_then_panels_are_bound) {
  const auto topology = cache::Topology::synthetic("numa:2 core:2 pu:1");
  const cache::WorkerPlaces places = cache::place_workers(&*topology, 4);
  const HollowModel model;
  const FakeBinder binder;
  const auto placement = place_weights(model.plan(), places, &binder, model.memory());
  EXPECT_TRUE(placement.status);
  ASSERT_GE(binder.calls.size(), 3u);
  EXPECT_TRUE(binder.calls.front().interleaved);
  EXPECT_EQ(binder.calls.front().memory.data(), model.memory().data());
  EXPECT_EQ(binder.calls.front().memory.size(), model.memory().size());
  EXPECT_EQ(binder.calls.front().nodes, (std::vector<int>{0, 1}));
  const auto planned = plan_weights(model.plan(), places, model.memory());
  ASSERT_EQ(binder.calls.size(), planned.size() + 1);
  std::map<int, std::uint64_t> bytes;
  for (std::size_t i = 0; i < planned.size(); ++i) {
    const FakeBinder::Call& call = binder.calls[i + 1];
    EXPECT_EQ(call.memory.data(), planned[i].memory.data());
    EXPECT_EQ(call.memory.size(), planned[i].memory.size());
    EXPECT_EQ(call.nodes, std::vector<int>{planned[i].node});
    EXPECT_FALSE(call.interleaved);
    EXPECT_FALSE(call.was_there);
    bytes[planned[i].node] += planned[i].memory.size();
  }
  EXPECT_EQ(placement.bytes_on_node, (std::vector<std::uint64_t>{bytes[0], bytes[1]}));
  EXPECT_NEAR(static_cast<double>(bytes[0]), static_cast<double>(bytes[1]), 12 << 20);
}

TEST(weight_placement, on_one_node_nothing_is_said) {
  const HollowModel model;
  const FakeBinder binder;
  const auto one = cache::Topology::synthetic("numa:1 core:4 pu:1");
  const auto far = cache::Topology::synthetic("numa:2 core:2 pu:1", "", "1");
  for (const cache::Topology* topology :
       {&*one, &*far, static_cast<const cache::Topology*>(nullptr)}) {
    const cache::WorkerPlaces places = cache::place_workers(topology, 4);
    const auto placement = place_weights(model.plan(), places, &binder, model.memory());
    EXPECT_TRUE(placement.status);
    EXPECT_TRUE(placement.bytes_on_node.empty());
  }
  EXPECT_TRUE(binder.calls.empty());
}

TEST(weight_placement, after_a_refusal_nothing_more_is_said) {
  const auto topology = cache::Topology::synthetic("numa:2 core:2 pu:1");
  const cache::WorkerPlaces places = cache::place_workers(&*topology, 4);
  const HollowModel model;
  for (const int refuse_from : {0, 1, 2}) {
    FakeBinder binder;
    binder.refuse_from = refuse_from;
    const auto placement = place_weights(model.plan(), places, &binder, model.memory());
    EXPECT_FALSE(placement.status);
    EXPECT_TRUE(placement.bytes_on_node.empty());
    EXPECT_EQ(std::ssize(binder.calls), refuse_from + 1);
  }
}

TEST(weight_placement, a_loaders_matrices_are_not_there_before_it_finishes) {
  const std::string path = HEARTH_TEST_DATA "/models/llama.gguf";
  auto file = GgufFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  auto loader = WeightLoader::create(*file, nullptr);
  ASSERT_TRUE(loader);
  const auto table = (*find_architecture(*file))->build(*loader, {});
  ASSERT_TRUE(table) << table.error().message;
  // Norms lie behind all matrices, which fill some pages.
  const auto all = loader->memory();
  const auto matrices = static_cast<std::size_t>(
      reinterpret_cast<const std::byte*>(table->final_norm.weight) - all.data());
  ASSERT_GT(matrices, 4 * 4096u);
  const FakeBinder binder;
  ASSERT_TRUE(binder.bind(all.first(matrices / 2), 0));  // the kernel may round up what it gives
  EXPECT_FALSE(binder.calls.front().was_there);
  ASSERT_TRUE(loader->finish());
}

// What the workers of an executor begin with.  Kernels know no context: there is one recorder.
struct Recorder {
  explicit Recorder(int workers) : all(workers) {}
  std::map<const void*, std::size_t> op_of;  // by the panels of a matrix
  std::map<std::thread::id, int> worker_of;
  std::mutex mutex;
  std::map<std::pair<std::size_t, int>, const std::byte*> first;  // by op and worker
  std::barrier<> all;
};
Recorder* recorder = nullptr;

// Nobody helps anybody before everybody has begun.
void record(const kernels::LinearArgs& args) {
  const std::size_t op = recorder->op_of.at(args.panels);
  const int worker = recorder->worker_of.at(std::this_thread::get_id());
  const Matrix shape = {nullptr, kFormat, args.rows, args.cols};
  const auto* begin =
      static_cast<const std::byte*>(args.panels) + args.group_begin * shape.group_bytes();
  {
    const std::lock_guard lock(recorder->mutex);
    if (!recorder->first.try_emplace({op, worker}, begin).second) return;
  }
  recorder->all.arrive_and_wait();
}

class ExecutorPlacement : public testing::TestWithParam<RowRole> {};

TEST_P(ExecutorPlacement, workers_begin_where_their_weights_lie) {
  constexpr int kWorkers = 4;
  const auto topology = cache::Topology::synthetic("numa:2 core:2 pu:1");
  WorkerPool pool(kWorkers, &*topology);
  const HollowModel model;
  Recorder own(kWorkers);
  recorder = &own;
  pool.run([&](int worker) {
    const std::lock_guard lock(own.mutex);
    own.worker_of[std::this_thread::get_id()] = worker;
  });
  for (std::size_t i = 0; i < model.plan().ops.size(); ++i) {
    if (const auto* linear = std::get_if<LinearOp>(&model.plan().ops[i])) {
      for (const LinearPart& part : linear->parts) own.op_of[part.linear.weight.panels] = i;
    } else if (const auto* head = std::get_if<HeadOp>(&model.plan().ops[i])) {
      own.op_of[head->head.weight.panels] = i;
    }
  }
  kernels::KernelSet kernels = best_kernels();
  for (kernels::LinearFn& kernel : kernels.linear) kernel = record;
  for (kernels::LinearFn& kernel : kernels.linear_prompt) kernel = record;
  Executor executor(&model.table(), model.plan(), &pool, kernels, {8, 8});
  std::vector<std::byte> page(static_cast<std::size_t>(executor.kv().page_bytes));
  std::byte* pages[] = {page.data()};
  std::vector<BatchRow> rows;
  for (const int position : {0, 1, 2}) {
    rows.push_back({position, position, pages, RowOutput::logits, GetParam()});
  }
  ASSERT_TRUE(executor.forward(rows));

  const auto placed = plan_weights(model.plan(), pool.places(), model.memory());
  std::size_t checked = 0;
  for (const auto& [at, begin] : own.first) {
    // All begin with more than two huge pages, of which the first may belong to another node.
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    const std::byte* place = begin + (align_up(address, kHugePageBytes) - address);
    const int node = pool.places().workers[static_cast<std::size_t>(at.second)].node;
    EXPECT_EQ(node_at(placed, place), node) << "op " << at.first << ", worker " << at.second;
    ++checked;
  }
  EXPECT_EQ(checked, 5u * kWorkers);  // q, k and v; out; gate and up; down; head
}

INSTANTIATE_TEST_SUITE_P(roles, ExecutorPlacement,
                         testing::Values(RowRole::generated, RowRole::prompt));

TEST(weight_placement, an_engine_that_may_not_place_memory_says_so_and_works) {
  const std::string path = HEARTH_TEST_DATA "/models/llama.gguf";
  const auto command = EngineHarness::greedy(8);
  EngineHarness one(path, {.threads = 4});
  EXPECT_EQ(one.placement_refusal(), "");
  const auto expected = one.run(command, {1, 2, 3});
  // A made-up machine has no memory to place anything in.
  const auto topology = cache::Topology::synthetic("numa:2 core:2 pu:1");
  EngineHarness two(path, {.threads = 4, .topology = &*topology});
  EXPECT_EQ(two.loaded().node_count, 0u);
  EXPECT_EQ(two.placement_refusal(), "a synthetic machine has no memory");
  EXPECT_EQ(two.run(command, {1, 2, 3}).tokens, expected.tokens);
}

}  // namespace
}  // namespace hearth
