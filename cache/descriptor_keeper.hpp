// Who keeps descriptors while no daemon runs: a service manager's store, as the cache sees it.
//
// What is kept is handed over, under its name, to the daemon that starts next.  The daemon
// implements this (daemon/service_manager.hpp); the cache knows no service manager.
#pragma once

#include <string>
#include <string_view>

#include "common/unique_fd.hpp"

namespace hearth::cache {

// What every name begins with that the cache gives: others' are not the cache's.
inline constexpr std::string_view kKeptPrefix = "hearth-";

// What an earlier daemon had kept.
struct KeptDescriptor {
  std::string name;
  UniqueFd fd;
};

// THREAD: any; what one thread says is heard in that order.
class DescriptorKeeper {
 public:
  // Keep a duplicate of a descriptor under this name: letters, digits, - and . , at most 255.  A
  // failure is the keeper's to report: what is not kept ends with the daemon.
  virtual void keep(const std::string& name, int fd) = 0;

  // Keep nothing of this name any more; nothing there is not an error.
  virtual void forget(const std::string& name) = 0;

 protected:
  ~DescriptorKeeper() = default;
};

}  // namespace hearth::cache
