// See segment_descriptors.hpp.
#include "cache/segment_descriptors.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "cache/crash_point.hpp"

#ifndef MFD_NOEXEC_SEAL  // the C library is older than the kernel
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace hearth::cache {
namespace {

// What nobody may do any more to a segment, the manager and we included: a file that shrinks under
// its mapping is a SIGBUS.  Writing must stay possible, or the next daemon could not go on.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

UniqueFd make_memory_file(const std::string& name) {
  UniqueFd fd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL));
  if (fd || errno != EINVAL) return fd;
  return UniqueFd(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));  // before Linux 6.3
}

}  // namespace

SegmentDescriptors::SegmentDescriptors(DescriptorKeeper* keeper, std::string prefix,
                                       std::vector<KeptDescriptor> kept)
    : keeper_(keeper), prefix_(std::move(prefix)) {
  for (KeptDescriptor& one : kept) {
    // Nobody knows which of several is the right one.
    if (std::ranges::count(kept, one.name, &KeptDescriptor::name) > 1) {
      keeper_->forget(one.name);
      continue;
    }
    std::string name = one.name.starts_with(prefix_) ? one.name.substr(prefix_.size()) : one.name;
    entries_[std::move(name)] = {std::move(one.fd), one.name};
  }
}

// mutex_ is held.
void SegmentDescriptors::give_up(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return;
  if (!found->second.kept_as.empty()) keeper_->forget(found->second.kept_as);
  entries_.erase(found);
}

Result<UniqueFd> SegmentDescriptors::create(const std::string& name, std::uint64_t bytes) {
  UniqueFd fd = make_memory_file(prefix_ + name);
  if (!fd) return from_errno(fmt::format("make segment {}", name));
  // It is born with mode 0777: whoever had a descriptor for reading could open it for writing.
  if (fchmod(fd.get(), 0600) != 0 || ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 ||
      fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    return from_errno(fmt::format("size segment {} to {} bytes", name, bytes));
  }
  UniqueFd own(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!own) return from_errno("duplicate a descriptor");
  const std::lock_guard lock(mutex_);
  give_up(name);
  entries_[name] = {std::move(own), ""};
  return fd;
}

Result<UniqueFd> SegmentDescriptors::open(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return UniqueFd();
  const int kept = found->second.fd.get();
  struct stat status = {};
  if (fstat(kept, &status) != 0) return from_errno("stat segment " + name);
  const int seals = fcntl(kept, F_GET_SEALS);
  const bool sealed = seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
  const bool ours = S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
                    (status.st_mode & 077) == 0 && (fcntl(kept, F_GETFL) & O_ACCMODE) == O_RDWR;
  if (!sealed || !ours) {
    return Error{Code::STORAGE, fmt::format("what is kept as {} is no memory file of ours",
                                            found->second.kept_as)};
  }
  UniqueFd fd(fcntl(kept, F_DUPFD_CLOEXEC, 0));
  if (!fd) return from_errno("duplicate a descriptor");
  return fd;
}

std::uint64_t SegmentDescriptors::kept_bytes(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(name);
  struct stat status = {};
  if (found == entries_.end() || fstat(found->second.fd.get(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

Result<std::vector<std::string>> SegmentDescriptors::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

// The keeper ignores a file that it has: it must have forgotten the old name first.
Status SegmentDescriptors::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(from);
  if (found == entries_.end()) {
    return Error{Code::IO, fmt::format("rename segment {} to {}: there is none", from, to)};
  }
  Entry entry = std::move(found->second);
  entries_.erase(found);
  if (!entry.kept_as.empty()) keeper_->forget(entry.kept_as);
  give_up(to);
  crash_point();
  entry.kept_as = prefix_ + to;
  keeper_->keep(entry.kept_as, entry.fd.get());
  entries_[to] = std::move(entry);
  return {};
}

Status SegmentDescriptors::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  give_up(name);
  return {};
}

}  // namespace hearth::cache
