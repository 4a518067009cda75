// The door to libsystemd: what a service manager hands to the daemon, what the daemon tells it, and
// the descriptors that it keeps for the next one.
//
// The protocols are sd_notify(3), sd_listen_fds(3) and systemd's store of descriptors; whoever
// speaks them may be the manager.  Without one (NOTIFY_SOCKET and LISTEN_FDS are not set) nothing
// is handed over and what is told is heard by nobody.
//
// THREAD: loop; keep() and forget(): any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cache/descriptor_keeper.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace hearth {

class ServiceManager final : public cache::DescriptorKeeper {
 public:
  // Look at what was handed to this process, once.  What is neither a listening Unix stream socket
  // nor the cache's is closed with a warning, and the manager keeps it no longer.  Errors: CONFIG
  // when the environment does not say what was handed over.
  Status take_over();

  // Whether there is a manager that listens to what is told.
  static bool is_present();

  // What was handed over; nothing the second time.
  UniqueFd take_listener();
  std::vector<cache::KeptDescriptor> take_kept();

  // How often alive() is to be called at least, ms; 0: never.
  static std::uint64_t watchdog_ms();

  void tell_ready();
  void tell_status(const std::string& words);  // the first line of it, for a person
  void tell_alive();
  // The daemon ends, within so many seconds.
  void tell_stopping(std::uint32_t seconds);

  void keep(const std::string& name, int fd) override;
  void forget(const std::string& name) override;

 private:
  UniqueFd listener_;
  std::vector<cache::KeptDescriptor> kept_;
};

}  // namespace hearth
