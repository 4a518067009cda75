// Goal: an exported session of a model with recurrent layers is warm where it is imported, says
// there what it would have said here, and is refused when a bit of it has changed.
// Method: real daemon, libhearth, our own hybrid model; what was computed is counted.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>

#include "common/unique_fd.hpp"
#include "hearth/hearth.h"
#include "tests/random_prompt.hpp"
#include "tests/system/session_caller.hpp"
#include "tests/system/tinder.hpp"

namespace hearth {
namespace {

using Tokens = std::vector<std::int32_t>;

class Caller : public SessionCaller {
 public:
  explicit Caller(const DaemonProcess& daemon) : SessionCaller(daemon, "tinder") {}

  Turn turn(const char* session, const Tokens& prompt) const {
    Turn turn = SessionCaller::turn(session, prompt, 10);
    EXPECT_EQ(turn.code, HEARTH_OK) << error();
    return turn;
  }
  // The bytes of an export, and what the daemon says of it.
  std::string exported(const char* name, hearth_session_info& ret_info) const {
    int fd = -1;
    hearth_session_info_init(&ret_info);
    EXPECT_EQ(hearth_session_export(get(), name, &fd, &ret_info), HEARTH_OK) << error();
    const UniqueFd owned(fd);
    std::string bytes(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)), '\0');
    EXPECT_EQ(pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
  int import(const std::string& bytes, const char* name, hearth_session_info& ret_info) const {
    TemporaryDirectory directory;
    const std::string path = directory.path() + "/file";
    std::ofstream(path, std::ios::binary) << bytes;
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    hearth_session_info_init(&ret_info);
    return hearth_session_import(get(), "tinder", fd.get(), name, &ret_info);
  }
};

class HybridSessions : public testing::Test {
 protected:
  HybridSessions() : daemon_(kTinderArguments) {
    const Caller caller(daemon_);
    EXPECT_EQ(hearth_session_open(caller.get(), "tinder", "a", HEARTH_SESSION_CREATE, nullptr),
              HEARTH_OK);
    caller.turn("a", random_prompt(1, 300));
    reply_ = caller.turn("a", random_prompt(2, 40)).tokens;
    bytes_ = caller.exported("a", info_);
    EXPECT_EQ(hearth_session_fork(caller.get(), "a", "b", nullptr), HEARTH_OK);
    next_ = caller.turn("b", {5, 6, 7}).tokens;
  }

  // With other keys and values the cache has to begin again; so it has afterwards.
  void lose_the_cache(const std::vector<std::string>& more = {}) {
    EXPECT_EQ(daemon_.stop(SIGTERM), 0);
    daemon_.restart({"--kv-type", "f32"});
    EXPECT_EQ(Caller(daemon_).turn(nullptr, {1}).tokens.size(), 10u);
    EXPECT_EQ(daemon_.stop(SIGTERM), 0);
    std::vector<std::string> arguments = {"--kv-type", "auto"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    daemon_.restart(arguments);
  }

  DaemonProcess daemon_;
  hearth_session_info info_ = {};  // of the export
  std::string bytes_;              // of it
  Tokens reply_;                   // its last one
  Tokens next_;                    // what comes after {5, 6, 7}
};

TEST_F(HybridSessions, an_export_is_warm_where_the_cache_was_lost) {
  EXPECT_EQ(info_.tokens, 360);
  EXPECT_EQ(info_.pages, 359 / 32);
  EXPECT_GE(info_.checkpoints, 2);
  lose_the_cache();
  const Caller caller(daemon_);
  hearth_session_info info;
  ASSERT_EQ(caller.import(bytes_, "again", info), HEARTH_OK) << caller.error();
  EXPECT_EQ(info.pages_cached, 359 / 32);
  EXPECT_EQ(info.checkpoints, info_.checkpoints);
  EXPECT_EQ(info.checkpoints_cached, info_.checkpoints);
  ASSERT_EQ(hearth_session_fork(caller.get(), "again", "fork", nullptr), HEARTH_OK);
  double before = prompt_rows(daemon_);
  const Caller::Turn turn = caller.turn("fork", {5, 6, 7});
  EXPECT_EQ(prompt_rows(daemon_) - before, 1 + 3);
  EXPECT_EQ(turn.result.state_hit, 359);
  EXPECT_EQ(turn.tokens, next_);
  // Its last reply is said again.
  ASSERT_EQ(hearth_session_rollback(caller.get(), "again", 10, nullptr), HEARTH_OK);
  before = prompt_rows(daemon_);
  EXPECT_EQ(caller.turn("again", {}).tokens, reply_);
  EXPECT_EQ(prompt_rows(daemon_) - before, 1);
  // It is kept as all checkpoints are.
  daemon_.stop(SIGKILL);
  daemon_.restart();
  const Caller later(daemon_);
  before = prompt_rows(daemon_);
  EXPECT_EQ(later.turn("again", {1}).result.computed_tokens, 1 + 1);
}

TEST_F(HybridSessions, a_model_that_keeps_no_checkpoints_takes_none_in) {
  lose_the_cache({"--checkpoints", "tinder=max-checkpoints=0"});
  const Caller caller(daemon_);
  hearth_session_info info;
  ASSERT_EQ(caller.import(bytes_, "again", info), HEARTH_OK) << caller.error();
  EXPECT_EQ(info.pages_cached, 359 / 32);
  EXPECT_EQ(info.checkpoints, info_.checkpoints);
  EXPECT_EQ(info.checkpoints_cached, 0);
  const Caller::Turn turn = caller.turn("again", {5, 6, 7});
  EXPECT_EQ(turn.result.computed_tokens, 363);
  EXPECT_EQ(turn.tokens, next_);
}

TEST_F(HybridSessions, what_was_changed_is_refused_as_a_whole) {
  lose_the_cache();
  const Caller caller(daemon_);
  hearth_session_info info;
  std::mt19937 random(9);
  // Pages lie in the middle, checkpoints behind them.
  for (int i = 0; i < 60; ++i) {
    std::string bad = bytes_;
    const std::size_t at = i < 20   ? random() % 500
                           : i < 40 ? bad.size() - 1 - random() % 5000
                                    : 4096 + random() % (bad.size() - 4096);
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    EXPECT_EQ(caller.import(bad, nullptr, info), HEARTH_ESTORAGE) << at;
  }
  for (const std::size_t less : {1u, 5000u, 50000u}) {
    EXPECT_EQ(caller.import(bytes_.substr(0, bytes_.size() - less), nullptr, info),
              HEARTH_ESTORAGE);
  }
  EXPECT_EQ(caller.import(bytes_ + '\0', nullptr, info), HEARTH_ESTORAGE);
  EXPECT_EQ(caller.turn("a", {1}).result.cached_tokens, 0) << "nothing of them was used";
  ASSERT_EQ(caller.import(bytes_, "again", info), HEARTH_OK) << caller.error();
  EXPECT_EQ(info.checkpoints_cached, info_.checkpoints);
}

}  // namespace
}  // namespace hearth
