// Goal: a segment is warm for whoever fits it, cold with its reason for everybody else, and no
// damage to its bytes becomes a wrong hit.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <optional>

#include "cache/sequence_pages.hpp"
#include "tests/cache/segment_damage.hpp"
#include "tests/cache/testing.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000, kBob = 1001;
constexpr std::uint32_t kPages = 12;

std::byte payload_byte(std::int32_t first_token, std::uint64_t i) {
  return static_cast<std::byte>(static_cast<std::uint64_t>(first_token) * 37 + i);
}

// Compute and keep what a request for these tokens does.
void keep(SmallCache& cache, NamespaceId id, const std::vector<std::int32_t>& tokens) {
  SequencePages pages(cache.get(), id, 64);
  const auto end = static_cast<std::uint32_t>(tokens.size());
  ASSERT_TRUE(*pages.reserve(end));
  for (std::uint32_t first = 0; first < end; first += SmallCache::kPageTokens) {
    std::byte* payload = pages.payloads()[first / SmallCache::kPageTokens];
    for (std::uint64_t i = 0; i < SmallCache::kPayloadBytes; ++i) {
      payload[i] = payload_byte(tokens[first], i);
    }
  }
  pages.advance(tokens, end);
  pages.release(tokens, /*keep=*/true);
}

// How many of these tokens the cache has; every byte of them must be right.
std::uint32_t warm_tokens(SmallCache& cache, NamespaceId id,
                          const std::vector<std::int32_t>& tokens, bool forged = false) {
  SequencePages pages(cache.get(), id, 64);
  const auto end = static_cast<std::uint32_t>(tokens.size());
  pages.adopt_pages(tokens, end);
  EXPECT_TRUE(pages.adopt_tail(tokens, end, nullptr, 0));
  for (std::uint32_t first = 0; first < pages.end(); first += SmallCache::kPageTokens) {
    const std::byte* payload = pages.payloads()[first / SmallCache::kPageTokens];
    for (std::uint64_t i = 0; i < SmallCache::kPayloadBytes; ++i) {
      if (payload[i] != payload_byte(tokens[first], i) && !forged) ADD_FAILURE() << "a wrong byte";
    }
  }
  return pages.end();
}

const std::vector<std::int32_t> kLong = ids(1, 30), kShort = ids(100, 5);

void fill(SmallCache& cache) {
  keep(cache, kAlice, kLong);
  keep(cache, kAlice, kShort);
  keep(cache, kBob, kLong);
}
constexpr std::uint32_t kFilledPages = 9;

TEST(segment_attach, a_new_daemon_finds_everything) {
  SmallCache cache(kPages);
  EXPECT_EQ(cache->recovery().cold, ColdReason::absent);
  fill(cache);
  cache.reopen(kPages);
  EXPECT_EQ(cache->recovery().cold, ColdReason::none);
  EXPECT_EQ(cache->recovery().kept, kFilledPages);
  EXPECT_EQ(warm_tokens(cache, kAlice, kLong), 30u);
  EXPECT_EQ(warm_tokens(cache, kAlice, kShort), 5u);
  EXPECT_EQ(warm_tokens(cache, kBob, kLong), 30u);
  EXPECT_EQ(warm_tokens(cache, kBob, kShort), 0u) << "another namespace";
  cache->check();
  EXPECT_EQ(cache->stats().damaged, 0u);
}

TEST(segment_attach, a_larger_and_a_smaller_budget_keep_what_they_hold) {
  SmallCache cache(kPages);
  fill(cache);
  cache.reopen(4 * kPages);
  EXPECT_EQ(cache->recovery().kept, kFilledPages);
  EXPECT_EQ(cache->stats().pages_total, 4 * kPages);
  cache.reopen(5);
  cache->check();
  EXPECT_EQ(cache->recovery().cold, ColdReason::none);
  EXPECT_EQ(cache->recovery().over_budget, kFilledPages - 5);
  EXPECT_EQ(cache->stats().pages_total, 5u);
  EXPECT_LE(cache.budget().used(), SmallCache::capacity(5));
  cache.reopen(kPages);
  cache->check();
  keep(cache, kBob, ids(300, 20));
  EXPECT_EQ(warm_tokens(cache, kBob, ids(300, 20)), 20u);
}

TEST(segment_attach, what_was_being_filled_is_freed_and_zeroed_before_reuse) {
  SmallCache cache(kPages);
  const auto slot = cache->take(kAlice);
  ASSERT_TRUE(slot);
  std::memset(cache->payload(*slot), 0x5a, SmallCache::kPayloadBytes);
  cache.reopen(kPages);
  EXPECT_EQ(cache->recovery().unfinished, 1u);
  EXPECT_EQ(cache->recovery().kept, 0u);
  const auto again = cache->take(kBob);
  ASSERT_TRUE(again && *again == *slot);
  for (std::uint64_t i = 0; i < SmallCache::kPayloadBytes; ++i) {
    ASSERT_EQ(cache->payload(*again)[i], std::byte{0}) << i;
  }
}

TEST(segment_attach, two_daemons_never_share_memory) {
  const TemporaryDirectory root("/dev/shm");
  const auto first = SegmentStore::open(root.path() + "/state", root.path());
  ASSERT_TRUE(first);
  // As another container has it, or after somebody removed it.
  std::filesystem::remove_all(root.path() + "/state");
  const auto second = SegmentStore::open(root.path() + "/state", root.path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::INVALID_OPERATION);
  EXPECT_FALSE(SegmentStore::purge(root.path() + "/state", root.path()));
}

