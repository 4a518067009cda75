// Goal: nobody ever gets the memory of a checkpoint with another's bytes in it.
// Method: as isolation_test.cpp does for pages: canaries of two namespaces, in a store that is too
// small for either, over random operations and attaches.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "cache/checkpoint_upkeep.hpp"
#include "tests/cache/checkpoint_testing.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000, kBob = 1001;
constexpr std::uint32_t kCheckpoints = 10;

// The two have no byte in common, nor with memory that was zeroed.
constexpr std::byte canary_of(NamespaceId id) {
  return id == kAlice ? std::byte{0xA5} : std::byte{0x5A};
}
constexpr NamespaceId other_of(NamespaceId id) {
  return id == kAlice ? kBob : kAlice;
}

class CanaryStore {
 public:
  explicit CanaryStore(unsigned seed) : random_(seed) {}

  void step() {
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
      case 3: take(); break;
      case 4:
      case 5: let_go(/*commit=*/true); break;
      case 6: let_go(/*commit=*/false); break;
      case 7:
      case 8: find(); break;
      default:
        if (below(20) == 0) CheckpointUpkeep(&cache_.store()).evict({.id = anybody()}, false);
    }
  }
  void restart() {
    held_.clear();
    cache_.reopen(8, kCheckpoints - 2 + below(5));
    cache_.check();
  }
  HybridCache& cache() { return cache_; }
  int searched = 0, with_own = 0, found = 0;

 private:
  struct Held {
    NamespaceId id;
    SlotId slot;
  };
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  NamespaceId anybody() { return below(2) == 0 ? kAlice : kBob; }
  // Of both parts, with what lies between them.
  std::span<std::byte> bytes(SlotId slot) {
    return {cache_.segment().payload(slot), cache_.segment().payload_bytes()};
  }

  void take() {
    const NamespaceId id = anybody();
    const auto slot = cache_.store().begin(id);
    ASSERT_TRUE(slot);
    if (*slot == kNoSlot) return let_go(/*commit=*/true);
    ++searched;
    ASSERT_FALSE(std::ranges::count(bytes(*slot), canary_of(other_of(id)))) << *slot;
    with_own += std::ranges::count(bytes(*slot), canary_of(id)) > 0;
    // Some are left half written, as by a daemon that died meanwhile.
    const std::size_t written = below(3) == 0 ? below(512) : bytes(*slot).size();
    std::ranges::fill(bytes(*slot).first(written), canary_of(id));
    held_.push_back({id, *slot});
  }
  Tokens text() {
    const int number = static_cast<int>(below(15));
    return ids(100 * number, 1 + number % 8);
  }
  void let_go(bool commit) {
    if (held_.empty()) return;
    const std::uint32_t which = below(static_cast<std::uint32_t>(held_.size()));
    Held one = held_[which];
    held_.erase(held_.begin() + which);
    if (commit) {
      PageCache& pages = *cache_.pages();
      const Digest root = pages.root_key(one.id);
      const Tokens tokens = text();
      one.slot = cache_.store().commit(one.slot,
                                       {.namespace_id = one.id,
                                        .key = pages.page_key(one.id, root, tokens),
                                        .parent_key = root,
                                        .first_token = 0,
                                        .tokens = tokens},
                                       8);
    }
    cache_.store().release(one.slot);
  }
  void find() {
    const NamespaceId id = anybody();
    const Tokens tokens = text();
    const SlotId slot =
        cache_.store().find({id, {}, tokens, static_cast<std::uint32_t>(tokens.size())});
    if (slot == kNoSlot) return;
    ++found;
    ASSERT_EQ(cache_.store().namespace_of(slot), id);
    ASSERT_FALSE(std::ranges::count(bytes(slot), canary_of(other_of(id))));
    cache_.store().release(slot);
  }

  std::mt19937 random_;
  HybridCache cache_{8, kCheckpoints};
  std::vector<Held> held_;
};

TEST(checkpoint_isolation, no_checkpoint_has_a_byte_of_another_owner) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    CanaryStore canary(seed);
    std::uint64_t evictions = 0;
    for (int life = 0; life < 40; ++life) {
      for (int i = 0; i < 150; ++i) ASSERT_NO_FATAL_FAILURE(canary.step());
      canary.cache().check();
      evictions += canary.cache().store().stats().evictions;
      canary.restart();
    }
    EXPECT_GT(canary.searched, 1500);
    EXPECT_GT(canary.with_own, 100) << "slots must have gone round";
    EXPECT_GT(canary.found, 50);
    EXPECT_GT(evictions, 200u);
  }
}

}  // namespace
}  // namespace hearth::cache
