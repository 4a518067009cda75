// Segments as files without a name (memfds), which the service manager keeps: the backend
// "fdstore".
//
// They outlive the daemon because somebody else has a descriptor of them, too.  A segment is handed
// to the keeper when it is given its final name and not before: one that is being made dies with
// the daemon.  One that takes the place of another is handed over after the other was given up, so
// that there are never two of a name.
//
// THREAD: any.
#pragma once

#include <map>
#include <mutex>

#include "cache/descriptor_keeper.hpp"
#include "cache/segment_place.hpp"

namespace hearth::cache {

class SegmentDescriptors final : public SegmentPlace {
 public:
  // A segment NAME is kept as prefix + NAME.  What is kept under other names counts as a segment of
  // that whole name, which nobody asks for: SegmentStore::keep_only() removes it.  keeper outlives
  // us.
  SegmentDescriptors(DescriptorKeeper* keeper, std::string prefix,
                     std::vector<KeptDescriptor> kept);

  Result<UniqueFd> create(const std::string& name, std::uint64_t bytes) override;
  Result<UniqueFd> open(const std::string& name) const override;
  std::uint64_t kept_bytes(const std::string& name) const override;
  Result<std::vector<std::string>> names() const override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& name) override;

 private:
  struct Entry {
    UniqueFd fd;
    std::string kept_as;  // empty: not kept
  };
  void give_up(const std::string& name);

  DescriptorKeeper* const keeper_;
  const std::string prefix_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // by name of segment; guarded by mutex_
};

}  // namespace hearth::cache