TEST(segment_attach, another_secret_finds_orphans_only) {
  SmallCache cache(kPages);
  fill(cache);
  cache.reopen(kPages, /*secret=*/{8});
  EXPECT_EQ(cache->recovery().orphaned, kFilledPages);
  EXPECT_EQ(cache->recovery().kept, 0u);
  EXPECT_EQ(warm_tokens(cache, kAlice, kLong), 0u);
  cache->check();
}

TEST(segment_attach, what_does_not_fit_is_cold_and_says_why) {
  SmallCache cache(kPages);
  const auto reason = [&](const SegmentGeometry& geometry) {
    fill(cache);
    MemoryBudget budget(UINT64_MAX >> 1);
    auto segment = Segment::open(cache.store(), "test", geometry, SmallCache::capacity(kPages),
                                 BudgetShare(&budget));
    EXPECT_TRUE(segment) << segment.error().message;
    const ColdReason cold = (*segment)->recovery().cold;
    segment->reset();
    EXPECT_TRUE(cache.store().remove("test"));
    cache.reopen(kPages);
    return cold;
  };
  SegmentGeometry geometry = SmallCache::geometry();
  EXPECT_EQ(reason(geometry), ColdReason::none);
  geometry.fingerprint[0] ^= 1;
  EXPECT_EQ(reason(geometry), ColdReason::fingerprint);
  geometry = SmallCache::geometry();
  geometry.kv_format = 1;
  EXPECT_EQ(reason(geometry), ColdReason::geometry);
  geometry = SmallCache::geometry();
  geometry.page_tokens = 16;
  EXPECT_EQ(reason(geometry), ColdReason::geometry);
  geometry = SmallCache::geometry();
  geometry.payload_bytes += 64;
  EXPECT_EQ(reason(geometry), ColdReason::geometry);
}

TEST(segment_attach, a_file_that_is_none_of_ours_is_cold) {
  SmallCache cache(kPages);
  const auto reopened = [&] {
    cache.reopen(kPages);
    cache->check();
    const ColdReason cold = cache->recovery().cold;
    fill(cache);
    return cold;
  };
  fill(cache);
  ASSERT_EQ(truncate(cache.path().c_str(), 5000), 0);
  EXPECT_EQ(reopened(), ColdReason::truncated);
  ASSERT_EQ(truncate(cache.path().c_str(), 100), 0);
  EXPECT_EQ(reopened(), ColdReason::damaged);
  ASSERT_EQ(unlink(cache.path().c_str()), 0);
  ASSERT_EQ(symlink("/etc/passwd", cache.path().c_str()), 0);
  EXPECT_EQ(reopened(), ColdReason::unreadable);
  ASSERT_EQ(unlink(cache.path().c_str()), 0);
  std::ofstream(cache.path()) << std::string(9000, 'x');
  ASSERT_EQ(chmod(cache.path().c_str(), 0600), 0);
  EXPECT_EQ(reopened(), ColdReason::damaged);
  EXPECT_EQ(reopened(), ColdReason::none);
}

class Damage : public testing::Test {
 protected:
  using Kind = SegmentDamage::Kind;

  Damage() : cache_(kPages) {
    fill(cache_);
    cache_.reopen(kPages);
    file_.emplace(cache_.path(), cache_.segment());
  }

  // A new daemon serves everybody; what is missing has a reason.  Payloads may be forged with their
  // sums, by who can write to the daemon's files.
  void serve(bool forged) {
    cache_.reopen(kPages);
    cache_->check();
    const std::uint32_t found = warm_tokens(cache_, kAlice, kLong, forged) +
                                warm_tokens(cache_, kAlice, kShort, forged) +
                                warm_tokens(cache_, kBob, kLong, forged);
    const Recovery& recovery = cache_->recovery();
    const std::uint64_t reasons = recovery.damaged + recovery.orphaned + recovery.unfinished +
                                  cache_->stats().damaged +
                                  (recovery.cold == ColdReason::none ? 0 : 1);
    if (found < 65) ++missed_;
    without_reason_ += found < 65 && reasons == 0;
    fill(cache_);
    cache_->check();
    EXPECT_EQ(warm_tokens(cache_, kBob, kLong, forged), 30u);
  }
  void damage(Kind kind) {
    constexpr int kTimes = 1000;
    for (const bool fix_sums : {false, true}) {
      missed_ = without_reason_ = 0;
      for (int i = 0; i < kTimes; ++i) {
        SCOPED_TRACE(i);
        file_->put_back();
        file_->flip(kind, kFilledPages, fix_sums);
        serve(fix_sums && kind == Kind::payload);
        if (HasFailure()) return;
      }
      EXPECT_EQ(without_reason_, 0);
      RecordProperty(fix_sums ? "missed_with_sums_fixed" : "missed", std::to_string(missed_));
      // Bits of no meaning are a few, bits of one superblock are in the other one, too.
      const int least = fix_sums || kind == Kind::superblock ? 0 : kTimes * 8 / 10;
      EXPECT_GE(missed_, least);
    }
  }

  SmallCache cache_;
  std::optional<SegmentDamage> file_;
  int missed_ = 0, without_reason_ = 0;
};

TEST_F(Damage, to_superblocks) {
  damage(Kind::superblock);
}
TEST_F(Damage, to_records) {
  damage(Kind::record);
}
TEST_F(Damage, to_headers) {
  damage(Kind::header);
}
TEST_F(Damage, to_payloads) {
  damage(Kind::payload);
}

}  // namespace
}  // namespace hearth::cache
