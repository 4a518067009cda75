// One segment: a sparse file of memory, mapped through Boost.Interprocess, that holds objects of
// one kind for one model, and outlives the daemon.  segment_format.hpp has the bytes.
//
// THREAD: the engine that owns it.  Metadata is written here and nowhere else, through the door
// (metadata_door.hpp), in the order that a later attach relies on:
//   begin_fill   generation + 1, namespace -> FILLING -> the caller writes the payload
//   commit       object header -> record fields -> record checksum -> COMMITTED (release)
//   free_slot    DEAD (release) -> FREE
//   grow         memory -> superblock
// A crash between any two stores leaves a slot that is FREE, or that attach frees, or that is
// whole.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cache/memory_binder.hpp"
#include "cache/memory_budget.hpp"
#include "cache/metadata_door.hpp"
#include "cache/page_key.hpp"
#include "cache/recovery.hpp"
#include "cache/segment_format.hpp"
#include "cache/segment_store.hpp"
#include "common/result.hpp"

namespace hearth::cache {

using SlotId = std::uint32_t;
inline constexpr SlotId kNoSlot = 0xffffffffu;

inline constexpr std::uint32_t kPageTokensMax = 256;

// What all objects of a segment have in common: a segment of another geometry is cold.
struct SegmentGeometry {
  Digest fingerprint;           // of the model
  std::uint32_t kv_format;      // kernels::KvFormat
  std::uint32_t page_tokens;    // power of two, 8 .. kPageTokensMax
  std::uint64_t payload_bytes;  // of one object
  ObjectKind kind = ObjectKind::kv_page;
  std::uint64_t state_bytes = 0;  // checkpoint: of one payload, those that are the state

  bool operator==(const SegmentGeometry&) const = default;
};

// Who a page, or a checkpoint, belongs to and what it continues.
struct PageIdentity {
  NamespaceId namespace_id;
  Digest key;
  Digest parent_key;
  std::uint32_t first_token;             // position of tokens[0]
  std::span<const std::int32_t> tokens;  // 1 .. page_tokens
};

class Segment {
 public:
  // What a segment takes of the budget besides its slots: superblocks, and what the ends of the
  // other parts may waste.
  static constexpr std::uint64_t kFixedBytes = kTableOffset + 2 * kPartAlignment;
  static constexpr std::uint64_t kSlotCountMax = 1u << 24;  // records: 1 GiB of table

  // Attach to the segment of this name, or create one, replacing it, when it cannot be used;
  // recovery() tells which.  It may grow to capacity_bytes.  Memory is taken later, by grow(), for
  // payloads from the nodes of spread in turn: every worker may be the one who reads a page.
  // Errors: INVALID when the capacity holds no object; LIMIT (budget); IO, STORAGE.
  static Result<std::unique_ptr<Segment>> open(const SegmentStore& store, const std::string& name,
                                               const SegmentGeometry& geometry,
                                               std::uint64_t capacity_bytes, BudgetShare share,
                                               const MemorySpread& spread = {});
  // The same without looking at what is there.
  static Result<std::unique_ptr<Segment>> create(const SegmentStore& store, const std::string& name,
                                                 const SegmentGeometry& geometry,
                                                 std::uint64_t capacity_bytes, BudgetShare share,
                                                 const MemorySpread& spread = {});
  ~Segment();  // gives the budget back; the file stays

  // Put memory behind more slots, within budget and capacity.  Returns how many were added: 0 when
  // there is no room, which is not an error.  Errors: IO when the kernel has no memory.
  Result<std::uint32_t> grow();

  // The share of the budget, all of it set aside again, of a segment that will not be used any
  // more.
  static BudgetShare dissolve(std::unique_ptr<Segment> segment);

  // A share of the same budget that has nothing of it yet.
  BudgetShare empty_share() const { return share_.sibling(); }

  // Have so much of the budget set aside, bytes that memory was not taken for yet; or what there is
  // already, where the budget does not have them.
  void set_aside(std::uint64_t bytes) { share_.set_aside(bytes); }

