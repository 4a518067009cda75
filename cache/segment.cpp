// See segment.hpp.
#include "cache/segment.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cassert>
#include <cstring>

#include "common/checked.hpp"

namespace hearth::cache {
namespace {

namespace bip = boost::interprocess;

constexpr std::uint64_t kGrowBytes = 4u << 20;     // memory is taken in steps of about this much
constexpr std::uint64_t kSlotCountMax = 1u << 24;  // records: 1 GiB of table

// Lets Boost map a descriptor that we opened ourselves: a file in a private directory now, a memfd
// that systemd kept for us later.
class DescriptorMapping {
 public:
  explicit DescriptorMapping(int fd) : fd_(fd) {}
  bip::mapping_handle_t get_mapping_handle() const {
    return bip::ipcdetail::mapping_handle_from_file_handle(fd_);
  }

 private:
  int fd_;
};

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

void store_state(Record& record, SlotState state) {
  std::atomic_ref<std::uint32_t>(record.state)
      .store(static_cast<std::uint32_t>(state), std::memory_order_release);
}

}  // namespace

struct Segment::Mapping {
  bip::mapped_region region;
};

Segment::Segment(const SegmentGeometry& geometry, BudgetShare share)
    : geometry_(geometry), share_(std::move(share)) {}

Result<std::unique_ptr<Segment>> Segment::create(const SegmentStore& store, const std::string& name,
                                                 const SegmentGeometry& geometry,
                                                 BudgetShare share) {
  std::unique_ptr<Segment> segment(new Segment(geometry, std::move(share)));
  const std::uint64_t tokens_bytes = geometry.page_tokens * sizeof(std::int32_t);
  segment->header_bytes_ = align_up<std::uint64_t>(sizeof(ObjectHeader) + tokens_bytes, 64);
  const auto object = checked_add(segment->header_bytes_, geometry.payload_bytes);
  const auto stride = object ? checked_align<std::uint64_t>(*object, kDataAlignment) : std::nullopt;
  if (!stride) return Error{Code::INVALID, "a KV page of this model is too large to address"};
  segment->object_stride_ = *stride;

  // Superblocks and the rounding of the table count too: the last slot must have memory.
  constexpr std::uint64_t kFixedBytes = kTableOffset + kDataAlignment;
  const std::uint64_t slots =
      geometry.capacity_bytes < kFixedBytes
          ? 0
          : (geometry.capacity_bytes - kFixedBytes) / (*stride + sizeof(Record));
  if (slots == 0 || slots > kSlotCountMax) {
    return Error{Code::INVALID,
                 fmt::format("kv-bytes: {} bytes hold {} pages of {} bytes; 1 to {} are possible",
                             geometry.capacity_bytes, slots, *stride, kSlotCountMax)};
  }
  segment->slot_count_ = static_cast<std::uint32_t>(slots);
  segment->table_bytes_ =
      align_up<std::uint64_t>(kTableOffset + slots * sizeof(Record), kDataAlignment);
  segment->data_offset_ = segment->table_bytes_;
  if (!segment->share_.take(segment->table_bytes_)) {
    return Error{Code::LIMIT,
                 "kv-bytes: nothing is left of the budget for this model's page table"};
  }
  HEARTH_TRY(UniqueFd fd, store.create(name, segment->data_offset_ + slots * *stride));
  HEARTH_CHECK(segment->map(std::move(fd)));
  segment->write_superblock();
  return segment;
}

Segment::~Segment() = default;

BudgetShare Segment::dissolve(std::unique_ptr<Segment> segment) {
  BudgetShare share = std::move(segment->share_);
  segment.reset();
  share.put_back_all();
  return share;
}

Status Segment::map(UniqueFd fd) {
  if (const int failed = posix_fallocate(fd.get(), 0, static_cast<off_t>(table_bytes_))) {
    return from_errno("take memory for the page table", failed);
  }
  try {
    mapping_ = std::make_unique<Mapping>();
    mapping_->region = bip::mapped_region(DescriptorMapping(fd.get()), bip::read_write);
  } catch (const bip::interprocess_exception& failure) {
    return Error{Code::STORAGE, fmt::format("map a segment: {}", failure.what())};
  }
  base_ = static_cast<std::byte*>(mapping_->region.get_address());
  // Client data does not belong in core dumps.
  madvise(base_, mapping_->region.get_size(), MADV_DONTDUMP);
  fd_ = std::move(fd);
  return {};
}

// The older of the two blocks is overwritten: a crash in between leaves the other one valid.
void Segment::write_superblock() {
  SuperBlock block = {};
  std::memcpy(block.magic, "HEARTHSG", sizeof(block.magic));
  block.version = kFormatVersion;
  block.kind = static_cast<std::uint32_t>(ObjectKind::kv_page);
  block.sequence = ++sequence_;
  block.fingerprint = geometry_.fingerprint;
  block.kv_format = geometry_.kv_format;
  block.page_tokens = geometry_.page_tokens;
  block.slot_count = slot_count_;
  block.header_bytes = header_bytes_;
  block.payload_bytes = geometry_.payload_bytes;
  block.object_stride = object_stride_;
  block.data_offset = data_offset_;
  block.segment_bytes = data_offset_ + slot_count_ * object_stride_;
  block.checksum = XXH3_64bits(&block, offsetof(SuperBlock, checksum));
  std::memcpy(base_ + (sequence_ % 2) * kSuperBlockBytes, &block, sizeof(block));
}

Result<std::uint32_t> Segment::grow() {
  const std::uint64_t wanted = std::max<std::uint64_t>(1, kGrowBytes / object_stride_);
  std::uint64_t count = std::min<std::uint64_t>(wanted, slot_count_ - backed_slots_);
  while (count > 0 && !share_.take(count * object_stride_)) count /= 2;
  if (count == 0) return 0u;
  // With memory behind every page that is touched, a full /dev/shm is an error here and never a
  // SIGBUS.
  const std::uint64_t offset = data_offset_ + backed_slots_ * object_stride_;
  if (const int failed = posix_fallocate(fd_.get(), static_cast<off_t>(offset),
                                         static_cast<off_t>(count * object_stride_))) {
    share_.put_back(count * object_stride_);
    return from_errno(fmt::format("take {} bytes of shared memory", count * object_stride_),
                      failed);
  }
  backed_slots_ += static_cast<std::uint32_t>(count);
  return static_cast<std::uint32_t>(count);
}

Record& Segment::mutable_record(SlotId slot) const {
  assert(slot < slot_count_);
  return *reinterpret_cast<Record*>(base_ + kTableOffset + slot * sizeof(Record));
}

const Record& Segment::record(SlotId slot) const {
  return mutable_record(slot);
}

ObjectHeader& Segment::header(SlotId slot) const {
  assert(slot < backed_slots_);
  return *reinterpret_cast<ObjectHeader*>(base_ + data_offset_ + slot * object_stride_);
}

std::span<const std::int32_t> Segment::tokens(SlotId slot) const {
  const ObjectHeader& object = header(slot);
  return {reinterpret_cast<const std::int32_t*>(&object + 1), object.token_count};
}

std::byte* Segment::payload(SlotId slot) const {
  return reinterpret_cast<std::byte*>(&header(slot)) + header_bytes_;
}

void Segment::begin_fill(SlotId slot, NamespaceId namespace_id) {
  Record& record = mutable_record(slot);
  assert(record.state == static_cast<std::uint32_t>(SlotState::free));
  const bool foreign = record.generation != 0 && record.namespace_id != namespace_id;
  if (foreign) std::memset(static_cast<void*>(&header(slot)), 0, object_stride_);
  record.generation += 1;
  record.namespace_id = namespace_id;
  store_state(record, SlotState::filling);
}

void Segment::commit(SlotId slot, const PageIdentity& identity) {
  Record& record = mutable_record(slot);
  assert(record.state == static_cast<std::uint32_t>(SlotState::filling));
  assert(!identity.tokens.empty() && identity.tokens.size() <= geometry_.page_tokens);

  ObjectHeader object = {};
  object.magic = kObjectMagic;
  object.kind = static_cast<std::uint16_t>(ObjectKind::kv_page);
  object.token_count = static_cast<std::uint16_t>(identity.tokens.size());
  object.generation = record.generation;
  object.first_token = identity.first_token;
  object.namespace_id = identity.namespace_id;
  object.parent_key = identity.parent_key;
  object.checksum = header_sum(object, identity.tokens);
  ObjectHeader& place = header(slot);
  std::memcpy(static_cast<void*>(&place), &object, sizeof(object));
  std::memcpy(static_cast<void*>(&place + 1), identity.tokens.data(), identity.tokens.size_bytes());

  record.namespace_id = identity.namespace_id;
  record.key = identity.key;
  record.payload_sum = XXH3_64bits(payload(slot), geometry_.payload_bytes);
  record.token_count = object.token_count;
  record.kind = object.kind;
  record.record_sum = record_sum(record);
  store_state(record, SlotState::committed);
}

void Segment::free_slot(SlotId slot) {
  Record& record = mutable_record(slot);
  assert(record.state == static_cast<std::uint32_t>(SlotState::filling) ||
         record.state == static_cast<std::uint32_t>(SlotState::committed));
  store_state(record, SlotState::dead);
  store_state(record, SlotState::free);
}

bool Segment::payload_intact(SlotId slot) const {
  return record(slot).payload_sum == XXH3_64bits(payload(slot), geometry_.payload_bytes);
}

}  // namespace hearth::cache
