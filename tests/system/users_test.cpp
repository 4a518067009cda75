// Goal: users share nothing, members of a group share all, nobody keeps more than the quota, and
// each is shown what is theirs.
// Method: a real daemon that root, nobody and a third user ask by turns.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <random>

#include "tests/daemon/daemon_process.hpp"
#include "tests/system/as_user.hpp"

namespace hearth {
namespace {

constexpr uid_t kNobody = 65534;
constexpr uid_t kThird = 65533;

// A prompt of 200 tokens: six pages, and a part of a seventh.  Two of less than 64 apart have
// different first tokens, and so nothing in common.
std::string prompt(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> ids = {static_cast<std::int32_t>(seed % 64)};
  for (int i = 1; i < 200; ++i) ids.push_back(static_cast<std::int32_t>(random() % 64));
  return ids_payload(ids);
}
constexpr std::int64_t kWarm = 192;

class Users : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can be several users";
  }
  void start(const std::string& configuration) {
    configure(configuration);
    daemon_ = std::make_unique<DaemonProcess>(std::vector<std::string>{"--config", file_});
    ASSERT_EQ(chmod(daemon_->directory().c_str(), 0755), 0);
  }
  void configure(const std::string& configuration) {
    std::ofstream(file_) << "ctx = 256\nsocket-mode = \"0666\"\n"
                         << configuration << "\n[models]\nqwen = \"" HEARTH_TEST_DATA
                         << "/models/qwen3.gguf\"\n";
  }
  void restart() {
    ASSERT_EQ(daemon_->stop(SIGKILL), -SIGKILL);
    ASSERT_NO_FATAL_FAILURE(daemon_->restart());
  }
  std::int64_t ask(uid_t uid, unsigned seed) {
    return cached_tokens_of_a_run(*connect_as(uid, *daemon_), prompt(seed));
  }
  // What STATS tells this user of the model's cache.
  Json stats_for(uid_t uid) { return parse_json(connect_as(uid, *daemon_)->ask(kStats).payload); }

  static const cJSON* users_of(const Json& stats) {
    const cJSON* models = cJSON_GetObjectItem(stats.get(), "models");
    return cJSON_GetObjectItem(cJSON_GetArrayItem(models, 0), "users");
  }
  double evictions() { return number_at(stats_for(0).get(), "models.0.evictions"); }

  const TemporaryDirectory directory_;
  const std::string file_ = directory_.path() + "/hearthd.toml";
  std::unique_ptr<DaemonProcess> daemon_;
};

TEST_F(Users, who_asks_the_same_as_another_has_nothing_cached) {
  start("kv-bytes = \"2M\"");
  for (unsigned seed = 0; seed < 16; ++seed) {
    SCOPED_TRACE(seed);
    const uid_t first = seed % 2 == 0 ? 0 : kNobody;
    const uid_t second = seed % 2 == 0 ? kNobody : 0;
    EXPECT_EQ(ask(first, seed), 0);
    EXPECT_GE(ask(first, seed), kWarm);
    EXPECT_EQ(ask(second, seed), 0) << "a hit tells that somebody asked this";
    EXPECT_GE(ask(second, seed), kWarm);
    EXPECT_EQ(ask(kThird, seed), 0);
  }
  EXPECT_GT(evictions(), 0) << "pages must have changed their owners";
  ASSERT_EQ(ask(0, 100), 0);
  restart();
  EXPECT_EQ(ask(kNobody, 100), 0);
  EXPECT_GE(ask(0, 100), kWarm);
}

TEST_F(Users, a_long_run_of_one_leaves_another_what_is_theirs) {
  start("kv-bytes = \"2M\"");
  ASSERT_EQ(ask(kNobody, 1), 0);
  for (unsigned seed = 100; seed < 140; ++seed) ASSERT_EQ(ask(0, seed), 0);
  EXPECT_GT(evictions(), 100);
  EXPECT_GE(ask(kNobody, 1), kWarm);
}

