// A kept session as bytes: what its file in the state directory holds, and the head of an export.
//
//   version 1   SessionHead | model | name | token ids | MAC | padding to 4096 | pages
//   version 2   SessionHead | FileCheckpoints | model | name | token ids | MAC | padding to 4096 |
//               pages | checkpoints
//
// The MAC is BLAKE2b-256 over all before it, keyed for the user whose session it is, and
// `contents_hash` in the head vouches for what follows: nothing of a file is used before it was
// checked. The files of the state directory are of version 1 and have no pages; an export is of
// version 2, those of earlier daemons are of version 1. It has the whole pages of the session that
// were in the cache, payload by payload, and checkpoints of its state, as cache-format.md has them.
//
// Pure functions: any thread.  docs/cache-format.md has the table of the head.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/page_key.hpp"
#include "cache/segment.hpp"
#include "common/result.hpp"
#include "engine/messages.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

// A sequence of tokens of one model that outlives clients and daemon.
struct KeptSession {
  std::string name;            // letters, digits and . _ -; the daemon's own begin with ~
  std::string model;           // its id
  bool anonymous = false;      // named by the daemon, and the first to go when a user has too many
  std::int64_t created_s = 0;  // seconds since 1970
  std::int64_t used_s = 0;     // when its last turn ended
  std::vector<TokenId> ids;
};

// The key of a user's sessions, derived from the daemon's secret.
cache::Digest session_key(const cache::Digest& master_secret, cache::NamespaceId id);

// Whether a client may give a session this name.
bool is_session_name(const std::string& name);

struct SessionHead {
  char magic[8];                // "HEARTHSN"
  std::uint32_t version;        // kSessionVersion or kExportVersion
  std::uint32_t token_count;    // ids, at most kSessionTokensMax
  std::uint16_t model_size;     // bytes of the model's id
  std::uint16_t name_size;      // bytes of the name
  std::uint32_t anonymous;      // 0 or 1
  std::int64_t created_s;       // seconds since 1970
  std::int64_t used_s;          // likewise
  cache::Digest fingerprint;    // of the model, where there are pages or checkpoints
  std::uint32_t kv_format;      // kernels::KvFormat
  std::uint32_t page_tokens;    // tokens of a page
  std::uint64_t payload_bytes;  // of a page
  std::uint64_t page_count;     // pages that follow: the first of the session
  cache::Digest contents_hash;  // BLAKE2b-256 of all that follows the padding
};
static_assert(sizeof(SessionHead) == 128 && std::is_trivially_copyable_v<SessionHead>);

inline constexpr std::uint32_t kSessionVersion = 1;
inline constexpr std::uint32_t kExportVersion = 2;  // FileCheckpoints follow the head
inline constexpr std::uint32_t kSessionTokensMax = 1u << 20;
inline constexpr std::size_t kSessionPagesAlignment = 4096;

// What an export has of the cache.
struct SessionContents {
  cache::SegmentGeometry geometry = {};  // of the pages
  std::uint64_t page_count = 0;
  FileCheckpoints checkpoints = {};
  std::span<const std::byte> bytes = {};  // the pages, then the checkpoints

  bool empty() const { return page_count == 0 && checkpoints.count == 0; }
  // Of all pages; of all that follows.  Nothing where they do not fit a number: what comes from a
  // file is checked.
  std::optional<std::uint64_t> pages_size() const;
  std::optional<std::uint64_t> size() const;
};

// A file of the state directory.
std::vector<std::byte> encode_session(const KeptSession& session, const cache::Digest& key);

// An export: everything before contents.bytes, with the padding where there are any.
std::vector<std::byte> encode_export(const KeptSession& session, const SessionContents& contents,
                                     const cache::Digest& key);
// Where in the export of a session its contents begin, bytes.
std::uint64_t contents_offset(const KeptSession& session);

struct DecodedSession {
  KeptSession session;
  SessionContents contents;  // bytes: a view into what was decoded
};
// What either has given, with the contents behind it.  Errors: STORAGE, saying what is wrong; the
// same for what was changed and for what another user's key was used for.
Result<DecodedSession> decode_session(std::span<const std::byte> bytes, const cache::Digest& key);

}  // namespace hearth
