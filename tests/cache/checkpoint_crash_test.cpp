// Goal: wherever the daemon dies, the checkpoints that were committed are there again, whole, and
// nothing else is.
// Method: as crash_test.cpp: a script of everything that is done with checkpoints runs in a child
// process, which dies at the N-th crash point, for all N: after every store of metadata, and at the
// begin, in the middle and at the end of payloads.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <map>
#include <set>

#include "cache/checkpoint_upkeep.hpp"
#include "tests/cache/checkpoint_testing.hpp"

namespace hearth::cache {
namespace {

constexpr std::uint32_t kPages = 24, kCheckpoints = 5;
constexpr NamespaceId kAlice = 1000, kBob = 1001;

// What the parent and its children share.
struct Shared {
  long passed;    // crash points so far
  long die_at;    // 0: never
  int operation;  // that is under way
};
Shared* shared = nullptr;

void count_or_die() {
  if (++shared->passed == shared->die_at) kill(getpid(), SIGKILL);
}

struct World {
  HybridCache* cache;
  std::map<char, std::unique_ptr<HybridRequest>> requests;

  HybridRequest& begin(char name, NamespaceId id, Tokens tokens) {
    auto& request = requests[name];
    request = std::make_unique<HybridRequest>(cache, id, std::move(tokens));
    return *request;
  }
  void restart() {
    requests.clear();
    cache->reopen(kPages, kCheckpoints);
  }
};

using Operation = std::function<void(World&)>;
const std::vector<Operation>& script() {
  static const Tokens fork = joined(ids(1, 20), ids(500, 20));
  static const std::vector<Operation> operations = {
      [](World& w) { w.begin('a', kAlice, ids(1, 40)).compute(11); },
      [](World& w) { w.requests['a']->take(); },
      [](World& w) { w.requests['a']->compute(24); },
      [](World& w) { w.requests['a']->take(); },
      [](World& w) { w.requests['a']->compute(); },
      [](World& w) { w.requests['a']->take(); },
      [](World& w) { w.begin('b', kAlice, fork).restore(); },
      [](World& w) { w.requests['b']->compute(20); },
      [](World& w) { w.requests['b']->take(); },
      [](World& w) { w.requests['b']->compute(); },
      [](World& w) { w.requests['b']->take(2); },  // and thins
      [](World& w) { w.requests['a']->finish(); },
      [](World& w) { w.restart(); },
      [](World& w) { w.begin('c', kBob, ids(70, 30)).compute(9); },
      [](World& w) { w.requests['c']->take(); },  // in memory that was alice's
      [](World& w) { w.requests['c']->compute(); },
      [](World& w) { w.requests['c']->take(); },
      [](World& w) { w.begin('a', kAlice, ids(1, 40)).restore(); },
      [](World& w) { w.requests['a']->compute(); },
      [](World& w) { w.requests.clear(); },
      [](World& w) {
        const auto slot = w.cache->store().begin(kBob);
        crash_point();
        w.cache->store().release(*slot);  // abandoned
      },
      [](World& w) { CheckpointUpkeep(&w.cache->store()).evict({.id = kBob}, false); },
      [](World& w) { w.restart(); },
      [](World& w) { w.begin('d', kBob, ids(300, 60)).compute(33); },
      [](World& w) { w.requests['d']->take(); },
  };
  return operations;
}

std::set<Digest> committed(HybridCache& cache) {
  std::set<Digest> keys;
  const Segment& segment = cache.segment();
  for (SlotId slot = 0; slot < segment.backed_slots(); ++slot) {
    const Record& record = segment.record(slot);
    if (record.state == static_cast<std::uint32_t>(SlotState::committed)) keys.insert(record.key);
  }
  return keys;
}

// Every checkpoint whose text is there holds what its tokens say.  Returns how many those are.
int check_payloads(HybridCache& cache) {
  const Segment& segment = cache.segment();
  PageCache& pages = *cache.pages();
  int checked = 0;
  for (SlotId slot = 0; slot < segment.backed_slots(); ++slot) {
    if (segment.record(slot).state != static_cast<std::uint32_t>(SlotState::committed)) continue;
    EXPECT_TRUE(segment.payload_intact(slot));
    const std::uint32_t first = segment.header(slot).first_token;
    Tokens tokens(segment.tokens(slot).begin(), segment.tokens(slot).end());
    const Digest& parent_key = segment.header(slot).parent_key;
    for (SlotId page = pages.look_up_key(parent_key); page != kNoSlot; page = pages.parent(page)) {
      tokens.insert(tokens.begin(), pages.tokens(page).begin(), pages.tokens(page).end());
    }
    if (tokens.size() != cache.store().position(slot)) continue;  // its pages are gone
    ++checked;
    State state = state_after(std::span(tokens).first(first));
    for (std::uint32_t at = first; at < tokens.size(); ++at) {
      advance_state(state, tokens[at]);
      for (std::uint64_t i = 0; i < kTokenBytes; ++i) {
        EXPECT_EQ(cache.store().page(slot)[(at - first) * kTokenBytes + i], kv_byte(state, i));
      }
    }
    EXPECT_EQ(std::memcmp(cache.store().state(slot).data(), state.data(), sizeof(state)), 0);
  }
  return checked;
}

class CheckpointCrash : public testing::Test {
 protected:
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
  static void run_script(HybridCache& cache) {
    World world = {&cache, {}};
    for (std::size_t i = 0; i < script().size(); ++i) {
      shared->operation = static_cast<int>(i);
      script()[i](world);
    }
  }

