// A service manager as a daemon sees one: it hears what the daemon tells, keeps descriptors, and
// hands over what it has at the next start.  Written from sd_notify(3) and sd_listen_fds(3).
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "common/unique_fd.hpp"
#include "tests/daemon/daemon_process.hpp"

namespace hearth {

class FakeServiceManager {
 public:
  FakeServiceManager() {
    socket_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = notify_address();
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    thread_ = std::thread([this] {
      while (hear()) {
      }
    });
  }
  ~FakeServiceManager() {
    send_to_self("X_END=1");
    thread_.join();
  }

  // How to start a daemon as a service of this manager.
  std::function<ProcessSetup()> service(std::vector<std::string> environment = {}) {
    environment.push_back("NOTIFY_SOCKET=" + path());
    return [this, environment] {
      flush();
      ProcessSetup setup = {environment, {}};
      std::string names;
      const std::lock_guard lock(mutex_);
      for (const auto* list : {&handed_, &stored_}) {
        for (const Named& one : *list) {
          setup.descriptors.push_back(one.fd.get());
          names += (names.empty() ? "" : ":") + one.name;
        }
      }
      setup.environment.push_back("LISTEN_FDNAMES=" + names);
      return setup;
    };
  }

  // Hand a descriptor over at every start: what a socket unit has.
  void hand_over(const std::string& name, UniqueFd fd) {
    const std::lock_guard lock(mutex_);
    handed_.push_back({name, std::move(fd)});
  }
  // As if a daemon had stored it.
  void store(const std::string& name, UniqueFd fd) {
    const std::lock_guard lock(mutex_);
    stored_.push_back({name, std::move(fd)});
  }

  // Names of what is stored, once all was heard that was told so far.
  std::vector<std::string> stored() {
    flush();
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const Named& one : stored_) names.push_back(one.name);
    return names;
  }
  // How often a line was told.
  long count(const std::string& line) {
    const std::lock_guard lock(mutex_);
    return std::ranges::count(lines_, line);
  }
  bool heard_line_with(const std::string& part) {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(
        lines_, [&](const std::string& line) { return line.find(part) != std::string::npos; });
  }

 private:
  struct Named {
    std::string name;
    UniqueFd fd;
  };

  std::string path() const { return directory_.path() + "/notify"; }
  sockaddr_un notify_address() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof(address.sun_path) - 1);
    return address;
  }
  void send_to_self(const std::string& text) {
    const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = notify_address();
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(sendto(fd.get(), text.data(), text.size(), 0, generic, sizeof(address)),
              static_cast<ssize_t>(text.size()));
  }
  // Wait until all is heard that was told before, by a daemon that is dead, too.
  void flush() {
    static int number = 0;
    const std::string mark = "X_MARK=" + std::to_string(++number);
    send_to_self(mark);
    EXPECT_TRUE(eventually([&] { return count(mark) == 1; }));
  }

  bool hear() {
    char text[4096];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 16)];
    iovec part = {text, sizeof(text)};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t size = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (size < 0) return errno == EINTR;
    std::vector<UniqueFd> fds;
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
      if (head->cmsg_type != SCM_RIGHTS) continue;
      for (std::size_t at = 0; at + CMSG_LEN(0) < head->cmsg_len; at += sizeof(int)) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(head) + at, sizeof(fd));
        fds.emplace_back(fd);
      }
    }
    std::map<std::string, std::string> values;
    std::istringstream lines(std::string(text, static_cast<std::size_t>(size)));
    const std::lock_guard lock(mutex_);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t equals = line.find('=');
      values[line.substr(0, equals)] = line.substr(equals + 1);
      lines_.push_back(line);
    }
    if (values.contains("FDSTORE")) {
      for (UniqueFd& fd : fds) keep(values["FDNAME"], std::move(fd));
    }
    if (values.contains("FDSTOREREMOVE")) {
      std::erase_if(stored_, [&](const Named& one) { return one.name == values["FDNAME"]; });
    }
    return !values.contains("X_END");
  }
  // systemd ignores a file that it has, whatever its name.
  void keep(const std::string& name, UniqueFd fd) {
    struct stat status = {};
    fstat(fd.get(), &status);
    for (const Named& one : stored_) {
      struct stat other = {};
      fstat(one.fd.get(), &other);
      if (other.st_dev == status.st_dev && other.st_ino == status.st_ino) return;
    }
    stored_.push_back({name, std::move(fd)});
  }

  TemporaryDirectory directory_;
  UniqueFd socket_;
  std::mutex mutex_;                // of what follows
  std::vector<Named> handed_;       // at every start
  std::vector<Named> stored_;       // by daemons
  std::vector<std::string> lines_;  // that were told
  std::thread thread_;
};

}  // namespace hearth
