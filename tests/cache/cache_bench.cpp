// How long the cache takes, run by hand: build/release/tests/cache_bench
//
//   match_and_pin      find a cached prompt of 32768 tokens, take references to its 1024 pages, and
//                      give them back; the second time where another text is published
//   commit             publish one page of 3.5 MiB, its checksum included
//   find_checkpoint    look for a checkpoint along a cached prompt of 32768 tokens that has only
//   one
//                      at its begin
//   take_checkpoint    a state of so many MiB with a page of 3.5 MiB is copied and committed, in
//                      memory that the store has
//   restore_checkpoint the same is found and copied back
//   attach             take over 8 GiB of pages (where /dev/shm has room), as a daemon that starts
#include <benchmark/benchmark.h>
#include <sys/statvfs.h>

#include <cstring>

#include "cache/checkpoint_store.hpp"
#include "cache/sequence_pages.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth::cache {
namespace {

constexpr std::uint32_t kPageTokens = 32;
constexpr std::uint64_t kModelPage = 3670016;  // 28 layers, 8 heads of 128, f16
constexpr NamespaceId kUser = 1000;

class Store {
 public:
  Store() {
    auto store = SegmentStore::open(root_.path() + "/state", root_.path());
    if (!store) throw std::runtime_error(store.error().message);
    store_ = std::make_unique<SegmentStore>(*std::move(store));
  }
  std::unique_ptr<CheckpointStore> open_checkpoints(PageCache* pages, std::uint64_t state_bytes) {
    const SegmentGeometry geometry = *CheckpointStore::geometry_of(pages->geometry(), state_bytes);
    const std::uint64_t capacity = (2u << 20) + 3 * (geometry.payload_bytes + 8192);
    auto segment = Segment::open(*store_, "state", geometry, capacity, BudgetShare(&budget_));
    if (!segment) throw std::runtime_error(segment.error().message);
    return std::make_unique<CheckpointStore>(*std::move(segment), pages);
  }
  std::unique_ptr<PageCache> open(std::uint64_t payload_bytes, std::uint64_t capacity) {
    auto segment = Segment::open(*store_, "bench", {{1}, 1, kPageTokens, payload_bytes}, capacity,
                                 BudgetShare(&budget_));
    if (!segment) throw std::runtime_error(segment.error().message);
    return std::make_unique<PageCache>(*std::move(segment), Digest{7});
  }

