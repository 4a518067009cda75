// Attaching to a segment that an earlier daemon left: see segment.hpp.
//
// Nothing in the file is believed before it was checked: it may come from another version, another
// model, a daemon that died anywhere, or have been damaged.  Any doubt about the whole makes it
// cold; any doubt about a slot frees that slot.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <ranges>

#include "cache/segment.hpp"
#include "common/checked.hpp"

namespace hearth::cache {
namespace {

bool is_valid(const SuperBlock& block) {
  return std::memcmp(block.magic, kSegmentMagic, sizeof(block.magic)) == 0 &&
         block.checksum == superblock_sum(block);
}

}  // namespace

// The valid one of the two with the higher sequence, and the larger number of slots of both: memory
// is there before a block says so.  A version that is not ours may lay out its blocks otherwise:
// only magic and version are looked at then.
ColdReason Segment::find_superblock(int fd, SuperBlock& ret_block) {
  ColdReason reason = ColdReason::damaged;
  ret_block = {};
  for (const off_t offset : {off_t{0}, off_t{kSuperBlockBytes}}) {
    SuperBlock block = {};
    if (pread(fd, &block, sizeof(block), offset) != ssize_t{sizeof(block)}) continue;
    const bool magic = std::memcmp(block.magic, kSegmentMagic, sizeof(block.magic)) == 0;
    if (magic && block.version != kFormatVersion && reason == ColdReason::damaged) {
      reason = ColdReason::version;
    }
    if (!is_valid(block) || block.version != kFormatVersion) continue;
    reason = ColdReason::none;
    const std::uint32_t backed = std::max(block.backed_slots, ret_block.backed_slots);
    if (block.sequence >= ret_block.sequence) ret_block = block;
    ret_block.backed_slots = backed;
  }
  return reason;
}

ColdReason Segment::check(const SuperBlock& block, std::uint64_t file_bytes) {
  if (block.fingerprint != geometry_.fingerprint) return ColdReason::fingerprint;
  const bool same =
      block.kind == static_cast<std::uint32_t>(geometry_.kind) &&
      block.state_bytes == geometry_.state_bytes && block.kv_format == geometry_.kv_format &&
      block.page_tokens == geometry_.page_tokens && block.payload_bytes == geometry_.payload_bytes;
  if (!same || block.slot_count == 0) return ColdReason::geometry;
  const auto layout = layout_of(geometry_, block.slot_count);
  const Layout found = {block.header_bytes,   block.payload_stride, block.slot_count,
                        block.headers_offset, block.data_offset,    block.segment_bytes};
  if (!layout || *layout != found || block.backed_slots > block.slot_count ||
      block.slot_count > kSlotCountMax) {
    return ColdReason::damaged;
  }
  return file_bytes < layout->segment_bytes ? ColdReason::truncated : ColdReason::none;
}

// An error is of the system: the file may be all right, and stays.
Result<ColdReason> Segment::attach(UniqueFd fd, const MemorySpread& spread) {
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return from_errno("stat a segment");
  SuperBlock block = {};
  ColdReason reason = find_superblock(fd.get(), block);
  if (reason == ColdReason::none) reason = check(block, static_cast<std::uint64_t>(status.st_size));
  if (reason != ColdReason::none) return reason;
  layout_ = *layout_of(geometry_, block.slot_count);
  slots_max_ = std::min(slots_max_, layout_.slot_count);
  sequence_ = block.sequence;
  HEARTH_CHECK(map(std::move(fd), spread));
  const auto file_memory = static_cast<std::uint64_t>(status.st_blocks) * 512;
  HEARTH_CHECK(take_back_memory(block.backed_slots, file_memory));
  recovery_.cold = ColdReason::none;
  scan(block.backed_slots);
  write_superblocks();  // one of them may have been damaged
  return ColdReason::none;
}

// What the budget does not have room for any more is given up, from the last slot on.
Status Segment::take_back_memory(std::uint32_t backed_before, std::uint64_t file_memory) {
  if (!share_.take(kFixedBytes)) return Error{Code::LIMIT, "kv-bytes: nothing is left"};
  const std::uint32_t most = std::min(backed_before, slots_max_);
  for (std::uint32_t more = std::bit_floor(most); more > 0; more /= 2) {
    if (more <= most - backed_slots_ && share_.take(more * slot_bytes())) backed_slots_ += more;
  }
  // There may be holes, which would be found when there is no memory to fill them: where a daemon
  // died while it gave memory back, or somebody made them.
  for (const Part& part : parts()) {
    const bool payloads = part.offset == layout_.data_offset;
    if (payloads && file_memory >= kTableOffset + backed_slots_ * slot_bytes()) continue;
    HEARTH_CHECK(take_memory(part, 0, payloads ? backed_slots_ : backed_before));
  }
  return {};
}

// Every record below backed_slots() becomes FREE or is COMMITTED and sound; the rest of the file is
// as it was when the segment was made.
void Segment::scan(std::uint32_t backed_before) {
  for (SlotId slot = 0; slot < backed_before; ++slot) {
    const auto state = static_cast<SlotState>(record(slot).state);
    if (slot >= backed_slots_) {
      if (state == SlotState::committed) ++recovery_.over_budget;
      reset(slot);
    } else if (state == SlotState::committed && is_sound(slot)) {
      ++recovery_.kept;
    } else {
      const bool unfinished = state == SlotState::filling || state == SlotState::dead;
      if (unfinished) ++recovery_.unfinished;
      if (!unfinished && state != SlotState::free) ++recovery_.damaged;
      reset(slot);
    }
  }
  release_memory();
}

// Whether a COMMITTED slot's record and header are what commit() wrote, and of each other.
bool Segment::is_sound(SlotId slot) const {
  const Record& entry = record(slot);
  const ObjectHeader& object = header(slot);
  return entry.record_sum == record_sum(entry) &&
         entry.kind == static_cast<std::uint16_t>(geometry_.kind) && entry.token_count >= 1 &&
         entry.token_count <= geometry_.page_tokens && object.magic == kObjectMagic &&
         object.kind == entry.kind && object.token_count == entry.token_count &&
         object.generation == entry.generation && object.namespace_id == entry.namespace_id &&
         object.adapter_key == Digest{} && object.first_token % geometry_.page_tokens == 0 &&
         object.checksum == header_sum(object, tokens(slot));
}

// FREE, and of nobody: what the slot holds is zeroed before it is used.
void Segment::reset(SlotId slot) {
  const Record& entry = record(slot);
  if (entry.state != static_cast<std::uint32_t>(SlotState::free)) set_state(slot, SlotState::dead);
  if (entry.namespace_id != kUnknownNamespace) {
    write_record(slot, offsetof(Record, namespace_id), kUnknownNamespace);
  }
  if (entry.state != static_cast<std::uint32_t>(SlotState::free)) set_state(slot, SlotState::free);
}

// Give back the memory behind the slots from backed_slots() on: a daemon that died while it grew
// had taken it, or the budget was larger.  Payloads first: while the records are there, they say
// that what the slots hold is nobody's.
void Segment::release_memory() {
  const auto all = parts();
  for (const Part& part : all | std::views::reverse) {
    const std::uint64_t begin =
        align_up<std::uint64_t>(part.offset + backed_slots_ * part.stride, kPartAlignment);
    if (begin >= part.end) continue;
    if (fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                  static_cast<off_t>(part.end - begin)) != 0) {
      return;  // it stays, and counts for nobody
    }
    crash_point();
  }
}

}  // namespace hearth::cache
