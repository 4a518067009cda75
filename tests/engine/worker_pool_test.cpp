// Goal: workers run together, meet at barriers, and sleep when there is nothing to do.
#include "engine/worker_pool.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace hearth {
namespace {

TEST(worker_pool, every_worker_runs_once_and_sees_what_others_wrote_before_a_barrier) {
  for (const int workers : {1, 2, 3, 5}) {
    WorkerPool pool(workers, nullptr);
    std::vector<int> values(static_cast<std::size_t>(workers), 0);
    for (int round = 1; round <= 2000; ++round) {
      std::vector<int> sums(static_cast<std::size_t>(workers), 0);
      const WorkerPool::Work work = [&](int worker) {
        const auto mine = static_cast<std::size_t>(worker);
        values[mine] = round;
        pool.barrier();
        for (const int value : values) sums[mine] += value;
        pool.barrier();
        values[mine] = 0;
      };
      pool.run(work);
      for (const int sum : sums) ASSERT_EQ(sum, round * workers);
    }
  }
}

TEST(worker_pool, two_callers_take_turns) {
  WorkerPool pool(2, nullptr);
  int inside = 0;  // guarded by the pool's own turns
  bool overlapped = false;
  const auto call = [&] {
    for (int i = 0; i < 500; ++i) {
      pool.run([&](int worker) {
        if (worker != 0) return;
        overlapped |= ++inside > 1;
        std::this_thread::yield();
        --inside;
      });
    }
  };
  std::thread other(call);
  call();
  other.join();
  EXPECT_FALSE(overlapped);
}

TEST(worker_pool, a_pool_at_rest_sleeps_and_wakes_again) {
  WorkerPool pool(2, nullptr);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // longer than workers spin
    std::atomic<int> ran = 0;
    pool.run([&](int) { ++ran; });
    EXPECT_EQ(ran, 2);
  }
}

}  // namespace
}  // namespace hearth
