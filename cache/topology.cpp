// See topology.hpp.
#include "cache/topology.hpp"

#include <fmt/format.h>
#include <hwloc.h>

#include <algorithm>
#include <utility>

namespace hearth::cache {
namespace {

// A set of processors or nodes.
class Bitmap {
 public:
  Bitmap() : set_(hwloc_bitmap_alloc()) {}
  explicit Bitmap(hwloc_const_bitmap_t other) : set_(hwloc_bitmap_dup(other)) {}
  ~Bitmap() { hwloc_bitmap_free(set_); }
  Bitmap(const Bitmap&) = delete;
  Bitmap& operator=(const Bitmap&) = delete;
  hwloc_bitmap_t get() const { return set_; }

 private:
  const hwloc_bitmap_t set_;
};

std::vector<hwloc_obj_t> objects(hwloc_topology_t topology, hwloc_obj_type_t type) {
  std::vector<hwloc_obj_t> found;
  for (hwloc_obj_t object = nullptr;
       (object = hwloc_get_next_obj_by_type(topology, type, object)) != nullptr;) {
    found.push_back(object);
  }
  return found;
}

// Of processors, how many are in the smallest part of the machine that has both core and node.
int distance(hwloc_obj_t core, hwloc_obj_t node) {
  hwloc_obj_t around = node->parent;
  while (around->parent != nullptr && !hwloc_bitmap_isincluded(core->cpuset, around->cpuset)) {
    around = around->parent;
  }
  return hwloc_bitmap_weight(around->cpuset);
}

}  // namespace

struct Topology::State {
  struct Core {
    hwloc_obj_t object;  // hwloc's
    int node;            // nearest memory
  };
  hwloc_topology_t hwloc = nullptr;
  bool synthetic = false;
  std::vector<Core> cores;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (hwloc != nullptr) hwloc_topology_destroy(hwloc);
  }

  // What we may run on: affinity is of the process, hwloc's own view is of the cgroup.
  void find_cores() {
    const Bitmap allowed(hwloc_topology_get_allowed_cpuset(hwloc)), affinity;
    if (!synthetic && hwloc_get_cpubind(hwloc, affinity.get(), HWLOC_CPUBIND_PROCESS) == 0) {
      hwloc_bitmap_and(allowed.get(), allowed.get(), affinity.get());
    }
    // Some virtual machines show hardware threads without cores: take those then.
    for (const hwloc_obj_type_t type : {HWLOC_OBJ_CORE, HWLOC_OBJ_PU}) {
      if (!cores.empty()) break;
      for (const hwloc_obj_t core : objects(hwloc, type)) {
        if (hwloc_bitmap_intersects(core->cpuset, allowed.get())) cores.push_back({core, 0});
      }
    }
  }

  // Nodes whose memory we may have; numactl --membind says that to the process, cpusets to hwloc.
  std::vector<hwloc_obj_t> memory_nodes() const {
    const Bitmap allowed(hwloc_topology_get_allowed_nodeset(hwloc)), chosen;
    hwloc_membind_policy_t policy = HWLOC_MEMBIND_DEFAULT;
    if (!synthetic &&
        hwloc_get_membind(hwloc, chosen.get(), &policy, HWLOC_MEMBIND_BYNODESET) == 0 &&
        policy == HWLOC_MEMBIND_BIND) {
      hwloc_bitmap_and(allowed.get(), allowed.get(), chosen.get());
    }
    std::vector<hwloc_obj_t> nodes = objects(hwloc, HWLOC_OBJ_NUMANODE);
    std::erase_if(nodes, [&](hwloc_obj_t node) {
      return node->attr->numanode.local_memory == 0 ||
             !hwloc_bitmap_isset(allowed.get(), node->os_index);
    });
    return nodes;
  }

  // Of equally near ones that which hwloc names first: ordinary memory, before what is slower.
  void find_nodes() {
    const std::vector<hwloc_obj_t> nodes = memory_nodes();
    if (nodes.empty()) return;  // nothing is known: as on one node
    for (Core& core : cores) {
      core.node = static_cast<int>((*std::ranges::min_element(nodes, {}, [&](hwloc_obj_t node) {
                                     return distance(core.object, node);
                                   }))->os_index);
    }
  }

  Status bind_thread(hwloc_const_cpuset_t cpus, const std::string& to) const {
    if (synthetic) return Error{Code::IO, "a synthetic machine has no cores to run on"};
    if (hwloc_set_cpubind(hwloc, cpus, HWLOC_CPUBIND_THREAD) != 0) {
      return from_errno("bind a thread to " + to);
    }
    return {};
  }