  std::uint32_t backed_slots() const { return backed_slots_; }  // slots [0, backed) have memory
  std::uint32_t slots_max() const { return slots_max_; }        // that may ever have memory
  std::uint64_t slot_bytes() const;                             // that a slot takes of the budget
  std::uint64_t capacity_bytes() const { return capacity_bytes_; }
  std::uint32_t page_tokens() const { return geometry_.page_tokens; }
  const Digest& fingerprint() const { return geometry_.fingerprint; }
  const SegmentGeometry& geometry() const { return geometry_; }
  const Recovery& recovery() const { return recovery_; }
  // What the system said to the spread; refused, memory lies where the kernel likes.
  const Status& spread_status() const { return spread_status_; }

  // Take a FREE slot for a page of this namespace.  Its memory is zeroed when another namespace had
  // it.
  void begin_fill(SlotId slot, NamespaceId namespace_id);
  // Publish a FILLING slot whose payload is complete.
  void commit(SlotId slot, const PageIdentity& identity);
  // Give up a FILLING or COMMITTED slot.
  void free_slot(SlotId slot);
  // Give up a COMMITTED one that was found to continue nothing that is there.
  void free_orphan(SlotId slot);

  const Record& record(SlotId slot) const { return records_[slot]; }
  const ObjectHeader& header(SlotId slot) const;
  std::span<const std::int32_t> tokens(SlotId slot) const;  // of a COMMITTED slot
  std::byte* payload(SlotId slot) const;                    // [payload_bytes], 4096-byte aligned
  std::uint64_t payload_bytes() const { return geometry_.payload_bytes; }

  // True when the payload still has the checksum it was committed with.
  bool payload_intact(SlotId slot) const;

 private:
  // Where the parts of a segment lie.
  struct Layout {
    std::uint64_t header_bytes;
    std::uint64_t payload_stride;
    std::uint32_t slot_count;
    std::uint64_t headers_offset;
    std::uint64_t data_offset;
    std::uint64_t segment_bytes;
    bool operator==(const Layout&) const = default;
  };
  // Records, headers or payloads of all slots.
  struct Part {
    std::uint64_t offset, stride, end;
  };
  struct Mapping;  // the Boost.Interprocess objects

  Segment(const SegmentGeometry& geometry, std::uint64_t capacity_bytes, BudgetShare share);
  static std::optional<Layout> layout_of(const SegmentGeometry& geometry, std::uint32_t slot_count);
  Status plan(std::uint32_t& ret_slot_count);
  Status map(UniqueFd fd, const MemorySpread& spread);
  std::array<Part, 3> parts() const;
  Status take_memory(const Part& part, std::uint32_t begin, std::uint32_t end);
  void write_header(SlotId slot, const ObjectHeader& object, std::span<const std::int32_t> tokens);
  void write_superblocks();
  void write_superblock();
  void set_state(SlotId slot, SlotState state);
  static std::size_t record_offset(SlotId slot) { return kTableOffset + slot * sizeof(Record); }
  template <class T>
  void write_record(SlotId slot, std::size_t field, const T& value) {
    door_.write(record_offset(slot) + field, &value, sizeof(value));
  }

  // Attaching: segment_attach.cpp
  Result<ColdReason> attach(UniqueFd fd, const MemorySpread& spread);
  static ColdReason find_superblock(int fd, SuperBlock& ret_block);
  ColdReason check(const SuperBlock& block, std::uint64_t file_bytes);
  Status take_back_memory(std::uint32_t backed_before, std::uint64_t file_memory);
  void scan(std::uint32_t backed_before);
  void release_memory();
  bool is_sound(SlotId slot) const;
  void reset(SlotId slot);

  const SegmentGeometry geometry_;
  const std::uint64_t capacity_bytes_;
  BudgetShare share_;
  Layout layout_ = {};
  std::uint32_t slots_max_ = 0;
  std::uint32_t backed_slots_ = 0;
  std::uint64_t sequence_ = 0;  // of the last superblock written
  UniqueFd fd_;
  std::unique_ptr<Mapping> mapping_;
  const std::byte* metadata_ = nullptr;  // all before the payloads, for reading
  const Record* records_ = nullptr;      // [slot_count]
  std::byte* payloads_ = nullptr;        // [slot_count] payloads
  MetadataDoor door_;
  Recovery recovery_;
  Status spread_status_;
};

// Checksums: of a superblock, of a record, and of a header with its token ids.
std::uint64_t superblock_sum(const SuperBlock& block);
std::uint32_t record_sum(const Record& record);
std::uint64_t header_sum(ObjectHeader header, std::span<const std::int32_t> tokens);

}  // namespace hearth::cache
