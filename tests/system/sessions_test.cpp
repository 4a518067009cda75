// Goal: a session goes on where it ended, for any process of its user, after any death of client or
// daemon; forks share what was computed; an export brings it back warm, and nothing else does.
// Method: real daemon, libhearth; rows are counted by the engine.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "common/unique_fd.hpp"
#include "hearth/hearth.h"
#include "tests/daemon/daemon_process.hpp"
#include "tests/random_prompt.hpp"
#include "tests/system/as_user.hpp"
#include "tests/system/session_caller.hpp"

namespace hearth {
namespace {

const std::string kModel = "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf";
const std::vector<std::string> kArguments = {"--model",    kModel, "--ctx",     "1024",
                                             "--kv-bytes", "64M",  "--threads", "2"};
using Tokens = std::vector<std::int32_t>;

class Caller : public SessionCaller {
 public:
  explicit Caller(const DaemonProcess& daemon) : SessionCaller(daemon, "qwen") {}

  Tokens tokens(const char* session) const {
    std::int32_t* ids = nullptr;
    std::size_t count = 0;
    EXPECT_EQ(hearth_session_tokens(get(), session, &ids, &count), HEARTH_OK) << error();
    const Tokens tokens(ids, ids + count);
    hearth_free(ids);
    return tokens;
  }
  int open(const char* name, std::uint32_t flags = 0) const {
    return hearth_session_open(get(), "qwen", name, flags, nullptr);
  }
};

Tokens operator+(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(sessions, goes_on_in_another_process_and_computes_what_is_new) {
  DaemonProcess daemon(kArguments);
  const Tokens first = random_prompt(1, 100), second = random_prompt(2, 10);
  Caller::Turn one, two;
  {
    const Caller caller(daemon);
    ASSERT_EQ(caller.open("fox", HEARTH_SESSION_CREATE), HEARTH_OK) << caller.error();
    EXPECT_EQ(caller.open("fox", HEARTH_SESSION_CREATE), HEARTH_ESESSION);
    one = caller.turn("fox", first);
    ASSERT_EQ(one.code, HEARTH_OK) << caller.error();
    EXPECT_EQ(one.result.session_tokens, 120);
  }
  const double before = prompt_rows(daemon);
  const Caller caller(daemon);
  ASSERT_EQ(caller.open("fox", HEARTH_SESSION_ATTACH), HEARTH_OK) << caller.error();
  EXPECT_EQ(caller.tokens("fox"), first + one.tokens);
  two = caller.turn("fox", second);
  ASSERT_EQ(two.code, HEARTH_OK) << caller.error();
  // The last token of a turn was drawn and not computed.
  EXPECT_EQ(prompt_rows(daemon) - before, 1 + 10);
  EXPECT_EQ(two.result.prompt_tokens, 130);
  EXPECT_EQ(caller.tokens("fox"), first + one.tokens + second + two.tokens);
  // The same text without a session.
  EXPECT_EQ(caller.turn(nullptr, first + one.tokens + second).tokens, two.tokens);
}

TEST(sessions, outlives_the_daemon_and_is_warm_after_kill_9) {
  DaemonProcess daemon(kArguments);
  const Tokens prompt = random_prompt(3, 100);
  Caller::Turn one;
  {
    const Caller caller(daemon);
    ASSERT_EQ(caller.open("fox"), HEARTH_OK);
    one = caller.turn("fox", prompt);
    ASSERT_EQ(hearth_session_fork(caller.get(), "fox", "twin", nullptr), HEARTH_OK);
  }
  EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
  daemon.restart();
  const Caller caller(daemon);
  EXPECT_EQ(caller.tokens("fox"), prompt + one.tokens);
  const Caller::Turn two = caller.turn("fox", {}, 5);
  ASSERT_EQ(two.code, HEARTH_OK) << caller.error();
  EXPECT_GE(two.result.cached_tokens, 96);  // whole pages; the last one was begun and committed
  const Caller::Turn twin = caller.turn("twin", {}, 5);
  EXPECT_EQ(twin.tokens, two.tokens);
}

TEST(sessions, a_fork_shares_and_a_rollback_comes_back) {
  DaemonProcess daemon(kArguments);
  const Caller caller(daemon);
  const Tokens prompt = random_prompt(4, 200);
  ASSERT_EQ(caller.open("a"), HEARTH_OK);
  const Caller::Turn one = caller.turn("a", prompt, 10);
  hearth_session_info info;
  hearth_session_info_init(&info);
  ASSERT_EQ(hearth_session_fork(caller.get(), "a", nullptr, &info), HEARTH_OK);
  EXPECT_EQ(info.anonymous, 1);
  EXPECT_EQ(info.tokens, 210);
  const std::string fork = info.name;
  const double before = prompt_rows(daemon);
  const Caller::Turn in_fork = caller.turn(fork.c_str(), {1, 2, 3}, 10);
  EXPECT_EQ(prompt_rows(daemon) - before, 1 + 3);
  EXPECT_EQ(caller.tokens("a").size(), 210u);  // untouched
  // Back before that turn, it goes on as it did.
  ASSERT_EQ(hearth_session_rollback(caller.get(), fork.c_str(), 13, &info), HEARTH_OK);
  EXPECT_EQ(info.tokens, 210);
  EXPECT_EQ(caller.turn(fork.c_str(), {1, 2, 3}, 10).tokens, in_fork.tokens);
  EXPECT_EQ(hearth_session_rollback(caller.get(), "a", 211, nullptr), HEARTH_EINVALID);
  ASSERT_EQ(hearth_session_destroy(caller.get(), "a"), HEARTH_OK);
  EXPECT_EQ(caller.turn("a", {1}).code, HEARTH_ENOT_FOUND);
}

TEST(sessions, a_turn_is_whole_or_nothing) {
  DaemonProcess daemon(kArguments);
  const Caller caller(daemon);
  ASSERT_EQ(caller.open("a"), HEARTH_OK);
  const Tokens prompt = random_prompt(5, 50);
  {
    // Its client goes away in the middle.
    RawClient gone(daemon.socket());
    gone.send(kGenerate, 7,
              R"({"model":"qwen","prompt_kind":"tokens","session":"a","credit":2,"max_tokens":500,
                  "ignore_eos":true})",
              ids_payload(prompt));
    while (gone.tokens.empty() && gone.read_stream()) {
    }
    // Nobody else meanwhile.
    EXPECT_EQ(caller.turn("a", prompt).code, HEARTH_ESESSION);
    EXPECT_EQ(hearth_session_rollback(caller.get(), "a", 0, nullptr), HEARTH_ESESSION);
    EXPECT_EQ(hearth_session_destroy(caller.get(), "a"), HEARTH_ESESSION);
  }
  EXPECT_TRUE(eventually(
      [&] { return hearth_session_rollback(caller.get(), "a", 0, nullptr) == HEARTH_OK; }));
  EXPECT_TRUE(caller.tokens("a").empty());
  // A cancelled one is kept as far as it was sent.
  RawClient canceled(daemon.socket());
  const std::string json =
      R"({"model":"qwen","prompt_kind":"tokens","session":"a","credit":3,"max_tokens":500,
          "ignore_eos":true})";
  canceled.send(kGenerate, 8, json, ids_payload(prompt));
  while (canceled.tokens.size() < 3 && canceled.read_stream()) {
  }
  canceled.send(kCancel, 8, "");
  const RawFrame reply = canceled.read_reply(8);
  EXPECT_EQ(error_code(reply), "");
  EXPECT_EQ(caller.tokens("a"), prompt + canceled.tokens);
  EXPECT_EQ(number_at(parse_json(reply.json).get(), "session_tokens"),
            static_cast<double>(50 + canceled.tokens.size()));
  // One that fails changes nothing, and the next one may come.
  EXPECT_EQ(caller.turn("a", {99999}).code, HEARTH_EINVALID);
  EXPECT_EQ(caller.turn("a", random_prompt(6, 1000)).code, HEARTH_ELIMIT);
  EXPECT_EQ(caller.tokens("a").size(), 50 + canceled.tokens.size());
  EXPECT_EQ(caller.turn("a", {1}, 1).code, HEARTH_OK);
}

