// See segment_directory.hpp.
#include "cache/segment_directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hearth::cache {
namespace {

// Open a directory that nobody but us can change.  /dev/shm is everybody's: somebody may have put a
// directory or a link of this name there first.
Result<UniqueFd> open_private_directory(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return from_errno("open " + path);
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return from_errno("stat " + path);
  if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
    return Error{Code::STORAGE,
                 fmt::format("{} is not private to uid {} (it belongs to uid {}, mode "
                             "{:03o}): remove it",
                             path, geteuid(), status.st_uid, status.st_mode & 0777)};
  }
  return fd;
}

// The lock on a state directory says little where that directory was removed, or is another one of
// the same path in another container: what is shared is the memory.
Status lock_memory(const UniqueFd& directory, const std::string& path) {
  if (flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return from_errno("lock " + path);
  return Error{
      Code::INVALID_OPERATION,
      fmt::format("{} is in use by another hearthd: stop it, or name another --state-dir", path)};
}

Result<std::vector<std::string>> list_files(int directory_fd, const std::string& path) {
  const int listing_fd = dup(directory_fd);
  DIR* listing = listing_fd < 0 ? nullptr : fdopendir(listing_fd);
  if (listing == nullptr) return from_errno("list " + path);
  rewinddir(listing);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(listing)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(listing);
  return names;
}

Status remove_files(int directory_fd, const std::string& path) {
  HEARTH_TRY(const auto names, list_files(directory_fd, path));
  Status status;
  for (const std::string& name : names) {
    if (unlinkat(directory_fd, name.c_str(), 0) != 0) {
      status = from_errno("remove " + path + "/" + name);
    }
  }
  return status;
}

}  // namespace

Result<std::unique_ptr<SegmentPlace>> SegmentDirectory::open_or_make(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return from_errno("create " + path);
  HEARTH_TRY(UniqueFd fd, open_private_directory(path));
  HEARTH_CHECK(lock_memory(fd, path));
  return std::unique_ptr<SegmentPlace>(new SegmentDirectory(path, std::move(fd)));
}

Status SegmentDirectory::purge(const std::string& path) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0) return {};
  HEARTH_TRY(const UniqueFd directory, open_private_directory(path));
  HEARTH_CHECK(lock_memory(directory, path));
  HEARTH_CHECK(remove_files(directory.get(), path));
  if (rmdir(path.c_str()) != 0) return from_errno("remove " + path);
  return {};
}

Result<UniqueFd> SegmentDirectory::create(const std::string& name, std::uint64_t bytes) {
  HEARTH_CHECK(remove(name));
  UniqueFd fd(
      openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return from_errno(fmt::format("create {}/{}", path_, name));
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    return from_errno(fmt::format("size {}/{} to {} bytes", path_, name, bytes));
  }
  return fd;
}

Result<UniqueFd> SegmentDirectory::open(const std::string& name) const {
  UniqueFd fd(openat(fd_.get(), name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return UniqueFd();
  if (!fd && errno == ELOOP) {
    return Error{Code::STORAGE, fmt::format("{}/{} is a link", path_, name)};
  }
  if (!fd) return from_errno(fmt::format("open {}/{}", path_, name));
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return from_errno("stat " + name);
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
    return Error{Code::STORAGE, fmt::format("{}/{} is no private file of ours", path_, name)};
  }
  return fd;
}

std::uint64_t SegmentDirectory::kept_bytes(const std::string& name) const {
  struct stat status = {};
  if (fstatat(fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

Result<std::vector<std::string>> SegmentDirectory::names() const {
  return list_files(fd_.get(), path_);
}

Status SegmentDirectory::rename(const std::string& from, const std::string& to) {
  if (renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0) {
    return from_errno(fmt::format("rename {}/{} to {}", path_, from, to));
  }
  return {};
}

Status SegmentDirectory::remove(const std::string& name) {
  if (unlinkat(fd_.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    return from_errno(fmt::format("remove {}/{}", path_, name));
  }
  return {};
}

}  // namespace hearth::cache
