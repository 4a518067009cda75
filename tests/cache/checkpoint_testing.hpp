// What the tests of checkpoints share: a small cache with a store of checkpoints beside it, and
// requests of a model with a recurrent state, that go about both as an engine does.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "cache/checkpoint_store.hpp"
#include "cache/crash_point.hpp"
#include "cache/sequence_pages.hpp"
#include "tests/cache/testing.hpp"

namespace hearth::cache {

using Tokens = std::vector<std::int32_t>;

inline Tokens joined(Tokens first, const Tokens& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

// The "model": a state that every token changes, and keys and values that depend on all tokens up
// to theirs.
using State = std::array<std::uint64_t, 25>;  // 200 bytes: no multiple of 64

inline State begin_state() {
  State state;
  for (std::size_t i = 0; i < state.size(); ++i) state[i] = 1000 + i;
  return state;
}
inline void advance_state(State& state, std::int32_t token) {
  for (std::uint64_t& one : state) {
    one = (one ^ static_cast<std::uint64_t>(token)) * 0x9e3779b97f4a7c15u + 12345;
  }
}
inline State state_after(std::span<const std::int32_t> tokens) {
  State state = begin_state();
  for (const std::int32_t token : tokens) advance_state(state, token);
  return state;
}
constexpr std::uint64_t kTokenBytes = SmallCache::kPayloadBytes / SmallCache::kPageTokens;
inline std::byte kv_byte(const State& after, std::uint64_t i) {
  return static_cast<std::byte>(after[i % after.size()] >> (8 + i % 40));
}

class HybridCache {
 public:
  HybridCache(std::uint32_t pages, std::uint32_t checkpoints, const NamespaceRules& rules = {})
      : pages_(pages), rules_(rules) {
    open(checkpoints);
  }

  // As a daemon that starts again.
  void reopen(std::uint32_t pages, std::uint32_t checkpoints, const Digest& secret = {9}) {
    store_.reset();
    pages_.reopen(pages, secret);
    open(checkpoints);
  }

  static std::uint64_t capacity(std::uint32_t checkpoints) {
    return SmallCache::capacity(checkpoints);  // either payload takes one page of memory
  }
  static SegmentGeometry geometry(std::uint64_t state_bytes = sizeof(State)) {
    return *CheckpointStore::geometry_of(SmallCache::geometry(), state_bytes);
  }

  SmallCache& pages() { return pages_; }
  CheckpointStore& store() { return *store_; }
  Segment& segment() { return *segment_; }
  std::string path() { return pages_.store().directory() + "/test-state"; }
  void check() {
    pages_->check();
    store_->check();
  }

 private:
  void open(std::uint32_t checkpoints) {
    auto segment = Segment::open(pages_.store(), "test-state", geometry(), capacity(checkpoints),
                                 BudgetShare(&budget_));
    ASSERT_TRUE(segment) << segment.error().message;
    segment_ = segment->get();
    store_ = std::make_unique<CheckpointStore>(*std::move(segment), pages_.get(), rules_);
  }

  SmallCache pages_;
  const NamespaceRules rules_;
  MemoryBudget budget_{UINT64_MAX >> 1};
  Segment* segment_ = nullptr;  // of store_
  std::unique_ptr<CheckpointStore> store_;
};

class HybridRequest {
 public:
  static constexpr std::uint32_t kPage = SmallCache::kPageTokens;
  static constexpr std::uint32_t kTokensMax = 160;

  HybridRequest(HybridCache* cache, NamespaceId id, Tokens tokens)
      : tokens(std::move(tokens)), cache_(cache), pages_(cache->pages().get(), id, kTokensMax) {}

  // From the deepest checkpoint of what is there; returns its position.
  std::uint32_t restore() { return restore(static_cast<std::uint32_t>(tokens.size()) - 1); }
  std::uint32_t restore(std::uint32_t limit) {
    CheckpointStore& store = cache_->store();
    pages_.adopt_pages(tokens, limit);
    const SlotId slot = store.find({pages_.namespace_id(), pages_.keys(), tokens, limit});
    if (slot == kNoSlot) {
      pages_.truncate(0);
      return 0;
    }
    const std::uint32_t position = store.position(slot);
    pages_.truncate(position / kPage * kPage);
    if (pages_.end() < position) {
      const auto room = pages_.adopt_payload(tokens, position, store.page(slot));
      EXPECT_TRUE(room && *room);
    }
    std::memcpy(state_.data(), store.state(slot).data(), sizeof(State));
    store.release(slot);
    return position;
  }

  void compute(std::uint32_t end) {
    const auto room = pages_.reserve(end);
    ASSERT_TRUE(room && *room);
    for (std::uint32_t position = pages_.end(); position < end; ++position) {
      advance_state(state_, tokens[position]);
      std::byte* at = pages_.payloads()[position / kPage] + position % kPage * kTokenBytes;
      for (std::uint64_t i = 0; i < kTokenBytes; ++i) at[i] = kv_byte(state_, i);
    }
    pages_.advance(tokens, end);
  }
  // To the end of the text.
  void compute() { compute(static_cast<std::uint32_t>(tokens.size())); }

  // A checkpoint of where it is; kNoSlot when there was no room, or it was there.
  SlotId take(std::uint32_t max_checkpoints = 1000, bool keep_reference = false,
              std::uint32_t turn_start = 0) {
    CheckpointStore& store = cache_->store();
    const PageIdentity identity = pages_.checkpoint_identity(tokens);
    if (store.has(identity)) return kNoSlot;
    const auto slot = store.begin(pages_.namespace_id());
    EXPECT_TRUE(slot);
    if (*slot == kNoSlot) return kNoSlot;
    const std::span<std::byte> state = store.state(*slot), page = store.page(*slot);
    EXPECT_EQ(state.size(), sizeof(State));
    EXPECT_EQ(page.size(), SmallCache::kPayloadBytes);
    crash_point();
    std::memcpy(state.data(), state_.data(), sizeof(State) / 2);
    crash_point();
    std::memcpy(state.data() + sizeof(State) / 2,
                reinterpret_cast<const std::byte*>(state_.data()) + sizeof(State) / 2,
                sizeof(State) - sizeof(State) / 2);
    crash_point();
    std::memcpy(page.data(), pages_.payloads()[(pages_.end() - 1) / kPage], page.size());
    crash_point();
    const SlotId taken = store.commit(*slot, identity, max_checkpoints, turn_start);
    if (!keep_reference) store.release(taken);
    return taken;
  }
  // Compute all of it, with checkpoints at these ascending positions.
  void run(const std::vector<std::uint32_t>& positions, std::uint32_t max_checkpoints = 1000,
           std::uint32_t turn_start = 0) {
    for (const std::uint32_t position : positions) {
      if (position <= pages_.end()) continue;
      compute(position);
      take(max_checkpoints, /*keep_reference=*/false, turn_start);
    }
    if (pages_.end() < tokens.size()) compute();
  }
  void finish() { pages_.release(tokens, /*keep=*/false); }

  // Whether state, keys and values are those that the tokens give.
  bool is_right() const {
    State state = begin_state();
    for (std::uint32_t position = 0; position < pages_.end(); ++position) {
      advance_state(state, tokens[position]);
      const std::byte* at = pages_.payloads()[position / kPage] + position % kPage * kTokenBytes;
      for (std::uint64_t i = 0; i < kTokenBytes; ++i) {
        if (at[i] != kv_byte(state, i)) return false;
      }
    }
    return state == state_;
  }
  SequencePages& pages() { return pages_; }

  const Tokens tokens;

 private:
  HybridCache* cache_;
  SequencePages pages_;
  State state_ = begin_state();
};

// A request for these tokens, with checkpoints at these positions, is computed and over.
inline void keep(HybridCache& cache, NamespaceId id, const Tokens& tokens,
                 const std::vector<std::uint32_t>& positions, std::uint32_t max_checkpoints = 1000,
                 std::uint32_t turn_start = 0) {
  HybridRequest request(&cache, id, tokens);
  request.restore();
  request.run(positions, max_checkpoints, turn_start);
  EXPECT_TRUE(request.is_right());
  request.finish();
}

// Where one for these tokens, and one more, begins to compute.
inline std::uint32_t warm_until(HybridCache& cache, NamespaceId id, const Tokens& tokens) {
  HybridRequest request(&cache, id, joined(tokens, {-1}));
  const std::uint32_t position = request.restore();
  EXPECT_TRUE(request.is_right());
  EXPECT_EQ(request.pages().end(), position);
  request.finish();
  return position;
}

// The positions of the checkpoints of a text whose pages are all there, ascending.
inline std::vector<std::uint32_t> positions_of(HybridCache& cache, NamespaceId id,
                                               const Tokens& tokens) {
  SequencePages pages(cache.pages().get(), id, HybridRequest::kTokensMax);
  const auto size = static_cast<std::uint32_t>(tokens.size());
  pages.adopt_pages(tokens, size);
  std::vector<SlotId> slots;
  cache.store().list({id, pages.keys(), tokens, size}, slots);
  std::vector<std::uint32_t> positions;
  for (const SlotId slot : slots) positions.push_back(cache.store().position(slot));
  return positions;
}

}  // namespace hearth::cache