TEST(sessions, an_empty_one_needs_a_prompt) {
  DaemonProcess daemon(kArguments);
  const Caller caller(daemon);
  ASSERT_EQ(caller.open("a"), HEARTH_OK);
  EXPECT_EQ(caller.turn("a", {}).code, HEARTH_EINVALID);
  EXPECT_EQ(caller.turn("a", {1, 2}, 1).code, HEARTH_OK);
  EXPECT_EQ(caller.turn("a", {}, 1).code, HEARTH_OK);
  EXPECT_EQ(caller.tokens("a").size(), 4u);
}

UniqueFd export_of(const Caller& caller, const char* name,
                   hearth_session_info* ret_info = nullptr) {
  int fd = -1;
  EXPECT_EQ(hearth_session_export(caller.get(), name, &fd, ret_info), HEARTH_OK) << caller.error();
  return UniqueFd(fd);
}

std::string contents(int fd) {
  std::string bytes(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

int import_bytes(const Caller& caller, const std::string& bytes, const char* name,
                 hearth_session_info* ret_info = nullptr) {
  TemporaryDirectory directory;
  std::ofstream(directory.path() + "/file", std::ios::binary) << bytes;
  const UniqueFd fd(open((directory.path() + "/file").c_str(), O_RDONLY | O_CLOEXEC));
  return hearth_session_import(caller.get(), "qwen", fd.get(), name, ret_info);
}

TEST(sessions, an_export_is_warm_where_the_cache_was_lost) {
  DaemonProcess daemon(kArguments);
  const Tokens prompt = random_prompt(7, 300);
  std::string bytes;
  Caller::Turn after;
  {
    const Caller caller(daemon);
    ASSERT_EQ(caller.open("a"), HEARTH_OK);
    caller.turn("a", prompt, 10);
    hearth_session_info info;
    hearth_session_info_init(&info);
    const UniqueFd exported = export_of(caller, "a", &info);
    EXPECT_EQ(info.tokens, 310);
    EXPECT_EQ(info.pages, 309 / 32);
    EXPECT_EQ(write(exported.get(), "x", 1), -1);
    bytes = contents(exported.get());
    ASSERT_EQ(hearth_session_fork(caller.get(), "a", "b", nullptr), HEARTH_OK);
    after = caller.turn("b", {5, 6, 7}, 10);
  }
  // The cache goes: with other keys and values it has to begin again.
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  daemon.restart({"--kv-type", "f16"});
  EXPECT_EQ(Caller(daemon).turn(nullptr, prompt, 1).code, HEARTH_OK);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  daemon.restart({"--kv-type", "auto"});
  const Caller caller(daemon);
  hearth_session_info info;
  hearth_session_info_init(&info);
  ASSERT_EQ(import_bytes(caller, bytes, "again", &info), HEARTH_OK) << caller.error();
  EXPECT_EQ(info.pages, 309 / 32);
  EXPECT_EQ(info.pages_cached, 309 / 32);
  const Caller::Turn turn = caller.turn("again", {5, 6, 7}, 10);
  ASSERT_EQ(turn.code, HEARTH_OK) << caller.error();
  EXPECT_EQ(turn.result.cached_tokens, 309 / 32 * 32);
  EXPECT_EQ(turn.tokens, after.tokens);
}

TEST(sessions, what_was_not_exported_here_for_this_user_is_refused) {
  DaemonProcess daemon(kArguments), other(kArguments);
  const Caller caller(daemon);
  ASSERT_EQ(caller.open("a"), HEARTH_OK);
  caller.turn("a", random_prompt(8, 100), 4);
  const UniqueFd exported = export_of(caller, "a");
  const std::string good = contents(exported.get());
  std::mt19937 random(9);
  for (int i = 0; i < 50; ++i) {
    std::string bad = good;
    const std::size_t at = i < 25 ? random() % 500 : 4096 + random() % (bad.size() - 4096);
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    EXPECT_EQ(import_bytes(caller, bad, nullptr), HEARTH_ESTORAGE) << at;
  }
  for (const std::size_t size : {std::size_t{1}, std::size_t{127}, good.size() - 1}) {
    EXPECT_EQ(import_bytes(caller, good.substr(0, size), nullptr), HEARTH_ESTORAGE);
  }
  EXPECT_EQ(import_bytes(caller, "", nullptr), HEARTH_ESTORAGE);
  const Caller elsewhere(other);
  EXPECT_EQ(import_bytes(elsewhere, good, "a"), HEARTH_ESTORAGE);
  EXPECT_EQ(import_bytes(caller, good, "a"), HEARTH_ESESSION);  // the name is taken
  EXPECT_EQ(hearth_session_import(caller.get(), "nope", exported.get(), "b", nullptr),
            HEARTH_ENOT_FOUND);
  EXPECT_EQ(import_bytes(caller, good, "b"), HEARTH_OK) << caller.error();
  EXPECT_EQ(caller.tokens("b"), caller.tokens("a"));
}

// The effective uid is what the kernel tells the daemon of a connection made meanwhile.
TEST(sessions, another_user_sees_and_changes_nothing) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be two users";
  DaemonProcess daemon(
      {"--model", kModel, "--ctx", "1024", "--kv-bytes", "64M", "--socket-mode", "0666"});
  ASSERT_EQ(chmod(daemon.directory().c_str(), 0755), 0);
  const Caller ours(daemon);
  ASSERT_EQ(ours.open("a"), HEARTH_OK);
  ours.turn("a", random_prompt(10, 100), 4);
  const UniqueFd exported = export_of(ours, "a");
  const auto theirs_owned = [&] {
    const AsUser nobody(65534);
    return std::make_unique<Caller>(daemon);
  }();
  const Caller& theirs = *theirs_owned;
  EXPECT_EQ(theirs.open("a", HEARTH_SESSION_ATTACH), HEARTH_ENOT_FOUND);
  EXPECT_EQ(theirs.turn("a", {1}).code, HEARTH_ENOT_FOUND);
  EXPECT_EQ(hearth_session_destroy(theirs.get(), "a"), HEARTH_ENOT_FOUND);
  EXPECT_EQ(hearth_session_import(theirs.get(), "qwen", exported.get(), "a", nullptr),
            HEARTH_ESTORAGE);
  char* list = nullptr;
  ASSERT_EQ(hearth_query(theirs.get(), HEARTH_QUERY_SESSIONS, &list), HEARTH_OK);
  EXPECT_STREQ(list, R"({"sessions":[]})");
  hearth_free(list);
  // And a session of the same name is their own.
  ASSERT_EQ(theirs.open("a", HEARTH_SESSION_CREATE), HEARTH_OK);
  EXPECT_EQ(theirs.turn("a", random_prompt(10, 100), 4).result.cached_tokens, 0);
  EXPECT_EQ(ours.tokens("a").size(), 104u);
}

}  // namespace
}  // namespace hearth
