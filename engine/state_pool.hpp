// Live states of recurrent layers: one for each sequence that runs.
//
// THREAD: the engine takes and gives back; workers write to what was taken.  A sequence that ends
// leaves its memory for the next one: some stay idle, the others go back to the system.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "common/result.hpp"

namespace hearth {

class StatePool {
 public:
  // floats of a state; 0: the model has none.
  explicit StatePool(std::int64_t floats) : floats_(floats) {}

  bool empty() const { return floats_ == 0; }
  std::int64_t floats() const { return floats_; }
  std::size_t bytes() const { return static_cast<std::size_t>(floats_) * sizeof(float); }

  // The memory of one state, of any contents, 64-byte aligned.  It goes back to the pool, which
  // outlives it.
  struct Return {
    StatePool* pool;
    void operator()(float* state) const { pool->give_back(state); }
  };
  using State = std::unique_ptr<float, Return>;
  // Errors: OUT_OF_MEMORY.
  Result<State> take();

  ~StatePool();
  StatePool(const StatePool&) = delete;
  StatePool& operator=(const StatePool&) = delete;

 private:
  static constexpr std::size_t kIdleMax = 4;
  void give_back(float* state);

  const std::int64_t floats_;
  std::vector<float*> idle_;
};

}  // namespace hearth
