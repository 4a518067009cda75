// A file mapped for reading.
//
// A mapping outlives the checks made on the file: somebody may truncate it, and reading past the
// new end raises SIGBUS.  guard_mappings() turns that into zeros and a flag instead of a dead
// daemon: the handler puts an anonymous page where the file's page was and remembers that it did.
//
// THREAD: any reads a mapping; the object is one thread's at a time.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/result.hpp"

namespace hearth {

// Install the SIGBUS handler.  Once, from main(), before threads start.  A SIGBUS outside every
// MappedFile still ends the process, which says so first.
void guard_mappings();

// What tells a file, as it is now, from every other and from itself after a change: device, inode,
// size, times of change.  "" where there is none.
std::string file_identity(const std::string& path);

class MappedFile {
 public:
  // Map a regular file, read-only.  Errors: IO (cannot open or map), MODEL (empty, not a file).
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // file_identity() when it was opened.
  const std::string& identity() const { return identity_; }
  // Whether the file is still that one, and so old that a later change must show in its times.
  bool is_settled() const;

  // True when a read hit a part of the file that had vanished: what was read since is not to be
  // trusted.  Needs guard_mappings().
  bool vanished() const;

  // Tell the kernel that the pages of a range will not be read again.
  void release(std::size_t offset, std::size_t size) const;

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  int guard_slot_ = -1;  // index in the handler's table
  std::string path_;
  std::string identity_;
};

}  // namespace hearth
