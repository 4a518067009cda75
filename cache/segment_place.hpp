// Where the segments of one store lie: what SegmentStore asks of its backends.
//
//   segment_directory.hpp    files in a directory of memory: they are there for who looks
//   segment_descriptors.hpp  files without a name, which the service manager keeps
//
// What the calls mean is said in segment_store.hpp, which is the door for everybody else.
//
// THREAD: any.  A name is one thread's at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hearth::cache {

class SegmentPlace {
 public:
  virtual ~SegmentPlace() = default;
  virtual Result<UniqueFd> create(const std::string& name, std::uint64_t bytes) = 0;
  virtual Result<UniqueFd> open(const std::string& name) const = 0;
  virtual std::uint64_t kept_bytes(const std::string& name) const = 0;
  virtual Result<std::vector<std::string>> names() const = 0;  // of all segments that are there
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& name) = 0;
};

}  // namespace hearth::cache