  // What is committed before each operation, and at the end.
  static std::vector<std::set<Digest>> expected() {
    HybridCache cache(kPages, kCheckpoints);
    World world = {&cache, {}};
    std::vector<std::set<Digest>> sets = {{}};
    for (const Operation& operation : script()) {
      operation(world);
      sets.push_back(committed(cache));
      cache.check();
      check_payloads(cache);
    }
    return sets;
  }
  static void expect_kept(HybridCache& cache, const std::vector<std::set<Digest>>& sets) {
    cache.reopen(kPages, kCheckpoints);
    cache.check();
    checked_ += check_payloads(cache);
    const auto operation = static_cast<std::size_t>(shared->operation);
    const std::set<Digest>&before = sets[operation], &after = sets[operation + 1];
    const std::set<Digest> found = committed(cache);
    for (const Digest& key : before) {
      EXPECT_TRUE(!after.contains(key) || found.contains(key)) << "lost in " << operation;
    }
    for (const Digest& key : found) {
      EXPECT_TRUE(before.contains(key) || after.contains(key)) << "too much in " << operation;
    }
    for (const Recovery& one : {cache.store().recovery(), cache.pages()->recovery()}) {
      EXPECT_EQ(one.damaged, 0u);
      EXPECT_EQ(one.orphaned, 0u);
    }
  }
  static inline int checked_ = 0;  // checkpoints whose every byte was looked at
};

TEST_F(CheckpointCrash, after_any_store_every_checkpoint_is_kept_and_whole) {
  const auto sets = expected();
  checked_ = 0;
  long die_at = 1;
  for (bool end = false; !end; ++die_at) {
    SCOPED_TRACE(testing::Message() << "died at " << die_at);
    HybridCache cache(kPages, kCheckpoints);
    end = survives(die_at, [&] { run_script(cache); });
    expect_kept(cache, sets);
    if (HasFailure()) return;
  }
  RecordProperty("crash_points", std::to_string(die_at - 2));
  EXPECT_GT(die_at, 1000);
  EXPECT_GT(checked_, 2000);
}

// A daemon that dies while it takes over from one that died leaves no less.
TEST_F(CheckpointCrash, while_attaching_loses_nothing_either) {
  const auto sets = expected();
  HybridCache whole(kPages, kCheckpoints);
  ASSERT_TRUE(survives(0, [&] { run_script(whole); }));
  const long total = shared->passed;
  for (long die_at = 1; die_at < total; die_at += 211) {
    for (long again = 1;; ++again) {
      SCOPED_TRACE(testing::Message() << "died at " << die_at << ", then at " << again);
      HybridCache cache(kPages, kCheckpoints);
      survives(die_at, [&] { run_script(cache); });
      const int operation = shared->operation;
      const bool end = survives(again, [&] { cache.reopen(kPages, kCheckpoints); });
      shared->operation = operation;
      expect_kept(cache, sets);
      if (HasFailure()) return;
      if (end) break;
    }
  }
}

}  // namespace
}  // namespace hearth::cache
