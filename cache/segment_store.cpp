// See segment_store.hpp.
#include "cache/segment_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>
#include <span>

#include "cache/page_key.hpp"

namespace hearth::cache {
namespace {

// mkdir -p with mode 0700 for what is missing.
Status make_directories(const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return from_errno("create " + part);
    if (slash == std::string::npos) return {};
  }
}

Result<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> resolved(realpath(path.c_str(), nullptr),
                                                             &std::free);
  if (!resolved) return from_errno("resolve " + path);
  return std::string(resolved.get());
}

Result<std::string> memory_directory(const std::string& state_dir, const std::string& memory_root) {
  HEARTH_TRY(const std::string resolved, real_path(state_dir));
  const Digest digest = hash(std::as_bytes(std::span(resolved)));
  std::string name = fmt::format("{}/hearth-{}-", memory_root, geteuid());
  for (int i = 0; i < 8; ++i) name += fmt::format("{:02x}", digest[static_cast<std::size_t>(i)]);
  return name;
}

Result<UniqueFd> lock_state_directory(const std::string& state_dir) {
  const std::string path = state_dir + "/lock";
  UniqueFd lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return from_errno("open " + path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return from_errno("lock " + path);
  return Error{Code::INVALID_OPERATION,
               fmt::format("{} is in use by another hearthd: stop it, or name another --state-dir",
                           state_dir)};
}

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

// The secret that is there, or a new one, which is there whole or not at all.
Result<Digest> read_or_make_secret(const std::string& state_dir) {
  const std::string path = state_dir + "/secret", fresh = path + ".new";
  Digest secret;
  const UniqueFd old(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!old && errno != ENOENT) return from_errno("open " + path);
  if (old) {
    struct stat status = {};
    if (fstat(old.get(), &status) != 0) return from_errno("stat " + path);
    const bool ours = status.st_uid == geteuid() && (status.st_mode & 077) == 0;
    const bool whole = status.st_size == ssize_t{sizeof(secret)} &&
                       read(old.get(), secret.data(), sizeof(secret)) == ssize_t{sizeof(secret)};
    if (ours && whole) return secret;
    return Error{Code::STORAGE,
                 fmt::format("{} is no secret of ours ({}): remove it; what the cache has kept "
                             "will not be found again",
                             path, ours ? "its size is wrong" : "others may read it")};
  }
  secret = random_secret();
  unlink(fresh.c_str());
  const UniqueFd file(
      open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return from_errno("create " + fresh);
  if (write(file.get(), secret.data(), sizeof(secret)) != ssize_t{sizeof(secret)} ||
      fsync(file.get()) != 0 || rename(fresh.c_str(), path.c_str()) != 0) {
    return from_errno("write " + path);
  }
  return secret;
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

// The lock on a state directory says little where that directory was removed, or is another one of
// the same path in another container: what is shared is the memory.
Status lock_memory(const UniqueFd& directory, const std::string& path) {
  if (flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return from_errno("lock " + path);
  return Error{
      Code::INVALID_OPERATION,
      fmt::format("{} is in use by another hearthd: stop it, or name another --state-dir", path)};
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

Result<SegmentStore> SegmentStore::open(const std::string& state_dir,
                                        const std::string& memory_root) {
  SegmentStore store;
  HEARTH_CHECK(make_directories(state_dir));
  HEARTH_TRY(store.lock_, lock_state_directory(state_dir));
  HEARTH_TRY(store.secret_, read_or_make_secret(state_dir));
  HEARTH_TRY(store.directory_, memory_directory(state_dir, memory_root));
  if (mkdir(store.directory_.c_str(), 0700) != 0 && errno != EEXIST) {
    return from_errno("create " + store.directory_);
  }
  HEARTH_TRY(store.directory_fd_, open_private_directory(store.directory_));
  HEARTH_CHECK(lock_memory(store.directory_fd_, store.directory_));
  return store;
}

Status SegmentStore::purge(const std::string& state_dir, const std::string& memory_root) {
  struct stat status = {};
  if (stat(state_dir.c_str(), &status) != 0) {
    return errno == ENOENT ? Status() : from_errno("stat " + state_dir);
  }
  HEARTH_TRY(const UniqueFd lock, lock_state_directory(state_dir));
  HEARTH_TRY(const std::string memory, memory_directory(state_dir, memory_root));
  if (lstat(memory.c_str(), &status) == 0) {
    HEARTH_TRY(const UniqueFd directory, open_private_directory(memory));
    HEARTH_CHECK(lock_memory(directory, memory));
    HEARTH_CHECK(remove_files(directory.get(), memory));
    if (rmdir(memory.c_str()) != 0) return from_errno("remove " + memory);
  }
  for (const char* name : {"/secret", "/lock"}) {
    const std::string path = state_dir + name;
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return from_errno("remove " + path);
  }
  rmdir(state_dir.c_str());  // stays when the user keeps other things there
  return {};
}

Result<UniqueFd> SegmentStore::create(const std::string& name, std::uint64_t bytes) const {
  HEARTH_CHECK(remove(name));
  UniqueFd fd(openat(directory_fd_.get(), name.c_str(),
                     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return from_errno(fmt::format("create {}/{}", directory_, name));
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    return from_errno(fmt::format("size {}/{} to {} bytes", directory_, name, bytes));
  }
  return fd;
}

Result<UniqueFd> SegmentStore::open_segment(const std::string& name) const {
  UniqueFd fd(openat(directory_fd_.get(), name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return UniqueFd();
  if (!fd && errno == ELOOP) {
    return Error{Code::STORAGE, fmt::format("{}/{} is a link", directory_, name)};
  }
  if (!fd) return from_errno(fmt::format("open {}/{}", directory_, name));
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return from_errno("stat " + name);
  if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
    return Error{Code::STORAGE, fmt::format("{}/{} is no private file of ours", directory_, name)};
  }
  return fd;
}

std::uint64_t SegmentStore::kept_bytes(const std::string& name) const {
  struct stat status = {};
  if (fstatat(directory_fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

Result<std::vector<std::string>> SegmentStore::keep_only(
    const std::vector<std::string>& names) const {
  HEARTH_TRY(std::vector<std::string> others, list_files(directory_fd_.get(), directory_));
  std::erase_if(others, [&](const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  });
  Status removed;
  for (const std::string& name : others) {
    if (const Status status = remove(name); !status) removed = status;
  }
  if (!removed) return removed.error();
  return others;
}

Status SegmentStore::rename(const std::string& from, const std::string& to) const {
  if (renameat(directory_fd_.get(), from.c_str(), directory_fd_.get(), to.c_str()) != 0) {
    return from_errno(fmt::format("rename {}/{} to {}", directory_, from, to));
  }
  return {};
}

Status SegmentStore::remove(const std::string& name) const {
  if (unlinkat(directory_fd_.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    return from_errno(fmt::format("remove {}/{}", directory_, name));
  }
  return {};
}

}  // namespace hearth::cache
