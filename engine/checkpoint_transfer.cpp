// See checkpoint_transfer.hpp.
#include "engine/checkpoint_transfer.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "common/whole_io.hpp"

namespace hearth {
namespace {

// Zero what a page has behind its first rows.
void clear_rows(const KvGeometry& kv, std::span<std::byte> page, std::int64_t rows) {
  if (kv.layers.empty()) std::ranges::fill(page, std::byte{0});
  for (const KvLayer& layer : kv.layers) {
    const std::int64_t strip = kv.strip_bytes(layer);
    const std::int64_t kept = rows * kernels::kv_bytes(kv.format, layer.head_dim);
    for (std::int64_t head = 0; head < layer.kv_heads; ++head) {
      for (const std::int64_t begin : {layer.k_offset, layer.v_offset}) {
        std::memset(page.data() + begin + head * strip + kept, 0,
                    static_cast<std::size_t>(strip - kept));
      }
    }
  }
}

}  // namespace

CheckpointTransfer::CheckpointTransfer(cache::CheckpointStore* store, const KvGeometry* kv,
                                       const cache::SequencePages* pages, const Job& job)
    : store_(store),
      kv_(kv),
      pages_(pages),
      job_(job),
      parts_bytes_{store->geometry().state_bytes, static_cast<std::uint64_t>(kv->page_bytes)},
      left_(std::min(job.there.count, job.max_checkpoints)) {
  assert(!job.import || job.there.count == 0 || job.there.state_bytes == parts_bytes_[0]);
  moved_.state_bytes = parts_bytes_[0];
}

cache::CheckpointPath CheckpointTransfer::path(std::uint32_t limit) const {
  return {pages_->namespace_id(), pages_->keys(), job_.ids, limit};
}

Result<bool> CheckpointTransfer::move(std::uint64_t bytes_max) {
  while (bytes_max > 0) {
    if (slot_ == cache::kNoSlot && !begin_next()) return false;
    HEARTH_TRY(const std::uint64_t bytes, move_part(bytes_max));
    bytes_max -= bytes;
    if (done_ == object_bytes()) end();
  }
  return true;
}

bool CheckpointTransfer::begin_next() {
  done_ = 0;
  return job_.import ? begin_import() : begin_export();
}

// The last one above those that were moved, if it may go, too.
bool CheckpointTransfer::begin_export() {
  const std::uint32_t count = moved_.count;
  const std::uint64_t pages_bytes = pages_->keys().size() * parts_bytes_[1];
  if (count == FileCheckpoints::kCountMax) return false;
  if (count >= kAlwaysCount && (count + 1) * object_bytes() > pages_bytes) return false;
  slot_ = store_->find(path(count == 0 ? static_cast<std::uint32_t>(job_.ids.size())
                                       : moved_.positions[count - 1] - 1));
  if (slot_ == cache::kNoSlot) return false;
  const std::span<const std::byte> page = store_->page(slot_);
  const std::uint32_t rows = (store_->position(slot_) - 1) % pages_->page_tokens() + 1;
  page_copy_.assign(page.begin(), page.end());
  clear_rows(*kv_, page_copy_, rows);
  parts_ = {store_->state(slot_), page_copy_};
  return true;
}

// From the first to the last, so that this is the one that stays where there is room for one.
bool CheckpointTransfer::begin_import() {
  while (left_ > 0) {
    const std::uint32_t position = job_.there.positions[--left_];
    if (!continues_pages(position) || is_there(position)) continue;
    const Result<cache::SlotId> slot = store_->begin(pages_->namespace_id());
    if (!slot || *slot == cache::kNoSlot) continue;
    slot_ = *slot;
    parts_ = {store_->state(slot_), store_->page(slot_)};
    return true;
  }
  return false;
}

bool CheckpointTransfer::continues_pages(std::uint32_t position) const {
  return (position - 1) / pages_->page_tokens() <= pages_->keys().size();
}

// And intact.
bool CheckpointTransfer::is_there(std::uint32_t position) {
  const cache::SlotId slot = store_->find(path(position));
  if (slot == cache::kNoSlot) return false;
  const bool there = store_->position(slot) == position;
  store_->release(slot);
  return there;
}

// More of the part that is not whole; returns how many bytes.
Result<std::uint64_t> CheckpointTransfer::move_part(std::uint64_t bytes_max) {
  const bool in_state = done_ < parts_bytes_[0];
  const std::span<std::byte> part = parts_[in_state ? 0 : 1];
  const std::uint64_t from = in_state ? done_ : done_ - parts_bytes_[0];
  const std::span<std::byte> bytes =
      part.subspan(from, std::min<std::uint64_t>(bytes_max, part.size() - from));
  const std::uint64_t index = job_.import ? left_ : moved_.count;
  const std::uint64_t at = job_.offset + index * object_bytes() + done_;
  constexpr const char* kWhat = "move the checkpoints of a session";
  HEARTH_CHECK(job_.import ? read_whole_at(job_.fd, bytes, at, kWhat)
                           : write_whole_at(job_.fd, bytes, at, kWhat));
  done_ += bytes.size();
  return bytes.size();
}

// The one under way is whole.
void CheckpointTransfer::end() {
  if (job_.import) {
    const std::uint32_t position = job_.there.positions[left_];
    slot_ = store_->commit(slot_, pages_->checkpoint_identity(job_.ids, position),
                           job_.max_checkpoints);
  } else if (!store_->is_damaged(slot_)) {
    moved_.positions[moved_.count++] = store_->position(slot_);
  }
  let_go();
}

// What was begun of an import is dropped.
void CheckpointTransfer::let_go() {
  if (slot_ != cache::kNoSlot) store_->release(slot_);
  slot_ = cache::kNoSlot;
}

FileCheckpoints CheckpointTransfer::result() const {
  if (!job_.import) return moved_;
  FileCheckpoints there = {.state_bytes = parts_bytes_[0]};
  std::vector<cache::SlotId> slots;
  store_->list(path(static_cast<std::uint32_t>(job_.ids.size())), slots);
  for (std::uint32_t i = 0; i < job_.there.count; ++i) {
    const bool found = std::ranges::any_of(slots, [&](cache::SlotId slot) {
      return store_->position(slot) == job_.there.positions[i];
    });
    there.count += found ? 1 : 0;
  }
  return there;
}

}  // namespace hearth
