// The page table of one sequence: which page holds which of its positions.
//
// THREAD: the engine.  Positions [0, end()) have keys and values.  Full pages are committed as they
// fill and may be shared; the last page is the sequence's own until it is full.
//
// A text may begin with published pages and go on with those of its own namespace, never the other
// way round.  What a sequence computes is its namespace's, whatever it continues; what one of
// kPublishedNamespace computes or adopts is published with that.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cache/page_cache.hpp"

namespace hearth::cache {

// What a sequence has taken from the cache since it last had no pages; of what was restored, since
// it was made.
struct Adoption {
  std::uint32_t page_tokens = 0;       // of whole pages, by reference
  std::uint32_t published_tokens = 0;  // of these, of published pages
  std::uint32_t copied_tokens = 0;     // of a part of a page
  std::uint32_t restored_tokens = 0;   // of these, of pages that nobody had used since the start
  std::uint32_t restored_pages = 0;
  std::int64_t restore_ns = 0;  // holding pages to their checksums, damaged ones too
  bool damaged = false;         // the last adopt_pages() or adopt_tail() met a damaged page
  bool no_room = false;         // there was no page to copy to
};

class SequencePages {
 public:
  // tokens_max: the longest the sequence can become; all memory for its table is taken here.
  SequencePages(PageCache* cache, NamespaceId namespace_id, std::uint32_t tokens_max);
  ~SequencePages() { release({}, /*keep=*/false); }
  SequencePages(const SequencePages&) = delete;
  SequencePages& operator=(const SequencePages&) = delete;

  // Extend [0, end()) with the whole pages of tokens that the cache holds, up to limit tokens in
  // all. Only while end() is a multiple of the page.  Returns the new end().  Where a text was
  // computed by the namespace and published too, the longer of both is taken.
  std::uint32_t adopt_pages(std::span<const std::int32_t> tokens, std::uint32_t limit);

  // Then extend it within the next page, by copying from the page that holds the most of the same
  // tokens: one of the cache, or the page that other, whose first common tokens are equal and
  // computed, is filling.  other may be null.  Returns the new end().  Error: IO, as from
  // reserve().
  Result<std::uint32_t> adopt_tail(std::span<const std::int32_t> tokens, std::uint32_t limit,
                                   const SequencePages* other, std::uint32_t common);

  // Have a page for every position below end; false when all pages are in use.  Error: IO.
  Result<bool> reserve(std::uint32_t end);

  // Positions [end(), end) were computed for these tokens: commit the pages that are full now.
  void advance(std::span<const std::int32_t> tokens, std::uint32_t end);

  // Drop all pages; with keep the begun last page is committed too, as a page of fewer tokens, so
  // that the next sequence can copy from it.
  void release(std::span<const std::int32_t> tokens, bool keep);

  // Keep positions [0, end) of those that there are, end a multiple of the page: the pages behind
  // it are given up, the last one first, and count as never adopted.  For who can go on from a
  // checkpoint of its state only, before it computes anything.
  void truncate(std::uint32_t end);
  // Then extend it within the next page to end, at most to that page's end, with what a checkpoint
  // holds of it: payload, [page bytes].  False when all pages are in use; then nothing changes.
  // Error: IO, as from reserve().
  Result<bool> adopt_payload(std::span<const std::int32_t> tokens, std::uint32_t end,
                             std::span<const std::byte> payload);

  // Of its full pages, in order; a published page has the key that everybody finds it by.
  std::span<const Digest> keys() const { return keys_; }
  // What a checkpoint at end(), which is not 0, is committed as: the tokens of the page that the
  // last position lies in.  Refers to tokens, whose first end() are the sequence's.
  PageIdentity checkpoint_identity(std::span<const std::int32_t> tokens) const {
    return checkpoint_identity(tokens, end_);
  }
  // The same at another position, which is not 0 either; its page begins at end() or before.
  PageIdentity checkpoint_identity(std::span<const std::int32_t> tokens,
                                   std::uint32_t position) const;

  // Whether both have come the same way through the tree: what the other one, of the same text,
  // commits next is then what this one would adopt.
  bool goes_with(const SequencePages& other) const;
  // Whether one of its pages was found damaged since it has them.
  bool has_damage() const;

  const Adoption& adoption() const { return adoption_; }
  std::uint32_t end() const { return end_; }
  std::uint32_t page_tokens() const { return page_tokens_; }
  std::byte* const* payloads() const { return payloads_.data(); }  // [pages], by position
  NamespaceId namespace_id() const { return namespace_id_; }

 private:
  Result<std::uint32_t> copy_tokens(SlotId from, std::span<const std::int32_t> tokens,
                                    std::uint32_t end);
  void fill_page(const std::byte* source);
  void commit_page(std::span<const std::int32_t> tokens, std::uint32_t page, std::uint32_t count);
  void push(SlotId slot);
  void count_restored(const PageChecks& before, std::uint32_t tokens);
  const Digest& last_key() const { return keys_.empty() ? root_key_ : keys_.back(); }
  SlotId parent_of(std::uint32_t page) const { return page == 0 ? kNoSlot : slots_[page - 1]; }
  std::uint32_t page_count() const { return static_cast<std::uint32_t>(slots_.size()); }

  // Where a text has led to in the tree of pages.
  struct Place {
    SlotId page;     // the last one; kNoSlot: none
    Digest key;      // its key, or the root key of our namespace
    bool published;  // the next page may be a published one
  };
  bool step_published(Place& place, std::span<const std::int32_t> page) const;
  bool step(Place& place, std::span<const std::int32_t> page) const;
  std::uint32_t count_pages(std::span<const std::int32_t> tokens, bool published) const;
  bool begins_published(std::span<const std::int32_t> tokens) const;

  PageCache* cache_;  // outlives us
  const NamespaceId namespace_id_;
  const std::uint32_t page_tokens_;
  std::vector<SlotId> slots_;         // [pages]
  std::vector<std::byte*> payloads_;  // [pages] of slots_
  std::vector<Digest> keys_;          // [committed pages]
  std::uint32_t committed_ = 0;       // pages [0, committed_) are committed
  const Digest root_key_;             // of our namespace
  bool last_published_ = false;       // page committed_ - 1 is a published one
  std::uint32_t end_ = 0;             // positions that have keys and values
  Adoption adoption_;
};

}  // namespace hearth::cache
