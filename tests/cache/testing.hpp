// What the cache's tests share: a store in a directory of its own, and a small cache in it.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "cache/page_cache.hpp"
#include "cache/segment_store.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth::cache {

// A page cache of a few small pages of eight tokens.
class SmallCache {
 public:
  static constexpr std::uint32_t kPageTokens = 8;
  static constexpr std::uint64_t kPayloadBytes = 256;

  explicit SmallCache(std::uint32_t pages, std::uint64_t budget_bytes = UINT64_MAX >> 1,
                      const NamespaceRules& rules = {})
      : budget_(budget_bytes) {
    auto store = SegmentStore::open(directory_.path() + "/state", directory_.path());
    EXPECT_TRUE(store) << store.error().message;
    store_ = std::make_unique<SegmentStore>(*std::move(store));
    auto segment = open_segment(pages);
    EXPECT_TRUE(segment) << segment.error().message;
    segment_ = segment->get();
    cache_ = std::make_unique<PageCache>(*std::move(segment), Digest{9}, rules);
  }

  // What a daemon that starts again finds.  Pages whose references were never given up included.
  void reopen(std::uint32_t pages, const Digest& secret = {9}, const NamespaceRules& rules = {}) {
    cache_.reset();
    auto segment = open_segment(pages);
    EXPECT_TRUE(segment) << segment.error().message;
    segment_ = segment->get();
    cache_ = std::make_unique<PageCache>(*std::move(segment), secret, rules);
  }

  // Capacity for so many pages.
  static std::uint64_t capacity(std::uint32_t pages) {
    constexpr std::uint64_t kHeaderBytes = sizeof(ObjectHeader) + 4 * kPageTokens + 32;
    return kTableOffset + 2 * kPartAlignment + pages * (sizeof(Record) + kHeaderBytes + 4096);
  }
  // What so many pages take of a quota.
  static std::uint64_t quota(std::uint32_t pages) { return capacity(pages) - capacity(0); }
  static SegmentGeometry geometry() {
    return {.fingerprint = {1, 2, 3},
            .kv_format = 0,
            .page_tokens = kPageTokens,
            .payload_bytes = kPayloadBytes};
  }

  PageCache& operator*() { return *cache_; }
  PageCache* operator->() { return cache_.get(); }
  PageCache* get() { return cache_.get(); }
  Segment& segment() { return *segment_; }
  MemoryBudget& budget() { return budget_; }

  const SegmentStore& store() { return *store_; }
  std::string path() const { return store_->directory() + "/test"; }

 private:
  Result<std::unique_ptr<Segment>> open_segment(std::uint32_t pages) {
    return Segment::open(*store_, "test", geometry(), capacity(pages), BudgetShare(&budget_));
  }

  TemporaryDirectory directory_{"/dev/shm"};  // in memory, as always
  MemoryBudget budget_;
  std::unique_ptr<SegmentStore> store_;
  std::unique_ptr<PageCache> cache_;
  Segment* segment_ = nullptr;  // of cache_
};

// first, first + 1, ...
inline std::vector<std::int32_t> ids(int first, int count) {
  std::vector<std::int32_t> list;
  for (int i = 0; i < count; ++i) list.push_back(first + i);
  return list;
}

// Takes, fills and commits a page that continues parent.
inline SlotId add_page(PageCache& cache, NamespaceId id, SlotId parent, const Digest& parent_key,
                       std::span<const std::int32_t> tokens, Digest& ret_key) {
  const auto slot = cache.take(id);
  EXPECT_TRUE(slot && *slot != kNoSlot);
  ret_key = cache.page_key(id, parent_key, tokens);
  return cache.commit(*slot, parent,
                      {.namespace_id = id,
                       .key = ret_key,
                       .parent_key = parent_key,
                       .first_token = 0,
                       .tokens = tokens});
}

}  // namespace hearth::cache
