// A session on its way out of the daemon or into it, as a sealed memfd: what the text thread does
// with it.  session_file.hpp has its bytes.
//
//   export   the engine writes pages, and checkpoints of the state behind them, behind where the
//            head will be; then a text thread hashes them, writes the head and seals
//   import   a text thread checks seals, MAC and hash; then the engine copies pages and checkpoints
//
// A memfd that is sealed cannot change after it was checked, whatever its client does.
#pragma once

#include <cstdint>
#include <string>

#include "cache/page_key.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "daemon/session_file.hpp"

namespace hearth {

struct SessionTransfer {
  KeptSession session;            // exported; or what an import has brought
  std::string name;               // import: of the new session; empty: anonymous
  UniqueFd fd;                    // the memfd
  std::uint64_t offset = 0;       // of its contents, bytes in the memfd
  SessionContents contents = {};  // of the memfd; without bytes
};

// A memfd for this session, whose contents begin at transfer.offset.  THREAD: any.
Status begin_export(SessionTransfer& transfer);

// Write the head before the transfer's contents, drop what is behind them, and seal.  THREAD: a
// text thread.
Status finish_export(SessionTransfer& transfer, const cache::Digest& key);

// Check the descriptor that a client sent and read what it holds.  Errors: INVALID (it is no sealed
// memfd), STORAGE (its contents).  THREAD: a text thread.
Status read_import(SessionTransfer& transfer, const cache::Digest& key);

}  // namespace hearth
