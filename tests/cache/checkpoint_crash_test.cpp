// Goal: wherever the daemon dies, the checkpoints that were committed are there again, whole, and
// nothing else is.
// Method: as crash_test.cpp: a script of everything that is done with checkpoints runs in a child
// process, which dies at the N-th crash point, for all N: after every store of metadata, and at the
// begin, in the middle and at the end of payloads.
#include <map>

#include "cache/checkpoint_upkeep.hpp"
#include "tests/cache/checkpoint_testing.hpp"
#include "tests/cache/crash_testing.hpp"

namespace hearth::cache {
namespace {

constexpr std::uint32_t kPages = 24, kCheckpoints = 5;
constexpr NamespaceId kAlice = 1000, kBob = 1001;

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

class CheckpointCrash : public CrashTest {
 protected:
  // What is committed before each operation, and at the end.
  static std::vector<std::set<Digest>> expected() {
    HybridCache cache(kPages, kCheckpoints);
    World world = {&cache, {}};
    std::vector<std::set<Digest>> sets = {{}};
    for (const Operation& operation : script()) {
      operation(world);
      sets.push_back(committed(cache.segment()));
      cache.check();
      check_payloads(cache);
    }
    return sets;
  }
  static void expect_kept(HybridCache& cache, const std::vector<std::set<Digest>>& sets) {
    cache.reopen(kPages, kCheckpoints);
    cache.check();
    checked_ += check_payloads(cache);
    expect_between(committed(cache.segment()), sets);
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
    end = survives(die_at, [&] { run_script<World>({&cache, {}}, script()); });
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
  ASSERT_TRUE(survives(0, [&] { run_script<World>({&whole, {}}, script()); }));
  const long total = shared->passed;
  for (long die_at = 1; die_at < total; die_at += 211) {
    for (long again = 1;; ++again) {
      SCOPED_TRACE(testing::Message() << "died at " << die_at << ", then at " << again);
      HybridCache cache(kPages, kCheckpoints);
      survives(die_at, [&] { run_script<World>({&cache, {}}, script()); });
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
