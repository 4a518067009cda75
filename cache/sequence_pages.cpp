// See sequence_pages.hpp.
#include "cache/sequence_pages.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "cache/crash_point.hpp"

namespace hearth::cache {

SequencePages::SequencePages(PageCache* cache, NamespaceId namespace_id, std::uint32_t tokens_max)
    : cache_(cache),
      namespace_id_(namespace_id),
      page_tokens_(cache->page_tokens()),
      root_key_(cache->root_key(namespace_id)) {
  const std::size_t pages = (tokens_max + page_tokens_ - 1) / page_tokens_;
  slots_.reserve(pages);
  payloads_.reserve(pages);
  keys_.reserve(pages);
}

void SequencePages::push(SlotId slot) {
  slots_.push_back(slot);
  payloads_.push_back(cache_->payload(slot));
}

// What of the cache's checks since then was done for this sequence: all, for it is its thread.
void SequencePages::count_restored(const PageChecks& before, std::uint32_t tokens) {
  const PageChecks& now = cache_->checks();
  const auto pages = static_cast<std::uint32_t>(now.intact - before.intact);
  adoption_.restored_pages += pages;
  adoption_.restored_tokens += pages > 0 ? tokens : 0;
  adoption_.restore_ns += now.ns - before.ns;
  adoption_.damaged |= now.damaged > before.damaged;
}

// To the published page that continues this place with these tokens.  False when there is none.
bool SequencePages::step_published(Place& place, std::span<const std::int32_t> page) const {
  const Digest& parent = place.page == kNoSlot ? cache_->root_key(kPublishedNamespace) : place.key;
  const Digest key = cache_->page_key(kPublishedNamespace, parent, page);
  const SlotId slot = cache_->look_up(kPublishedNamespace, place.page, key, page);
  if (slot == kNoSlot || !cache_->is_published(slot)) return false;
  place = {slot, key, /*published=*/true};
  return true;
}

// To any page that does, and that we may use.
bool SequencePages::step(Place& place, std::span<const std::int32_t> page) const {
  if (place.published && step_published(place, page)) return true;
  const Digest key = cache_->page_key(namespace_id_, place.key, page);
  const SlotId slot = cache_->look_up(namespace_id_, place.page, key, page);
  if (slot == kNoSlot) return false;
  place = {slot, key, /*published=*/false};
  return true;
}

std::uint32_t SequencePages::count_pages(std::span<const std::int32_t> tokens,
                                         bool published) const {
  Place place = {kNoSlot, root_key_, published};
  std::uint32_t count = 0;
  while ((count + 1) * std::size_t{page_tokens_} <= tokens.size() &&
         step(place, tokens.subspan(count * page_tokens_, page_tokens_))) {
    ++count;
  }
  return count;
}

// Of two ways through the tree the longer one; of equal ones that which others use, too.  Most
// prompts begin with no published page: they pay this one look-up, whatever their length.
bool SequencePages::begins_published(std::span<const std::int32_t> tokens) const {
  if (!cache_->has_published() || namespace_id_ == kPublishedNamespace) return false;
  Place first = {kNoSlot, {}, /*published=*/true};
  if (tokens.size() < page_tokens_ || !step_published(first, tokens.first(page_tokens_)))
    return false;
  return count_pages(tokens, /*published=*/true) >= count_pages(tokens, /*published=*/false);
}

std::uint32_t SequencePages::adopt_pages(std::span<const std::int32_t> tokens,
                                         std::uint32_t limit) {
  assert(end_ == committed_ * page_tokens_ && page_count() == committed_);
  limit = std::min(limit, static_cast<std::uint32_t>(tokens.size()));
  adoption_.damaged = adoption_.no_room = false;
  Place place = {parent_of(committed_), last_key(),
                 page_count() == 0 ? begins_published(tokens) : last_published_};
  while (end_ + page_tokens_ <= limit && step(place, tokens.subspan(end_, page_tokens_))) {
    const PageChecks before = cache_->checks();
    const bool held = cache_->hold_intact(place.page);
    count_restored(before, page_tokens_);
    if (!held) break;
    if (namespace_id_ == kPublishedNamespace) cache_->publish(place.page);
    adoption_.page_tokens += page_tokens_;
    adoption_.published_tokens += place.published ? page_tokens_ : 0;
    push(place.page);
    keys_.push_back(place.key);
    last_published_ = place.published;
    ++committed_;
    end_ += page_tokens_;
  }
  return end_;
}

bool SequencePages::goes_with(const SequencePages& other) const {
  const bool another = other.namespace_id_ != namespace_id_;
  if (another && committed_ > 0 && !last_published_) return false;
  const std::uint32_t both = std::min(committed_, other.committed_);
  return both == 0 || slots_[both - 1] == other.slots_[both - 1];
}

bool SequencePages::has_damage() const {
  return std::ranges::any_of(slots_, [&](SlotId slot) { return cache_->is_damaged(slot); });
}

Result<std::uint32_t> SequencePages::adopt_tail(std::span<const std::int32_t> tokens,
                                                std::uint32_t limit, const SequencePages* other,
                                                std::uint32_t common) {
  assert(end_ == committed_ * page_tokens_ && page_count() == committed_);
  limit = std::min({limit, static_cast<std::uint32_t>(tokens.size()), end_ + page_tokens_});
  if (limit <= end_) return end_;
  const PageChecks before = cache_->checks();
  PrefixIndex::Partial source = cache_->find_partial(namespace_id_, parent_of(committed_),
                                                     tokens.subspan(end_, limit - end_));
  count_restored(before, source.tokens);
  if (other != nullptr && end_ / page_tokens_ < other->page_count()) {
    const SlotId theirs = other->slots_[end_ / page_tokens_];
    const std::uint32_t reach = std::min({common, other->end_, limit});
    if (reach > end_ + source.tokens && !cache_->is_damaged(theirs))
      source = {theirs, reach - end_};
  }
  if (source.tokens == 0) return end_;
  const std::uint32_t begin = end_;
  HEARTH_TRY(const std::uint32_t end, copy_tokens(source.slot, tokens, end_ + source.tokens));
  adoption_.copied_tokens += end - begin;
  adoption_.no_room = end == begin;
  return end;
}

// Fill positions [end(), end) of a new page from the page that holds the same tokens there.
//
// The strips of a page are [token][head_dim] within each layer and head, so the tokens wanted are
// not one run of bytes; copying the page whole is one, and what lies behind end is overwritten
// later.
Result<std::uint32_t> SequencePages::copy_tokens(SlotId from, std::span<const std::int32_t> tokens,
                                                 std::uint32_t end) {
  const std::byte* source = cache_->payload(from);
  // Taking a page may evict one: hold the source meanwhile.
  cache_->hold(from);
  const Result<bool> room = reserve(end);
  if (room && *room) {
    fill_page(source);
  }
  cache_->release(from);
  if (!room) return room.error();
  if (*room) advance(tokens, end);
  return end_;
}

// The last page, which was just taken, with the bytes of another one.
void SequencePages::fill_page(const std::byte* source) {
  const std::size_t half = cache_->payload_bytes() / 2;
  crash_point();
  std::memcpy(payloads_.back(), source, half);
  crash_point();
  std::memcpy(payloads_.back() + half, source + half, cache_->payload_bytes() - half);
  crash_point();
}

Result<bool> SequencePages::reserve(std::uint32_t end) {
  const std::uint32_t pages = (end + page_tokens_ - 1) / page_tokens_;
  while (page_count() < pages) {
    assert(slots_.size() < slots_.capacity());
    HEARTH_TRY(const SlotId slot, cache_->take(namespace_id_));
    if (slot == kNoSlot) return false;
    push(slot);
  }
  return true;
}

void SequencePages::commit_page(std::span<const std::int32_t> tokens, std::uint32_t page,
                                std::uint32_t count) {
  const auto held = tokens.subspan(page * page_tokens_, count);
  const PageIdentity identity = {
      .namespace_id = namespace_id_,
      .key = cache_->page_key(namespace_id_, last_key(), held),
      .parent_key = last_key(),
      .first_token = page * page_tokens_,
      .tokens = held,
  };
  slots_[page] = cache_->commit(slots_[page], parent_of(page), identity);
  payloads_[page] = cache_->payload(slots_[page]);
  if (namespace_id_ == kPublishedNamespace) cache_->publish(slots_[page]);
  keys_.push_back(identity.key);
  last_published_ = false;
  ++committed_;
}

void SequencePages::advance(std::span<const std::int32_t> tokens, std::uint32_t end) {
  assert(end >= end_ && end <= tokens.size() && end <= page_count() * page_tokens_);
  end_ = end;
  while ((committed_ + 1) * page_tokens_ <= end_) commit_page(tokens, committed_, page_tokens_);
}

void SequencePages::release(std::span<const std::int32_t> tokens, bool keep) {
  const std::uint32_t begun = end_ - committed_ * page_tokens_;
  if (keep && begun > 0) commit_page(tokens, committed_, begun);
  // From the last page to the first: the cache evicts in this order.
  while (!slots_.empty()) {
    cache_->release(slots_.back());
    slots_.pop_back();
    payloads_.pop_back();
  }
  keys_.clear();
  committed_ = 0;
  end_ = 0;
  adoption_.page_tokens = adoption_.published_tokens = adoption_.copied_tokens = 0;
  last_published_ = false;
}

void SequencePages::truncate(std::uint32_t end) {
  assert(end % page_tokens_ == 0);
  if (end >= end_) return;
  const std::uint32_t begun = end_ - committed_ * page_tokens_;
  adoption_.copied_tokens -= std::min(begun, adoption_.copied_tokens);
  // From the last page to the first: the cache evicts in this order.
  while (page_count() > end / page_tokens_) {
    if (page_count() <= committed_) {
      const bool published = cache_->is_published(slots_.back());
      const std::uint32_t ours = namespace_id_ != kPublishedNamespace && published;
      adoption_.published_tokens -= std::min(ours * page_tokens_, adoption_.published_tokens);
      adoption_.page_tokens -= std::min(page_tokens_, adoption_.page_tokens);
      keys_.pop_back();
      --committed_;
    }
    cache_->release(slots_.back());
    slots_.pop_back();
    payloads_.pop_back();
  }
  end_ = end;
  last_published_ =
      committed_ > 0 && namespace_id_ != kPublishedNamespace && cache_->is_published(slots_.back());
}

Result<bool> SequencePages::adopt_payload(std::span<const std::int32_t> tokens, std::uint32_t end,
                                          std::span<const std::byte> payload) {
  assert(end_ == committed_ * page_tokens_ && page_count() == committed_);
  assert(end > end_ && end <= end_ + page_tokens_ && end <= tokens.size());
  assert(payload.size() == cache_->payload_bytes());
  HEARTH_TRY(const bool room, reserve(end));
  adoption_.no_room = !room;
  if (!room) return false;
  fill_page(payload.data());
  adoption_.copied_tokens += end - end_;
  advance(tokens, end);
  return true;
}

PageIdentity SequencePages::checkpoint_identity(std::span<const std::int32_t> tokens,
                                                std::uint32_t position) const {
  assert(position > 0 && position <= tokens.size() && end_ <= tokens.size());
  const std::uint32_t page = (position - 1) / page_tokens_;
  assert(page <= keys_.size());
  const std::uint32_t first = page * page_tokens_;
  const Digest& parent = page == 0 ? root_key_ : keys_[page - 1];
  const auto held = tokens.subspan(first, position - first);
  return {.namespace_id = namespace_id_,
          .key = cache_->page_key(namespace_id_, parent, held),
          .parent_key = parent,
          .first_token = first,
          .tokens = held};
}

}  // namespace hearth::cache
