// Goal: no damage to the bytes of checkpoints, or of the pages below them, becomes a wrong state.
// Method: bits of every kind of place are changed, with and without their checksums set right, by
// the thousand; a new daemon then serves every text, and every byte of what it restores is compared
// with what computing it gives.  What is missing has a reason that is counted.
#include <gtest/gtest.h>

#include <optional>

#include "tests/cache/checkpoint_testing.hpp"
#include "tests/cache/segment_damage.hpp"

namespace hearth::cache {
namespace {

constexpr NamespaceId kAlice = 1000, kBob = 1001;
constexpr std::uint32_t kPages = 16, kCheckpoints = 8;
const Tokens kLong = ids(1, 30), kFork = joined(ids(1, 12), ids(50, 10)), kShort = ids(100, 5);

void fill(HybridCache& cache) {
  keep(cache, kAlice, kLong, {9, 16, 29});
  keep(cache, kAlice, kFork, {21});
  keep(cache, kAlice, kShort, {4});
  keep(cache, kBob, kLong, {29});
}
constexpr std::uint32_t kFilled = 6;

class CheckpointDamage : public testing::Test {
 protected:
  using Kind = SegmentDamage::Kind;

  CheckpointDamage() : cache_(kPages, kCheckpoints) {
    fill(cache_);
    cache_.reopen(kPages, kCheckpoints);
    checkpoints_.emplace(cache_.path(), cache_.segment());
    pages_.emplace(cache_.pages().path(), cache_.pages().segment());
  }

  // Where a text goes on; what is there is right, unless somebody has set the sums of other bytes.
  std::uint32_t warm(NamespaceId id, const Tokens& tokens, bool forged) {
    HybridRequest request(&cache_, id, joined(tokens, {-1}));
    const std::uint32_t position = request.restore();
    EXPECT_TRUE(forged || request.is_right());
    EXPECT_EQ(request.pages().end(), position);
    request.finish();
    return position;
  }

  void serve(bool forged) {
    cache_.reopen(kPages, kCheckpoints);
    cache_.check();
    const std::uint32_t found = warm(kAlice, kLong, forged) + warm(kAlice, kFork, forged) +
                                warm(kAlice, kShort, forged) + warm(kBob, kLong, forged);
    std::uint64_t reasons = cache_.store().stats().damaged + cache_.pages()->stats().damaged;
    for (const Recovery& one : {cache_.store().recovery(), cache_.pages()->recovery()}) {
      reasons += one.damaged + one.orphaned + one.unfinished + (one.cold != ColdReason::none);
    }
    if (found < 29 + 21 + 4 + 29) {
      ++missed_;
      without_reason_ += reasons == 0;
    }
    cache_.check();
    // Computed again, they are all there again.
    if (forged) return;
    fill(cache_);
    EXPECT_EQ(warm(kBob, kLong, false), 29u);
    cache_.check();
  }

  void damage(SegmentDamage& file, Kind kind, std::uint32_t slots) {
    constexpr int kTimes = 1000;
    for (const bool fix_sums : {false, true}) {
      missed_ = without_reason_ = 0;
      for (int i = 0; i < kTimes; ++i) {
        SCOPED_TRACE(i);
        checkpoints_->put_back();
        pages_->put_back();
        file.flip(kind, slots, fix_sums);
        serve(fix_sums && kind == Kind::payload);
        if (HasFailure()) return;
      }
      // One bit makes COMMITTED FREE, which is no damage.
      EXPECT_LE(without_reason_, kind == Kind::record ? 10 : 0);
      RecordProperty(fix_sums ? "missed_with_sums_fixed" : "missed", std::to_string(missed_));
      // Not all are the deepest of a text.
      const int least = fix_sums || kind == Kind::superblock ? 0 : kTimes * 4 / 10;
      EXPECT_GE(missed_, least);
    }
  }

  HybridCache cache_;
  std::optional<SegmentDamage> checkpoints_, pages_;
  int missed_ = 0, without_reason_ = 0;
};

TEST_F(CheckpointDamage, to_superblocks) {
  damage(*checkpoints_, Kind::superblock, kFilled);
}
TEST_F(CheckpointDamage, to_records) {
  damage(*checkpoints_, Kind::record, kFilled);
}
TEST_F(CheckpointDamage, to_headers) {
  damage(*checkpoints_, Kind::header, kFilled);
}
TEST_F(CheckpointDamage, to_payloads) {
  damage(*checkpoints_, Kind::payload, kFilled);
}
TEST_F(CheckpointDamage, to_records_of_pages) {
  damage(*pages_, Kind::record, 7);
}
TEST_F(CheckpointDamage, to_headers_of_pages) {
  damage(*pages_, Kind::header, 7);
}
TEST_F(CheckpointDamage, to_payloads_of_pages) {
  damage(*pages_, Kind::payload, 7);
}

}  // namespace
}  // namespace hearth::cache
