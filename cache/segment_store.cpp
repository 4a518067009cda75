// See segment_store.hpp.
#include "cache/segment_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>

#include "cache/page_key.hpp"
#include "cache/segment_descriptors.hpp"
#include "cache/segment_directory.hpp"

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
  std::string name = fmt::format("{}/{}{}-", memory_root, kKeptPrefix, geteuid());
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

}  // namespace

Result<SegmentStore> SegmentStore::open(const std::string& state_dir,
                                        const std::string& memory_root, StoreOptions options) {
  SegmentStore store;
  HEARTH_CHECK(make_directories(state_dir));
  HEARTH_TRY(store.lock_, lock_state_directory(state_dir));
  HEARTH_TRY(store.secret_, read_or_make_secret(state_dir));
  HEARTH_TRY(const std::string memory, memory_directory(state_dir, memory_root));
  HEARTH_CHECK(store.choose_place(memory, std::move(options)));
  return store;
}

// Files are preferred: they survive where a manager's store does not (a stop, before systemd 254),
// can be seen, counted and purged without the manager, and a daemon that is started by hand finds
// them, too.
Status SegmentStore::choose_place(const std::string& memory_directory, StoreOptions options) {
  const bool manager = options.keeper != nullptr;
  if (options.backend == StoreBackend::fdstore && !manager) {
    return Error{Code::CONFIG,
                 "cache-backend: fdstore needs a service manager (NOTIFY_SOCKET is not set): "
                 "choose shm"};
  }
  if (options.backend != StoreBackend::fdstore) {
    auto files = SegmentDirectory::open_or_make(memory_directory);
    if (files) {
      for (const KeptDescriptor& kept : options.kept) {
        if (manager) options.keeper->forget(kept.name);
      }
      directory_ = memory_directory;
      place_ = *std::move(files);
      return {};
    }
    const bool in_use = files.error().code == Code::INVALID_OPERATION;
    if (options.backend == StoreBackend::shm || !manager || in_use) return files.error();
  } else {
    // As far as that is possible, and not a living daemon's.
    (void)SegmentDirectory::purge(memory_directory);
  }
  const std::string name = std::filesystem::path(memory_directory).filename();
  place_ =
      std::make_unique<SegmentDescriptors>(options.keeper, name + ".", std::move(options.kept));
  return {};
}

Status SegmentStore::purge(const std::string& state_dir, const std::string& memory_root) {
  struct stat status = {};
  if (stat(state_dir.c_str(), &status) != 0) {
    return errno == ENOENT ? Status() : from_errno("stat " + state_dir);
  }
  HEARTH_TRY(const UniqueFd lock, lock_state_directory(state_dir));
  HEARTH_TRY(const std::string memory, memory_directory(state_dir, memory_root));
  HEARTH_CHECK(SegmentDirectory::purge(memory));
  for (const char* name : {"/secret", "/lock"}) {
    const std::string path = state_dir + name;
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return from_errno("remove " + path);
  }
  rmdir(state_dir.c_str());  // stays when the user keeps other things there
  return {};
}

Result<UniqueFd> SegmentStore::create(const std::string& name, std::uint64_t bytes) const {
  return place_->create(name, bytes);
}

Result<UniqueFd> SegmentStore::open_segment(const std::string& name) const {
  return place_->open(name);
}

std::uint64_t SegmentStore::kept_bytes(const std::string& name) const {
  return place_->kept_bytes(name);
}

Result<std::vector<std::string>> SegmentStore::keep_only(
    const std::vector<std::string>& names) const {
  HEARTH_TRY(std::vector<std::string> others, place_->names());
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
  return place_->rename(from, to);
}

Status SegmentStore::remove(const std::string& name) const {
  return place_->remove(name);
}

}  // namespace hearth::cache
