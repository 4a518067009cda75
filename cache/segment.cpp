// See segment.hpp.
#include "cache/segment.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cassert>
#include <cstring>

#include "common/checked.hpp"

namespace hearth::cache {
namespace {

namespace bip = boost::interprocess;

constexpr std::uint64_t kGrowBytes = 4u << 20;  // memory is taken in steps of about this much

// Lets Boost map a descriptor that we did not open by a name: the store has it from where it keeps
// segments.
class DescriptorMapping {
 public:
  explicit DescriptorMapping(int fd) : fd_(fd) {}
  bip::mapping_handle_t get_mapping_handle() const {
    return bip::ipcdetail::mapping_handle_from_file_handle(fd_);
  }

 private:
  int fd_;
};

// What of the configuration bounds a segment, and what it holds: for errors.
const char* setting_of(const SegmentGeometry& geometry) {
  return geometry.kind == ObjectKind::checkpoint ? "checkpoint-bytes" : "kv-bytes";
}
const char* object_of(const SegmentGeometry& geometry) {
  return geometry.kind == ObjectKind::checkpoint ? "state checkpoint" : "KV page";
}

std::uint64_t physical_memory() {
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::uint64_t superblock_sum(const SuperBlock& block) {
  return XXH3_64bits(&block, offsetof(SuperBlock, checksum));
}

std::uint32_t record_sum(const Record& record) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&record);
  const std::size_t begin = offsetof(Record, generation);
  return static_cast<std::uint32_t>(
      XXH3_64bits(bytes + begin, offsetof(Record, record_sum) - begin));
}

std::uint64_t header_sum(ObjectHeader header, std::span<const std::int32_t> tokens) {
  header.checksum = 0;
  const std::uint64_t seed = XXH3_64bits(&header, sizeof(header));
  return XXH3_64bits_withSeed(tokens.data(), tokens.size_bytes(), seed);
}

struct Segment::Mapping {
  bip::mapped_region metadata;       // for reading
  bip::mapped_region metadata_door;  // for writing
  bip::mapped_region payloads;
};

Segment::Segment(const SegmentGeometry& geometry, std::uint64_t capacity_bytes, BudgetShare share)
    : geometry_(geometry), capacity_bytes_(capacity_bytes), share_(std::move(share)) {}

Segment::~Segment() = default;

std::uint64_t Segment::slot_bytes() const {
  return sizeof(Record) + layout_.header_bytes + layout_.payload_stride;
}

// Nothing when sizes overflow.
std::optional<Segment::Layout> Segment::layout_of(const SegmentGeometry& geometry,
                                                  std::uint32_t slot_count) {
  Layout layout = {};
  layout.slot_count = slot_count;
  const std::uint64_t slots = slot_count;
  const std::uint64_t tokens_bytes = geometry.page_tokens * std::uint64_t{sizeof(std::int32_t)};
  layout.header_bytes = align_up<std::uint64_t>(sizeof(ObjectHeader) + tokens_bytes, 64);
  layout.headers_offset =
      align_up<std::uint64_t>(kTableOffset + slots * sizeof(Record), kPartAlignment);
  layout.data_offset =
      align_up<std::uint64_t>(layout.headers_offset + slots * layout.header_bytes, kPartAlignment);
  const auto stride = checked_align<std::uint64_t>(geometry.payload_bytes, kPartAlignment);
  const auto payloads = stride ? checked_mul(*stride, slots) : std::nullopt;
  const auto bytes = payloads ? checked_add(*payloads, layout.data_offset) : std::nullopt;
  if (!bytes || *bytes > INT64_MAX) return std::nullopt;
  layout.payload_stride = *stride;
  layout.segment_bytes = *bytes;
  return layout;
}

// The table has room for all the memory of this machine, so that a larger budget finds the segment
// warm.  It is holes as far as there are no pages.
Status Segment::plan(std::uint32_t& ret_slot_count) {
  const auto one = layout_of(geometry_, 1);
  if (!one) {
    return Error{Code::INVALID,
                 fmt::format("a {} of this model is too large to address", object_of(geometry_))};
  }
  layout_ = *one;
  const auto slots_in = [&](std::uint64_t bytes) {
    return bytes < kFixedBytes ? 0 : std::min(kSlotCountMax, (bytes - kFixedBytes) / slot_bytes());
  };
  slots_max_ = static_cast<std::uint32_t>(slots_in(capacity_bytes_));
  if (slots_max_ == 0) {
    return Error{Code::INVALID,
                 fmt::format("{}: {} bytes hold no {} of {} bytes; raise it", setting_of(geometry_),
                             capacity_bytes_, object_of(geometry_), slot_bytes())};
  }
  ret_slot_count = std::max(slots_max_, static_cast<std::uint32_t>(slots_in(physical_memory())));
  if (!layout_of(geometry_, ret_slot_count)) ret_slot_count = slots_max_;
  return {};
}

Result<std::unique_ptr<Segment>> Segment::create(const SegmentStore& store, const std::string& name,
                                                 const SegmentGeometry& geometry,
                                                 std::uint64_t capacity_bytes, BudgetShare share,
                                                 const MemorySpread& spread) {
  std::unique_ptr<Segment> segment(new Segment(geometry, capacity_bytes, std::move(share)));
  std::uint32_t slot_count = 0;
  HEARTH_CHECK(segment->plan(slot_count));
  const auto layout = layout_of(geometry, slot_count);
  if (!layout) {
    return Error{Code::INVALID, fmt::format("{}: so many {}s are too many to address",
                                            setting_of(geometry), object_of(geometry))};
  }
  segment->layout_ = *layout;
  if (!segment->share_.take(kFixedBytes)) {
    return Error{Code::LIMIT,
                 fmt::format("kv-bytes: nothing is left of the budget for this model's table of "
                             "{}s",
                             object_of(geometry))};
  }
  // Under another name, until nothing can fail any more.
  const std::string fresh = name + ".new";
  HEARTH_TRY(UniqueFd fd, store.create(fresh, layout->segment_bytes));
  HEARTH_CHECK(segment->map(std::move(fd), spread));
  HEARTH_CHECK(segment->take_memory({0, kTableOffset, kTableOffset}, 0, 1));
  segment->write_superblocks();
  HEARTH_CHECK(store.rename(fresh, name));
  return segment;
}

Result<std::unique_ptr<Segment>> Segment::open(const SegmentStore& store, const std::string& name,
                                               const SegmentGeometry& geometry,
                                               std::uint64_t capacity_bytes, BudgetShare share,
                                               const MemorySpread& spread) {
  ColdReason cold = ColdReason::absent;
  Result<UniqueFd> fd = store.open_segment(name);
  if (!fd && fd.error().code != Code::STORAGE) return fd.error();
  if (!fd) {
    cold = ColdReason::unreadable;
  } else if (*fd) {
    std::unique_ptr<Segment> segment(new Segment(geometry, capacity_bytes, std::move(share)));
    std::uint32_t wanted_slots = 0;
    HEARTH_CHECK(segment->plan(wanted_slots));
    HEARTH_TRY(cold, segment->attach(*std::move(fd), spread));
    if (cold == ColdReason::none) return segment;
    share = dissolve(std::move(segment));
  }
  HEARTH_TRY(auto segment, create(store, name, geometry, capacity_bytes, std::move(share), spread));
  segment->recovery_.cold = cold;
  return segment;
}

BudgetShare Segment::dissolve(std::unique_ptr<Segment> segment) {
  BudgetShare share = std::move(segment->share_);
  segment.reset();
  share.put_back_all();
  return share;
}

Status Segment::map(UniqueFd fd, const MemorySpread& spread) {
  const auto part = [&](bip::mode_t mode, std::uint64_t begin, std::uint64_t end) {
    bip::mapped_region region(DescriptorMapping(fd.get()), mode, static_cast<bip::offset_t>(begin),
                              end - begin);
    // Client data does not belong in core dumps.
    madvise(region.get_address(), region.get_size(), MADV_DONTDUMP);
    return region;
  };
  try {
    mapping_ = std::make_unique<Mapping>();
    mapping_->metadata = part(bip::read_only, 0, layout_.data_offset);
    mapping_->metadata_door = part(bip::read_write, 0, layout_.data_offset);
    mapping_->payloads = part(bip::read_write, layout_.data_offset, layout_.segment_bytes);
  } catch (const bip::interprocess_exception& failure) {
    return Error{Code::STORAGE, fmt::format("map a segment: {}", failure.what())};
  }
  metadata_ = static_cast<const std::byte*>(mapping_->metadata.get_address());
  records_ = reinterpret_cast<const Record*>(metadata_ + kTableOffset);
  payloads_ = static_cast<std::byte*>(mapping_->payloads.get_address());
  // Before memory is taken: what an earlier daemon has taken stays where it lies.
  spread_status_ = spread.apply({payloads_, mapping_->payloads.get_size()});
  door_ = MetadataDoor(static_cast<std::byte*>(mapping_->metadata_door.get_address()),
                       mapping_->metadata_door.get_size());
  fd_ = std::move(fd);
  return {};
}

// Both blocks, one after the other: a crash in between leaves one valid, as damage to one does.
void Segment::write_superblocks() {
  write_superblock();
  write_superblock();
}

void Segment::write_superblock() {
  SuperBlock block = {};
  std::memcpy(block.magic, kSegmentMagic, sizeof(block.magic));
  block.version = kFormatVersion;
  block.kind = static_cast<std::uint32_t>(geometry_.kind);
  block.sequence = ++sequence_;
  block.fingerprint = geometry_.fingerprint;
  block.kv_format = geometry_.kv_format;
  block.page_tokens = geometry_.page_tokens;
  block.slot_count = layout_.slot_count;
  block.backed_slots = backed_slots_;
  block.header_bytes = layout_.header_bytes;
  block.payload_bytes = geometry_.payload_bytes;
  block.payload_stride = layout_.payload_stride;
  block.headers_offset = layout_.headers_offset;
  block.data_offset = layout_.data_offset;
  block.segment_bytes = layout_.segment_bytes;
  block.state_bytes = geometry_.state_bytes;
  block.checksum = superblock_sum(block);
  door_.write((sequence_ % 2) * kSuperBlockBytes, &block, sizeof(block));
}

std::array<Segment::Part, 3> Segment::parts() const {
  return {{{kTableOffset, sizeof(Record), layout_.headers_offset},
           {layout_.headers_offset, layout_.header_bytes, layout_.data_offset},
           {layout_.data_offset, layout_.payload_stride, layout_.segment_bytes}}};
}

// Memory behind slots [begin, end) of a part.  With memory behind every page that is touched, a
// full /dev/shm is an error here and never a SIGBUS.
Status Segment::take_memory(const Part& part, std::uint32_t begin, std::uint32_t end) {
  if (begin == end) return {};
  const auto offset = static_cast<off_t>(part.offset + begin * part.stride);
  const auto bytes = static_cast<off_t>((end - begin) * part.stride);
  int failed;
  do {
    failed = posix_fallocate(fd_.get(), offset, bytes);
  } while (failed == EINTR);
  if (failed != 0) return from_errno(fmt::format("take {} bytes of shared memory", bytes), failed);
  crash_point();
  return {};
}

Result<std::uint32_t> Segment::grow() {
  const std::uint64_t wanted = std::max<std::uint64_t>(1, kGrowBytes / slot_bytes());
  std::uint64_t count =
      std::min<std::uint64_t>(wanted, slots_max_ - std::min(slots_max_, backed_slots_));
  while (count > 0 && !share_.take(count * slot_bytes())) count /= 2;
  if (count == 0) return 0u;
  const auto end = backed_slots_ + static_cast<std::uint32_t>(count);
  for (const Part& part : parts()) {
    if (const Status taken = take_memory(part, backed_slots_, end); !taken) {
      share_.put_back(count * slot_bytes());
      return taken.error();
    }
  }
  backed_slots_ = end;
  write_superblocks();
  return static_cast<std::uint32_t>(count);
}

const ObjectHeader& Segment::header(SlotId slot) const {
  assert(slot < backed_slots_);
  return *reinterpret_cast<const ObjectHeader*>(metadata_ + layout_.headers_offset +
                                                slot * layout_.header_bytes);
}

std::span<const std::int32_t> Segment::tokens(SlotId slot) const {
  const ObjectHeader& object = header(slot);
  return {reinterpret_cast<const std::int32_t*>(&object + 1), object.token_count};
}

std::byte* Segment::payload(SlotId slot) const {
  assert(slot < backed_slots_);
  return payloads_ + slot * layout_.payload_stride;
}

void Segment::set_state(SlotId slot, SlotState state) {
  door_.publish(record_offset(slot) + offsetof(Record, state), static_cast<std::uint32_t>(state));
}

void Segment::begin_fill(SlotId slot, NamespaceId namespace_id) {
  const Record& old = record(slot);
  assert(old.state == static_cast<std::uint32_t>(SlotState::free));
  const bool used = old.generation != 0 || old.namespace_id == kUnknownNamespace;
  if (used && old.namespace_id != namespace_id) {
    crash_point();
    std::memset(payload(slot), 0, layout_.payload_stride);
    crash_point();
    write_header(slot, {}, {});
  }
  write_record(slot, offsetof(Record, generation), std::max(1u, old.generation + 1));
  write_record(slot, offsetof(Record, namespace_id), namespace_id);
  set_state(slot, SlotState::filling);
}

// Token ids beyond the last one are zero: nothing stays of what was there.
void Segment::write_header(SlotId slot, const ObjectHeader& object,
                           std::span<const std::int32_t> tokens) {
  std::array<std::int32_t, kPageTokensMax> ids = {};
  std::ranges::copy(tokens, ids.begin());
  const std::size_t place = layout_.headers_offset + slot * layout_.header_bytes;
  door_.write(place, &object, sizeof(object));
  door_.write(place + sizeof(object), ids.data(), geometry_.page_tokens * sizeof(std::int32_t));
}

void Segment::commit(SlotId slot, const PageIdentity& identity) {
  Record next = record(slot);
  assert(next.state == static_cast<std::uint32_t>(SlotState::filling));
  assert(!identity.tokens.empty() && identity.tokens.size() <= geometry_.page_tokens);

  ObjectHeader object = {};
  object.magic = kObjectMagic;
  object.kind = static_cast<std::uint16_t>(geometry_.kind);
  object.token_count = static_cast<std::uint16_t>(identity.tokens.size());
  object.generation = next.generation;
  object.first_token = identity.first_token;
  object.namespace_id = identity.namespace_id;
  object.parent_key = identity.parent_key;
  object.checksum = header_sum(object, identity.tokens);
  write_header(slot, object, identity.tokens);

  next.namespace_id = identity.namespace_id;
  next.key = identity.key;
  next.payload_sum = XXH3_64bits(payload(slot), geometry_.payload_bytes);
  next.token_count = object.token_count;
  next.kind = object.kind;
  next.record_sum = record_sum(next);
  door_.write(record_offset(slot), &next, sizeof(next));
  set_state(slot, SlotState::committed);
}

void Segment::free_slot(SlotId slot) {
  assert(record(slot).state == static_cast<std::uint32_t>(SlotState::filling) ||
         record(slot).state == static_cast<std::uint32_t>(SlotState::committed));
  set_state(slot, SlotState::dead);
  set_state(slot, SlotState::free);
}

void Segment::free_orphan(SlotId slot) {
  reset(slot);
  --recovery_.kept;
  ++recovery_.orphaned;
}

bool Segment::payload_intact(SlotId slot) const {
  return record(slot).payload_sum == XXH3_64bits(payload(slot), geometry_.payload_bytes);
}

}  // namespace hearth::cache
