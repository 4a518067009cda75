// Where segments live: memory that belongs to one state directory.
//
// The segments of DIR lie in hearth-<uid>-<hash of DIR's real path>, so that different state
// directories share nothing: a directory of files in /dev/shm, or memory files that the service
// manager keeps under names that begin so (SegmentPlace).  Nobody but open() knows which.  One
// daemon per state directory: locks on DIR/lock and on a directory of memory.  The secret that all
// keys are made with is DIR/secret, mode 0600, made once: without it nothing that was kept is found
// again.
//
// THREAD: opened on the loop; then any.  A name is one thread's at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cache/descriptor_keeper.hpp"
#include "cache/segment_format.hpp"
#include "cache/segment_place.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hearth::cache {

// Files in /dev/shm, or memory files that a service manager keeps; automatic: in /dev/shm, unless
// that is not possible and there is a manager.
enum class StoreBackend : std::uint8_t { automatic, shm, fdstore };

struct StoreOptions {
  StoreBackend backend = StoreBackend::automatic;
  DescriptorKeeper* keeper = nullptr;  // null: there is no service manager; outlives the store
  std::vector<KeptDescriptor> kept;    // what it has handed over, whatever the backend
};

class SegmentStore {
 public:
  // Open the store of a state directory, making what is missing, and take the locks.  What is kept
  // at the other backend's place is removed: it would take memory for ever.  memory_root is
  // /dev/shm but for tests.  Errors: INVALID_OPERATION when another daemon holds the lock;
  // STORAGE when a directory is not ours alone; CONFIG for fdstore without a service manager; IO.
  static Result<SegmentStore> open(const std::string& state_dir,
                                   const std::string& memory_root = "/dev/shm",
                                   StoreOptions options = {});

  // Remove everything that was kept for a state directory: its segments and the directory itself
  // where nothing else is in it.  Needs the lock, so it fails while a daemon runs.  What a service
  // manager keeps stays there, and is of no use without the secret.
  static Status purge(const std::string& state_dir, const std::string& memory_root = "/dev/shm");

  // Create a segment file of this name and size, sparse, replacing an older one.  It may not
  // outlive the daemon before it is renamed: make it under another name than it is found by.
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

  // Of the segment files; empty when the service manager keeps them.
  const std::string& directory() const { return directory_; }
  const Digest& secret() const { return secret_; }

 private:
  SegmentStore() = default;
  Status choose_place(const std::string& memory_directory, StoreOptions options);

  std::string directory_;
  Digest secret_ = {};
  UniqueFd lock_;
  std::unique_ptr<SegmentPlace> place_;
};

}  // namespace hearth::cache
