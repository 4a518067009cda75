// Somebody who writes down where memory was to lie, so that tests need no machine of many nodes.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "cache/memory_binder.hpp"

namespace hearth {

class FakeBinder final : public cache::MemoryBinder {
 public:
  struct Call {
    std::span<std::byte> memory;
    std::vector<int> nodes;  // one: bound; several: dealt out in turn
    bool interleaved;
    bool was_there;  // a page of it, when this was said
  };
  mutable std::vector<Call> calls;
  int refuse_from = -1;  // this call, and those after it; -1: none

  Status bind(std::span<std::byte> memory, int node) const override {
    return note({memory, {node}, false, is_there(memory)});
  }
  Status interleave(std::span<std::byte> memory, std::span<const int> nodes) const override {
    return note({memory, {nodes.begin(), nodes.end()}, true, is_there(memory)});
  }

 private:
  Status note(Call call) const {
    calls.push_back(std::move(call));
    const bool refused = refuse_from >= 0 && std::ssize(calls) > refuse_from;
    return refused ? Status(Error{Code::IO, "not on this machine"}) : Status();
  }

  static bool is_there(std::span<std::byte> memory) {
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<std::uintptr_t>(memory.data()) / page * page;
    const auto end = reinterpret_cast<std::uintptr_t>(memory.data()) + memory.size();
    std::vector<unsigned char> there((end - begin + page - 1) / page);
    if (mincore(reinterpret_cast<void*>(begin), end - begin, there.data()) != 0) return true;
    return std::ranges::any_of(there, [](unsigned char is) { return (is & 1) != 0; });
  }
};

}  // namespace hearth
