// What is done with cached pages on their owner's word: looked at, evicted, held to their
// checksums.
//
// THREAD: the engine, between its steps.  evict() and verify() do a part at a time, so that nobody
// who generates waits for the whole.  Pages in use are never taken from their users.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/page_cache.hpp"

namespace hearth::cache {

// Which pages are meant.
struct PageSelection {
  bool all = false;                           // of all namespaces
  NamespaceId id = 0;                         // else of this one
  std::span<const std::int32_t> prefix = {};  // of texts that begin with these tokens
};

// A text that is cached: a page that nothing continues, and all pages before it.
struct CachedText {
  NamespaceId id;
  std::uint64_t tokens;
  std::uint32_t pages;
  std::uint32_t published_pages;  // of these, those that are everybody's; the others:
  std::uint32_t own_pages;        // that no other text has
  std::uint32_t pages_in_use;     // that a sequence refers to
  std::vector<std::int32_t> first_tokens;
};

struct CacheListing {
  std::vector<CachedText> texts;  // the last used first
  std::uint64_t left_out = 0;     // texts beyond the limit
  std::uint64_t pages = 0;        // of all texts, each counted once
  std::uint64_t pages_in_use = 0;
  std::uint64_t tokens = 0;
};

struct VerifyCounts {
  std::uint64_t checked = 0;         // pages
  std::uint64_t damaged = 0;         // of these, those that are not what they were
  std::uint64_t dropped = 0;         // pages: the damaged ones, and what continued them
  std::uint64_t damaged_in_use = 0;  // found no more, and dropped with their users
};

class CacheUpkeep {
 public:
  explicit CacheUpkeep(PageCache* cache) : cache_(cache) {}

  // Takes time in proportion to the pages of the cache: some milliseconds for 100 000.
  CacheListing list(const PageSelection& which, std::uint32_t limit,
                    std::uint32_t first_tokens) const;

  // Evict up to count pages that nobody uses, of each namespace meant the longest unused first, the
  // end of a text before its begin.  Returns how many; tokens they held are added to ret_tokens.
  std::uint32_t evict(const PageSelection& which, std::uint32_t count, std::uint64_t& ret_tokens);
  // Pages meant that somebody uses.
  std::uint64_t count_in_use(const PageSelection& which) const;

  // Hold the pages from slot on to their checksums (a prefix is not looked at), one at least and
  // until budget_ns have passed.  Returns the next slot; slot_count() at the end.
  SlotId verify(const PageSelection& which, SlotId slot, std::int64_t budget_ns,
                VerifyCounts& counts);
  std::uint32_t slot_count() const { return static_cast<std::uint32_t>(cache_->pages_.size()); }

 private:
  std::vector<bool> select(const PageSelection& which) const;
  void select_below(NamespaceId id, std::span<const std::int32_t> prefix,
                    std::vector<bool>& ret_selected) const;
  CachedText describe(SlotId last, std::uint32_t first_tokens) const;
  void verify_page(SlotId slot, VerifyCounts& counts);

  PageCache* cache_;  // outlives us
};

}  // namespace hearth::cache
