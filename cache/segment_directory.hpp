// Segments as files in a directory of memory, mode 0700: the backend "shm".
//
// They outlive the daemon because they have names.  One daemon per directory: it holds a lock.
#pragma once

#include <memory>

#include "cache/segment_place.hpp"

namespace hearth::cache {

class SegmentDirectory final : public SegmentPlace {
 public:
  // Open a directory of ours, making it where it is missing, and lock it.  Errors:
  // INVALID_OPERATION when another daemon holds the lock; STORAGE when it is not ours alone; IO.
  static Result<std::unique_ptr<SegmentPlace>> open_or_make(const std::string& path);

  // Remove the directory and all in it; none there is not an error.  Errors: as above.
  static Status purge(const std::string& path);

  Result<UniqueFd> create(const std::string& name, std::uint64_t bytes) override;
  Result<UniqueFd> open(const std::string& name) const override;
  std::uint64_t kept_bytes(const std::string& name) const override;
  Result<std::vector<std::string>> names() const override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& name) override;

 private:
  SegmentDirectory(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  const std::string path_;
  const UniqueFd fd_;  // of the directory, locked
};

}  // namespace hearth::cache