TEST_F(Users, members_of_a_group_share_until_they_leave_it) {
  const std::string group = "[[group]]\nname = \"research\"\nusers = ";
  start("kv-bytes = \"16M\"\n" + group + "[65534, 65533]");
  EXPECT_EQ(ask(kNobody, 1), 0);
  EXPECT_GE(ask(kThird, 1), kWarm);
  EXPECT_EQ(ask(0, 1), 0) << "root is no member";
  restart();
  EXPECT_GE(ask(kThird, 1), kWarm) << "the group has the same namespace again";

  configure("kv-bytes = \"16M\"\n" + group + "[65534]");
  EXPECT_GE(ask(kThird, 1), kWarm) << "until the daemon starts again";
  restart();
  EXPECT_EQ(ask(kThird, 1), 0);
  EXPECT_GE(ask(kNobody, 1), kWarm) << "pages stay with the group";

  configure("kv-bytes = \"16M\"");
  restart();
  EXPECT_EQ(ask(kNobody, 1), 0) << "and with nobody else";
}

TEST_F(Users, stats_show_each_their_own_and_an_administrator_all) {
  start(
      "kv-bytes = \"16M\"\nuser-kv-bytes = \"25%\"\n"
      "[[group]]\nname = \"research\"\nusers = [65533]");
  for (const uid_t uid : {0u, kNobody, kThird}) ASSERT_EQ(ask(uid, 1), 0);
  const Json all = stats_for(0);
  ASSERT_EQ(cJSON_GetArraySize(users_of(all)), 3);
  EXPECT_EQ(number_at(users_of(all), "0.uid"), 0);
  EXPECT_EQ(number_at(users_of(all), "1.uid"), kNobody);
  EXPECT_TRUE(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(users_of(all), 2), "uid")));
  EXPECT_EQ(string_at(cJSON_GetArrayItem(users_of(all), 2), "group"), "research");
  double bytes = 0;
  for (int i = 0; i < 3; ++i) {
    const cJSON* user = cJSON_GetArrayItem(users_of(all), i);
    EXPECT_EQ(number_at(user, "pages"), 7);
    EXPECT_EQ(number_at(user, "pages_in_use"), 0);
    EXPECT_EQ(number_at(user, "quota_bytes"), 4 << 20);
    EXPECT_GT(number_at(user, "bytes"), 7 * number_at(all.get(), "models.0.pages.bytes"));
    bytes += number_at(user, "bytes");
  }
  EXPECT_LE(bytes, number_at(all.get(), "daemon.kv_bytes_used"));

  const Json nobodys = stats_for(kNobody);
  ASSERT_EQ(cJSON_GetArraySize(users_of(nobodys)), 1);
  EXPECT_EQ(number_at(users_of(nobodys), "0.uid"), kNobody);
  const Json thirds = stats_for(kThird);
  ASSERT_EQ(cJSON_GetArraySize(users_of(thirds)), 1);
  EXPECT_EQ(string_at(cJSON_GetArrayItem(users_of(thirds), 0), "group"), "research");

  // What an unloaded model keeps is shown, too, and after it came back.
  RawClient root(daemon_->socket());
  ASSERT_EQ(error_code(root.ask(kUnload, R"({"model":"qwen"})")), "");
  EXPECT_EQ(number_at(users_of(stats_for(kNobody)), "0.pages"), 7);
  ASSERT_EQ(error_code(root.ask(kLoad, R"({"model":"qwen"})")), "");
  EXPECT_EQ(number_at(users_of(stats_for(kNobody)), "0.pages"), 7);
}

TEST_F(Users, nobody_keeps_more_than_the_quota) {
  start("kv-bytes = \"16M\"\nuser-kv-bytes = \"300K\"");
  for (unsigned seed = 0; seed < 20; ++seed) ASSERT_EQ(ask(kNobody, seed), 0);
  EXPECT_GE(ask(kNobody, 19), kWarm) << "the last is kept";
  EXPECT_EQ(ask(kNobody, 0), 0) << "the first is not";
  const Json stats = stats_for(kNobody);
  EXPECT_GT(number_at(users_of(stats), "0.bytes"), 200 << 10);
  EXPECT_LE(number_at(users_of(stats), "0.bytes"), 300 << 10);
  EXPECT_EQ(ask(0, 0), 0);
  EXPECT_GT(number_at(users_of(stats_for(0)), "0.bytes"), 0);
}

}  // namespace
}  // namespace hearth