  Status bind_memory(std::span<std::byte> memory, std::span<const int> nodes,
                     hwloc_membind_policy_t policy) const {
    if (synthetic) return Error{Code::IO, "a synthetic machine has no memory"};
    const Bitmap set;
    for (const int node : nodes) hwloc_bitmap_set(set.get(), static_cast<unsigned>(node));
    if (hwloc_set_area_membind(hwloc, memory.data(), memory.size(), set.get(), policy,
                               HWLOC_MEMBIND_BYNODESET) != 0) {
      return from_errno(fmt::format("place {} bytes on NUMA nodes", memory.size()));
    }
    return {};
  }
};

Topology::Topology(std::unique_ptr<State> state) : state_(std::move(state)) {}
Topology::Topology(Topology&&) noexcept = default;
Topology& Topology::operator=(Topology&&) noexcept = default;
Topology::~Topology() = default;

Result<Topology> Topology::discover() {
  auto state = std::make_unique<State>();
  if (hwloc_topology_init(&state->hwloc) != 0) return from_errno("hwloc_topology_init");
  if (hwloc_topology_load(state->hwloc) != 0) return from_errno("hwloc_topology_load");
  return read(std::move(state));
}

Result<Topology> Topology::synthetic(const std::string& description, const std::string& cpus,
                                     const std::string& mems) {
  auto state = std::make_unique<State>();
  state->synthetic = true;
  if (hwloc_topology_init(&state->hwloc) != 0) return from_errno("hwloc_topology_init");
  if (hwloc_topology_set_synthetic(state->hwloc, description.c_str()) != 0) {
    return Error{Code::INVALID,
                 fmt::format("topology \"{}\" is not understood by hwloc", description)};
  }
  if (hwloc_topology_load(state->hwloc) != 0) return from_errno("hwloc_topology_load");
  for (const auto& [list, flags] :
       {std::pair{&cpus, 0UL},
        std::pair{&mems, static_cast<unsigned long>(HWLOC_RESTRICT_FLAG_BYNODESET)}}) {
    if (list->empty()) continue;
    const Bitmap kept;
    if (hwloc_bitmap_list_sscanf(kept.get(), list->c_str()) != 0 ||
        hwloc_topology_restrict(state->hwloc, kept.get(), flags) != 0) {
      return Error{Code::INVALID, fmt::format("cpuset \"{}\" leaves nothing", *list)};
    }
  }
  return read(std::move(state));
}

Result<Topology> Topology::read(std::unique_ptr<State> state) {
  state->find_cores();
  if (state->cores.empty()) return Error{Code::INTERNAL, "hwloc shows no core to run on"};
  state->find_nodes();
  return Topology(std::move(state));
}

int Topology::core_count() const {
  return static_cast<int>(state_->cores.size());
}

int Topology::node_count() const {
  return std::max(1, hwloc_get_nbobjs_by_type(state_->hwloc, HWLOC_OBJ_NUMANODE));
}

int Topology::node_of_core(int core) const {
  return state_->cores.at(static_cast<std::size_t>(core)).node;
}

Status Topology::bind_thread_to_core(int core) const {
  if (core < 0 || core >= core_count()) {
    return Error{Code::INVALID, fmt::format("core {} of {}", core, core_count())};
  }
  return state_->bind_thread(state_->cores[static_cast<std::size_t>(core)].object->cpuset,
                             fmt::format("core {}", core));
}

Status Topology::bind_thread_to_node(int node) const {
  const Bitmap cpus;
  for (const State::Core& core : state_->cores) {
    if (core.node == node) hwloc_bitmap_or(cpus.get(), cpus.get(), core.object->cpuset);
  }
  if (hwloc_bitmap_iszero(cpus.get())) {
    return Error{Code::INVALID, fmt::format("NUMA node {} is not near any core", node)};
  }
  return state_->bind_thread(cpus.get(), fmt::format("NUMA node {}", node));
}

Status Topology::bind(std::span<std::byte> memory, int node) const {
  return state_->bind_memory(memory, std::span(&node, 1), HWLOC_MEMBIND_BIND);
}

Status Topology::interleave(std::span<std::byte> memory, std::span<const int> nodes) const {
  return state_->bind_memory(memory, nodes, HWLOC_MEMBIND_INTERLEAVE);
}

}  // namespace hearth::cache
