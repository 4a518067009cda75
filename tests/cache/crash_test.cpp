// Goal: wherever the daemon dies, what was committed is there again, whole, and nothing else is.
//
// Method: a script of everything that a cache does runs in a child process, which dies at the N-th
// crash point: after every single store of metadata, and at the begin, middle and end of payloads.
// For all N.  What the parent then finds must lie between what was committed before the operation
// that died and what is committed after it.  Payloads are a function of all tokens up to there.
#include <map>

#include "cache/sequence_pages.hpp"
#include "tests/cache/crash_testing.hpp"
#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

constexpr std::uint32_t kPages = 7;
constexpr NamespaceId kAlice = 1000, kBob = 1001;

// Bytes that stand for keys and values: of a token, and of all before it.
std::byte payload_byte(std::span<const std::int32_t> tokens, std::uint64_t i) {
  std::uint64_t value = i * 0x9e3779b97f4a7c15u;
  for (const std::int32_t token : tokens) value = (value ^ static_cast<std::uint64_t>(token)) * 31;
  return static_cast<std::byte>(value >> 17);
}
constexpr std::uint64_t kTokenBytes = SmallCache::kPayloadBytes / SmallCache::kPageTokens;

// One sequence of a request, as the scheduler goes about it.
class Request {
 public:
  Request(PageCache* cache, NamespaceId id, std::vector<std::int32_t> tokens)
      : tokens_(std::move(tokens)), pages_(cache, id, 64) {}

  void adopt() {
    pages_.adopt_pages(tokens_, limit());
    ASSERT_TRUE(pages_.adopt_tail(tokens_, limit(), nullptr, 0));
  }
  void compute(std::uint32_t end) {
    const auto room = pages_.reserve(end);
    ASSERT_TRUE(room && *room);
    for (std::uint32_t position = pages_.end(); position < end; ++position) {
      std::byte* payload = pages_.payloads()[position / SmallCache::kPageTokens];
      std::byte* at = payload + position % SmallCache::kPageTokens * kTokenBytes;
      const auto before = std::span(tokens_).first(position + 1);
      crash_point();
      for (std::uint64_t i = 0; i < kTokenBytes; ++i) {
        if (i == kTokenBytes / 2) crash_point();
        at[i] = payload_byte(before, i);
      }
      crash_point();
    }
    pages_.advance(tokens_, end);
  }
  void finish(bool keep) { pages_.release(tokens_, keep); }

 private:
  std::uint32_t limit() const { return static_cast<std::uint32_t>(tokens_.size()) - 1; }
  const std::vector<std::int32_t> tokens_;
  SequencePages pages_;
};

// A cache and the requests that use it.
struct World {
  SmallCache* cache;
  std::map<char, std::unique_ptr<Request>> requests;

  Request& begin(char name, NamespaceId id, std::vector<std::int32_t> tokens) {
    auto& request = requests[name];
    request = std::make_unique<Request>(cache->get(), id, std::move(tokens));
    return *request;
  }
};

