// Goal: the decode path allocates nothing.
// Method: a counting operator new in a program of its own.  It counts in every thread but the
// test's, between two moments of one long generation: what the engine and its workers allocate.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <thread>

#include "tests/engine/engine_harness.hpp"

namespace {
std::atomic<bool> counting = false;
std::atomic<int> allocations = 0;
thread_local bool is_test_thread = false;

void* allocate(std::size_t size, std::size_t alignment) {
  if (counting && !is_test_thread) ++allocations;
  const std::size_t whole = (size + alignment - 1) / alignment * alignment;
  if (void* memory = std::aligned_alloc(alignment, std::max(whole, alignment))) return memory;
  std::abort();
}
}  // namespace

// Not inline, or gcc sees free() of what new gave and warns.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return allocate(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace hearth {
namespace {

class Allocation : public testing::TestWithParam<const char*> {};

TEST_P(Allocation, decoding_allocates_nothing) {
  is_test_thread = true;
  EngineHarness engine(std::string(HEARTH_TEST_DATA "/models/") + GetParam() + ".gguf",
                       {.context = 1024});
  SubmitCommand command = EngineHarness::greedy(600);
  command.temperature = 0.8F;  // through the whole sampler
  command.top_k = 20;
  command.top_p = 0.9F;
  command.repeat_penalty = 1.1F;
  command.seed = 1;
  std::vector<RequestId> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(engine.submit(command, {1, 2, 3}));
  const auto tokens_of_first = [&] { return engine.outcome(ids[0]).tokens.size(); };
  while (tokens_of_first() < 100) engine.take_notices();
  allocations = 0;
  counting = true;
  while (tokens_of_first() < 500) engine.take_notices();
  counting = false;
  EXPECT_EQ(allocations, 0) << "over about 400 steps of four sequences, 12 new pages each";
  for (const RequestId id : ids) EXPECT_TRUE(engine.wait(id).done);
}

INSTANTIATE_TEST_SUITE_P(models, Allocation, testing::Values("qwen3", "qwen3moe"));

TEST(allocation, the_counter_counts) {
  allocations = 0;
  counting = true;
  std::thread([] { ::operator delete(::operator new(40)); }).join();
  counting = false;
  EXPECT_GE(allocations, 1);
}

}  // namespace
}  // namespace hearth
