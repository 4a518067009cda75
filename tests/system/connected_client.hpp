// A client of libhearth that is connected as long as it lives.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "hearth/hearth.h"
#include "tests/daemon/daemon_process.hpp"

namespace hearth {

class ConnectedClient {
 public:
  explicit ConnectedClient(const DaemonProcess& daemon) {
    hearth_connect_options options;
    hearth_connect_options_init(&options);
    const std::string socket = daemon.socket();
    options.socket_path = socket.c_str();
    EXPECT_EQ(hearth_connect(&options, &client_), HEARTH_OK) << hearth_connect_error();
  }
  ~ConnectedClient() { hearth_close(client_); }
  ConnectedClient(const ConnectedClient&) = delete;
  ConnectedClient& operator=(const ConnectedClient&) = delete;

  hearth_client* get() const { return client_; }
  std::string error() const { return hearth_last_error(client_); }

 private:
  hearth_client* client_ = nullptr;
};

}  // namespace hearth
