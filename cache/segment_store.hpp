// Where segments live: a directory of memory that belongs to one state directory.
//
// The segments of DIR are files in /dev/shm/hearth-<uid>-<hash of DIR's real path>, mode 0700, so
// that different state directories share nothing.  One daemon per state directory: locks on
// DIR/lock and on the directory of memory.  The secret that all keys are made with is DIR/secret,
// mode 0600, made once: without it nothing that was kept is found again.
//
// THREAD: opened on the loop; then any, for it does not change.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cache/segment_format.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hearth::cache {

class SegmentStore {
 public:
  // Open the store of a state directory, making both directories where they are missing, and take
  // the locks.  memory_root is /dev/shm but for tests. Errors: INVALID_OPERATION when another
  // daemon holds the lock; STORAGE when a directory is not ours alone; IO.
  static Result<SegmentStore> open(const std::string& state_dir,
                                   const std::string& memory_root = "/dev/shm");

  // Remove everything that was kept for a state directory: its segments and the directory itself
  // where nothing else is in it.  Needs the lock, so it fails while a daemon runs.
  static Status purge(const std::string& state_dir, const std::string& memory_root = "/dev/shm");

  // Create a segment file of this name and size, sparse, replacing an older one.
  Result<UniqueFd> create(const std::string& name, std::uint64_t bytes) const;

  // Open a segment file that is there; no descriptor when there is none.  Errors: STORAGE when it
  // is no plain file of ours; IO.
  Result<UniqueFd> open_segment(const std::string& name) const;

  // Memory that a segment file takes, bytes; 0 when there is none.
  std::uint64_t kept_bytes(const std::string& name) const;

  // Remove all segment files but those of these names.  Returns the names of what was removed.
  Result<std::vector<std::string>> keep_only(const std::vector<std::string>& names) const;

  // Give a segment file another name, replacing what has it.
  Status rename(const std::string& from, const std::string& to) const;

  // Remove a segment file; none there is not an error.
  Status remove(const std::string& name) const;

  const std::string& directory() const { return directory_; }
  const Digest& secret() const { return secret_; }

 private:
  SegmentStore() = default;
  std::string directory_;  // of the segments
  Digest secret_ = {};
  UniqueFd directory_fd_;
  UniqueFd lock_;
};

}  // namespace hearth::cache