 private:
  TemporaryDirectory root_{"/dev/shm"};
  MemoryBudget budget_{UINT64_MAX >> 1};
  std::unique_ptr<SegmentStore> store_;
};

std::vector<std::int32_t> prompt(std::uint32_t count) {
  std::vector<std::int32_t> tokens(count);
  for (std::uint32_t i = 0; i < count; ++i)
    tokens[i] = static_cast<std::int32_t>(i * 7919 % 151936);
  return tokens;
}

// Compute nothing, and commit.
void keep(PageCache& cache, const std::vector<std::int32_t>& tokens, NamespaceId id = kUser) {
  const auto count = static_cast<std::uint32_t>(tokens.size());
  SequencePages pages(&cache, id, count);
  for (std::uint32_t end = kPageTokens; end <= count; end += kPageTokens) {
    if (const auto room = pages.reserve(end); !room || !*room) throw std::runtime_error("no room");
    pages.advance(tokens, end);
  }
}

void match_and_pin(benchmark::State& state) {
  Store store;
  const auto cache = store.open(4096, 64u << 20);
  const auto tokens = prompt(32768);
  keep(*cache, tokens);
  if (state.range(0) != 0)
    keep(*cache, std::vector<std::int32_t>(kPageTokens, 5), kPublishedNamespace);
  for (auto _ : state) {
    SequencePages pages(cache.get(), kUser, 32768);
    if (pages.adopt_pages(tokens, 32768) != 32768) state.SkipWithError("not found");
  }
}
BENCHMARK(match_and_pin)->ArgName("published")->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

void commit(benchmark::State& state) {
  Store store;
  const auto cache = store.open(kModelPage, 64u << 20);
  std::int32_t first = 0;
  for (auto _ : state) {
    std::vector<std::int32_t> tokens = prompt(kPageTokens);
    tokens.front() = ++first;
    keep(*cache, tokens);
  }
}
BENCHMARK(commit)->Unit(benchmark::kMicrosecond);

// Copies a state and the page of a sequence into a new checkpoint.
void take(CheckpointStore& store, const SequencePages& pages,
          const std::vector<std::int32_t>& tokens, const std::vector<std::byte>& state) {
  const auto slot = store.begin(kUser);
  if (!slot || *slot == kNoSlot) throw std::runtime_error("no room");
  std::memcpy(store.state(*slot).data(), state.data(), state.size());
  std::memcpy(store.page(*slot).data(), pages.payloads()[(pages.end() - 1) / kPageTokens],
              store.page(*slot).size());
  store.release(store.commit(*slot, pages.checkpoint_identity(tokens), 8));
}

void find_checkpoint(benchmark::State& state) {
  Store store;
  const auto cache = store.open(4096, 64u << 20);
  const auto checkpoints = store.open_checkpoints(cache.get(), 4096);
  const auto tokens = prompt(32768);
  {
    SequencePages begin(cache.get(), kUser, 32768);
    if (const auto room = begin.reserve(9); !room || !*room) throw std::runtime_error("no room");
    begin.advance(tokens, 9);
    take(*checkpoints, begin, tokens, std::vector<std::byte>(4096));
  }
  keep(*cache, tokens);
  SequencePages pages(cache.get(), kUser, 32768);
  pages.adopt_pages(tokens, 32768);
  for (auto _ : state) {
    const SlotId slot = checkpoints->find({kUser, pages.keys(), tokens, 32767});
    if (slot == kNoSlot) return state.SkipWithError("not found");
    checkpoints->release(slot);
  }
}
BENCHMARK(find_checkpoint)->Unit(benchmark::kMicrosecond);

void take_checkpoint(benchmark::State& state) {
  Store store;
  const auto cache = store.open(kModelPage, 64u << 20);
  const std::vector<std::byte> from(static_cast<std::size_t>(state.range(0)) << 20, std::byte{7});
  const auto checkpoints = store.open_checkpoints(cache.get(), from.size());
  std::int32_t first = 0;
  for (auto _ : state) {
    std::vector<std::int32_t> tokens = prompt(kPageTokens);
    tokens.front() = ++first;
    SequencePages pages(cache.get(), kUser, kPageTokens);
    if (const auto room = pages.reserve(9); !room || !*room) throw std::runtime_error("no room");
    pages.advance(tokens, 9);
    take(*checkpoints, pages, tokens, from);
  }
}
BENCHMARK(take_checkpoint)->Unit(benchmark::kMicrosecond)->Arg(1)->Arg(16)->Arg(64);

void restore_checkpoint(benchmark::State& state) {
  Store store;
  const auto cache = store.open(kModelPage, 64u << 20);
  std::vector<std::byte> live(static_cast<std::size_t>(state.range(0)) << 20, std::byte{7});
  auto checkpoints = store.open_checkpoints(cache.get(), live.size());
  const auto tokens = prompt(kPageTokens);
  SequencePages pages(cache.get(), kUser, kPageTokens);
  if (const auto room = pages.reserve(9); !room || !*room) throw std::runtime_error("no room");
  pages.advance(tokens, 9);
  take(*checkpoints, pages, tokens, live);
  const bool checked_each_time = state.range(1) != 0;
  for (auto _ : state) {
    if (checked_each_time) {
      state.PauseTiming();
      checkpoints.reset();
      checkpoints = store.open_checkpoints(cache.get(), live.size());
      state.ResumeTiming();
    }
    const SlotId slot = checkpoints->find({kUser, {}, tokens, 31});
    if (slot == kNoSlot) return state.SkipWithError("not found");
    SequencePages again(cache.get(), kUser, kPageTokens);
    const auto filled = again.adopt_payload(tokens, 9, checkpoints->page(slot));
    if (!filled || !*filled) return state.SkipWithError("no room");
    std::memcpy(live.data(), checkpoints->state(slot).data(), live.size());
    checkpoints->release(slot);
  }
}
BENCHMARK(restore_checkpoint)
    ->Unit(benchmark::kMicrosecond)
    ->ArgNames({"MiB", "checked"})
    ->Args({1, 0})
    ->Args({64, 0})
    ->Args({64, 1});

void attach(benchmark::State& state) {
  constexpr std::uint64_t kBytes = std::uint64_t{8} << 30;
  struct statvfs room = {};
  if (statvfs("/dev/shm", &room) != 0 || room.f_bavail * room.f_frsize < kBytes * 5 / 4) {
    return state.SkipWithError("no room in /dev/shm");
  }
  Store store;
  auto cache = store.open(kModelPage, kBytes * 9 / 8);
  const auto count = static_cast<std::uint32_t>(kBytes / kModelPage);
  keep(*cache, prompt(count * kPageTokens));
  for (auto _ : state) {
    state.PauseTiming();
    cache.reset();
    state.ResumeTiming();
    cache = store.open(kModelPage, kBytes * 9 / 8);
    if (cache->recovery().kept != count) state.SkipWithError("lost pages");
  }
}
BENCHMARK(attach)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace hearth::cache

BENCHMARK_MAIN();
