// See weight_placement.hpp.
#include "engine/weight_placement.hpp"

#include <algorithm>

#include "engine/work_split.hpp"

namespace hearth {
namespace {

// Who begins with how much of every huge page.
class Ballot {
 public:
  Ballot(const cache::WorkerPlaces& places, std::span<std::byte> memory)
      : places_(places),
        memory_(memory),
        first_page_(address(memory.data()) / kHugePageBytes),
        votes_((address(memory.data() + memory.size()) / kHugePageBytes - first_page_ + 1) *
               places.nodes.size()) {}

  void add(const LinearOp& op) {
    const int workers = worker_count();
    each_item(items_of(op, workers), [&](std::int64_t item, std::size_t node) {
      if (!op.gated) {
        const PartItem at = part_item(op, item, workers);
        return vote(op.parts[at.part].linear.weight, at.item, at.groups, node);
      }
      for (const LinearPart& part : op.parts) {
        vote(part.linear.weight, item, groups_of_item(op, workers), node);
      }
    });
  }

  void add(const HeadOp& op) {
    const Matrix& weight = op.head.weight;
    const std::int64_t groups = groups_of_item(weight, worker_count());
    each_item(items_of(weight, groups),
              [&](std::int64_t item, std::size_t node) { vote(weight, item, groups, node); });
  }

  std::vector<PlacedBytes> count() const {
    std::vector<PlacedBytes> placed;
    const std::uintptr_t begin = address(memory_.data()), end = begin + memory_.size();
    for (std::size_t page = 0; page * places_.nodes.size() < votes_.size(); ++page) {
      const std::span<const std::uint64_t> votes = votes_of(page);
      const auto most = std::ranges::max_element(votes);
      if (*most == 0) continue;
      const int node = places_.nodes[static_cast<std::size_t>(most - votes.begin())];
      const std::uintptr_t page_begin = (first_page_ + page) * kHugePageBytes;
      const std::uintptr_t from = std::max(begin, page_begin);
      const std::uintptr_t to = std::min(end, page_begin + kHugePageBytes);
      const std::span<std::byte> bytes = memory_.subspan(from - begin, to - from);
      const bool goes_on =
          !placed.empty() && placed.back().node == node &&
          placed.back().memory.data() + placed.back().memory.size() == bytes.data();
      if (goes_on) {
        placed.back().memory = {placed.back().memory.data(), bytes.data() + bytes.size()};
      } else {
        placed.push_back({bytes, node});
      }
    }
    return placed;
  }

 private:
  static std::uintptr_t address(const std::byte* place) {
    return reinterpret_cast<std::uintptr_t>(place);
  }
  int worker_count() const { return static_cast<int>(places_.workers.size()); }
  std::span<const std::uint64_t> votes_of(std::size_t page) const {
    return std::span(votes_).subspan(page * places_.nodes.size(), places_.nodes.size());
  }

  // visit(item, index of the node of the worker who begins with it)
  template <class Visit>
  void each_item(std::int64_t items, const Visit& visit) const {
    for (int worker = 0; worker < worker_count(); ++worker) {
      const int node = places_.workers[static_cast<std::size_t>(worker)].node;
      const auto index = std::ranges::find(places_.nodes, node) - places_.nodes.begin();
      const Share share = share_of(items, worker, worker_count());
      for (std::int64_t item = share.begin; item < share.end; ++item) {
        visit(item, static_cast<std::size_t>(index));
      }
    }
  }

  void vote(const Matrix& matrix, std::int64_t item, std::int64_t groups, std::size_t node) {
    const std::int64_t group_end = std::min((item + 1) * groups, matrix.groups());
    const std::uintptr_t panels = address(matrix.panels);
    std::uintptr_t at = panels + static_cast<std::uintptr_t>(item * groups * matrix.group_bytes());
    const std::uintptr_t end =
        panels + static_cast<std::uintptr_t>(group_end * matrix.group_bytes());
    while (at < end) {
      const std::uintptr_t page = at / kHugePageBytes;
      const std::uintptr_t next = std::min(end, (page + 1) * kHugePageBytes);
      votes_[(page - first_page_) * places_.nodes.size() + node] += next - at;
      at = next;
    }
  }

  const cache::WorkerPlaces& places_;
  const std::span<std::byte> memory_;
  const std::uintptr_t first_page_;   // number of the huge page that memory_ begins in
  std::vector<std::uint64_t> votes_;  // [huge pages, nodes] bytes
};

}  // namespace

std::vector<PlacedBytes> plan_weights(const Plan& plan, const cache::WorkerPlaces& places,
                                      std::span<std::byte> memory) {
  Ballot ballot(places, memory);
  for (const Op& op : plan.ops) {
    if (const auto* linear = std::get_if<LinearOp>(&op)) ballot.add(*linear);
    if (const auto* head = std::get_if<HeadOp>(&op)) ballot.add(*head);
  }
  return ballot.count();
}

WeightPlacement place_weights(const Plan& plan, const cache::WorkerPlaces& places,
                              const cache::MemoryBinder* binder, std::span<std::byte> memory) {
  WeightPlacement placement;
  if (binder == nullptr || !places.on_several_nodes()) return placement;
  placement.status = binder->interleave(memory, places.nodes);
  if (!placement.status) return placement;
  std::vector<std::uint64_t> bytes(places.nodes.size());
  for (const PlacedBytes& part : plan_weights(plan, places, memory)) {
    placement.status = binder->bind(part.memory, part.node);
    if (!placement.status) return placement;
    bytes[static_cast<std::size_t>(std::ranges::find(places.nodes, part.node) -
                                   places.nodes.begin())] += part.memory.size();
  }
  placement.bytes_on_node = std::move(bytes);
  return placement;
}

}  // namespace hearth
