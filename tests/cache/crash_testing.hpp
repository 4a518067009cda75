// What tests of crashes share: a child process that runs a script of operations and dies at the
// N-th crash point, and what its parent has to find then.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <set>
#include <vector>

#include "cache/crash_point.hpp"
#include "cache/segment.hpp"

namespace hearth::cache {

// Keys of a segment's committed objects.
inline std::set<Digest> committed(const Segment& segment) {
  std::set<Digest> keys;
  for (SlotId slot = 0; slot < segment.backed_slots(); ++slot) {
    const Record& record = segment.record(slot);
    if (record.state == static_cast<std::uint32_t>(SlotState::committed)) keys.insert(record.key);
  }
  return keys;
}

class CrashTest : public testing::Test {
 protected:
  // What the parent and its children share.
  struct Shared {
    long passed;    // crash points so far
    long die_at;    // 0: never
    int operation;  // that is under way
  };

  void SetUp() override {
    shared = static_cast<Shared*>(
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(shared, MAP_FAILED);
  }
  void TearDown() override {
    crash_hook = nullptr;
    munmap(shared, sizeof(Shared));
  }

  // Run body in a process that dies at a crash point; true if it came to its end before.
  static bool survives(long die_at, const std::function<void()>& body) {
    *shared = {.passed = 0, .die_at = die_at, .operation = 0};
    const pid_t child = fork();
    if (child == 0) {
      crash_hook = count_or_die;
      body();
      _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
      EXPECT_EQ(WTERMSIG(status), SIGKILL);
      return false;
    }
    EXPECT_EQ(WEXITSTATUS(status), 0);
    return true;
  }

  template <class World>
  static void run_script(World world, const std::vector<std::function<void(World&)>>& script) {
    for (std::size_t i = 0; i < script.size(); ++i) {
      shared->operation = static_cast<int>(i);
      script[i](world);
    }
  }

  // sets: what is committed before each operation of the script, and at its end.  What is found
  // lies between those before and after the operation that died.
  static void expect_between(const std::set<Digest>& found,
                             const std::vector<std::set<Digest>>& sets) {
    const auto operation = static_cast<std::size_t>(shared->operation);
    const std::set<Digest>& before = sets[operation];
    const std::set<Digest>& after = sets[operation + 1];
    for (const Digest& key : before) {
      EXPECT_TRUE(!after.contains(key) || found.contains(key)) << "lost in " << operation;
    }
    for (const Digest& key : found) {
      EXPECT_TRUE(before.contains(key) || after.contains(key)) << "too much in " << operation;
    }
  }

  static inline Shared* shared = nullptr;

 private:
  static void count_or_die() {
    if (++shared->passed == shared->die_at) kill(getpid(), SIGKILL);
  }
};

}  // namespace hearth::cache