std::vector<std::int32_t> joined(std::vector<std::int32_t> first,
                                 const std::vector<std::int32_t>& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

using Operation = std::function<void(World&)>;
const std::vector<Operation>& script() {
  static const std::vector<Operation> operations = {
      [](World& w) { w.begin('a', kAlice, ids(1, 20)).compute(9); },
      [](World& w) { w.requests['a']->compute(20); },
      [](World& w) { w.begin('b', kAlice, joined(ids(1, 13), ids(50, 6))).adopt(); },
      [](World& w) { w.requests['a']->finish(true); },
      [](World& w) { w.requests['b']->compute(19); },
      [](World& w) { w.begin('c', kBob, ids(1, 16)).compute(7); },
      [](World& w) { w.requests['b']->finish(false); },
      [](World& w) { w.requests['c']->compute(16); },
      [](World& w) { w.begin('a', kAlice, ids(1, 24)).adopt(); },
      [](World& w) { w.requests['a']->compute(24); },
      [](World& w) { w.requests['c']->finish(true); },
      [](World& w) { w.begin('d', kBob, ids(70, 30)).compute(30); },
      [](World& w) { w.requests['d']->finish(true); },
      [](World& w) { w.requests['a']->finish(true); },
      [](World& w) {
        w.requests.clear();
        w.cache->reopen(kPages);
      },
      [](World& w) { w.begin('e', kBob, ids(70, 40)).adopt(); },
      [](World& w) { w.requests['e']->compute(40); },
      [](World& w) { w.requests['e']->finish(true); },
      [](World& w) { w.begin('p', kPublishedNamespace, ids(200, 16)).compute(16); },
      [](World& w) { w.begin('g', kAlice, joined(ids(200, 16), ids(300, 12))).adopt(); },
      [](World& w) { w.requests['g']->compute(28); },
      [](World& w) { w.requests['g']->finish(true); },
      [](World& w) {
        w.requests.clear();
        w.cache->reopen(kPages);
      },
      [](World& w) { w.begin('h', kBob, ids(400, 50)).compute(50); },
      [](World& w) { w.requests['h']->finish(true); },
  };
  return operations;
}

// Every committed page holds what its tokens, and all before them, say.
void check_payloads(SmallCache& cache) {
  const Segment& segment = cache.segment();
  std::map<Digest, std::vector<std::int32_t>> tokens_until;
  for (std::uint32_t first = 0; first < 64; first += SmallCache::kPageTokens) {
    for (SlotId slot = 0; slot < segment.backed_slots(); ++slot) {
      const Record& record = segment.record(slot);
      const bool counts = record.state == static_cast<std::uint32_t>(SlotState::committed) &&
                          segment.header(slot).first_token == first;
      if (!counts) continue;
      std::vector<std::int32_t> tokens;
      if (first > 0) {
        ASSERT_TRUE(tokens_until.contains(segment.header(slot).parent_key));
        tokens = tokens_until[segment.header(slot).parent_key];
      }
      for (const std::int32_t token : segment.tokens(slot)) {
        tokens.push_back(token);
        const std::byte* at = segment.payload(slot) + (tokens.size() - 1 - first) * kTokenBytes;
        for (std::uint64_t i = 0; i < kTokenBytes; ++i) {
          ASSERT_EQ(at[i], payload_byte(tokens, i)) << "token " << tokens.size();
        }
      }
      EXPECT_TRUE(segment.payload_intact(slot));
      tokens_until[record.key] = tokens;
    }
  }
}

class Crash : public CrashTest {
 protected:
  // What is committed before each operation, and at the end.
  static std::vector<std::set<Digest>> expected() {
    SmallCache cache(kPages);
    World world = {&cache, {}};
    std::vector<std::set<Digest>> sets = {{}};
    for (const Operation& operation : script()) {
      operation(world);
      sets.push_back(committed(cache.segment()));
      cache->check();
      check_payloads(cache);
    }
    return sets;
  }

  // What a daemon that starts after a death finds.
  void expect_kept(SmallCache& cache, const std::vector<std::set<Digest>>& sets) {
    cache.reopen(kPages);
    cache->check();
    check_payloads(cache);
    expect_between(committed(cache.segment()), sets);
    EXPECT_EQ(cache->recovery().damaged, 0u);
    EXPECT_EQ(cache->recovery().orphaned, 0u);
  }
};

TEST_F(Crash, after_any_store_every_committed_page_is_kept_and_whole) {
  const auto sets = expected();
  long die_at = 1;
  for (bool end = false; !end; ++die_at) {
    SCOPED_TRACE(testing::Message() << "died at " << die_at);
    SmallCache cache(kPages);
    end = survives(die_at, [&] { run_script<World>({&cache, {}}, script()); });
    expect_kept(cache, sets);
    if (HasFailure()) return;
  }
  RecordProperty("crash_points", std::to_string(die_at - 2));
  EXPECT_GT(die_at, 700);
}

// A daemon that dies while it takes over from one that died leaves no less.
TEST_F(Crash, while_attaching_loses_nothing_either) {
  const auto sets = expected();
  long total = 0;
  {
    SmallCache cache(kPages);
    ASSERT_TRUE(survives(0, [&] { run_script<World>({&cache, {}}, script()); }));
    total = shared->passed;
  }
  for (long die_at = 1; die_at < total; die_at += 41) {
    for (long again = 1;; ++again) {
      SCOPED_TRACE(testing::Message() << "died at " << die_at << ", then at " << again);
      SmallCache cache(kPages);
      survives(die_at, [&] { run_script<World>({&cache, {}}, script()); });
      const int operation = shared->operation;
      const bool end = survives(again, [&] { cache.reopen(kPages); });
      shared->operation = operation;
      expect_kept(cache, sets);
      if (HasFailure()) return;
      if (end) break;
    }
  }
}

// A daemon with a smaller budget gives memory back, and dies; the next one has the larger again.
TEST_F(Crash, while_giving_memory_back_leaves_nobody_the_bytes_of_others) {
  for (long die_at = 1;; ++die_at) {
    SCOPED_TRACE(testing::Message() << "died at " << die_at);
    SmallCache cache(kPages);
    ASSERT_TRUE(survives(0, [&] { run_script<World>({&cache, {}}, script()); }));
    const bool end = survives(die_at, [&] { cache.reopen(3); });
    cache.reopen(kPages);
    cache->check();
    check_payloads(cache);
    constexpr NamespaceId kCarol = 1002;
    for (std::uint32_t i = 0; i < kPages; ++i) {
      const auto slot = cache->take(kCarol);
      ASSERT_TRUE(slot && *slot != kNoSlot);
      for (std::uint64_t at = 0; at < SmallCache::kPayloadBytes; ++at) {
        ASSERT_EQ(cache->payload(*slot)[at], std::byte{0}) << "slot " << *slot;
      }
    }
    if (HasFailure() || end) return;
  }
}

TEST_F(Crash, metadata_can_be_written_through_the_door_only) {
  SmallCache cache(kPages);
  Request(cache.get(), kAlice, ids(1, 20)).compute(20);
  const Segment& segment = cache.segment();
  for (const void* at :
       {static_cast<const void*>(&segment.record(0)), static_cast<const void*>(&segment.header(0)),
        static_cast<const void*>(segment.tokens(0).data())}) {
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGSEGV, SIG_DFL);
      *static_cast<volatile char*>(const_cast<void*>(at)) = 1;
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  }
}

}  // namespace
}  // namespace hearth::cache
