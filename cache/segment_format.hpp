// The bytes of a segment: what survives the daemon.  docs/cache-format.md draws them.
//
//   0x0000   SuperBlock A    4 KiB   the valid one with the higher sequence holds
//   0x1000   SuperBlock B    4 KiB
//   0x2000   records         slot_count x 64 bytes, padded to 4 KiB
//   headers  object headers  slot_count x header_bytes, padded to 4 KiB
//   data     payloads        slot_count x payload_stride
//
// An object is the header and the payload of one slot.  They lie apart so that all that tells what
// is where can be mapped for reading only (metadata_door.hpp).  Memory stands behind the first
// backed_slots of each part, the rest is holes.
//
// Pointer-free, fixed width, little-endian.  Any change of a struct here bumps kFormatVersion, and
// a segment of another version is cold.  A field that takes the place of reserved bytes does not,
// when zero means in it what an earlier version did: state_bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace hearth::cache {

inline constexpr std::uint32_t kFormatVersion = 2;
inline constexpr std::size_t kSuperBlockBytes = 4096;
inline constexpr std::size_t kTableOffset = 2 * kSuperBlockBytes;
inline constexpr std::size_t kPartAlignment = 4096;  // holes are punched in whole pages

inline constexpr char kSegmentMagic[8] = {'H', 'E', 'A', 'R', 'T', 'H', 'S', 'G'};

using Digest = std::array<std::uint8_t, 32>;  // a BLAKE2b-256 hash

struct SuperBlock {
  char magic[8];                 // kSegmentMagic
  std::uint32_t version;         // kFormatVersion
  std::uint32_t kind;            // ObjectKind of every object here
  std::uint64_t sequence;        // grows with every write; the higher valid one holds
  Digest fingerprint;            // of the model that the objects belong to
  std::uint32_t kv_format;       // kernels::KvFormat
  std::uint32_t page_tokens;     // tokens of a full page
  std::uint32_t slot_count;      // records in the table
  std::uint32_t backed_slots;    // slots [0, backed_slots) have memory
  std::uint64_t header_bytes;    // of an object: ObjectHeader and token ids, padded
  std::uint64_t payload_bytes;   // of an object
  std::uint64_t payload_stride;  // from one payload to the next
  std::uint64_t headers_offset;  // of the first header
  std::uint64_t data_offset;     // of the first payload
  std::uint64_t segment_bytes;   // whole file
  std::uint32_t numa_node;       // 0: pages are dealt out to all nodes
  std::uint8_t reserved[4];      // zero
  std::uint64_t state_bytes;     // of a payload, those that are a state; 0: KV pages
  std::uint8_t reserved2[16];    // zero
  std::uint64_t checksum;        // XXH3-64 of the bytes before it
};
static_assert(sizeof(SuperBlock) == 160 && std::is_trivially_copyable_v<SuperBlock>);
static_assert(offsetof(SuperBlock, state_bytes) == 128);

enum class ObjectKind : std::uint16_t { none = 0, kv_page = 1, checkpoint = 2 };

// The life of a slot.  Only COMMITTED objects are read; FILLING and DEAD ones are freed at attach.
enum class SlotState : std::uint32_t { free = 0, filling = 1, committed = 2, dead = 3 };

// Nobody's: what the slot holds is zeroed before anybody gets it.
inline constexpr std::uint64_t kUnknownNamespace = ~std::uint64_t{0};

// The record of a slot is the only truth about it: index, LRU and free list are rebuilt from
// records.
struct Record {
  std::uint32_t state;         // SlotState; written last on commit, with release order
  std::uint32_t generation;    // grows whenever the slot leaves FREE
  std::uint64_t namespace_id;  // whose object it is; kept in FREE: whose bytes may still lie there,
                               // kUnknownNamespace after an attach
  Digest key;                  // keyed hash of parent key and token ids; of a checkpoint, what the
                               // page would have that ends where it does
  std::uint64_t payload_sum;   // XXH3-64 of the payload
  std::uint16_t token_count;   // 1 .. page_tokens
  std::uint16_t kind;          // ObjectKind
  std::uint32_t record_sum;    // low half of XXH3-64 of the fields above without state
};
static_assert(sizeof(Record) == 64 && std::is_trivially_copyable_v<Record>);

// Of an object; int32 token_ids[page_tokens] follow, then padding to header_bytes.
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
