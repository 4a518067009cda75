// Goal: nobody ever gets memory with another's bytes in it.
// Method: two namespaces in a segment that is too small for either write canaries of their own into
// every byte of every page they fill.  Each page that is taken is searched for the other's before a
// byte of it is written, over thousands of random operations and over attaches between them, with
// pages committed, half filled and in use when the daemon "dies".
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000;
constexpr NamespaceId kBob = 1001;
constexpr std::uint32_t kPages = 12;

// The two have no byte in common, nor with memory that was zeroed.
constexpr std::array<std::byte, 2> canary_of(NamespaceId id) {
  return id == kAlice ? std::array{std::byte{0xA5}, std::byte{0xA7}}
                      : std::array{std::byte{0x5A}, std::byte{0x5C}};
}

class CanaryCache {
 public:
  explicit CanaryCache(unsigned seed) : random_(seed), cache_(kPages) {}

  void step() {
    switch (below(8)) {
      case 0:
      case 1:
      case 2:
      case 3: take(); break;
      case 4:
      case 5: let_go(/*commit=*/true); break;
      case 6: let_go(/*commit=*/false); break;
      default: find(); break;
    }
  }

  // As a daemon that starts after one that was killed, with room for more or fewer pages.
  void restart() {
    held_.clear();
    cache_.reopen(kPages - 2 + below(5));
    cache_->check();
    kept += cache_->recovery().kept;
    unfinished += cache_->recovery().unfinished;
  }

  SmallCache& cache() { return cache_; }
  int searched = 0, with_own = 0, found = 0;
  std::uint64_t kept = 0, unfinished = 0;

 private:
  struct Held {
    NamespaceId id;
    SlotId slot;
    int number;  // of its text; -1: it is committed
  };
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  NamespaceId anybody() { return below(2) == 0 ? kAlice : kBob; }
  std::span<std::byte> bytes(SlotId slot) {
    return {cache_->payload(slot), cache_->payload_bytes()};
  }

  void take() {
    const NamespaceId id = anybody();
    const auto slot = cache_->take(id);
    ASSERT_TRUE(slot);
    if (*slot == kNoSlot) return let_go(/*commit=*/true);
    ++searched;
    const auto others = canary_of(id == kAlice ? kBob : kAlice);
    const auto payload = bytes(*slot);
    for (const std::byte byte : payload) {
      ASSERT_FALSE(std::ranges::count(others, byte)) << "a byte of the other's in slot " << *slot;
    }
    with_own += std::ranges::count(payload, canary_of(id)[0]) > 0;
    // Some are left half written, as by a daemon that died meanwhile.
    const std::size_t written = below(3) == 0 ? below(256) : payload.size();
    for (std::size_t i = 0; i < written; ++i) payload[i] = canary_of(id)[i % 2];
    held_.push_back({id, *slot, static_cast<int>(below(12))});
  }

  void let_go(bool commit) {
    if (held_.empty()) return;
    const std::uint32_t which = below(static_cast<std::uint32_t>(held_.size()));
    Held one = held_[which];
    held_.erase(held_.begin() + which);
    if (commit && one.number >= 0) {
      const Digest root = cache_->root_key(one.id);
      const auto tokens = ids(100 * one.number, 1 + one.number % 8);
      one.slot = cache_->commit(one.slot, kNoSlot,
                                {.namespace_id = one.id,
                                 .key = cache_->page_key(one.id, root, tokens),
                                 .parent_key = root,
                                 .first_token = 0,
                                 .tokens = tokens});
    }
    cache_->release(one.slot);
  }

  void find() {
    const NamespaceId id = anybody();
    const int number = static_cast<int>(below(12));
    const auto tokens = ids(100 * number, 1 + number % 8);
    const Digest key = cache_->page_key(id, cache_->root_key(id), tokens);
    const SlotId slot = cache_->find(id, kNoSlot, key, tokens);
    if (slot == kNoSlot) return;
    ++found;
    for (const std::byte byte : bytes(slot)) {
      ASSERT_FALSE(std::ranges::count(canary_of(id == kAlice ? kBob : kAlice), byte));
    }
    if (below(2) == 0) return cache_->release(slot);
    held_.push_back({id, slot, -1});
  }

  std::mt19937 random_;
  SmallCache cache_;
  std::vector<Held> held_;
};

TEST(isolation, no_page_has_a_byte_of_another_owner) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    CanaryCache canary(seed);
    std::uint64_t evictions = 0;
    for (int life = 0; life < 40; ++life) {
      for (int i = 0; i < 150; ++i) ASSERT_NO_FATAL_FAILURE(canary.step());
      canary.cache()->check();
      evictions += canary.cache()->stats().evictions;
      canary.restart();
    }
    EXPECT_GT(canary.searched, 2000);
    EXPECT_GT(canary.with_own, 200) << "pages must have gone round";
    EXPECT_GT(canary.found, 50);
    EXPECT_GT(evictions, 300u);
    EXPECT_GT(canary.kept, 50u);
    EXPECT_GT(canary.unfinished, 20u);
  }
}

}  // namespace
}  // namespace hearth::cache
