// See state_pool.hpp.
#include "engine/state_pool.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

namespace hearth {

StatePool::~StatePool() {
  for (float* state : idle_) munmap(state, bytes());
}

Result<StatePool::State> StatePool::take() {
  if (!idle_.empty()) {
    float* state = idle_.back();
    idle_.pop_back();
    return State(state, {this});
  }
  void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return Error{Code::OUT_OF_MEMORY,
                 fmt::format("no memory for the {} bytes of a sequence's state", bytes())};
  }
  // A step reads and writes all of it: huge pages are about a third faster (reference/kernels.md,
  // section 2.1); without them it works.
  madvise(memory, bytes(), MADV_HUGEPAGE);
  madvise(memory, bytes(), MADV_DONTDUMP);
  return State(static_cast<float*>(memory), {this});
}

void StatePool::give_back(float* state) {
  if (idle_.size() < kIdleMax) {
    idle_.push_back(state);
  } else {
    munmap(state, bytes());
  }
}

}  // namespace hearth
