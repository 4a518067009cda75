// Being another user for a moment, and asking as one.  Only root can.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "tests/daemon/daemon_process.hpp"

namespace hearth {

// The effective uid is what the kernel tells the daemon of a connection made meanwhile.
class AsUser {
 public:
  explicit AsUser(uid_t uid) { EXPECT_EQ(seteuid(uid), 0); }
  ~AsUser() { EXPECT_EQ(seteuid(0), 0); }
};

inline std::unique_ptr<RawClient> connect_as(uid_t uid, const DaemonProcess& daemon) {
  const AsUser user(uid);
  auto client = std::make_unique<RawClient>(daemon.socket());
  EXPECT_TRUE(client->connected());
  return client;
}

// Have the model "qwen" go on with a prompt; how much of that the cache had.
inline std::int64_t cached_tokens_of_a_run(RawClient& client, const std::string& payload) {
  const RawFrame reply = client.ask(
      kGenerate, R"({"model":"qwen","prompt_kind":"tokens","max_tokens":4,"temperature":0})",
      payload);
  EXPECT_EQ(error_code(reply), "");
  const double cached = number_at(parse_json(reply.json).get(), "usage.cached_tokens");
  return static_cast<std::int64_t>(cached);
}

}  // namespace hearth
