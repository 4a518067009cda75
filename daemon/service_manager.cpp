// See service_manager.hpp.
#include "daemon/service_manager.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "daemon/log.hpp"

namespace hearth {
namespace {

// The environment stays as it is: every message needs NOTIFY_SOCKET.
constexpr int kKeepEnvironment = 0;

// systemd ignores messages beyond 4096 bytes.
constexpr std::size_t kStatusBytesMax = 2000;

void tell(const std::string& message) {
  const int told = sd_notify(kKeepEnvironment, message.c_str());
  if (told >= 0) return;
  log_warning("the service manager cannot be told \"{}\": {}",
              message.substr(0, message.find('\n')), std::strerror(-told));
}

bool is_listener(int fd) {
  return sd_is_socket_unix(fd, SOCK_STREAM, /*listening=*/1, /*path=*/nullptr, /*length=*/0) > 0;
}

bool is_file(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

Status ServiceManager::take_over() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names);
  if (count < 0) {
    return Error{Code::CONFIG, fmt::format("what the service manager hands over cannot be read "
                                           "(LISTEN_FDS, LISTEN_FDNAMES): {}",
                                           std::strerror(-count))};
  }
  for (int i = 0; i < count; ++i) {
    UniqueFd fd(SD_LISTEN_FDS_START + i);
    const std::string name = names[i];
    std::free(names[i]);
    const bool listener = is_listener(fd.get());
    if (listener && !listener_) {
      listener_ = std::move(fd);
    } else if (is_file(fd.get()) && name.starts_with(cache::kKeptPrefix)) {
      kept_.push_back({name, std::move(fd)});
    } else {
      log_warning("descriptor \"{}\" of the service manager is {}: closed", name,
                  listener ? "a second socket to listen on"
                           : "neither a listening Unix stream socket nor a part of the cache");
      forget(name);
    }
  }
  std::free(names);
  return {};
}

bool ServiceManager::is_present() {
  const char* socket = std::getenv("NOTIFY_SOCKET");
  return socket != nullptr && *socket != '\0';
}

UniqueFd ServiceManager::take_listener() {
  return std::exchange(listener_, UniqueFd());
}

std::vector<cache::KeptDescriptor> ServiceManager::take_kept() {
  return std::exchange(kept_, {});
}

// Half of what the manager waits for, as it recommends.
std::uint64_t ServiceManager::watchdog_ms() {
  std::uint64_t patience_us = 0;
  if (sd_watchdog_enabled(kKeepEnvironment, &patience_us) <= 0) return 0;
  return std::max<std::uint64_t>(1, patience_us / 2000);
}

void ServiceManager::tell_ready() {
  tell("READY=1");
}

void ServiceManager::tell_status(const std::string& words) {
  const std::string line = words.substr(0, words.find('\n'));
  tell("STATUS=" + line.substr(0, kStatusBytesMax));
}

void ServiceManager::tell_alive() {
  tell("WATCHDOG=1");
}

void ServiceManager::tell_stopping(std::uint32_t seconds) {
  tell(fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", std::uint64_t{seconds} * 1'000'000));
}

void ServiceManager::keep(const std::string& name, int fd) {
  const std::string message = "FDSTORE=1\nFDNAME=" + name;
  const int told = sd_pid_notify_with_fds(/*pid=*/0, kKeepEnvironment, message.c_str(), &fd, 1);
  if (told > 0) return;
  log_warning("the service manager cannot keep {}, which ends with this daemon: {}", name,
              told == 0 ? "there is none" : std::strerror(-told));
}

void ServiceManager::forget(const std::string& name) {
  tell("FDSTOREREMOVE=1\nFDNAME=" + name);
}

}  // namespace hearth
