// See topology.hpp.
#include "cache/topology.hpp"

#include <fmt/format.h>
#include <hwloc.h>

#include <algorithm>

namespace hearth::cache {

struct Topology::State {
  hwloc_topology_t hwloc = nullptr;
  bool synthetic = false;
  std::vector<hwloc_obj_t> cores;  // owned by hwloc
  ~State() {
    if (hwloc != nullptr) hwloc_topology_destroy(hwloc);
  }
};

Topology::Topology(std::unique_ptr<State> state) : state_(std::move(state)) {}
Topology::Topology(Topology&&) noexcept = default;
Topology& Topology::operator=(Topology&&) noexcept = default;
Topology::~Topology() = default;

Result<Topology> Topology::discover() {
  return load(nullptr);
}

Result<Topology> Topology::synthetic(const std::string& description) {
  return load(description.c_str());
}

Result<Topology> Topology::load(const char* synthetic_description) {
  auto state = std::make_unique<State>();
  if (hwloc_topology_init(&state->hwloc) != 0) return from_errno("hwloc_topology_init");
  if (synthetic_description != nullptr) {
    state->synthetic = true;
    if (hwloc_topology_set_synthetic(state->hwloc, synthetic_description) != 0) {
      return Error{Code::INVALID, fmt::format("topology \"{}\" is not understood by hwloc",
                                              synthetic_description)};
    }
  }
  if (hwloc_topology_load(state->hwloc) != 0) return from_errno("hwloc_topology_load");

  // What we may run on: affinity is of the process, hwloc's own view is of the cgroup.
  const hwloc_bitmap_t allowed = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(state->hwloc));
  const hwloc_bitmap_t affinity = hwloc_bitmap_alloc();
  if (!state->synthetic && hwloc_get_cpubind(state->hwloc, affinity, HWLOC_CPUBIND_PROCESS) == 0) {
    hwloc_bitmap_and(allowed, allowed, affinity);
  }
  // Some virtual machines show hardware threads without cores: take those then.
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_CORE, HWLOC_OBJ_PU}) {
    if (!state->cores.empty()) break;
    for (hwloc_obj_t core = nullptr;
         (core = hwloc_get_next_obj_by_type(state->hwloc, type, core)) != nullptr;) {
      if (hwloc_bitmap_intersects(core->cpuset, allowed)) state->cores.push_back(core);
    }
  }
  hwloc_bitmap_free(affinity);
  hwloc_bitmap_free(allowed);
  if (state->cores.empty()) return Error{Code::INTERNAL, "hwloc shows no core to run on"};
  return Topology(std::move(state));
}

int Topology::core_count() const {
  return static_cast<int>(state_->cores.size());
}

int Topology::node_count() const {
  return std::max(1, hwloc_get_nbobjs_by_type(state_->hwloc, HWLOC_OBJ_NUMANODE));
}

int Topology::node_of_core(int core) const {
  const hwloc_obj_t object = state_->cores.at(static_cast<std::size_t>(core));
  if (object->nodeset == nullptr) return 0;
  return std::max(0, hwloc_bitmap_first(object->nodeset));
}

Status Topology::bind_thread_to_core(int core) const {
  if (core < 0 || core >= core_count()) {
    return Error{Code::INVALID, fmt::format("core {} of {}", core, core_count())};
  }
  if (state_->synthetic) return Error{Code::IO, "a synthetic machine has no cores to run on"};
  const hwloc_obj_t object = state_->cores[static_cast<std::size_t>(core)];
  if (hwloc_set_cpubind(state_->hwloc, object->cpuset, HWLOC_CPUBIND_THREAD) != 0) {
    return from_errno(fmt::format("bind a thread to core {}", core));
  }
  return {};
}

}  // namespace hearth::cache
