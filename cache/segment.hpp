// One segment: a sparse file of memory, mapped through Boost.Interprocess, that holds objects of
// one kind for one model.  segment_format.hpp has the bytes.
//
// THREAD: the engine that owns it.  This class is the one door for metadata: superblocks, records
// and object headers are written here and nowhere else, in the order that a later attach relies on:
//   begin_fill   FILLING, generation + 1 -> the caller writes the payload
//   commit       object header -> record fields -> record checksum -> COMMITTED (release)
//   free_slot    DEAD (release) -> FREE
// A crash between any two stores leaves a slot that is FREE, or that attach frees, or that is
// whole.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "cache/memory_budget.hpp"
#include "cache/page_key.hpp"
#include "cache/segment_format.hpp"
#include "cache/segment_store.hpp"
#include "common/result.hpp"

namespace hearth::cache {

using SlotId = std::uint32_t;
inline constexpr SlotId kNoSlot = 0xffffffffu;

// What all objects of a segment have in common.
struct SegmentGeometry {
  Digest fingerprint;            // of the model
  std::uint32_t kv_format;       // kernels::KvFormat
  std::uint32_t page_tokens;     // power of two, 8 .. 256
  std::uint64_t payload_bytes;   // of one page
  std::uint64_t capacity_bytes;  // how large the segment may ever grow

  bool operator==(const SegmentGeometry&) const = default;
};

// Who a page belongs to and what it continues.
struct PageIdentity {
  NamespaceId namespace_id;
  Digest key;
  Digest parent_key;
  std::uint32_t first_token;             // position of tokens[0]
  std::span<const std::int32_t> tokens;  // 1 .. page_tokens
};

class Segment {
 public:
  // Create a segment, replacing one of the same name.  Memory is taken later, by grow().
  // Errors: INVALID when the capacity holds no object or too many; IO, STORAGE.
  static Result<std::unique_ptr<Segment>> create(const SegmentStore& store, const std::string& name,
                                                 const SegmentGeometry& geometry,
                                                 BudgetShare share);
  ~Segment();  // gives the budget back; the file stays

  // Put memory behind more slots, within budget and capacity.  Returns how many were added: 0 when
  // there is no room, which is not an error.  Errors: IO when the kernel has no memory.
  Result<std::uint32_t> grow();

  // The share of the budget, all of it set aside again, of a segment that will not be used any
  // more.
  static BudgetShare dissolve(std::unique_ptr<Segment> segment);

  // Have so much of the budget set aside, bytes that memory was not taken for yet; or what there is
  // already, where the budget does not have them.
  void set_aside(std::uint64_t bytes) { share_.set_aside(bytes); }

  std::uint32_t backed_slots() const { return backed_slots_; }  // slots [0, backed) have memory
  std::uint32_t slot_count() const { return slot_count_; }
  std::uint64_t object_stride() const { return object_stride_; }
  std::uint32_t page_tokens() const { return geometry_.page_tokens; }
  const Digest& fingerprint() const { return geometry_.fingerprint; }
  const SegmentGeometry& geometry() const { return geometry_; }

  // Take a FREE slot for a page of this namespace.  Its memory is zeroed when another namespace had
  // it.
  void begin_fill(SlotId slot, NamespaceId namespace_id);
  // Publish a FILLING slot whose payload is complete.
  void commit(SlotId slot, const PageIdentity& identity);
  // Give up a FILLING or COMMITTED slot.
  void free_slot(SlotId slot);

  const Record& record(SlotId slot) const;
  std::span<const std::int32_t> tokens(SlotId slot) const;  // of a COMMITTED slot
  std::byte* payload(SlotId slot) const;                    // [payload_bytes], 64-byte aligned
  std::uint64_t payload_bytes() const { return geometry_.payload_bytes; }

  // True when the payload still has the checksum it was committed with.
  bool payload_intact(SlotId slot) const;

 private:
  struct Mapping;  // the Boost.Interprocess objects
  Segment(const SegmentGeometry& geometry, BudgetShare share);
  Status map(UniqueFd fd);
  void write_superblock();
  Record& mutable_record(SlotId slot) const;
  ObjectHeader& header(SlotId slot) const;

  const SegmentGeometry geometry_;
  BudgetShare share_;
  std::uint64_t header_bytes_ = 0;
  std::uint64_t object_stride_ = 0;
  std::uint64_t data_offset_ = 0;
  std::uint32_t slot_count_ = 0;
  std::uint32_t backed_slots_ = 0;
  std::uint64_t table_bytes_ = 0;  // superblocks and records, charged to the budget
  std::uint64_t sequence_ = 0;     // of the last superblock written
  UniqueFd fd_;
  std::unique_ptr<Mapping> mapping_;
  std::byte* base_ = nullptr;  // of the mapping
};

}  // namespace hearth::cache
