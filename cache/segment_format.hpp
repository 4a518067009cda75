// The bytes of a segment: what survives the daemon.  docs/cache-format.md draws them.
//
//   0x0000  SuperBlock A     4 KiB   the valid one with the higher sequence holds
//   0x1000  SuperBlock B     4 KiB
//   0x2000  records          slot_count x 64 bytes, padded to 4 KiB
//   data    objects          slot_count x object_stride
//
// Pointer-free, fixed width, little-endian.  Any change of a struct here bumps kFormatVersion, and
// a segment of another version is cold.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace hearth::cache {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kSuperBlockBytes = 4096;
inline constexpr std::size_t kTableOffset = 2 * kSuperBlockBytes;
inline constexpr std::size_t kDataAlignment = 4096;  // holes are punched in whole pages

using Digest = std::array<std::uint8_t, 32>;  // a BLAKE2b-256 hash

struct SuperBlock {
  char magic[8];                // "HEARTHSG"
  std::uint32_t version;        // kFormatVersion
  std::uint32_t kind;           // ObjectKind of every object here
  std::uint64_t sequence;       // grows with every write; the higher valid one holds
  Digest fingerprint;           // of the model that the objects belong to
  std::uint32_t kv_format;      // kernels::KvFormat
  std::uint32_t page_tokens;    // tokens of a full page
  std::uint32_t slot_count;     // records in the table
  std::uint32_t numa_node;      // where the data area lies
  std::uint64_t header_bytes;   // of an object: ObjectHeader and token ids, padded
  std::uint64_t payload_bytes;  // of an object
  std::uint64_t object_stride;  // from one object to the next
  std::uint64_t data_offset;    // of the first object
  std::uint64_t segment_bytes;  // whole file
  std::uint8_t reserved[40];    // zero
  std::uint64_t checksum;       // XXH3-64 of the bytes before it
};
static_assert(sizeof(SuperBlock) == 160 && std::is_trivially_copyable_v<SuperBlock>);

enum class ObjectKind : std::uint16_t { none = 0, kv_page = 1 };

// The life of a slot.  Only COMMITTED objects are read; FILLING and DEAD ones are freed at attach.
enum class SlotState : std::uint32_t { free = 0, filling = 1, committed = 2, dead = 3 };

// The record of a slot is the only truth about it: index, LRU and free list are rebuilt from
// records.
struct Record {
  std::uint32_t state;         // SlotState; written last on commit, with release order
  std::uint32_t generation;    // grows whenever the slot leaves FREE
  std::uint64_t namespace_id;  // whose object it is; kept in FREE: whose bytes may still lie there
  Digest key;                  // keyed hash of parent key and token ids
  std::uint64_t payload_sum;   // XXH3-64 of the payload
  std::uint16_t token_count;   // 1 .. page_tokens
  std::uint16_t kind;          // ObjectKind
  std::uint32_t record_sum;    // low half of XXH3-64 of the fields above without state
};
static_assert(sizeof(Record) == 64 && std::is_trivially_copyable_v<Record>);

// Begins an object; int32 token_ids[page_tokens] follow, then padding to header_bytes, then the
// payload.
struct ObjectHeader {
  std::uint32_t magic;         // kObjectMagic
  std::uint16_t kind;          // ObjectKind
  std::uint16_t token_count;   // 1 .. page_tokens; ids beyond are zero
  std::uint32_t generation;    // of the record when this was written
  std::uint32_t first_token;   // position of token_ids[0] in its sequence
  std::uint64_t namespace_id;  // as in the record
  Digest parent_key;           // key of the page before; the namespace's root key for the first
  Digest adapter_key;          // zero: no adapter
  std::uint8_t reserved[32];   // zero
  std::uint64_t checksum;      // XXH3-64 of the header (this field 0) and the token ids
};
static_assert(sizeof(ObjectHeader) == 128 && std::is_trivially_copyable_v<ObjectHeader>);
inline constexpr std::uint32_t kObjectMagic = 0x4a424f48;  // "HOBJ"

}  // namespace hearth::cache
