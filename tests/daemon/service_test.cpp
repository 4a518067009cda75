// Goal: hearthd is a service: it listens on the socket that it is given, tells how it is, and finds
// its cache again in what the service manager keeps.
//
// Method: a manager that the test plays, and the real daemon, which is killed.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include <filesystem>
#include <random>

#include "tests/daemon/fake_service_manager.hpp"

namespace hearth {
namespace {

namespace fs = std::filesystem;
const std::string kModel = "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf";
const std::string kOther = "other=" HEARTH_TEST_DATA "/models/qwen3-tied.gguf";
constexpr int kPageTokens = 32;

std::vector<std::string> arguments(std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"--model", kModel, "--ctx", "1024", "--kv-bytes", "64M"});
  return more;
}
const std::vector<std::string> kFdStore = {"--cache-backend", "fdstore"};

struct Reply {
  double cached = -1;
  std::vector<std::int32_t> tokens;
};
// Greedy, 20 tokens after a prompt of 200; it follows from the seed.
Reply generate(const std::string& socket, unsigned seed, const std::string& model = "qwen") {
  std::mt19937 random(seed);
  std::vector<std::int32_t> prompt;
  for (int i = 0; i < 200; ++i) prompt.push_back(static_cast<std::int32_t>(random() % 64));
  RawClient client(socket);
  const RawFrame frame = client.ask(
      kGenerate,
      R"({"prompt_kind":"tokens","max_tokens":20,"temperature":0,"ignore_eos":true,"credit":100,)"
      R"("model":")" +
          model + "\"}",
      ids_payload(prompt));
  EXPECT_FALSE(frame.error()) << frame.json;
  return {number_at(parse_json(frame.json).get(), "usage.cached_tokens"), client.tokens};
}
constexpr double kWarm = 200 / kPageTokens * kPageTokens;

UniqueFd listening_socket(const std::string& path, int type = SOCK_STREAM) {
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  if (type == SOCK_STREAM) {
    EXPECT_EQ(listen(fd.get(), 16), 0);
  }
  return fd;
}

TEST(service, ready_means_that_clients_can_connect) {
  FakeServiceManager manager;
  DaemonProcess daemon(arguments({"--drain-seconds", "7"}), false, manager.service());
  ASSERT_TRUE(eventually([&] { return manager.count("READY=1") == 1; }));
  EXPECT_TRUE(RawClient(daemon.socket()).connected());
  EXPECT_TRUE(eventually([&] { return manager.count("STATUS=models: qwen ready") == 1; }));
  EXPECT_EQ(manager.count("STATUS=models: qwen loading"), 1) << "only what is new is told";
  EXPECT_EQ(manager.count("STOPPING=1"), 0);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  manager.stored();  // all is heard
  EXPECT_EQ(manager.count("STOPPING=1"), 1);
  EXPECT_EQ(manager.count("EXTEND_TIMEOUT_USEC=37000000"), 1);
  EXPECT_FALSE(manager.heard_line_with("WATCHDOG")) << "nobody asked for it";
}

TEST(service, a_daemon_that_cannot_start_says_why) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s";
  const UniqueFd taken = listening_socket(path);
  FakeServiceManager manager;
  DaemonProcess daemon(arguments({"--socket", path}), false, manager.service());
  EXPECT_EQ(daemon.wait(), 1);
  manager.stored();
  EXPECT_TRUE(manager.heard_line_with("another daemon listens on " + path));
  EXPECT_EQ(manager.count("READY=1"), 0);
}

TEST(service, the_watchdog_hears_the_loop) {
  FakeServiceManager manager;
  DaemonProcess daemon(arguments(), true, manager.service({"WATCHDOG_USEC=100000"}));
  EXPECT_TRUE(eventually([&] { return manager.count("WATCHDOG=1") >= 5; }));
  EXPECT_EQ(daemon.stop(SIGTERM), 0) << "its timer keeps no daemon";
}

TEST(service, clients_wait_in_the_socket_while_there_is_no_daemon) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/activated.sock";
  FakeServiceManager manager;
  manager.hand_over("hearthd.socket", listening_socket(path));
  RawClient early(path, /*hello=*/false);
  ASSERT_TRUE(early.connected());
  ASSERT_TRUE(early.send(kHello, 0, R"({"protocol_min":1,"protocol_max":1,"client":"raw"})"));
  DaemonProcess daemon(arguments(), true, manager.service());
  EXPECT_EQ(early.read().verb, kHello);
  EXPECT_FALSE(error_code(early.ask(kLoad, R"({"model":"none"})")).empty());
  EXPECT_NE(daemon.log().find(" on " + path), std::string::npos) << daemon.log();
  EXPECT_FALSE(fs::exists(daemon.socket())) << "nothing is bound beside it";
  generate(path, 1);

  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  ASSERT_TRUE(fs::exists(path)) << "it is not the daemon's";
  RawClient between(path, /*hello=*/false);
  ASSERT_TRUE(between.connected());
  ASSERT_TRUE(between.send(kHello, 0, R"({"protocol_min":1,"protocol_max":1,"client":"raw"})"));
  daemon.restart();
  EXPECT_EQ(between.read().verb, kHello);
  EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
  EXPECT_TRUE(RawClient(path, /*hello=*/false).connected());
}

TEST(service, what_makes_no_sense_is_named_and_closed) {
  const TemporaryDirectory directory;
  FakeServiceManager manager;
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd to_read(ends[0]);
  manager.store("a-pipe", UniqueFd(ends[1]));
  manager.hand_over("a-datagram", listening_socket(directory.path() + "/d", SOCK_DGRAM));
  UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(listen(tcp.get(), 1), 0);
  manager.hand_over("a-tcp", std::move(tcp));
  manager.hand_over("not-listening", UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  manager.store("a-file", UniqueFd(memfd_create("x", MFD_CLOEXEC)));
  manager.hand_over("first", listening_socket(directory.path() + "/1"));
  manager.hand_over("second", listening_socket(directory.path() + "/2"));
  DaemonProcess daemon(arguments(), true, manager.service());
  for (const char* name : {"a-pipe", "a-datagram", "a-tcp", "not-listening", "a-file"}) {
    EXPECT_NE(daemon.log().find(std::string("\"") + name + "\" of the service manager is neither"),
              std::string::npos)
        << daemon.log();
  }
  EXPECT_NE(daemon.log().find("\"second\" of the service manager is a second socket"),
            std::string::npos);
  EXPECT_EQ(daemon.log().find("\"first\""), std::string::npos);
  EXPECT_TRUE(manager.stored().empty()) << "they do not come again";
  char byte;
  EXPECT_EQ(read(to_read.get(), &byte, 1), 0) << "nobody has the other end any more";
  generate(directory.path() + "/1", 1);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
}

TEST(service, an_environment_that_cannot_be_read_is_an_error) {
  const auto setup = [] { return ProcessSetup{{"LISTEN_FDNAMES=one:two:three"}, {STDIN_FILENO}}; };
  DaemonProcess daemon(arguments(), false, setup);
  EXPECT_EQ(daemon.wait(), 2);
  EXPECT_NE(daemon.log().find("LISTEN_FDNAMES"), std::string::npos) << daemon.log();
}

TEST(service, descriptors_of_another_process_are_left_alone) {
  const auto setup = [] { return ProcessSetup{{"LISTEN_FDS=5", "LISTEN_PID=1"}, {}}; };
  DaemonProcess daemon(arguments(), true, setup);
  EXPECT_TRUE(RawClient(daemon.socket()).connected());
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
}

// Settings of a daemon whose cache lies with the manager, and whose state outlives it.
std::vector<std::string> kept_by_manager(const TemporaryDirectory& state) {
  return {"--cache-backend", "fdstore", "--state-dir", state.path() + "/s"};
}

TEST(fd_store, the_same_prompt_is_warm_after_a_kill_and_says_the_same) {
  FakeServiceManager manager;
  DaemonProcess daemon(arguments(kFdStore), true, manager.service());
  const Reply cold = generate(daemon.socket(), 1);
  EXPECT_EQ(cold.cached, 0);
  const auto names = manager.stored();
  ASSERT_EQ(names.size(), 1u);
  EXPECT_EQ(names[0].rfind("hearth-" + std::to_string(geteuid()) + "-", 0), 0u) << names[0];
  for (const int signal_number : {SIGKILL, SIGKILL, SIGTERM, SIGKILL}) {
    daemon.stop(signal_number);
    daemon.restart();
    const Reply warm = generate(daemon.socket(), 1);
    EXPECT_GE(warm.cached, kWarm);
    EXPECT_EQ(warm.tokens, cold.tokens);
    EXPECT_EQ(manager.stored(), names);
  }
  EXPECT_NE(daemon.log().find("the cache lies in memory that the service manager keeps"),
            std::string::npos);
}

TEST(fd_store, what_a_manager_has_lost_is_a_miss) {
  FakeServiceManager manager, forgetful;
  const TemporaryDirectory state;
  const std::vector<std::string> same = kept_by_manager(state);
  {
    DaemonProcess daemon(arguments(same), true, manager.service());
    EXPECT_EQ(generate(daemon.socket(), 1).cached, 0);
    EXPECT_EQ(daemon.stop(SIGTERM), 0);
  }
  DaemonProcess daemon(arguments(same), true, forgetful.service());
  EXPECT_EQ(generate(daemon.socket(), 1).cached, 0);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
}

// Under the name of a segment, or twice: a cold cache and an honest one in its place.
TEST(fd_store, what_is_no_segment_is_replaced) {
  FakeServiceManager manager;
  const TemporaryDirectory state;
  const std::vector<std::string> same = kept_by_manager(state);
  std::string name;
  {
    DaemonProcess daemon(arguments(same), true, manager.service());
    generate(daemon.socket(), 1);
    ASSERT_EQ(manager.stored().size(), 1u);
    name = manager.stored()[0];
    EXPECT_EQ(daemon.stop(SIGTERM), 0);
  }
  const auto junk = [] {
    UniqueFd fd(memfd_create("junk", MFD_CLOEXEC));
    EXPECT_EQ(ftruncate(fd.get(), 1 << 20), 0);
    return fd;
  };
  for (const int times : {1, 2}) {
    FakeServiceManager wrong;
    for (int i = 0; i < times; ++i) wrong.store(name, junk());
    DaemonProcess daemon(arguments(same), true, wrong.service());
    EXPECT_EQ(generate(daemon.socket(), 1).cached, 0);
    EXPECT_EQ(wrong.stored(), std::vector{name});
    EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
    daemon.restart();
    EXPECT_GE(generate(daemon.socket(), 1).cached, kWarm);
    EXPECT_EQ(daemon.stop(SIGTERM), 0);
  }
}

TEST(fd_store, what_no_model_needs_any_more_is_given_up) {
  FakeServiceManager manager;
  const TemporaryDirectory state;
  const std::vector<std::string> same = kept_by_manager(state);
  std::vector<std::string> before;
  {
    DaemonProcess daemon(arguments(same), true, manager.service());
    generate(daemon.socket(), 1);
    before = manager.stored();
    EXPECT_EQ(daemon.stop(SIGTERM), 0);
  }
  auto others = same;
  others.insert(others.end(), {"--model", kOther, "--ctx", "1024", "--kv-bytes", "64M"});
  {
    DaemonProcess daemon(others, true, manager.service());
    generate(daemon.socket(), 1, "other");
    ASSERT_EQ(manager.stored().size(), 1u);
    EXPECT_NE(manager.stored(), before);
    EXPECT_EQ(daemon.stop(SIGTERM), 0);
  }
  // Of another state directory.
  others[3] = state.path() + "/other";
  DaemonProcess daemon(others, true, manager.service());
  EXPECT_EQ(generate(daemon.socket(), 1, "other").cached, 0);
  EXPECT_EQ(manager.stored().size(), 1u);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
}

TEST(fd_store, files_are_preferred_and_then_the_manager_keeps_nothing) {
  FakeServiceManager manager;
  DaemonProcess daemon(arguments(kFdStore), true, manager.service());
  generate(daemon.socket(), 1);
  EXPECT_EQ(manager.stored().size(), 1u);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  daemon.restart({"--cache-backend", "auto"});
  EXPECT_TRUE(manager.stored().empty());
  EXPECT_NE(daemon.log().find("the cache lies in /dev/shm/hearth-"), std::string::npos);
  EXPECT_EQ(generate(daemon.socket(), 1).cached, 0);
  EXPECT_EQ(daemon.stop(SIGKILL), -SIGKILL);
  daemon.restart();
  EXPECT_GE(generate(daemon.socket(), 1).cached, kWarm);
  EXPECT_TRUE(manager.stored().empty());
}

TEST(fd_store, a_state_directory_has_one_daemon) {
  FakeServiceManager manager;
  DaemonProcess daemon(arguments(kFdStore), true, manager.service());
  generate(daemon.socket(), 1);
  const auto stored = manager.stored();
  auto same = kFdStore;
  same.insert(same.end(), {"--state-dir", daemon.directory() + "/state"});
  DaemonProcess second(arguments(same), false, manager.service());
  EXPECT_EQ(second.wait(), 1);
  EXPECT_NE(second.log().find("in use by another hearthd"), std::string::npos) << second.log();
  EXPECT_EQ(manager.stored(), stored) << "it took nothing away";
}

TEST(fd_store, without_a_service_manager_it_is_a_wrong_setting) {
  DaemonProcess daemon(arguments(kFdStore), false, [] {
    return ProcessSetup{{"NOTIFY_SOCKET="}, {}};
  });
  EXPECT_EQ(daemon.wait(), 2);
  EXPECT_NE(daemon.log().find("cache-backend: fdstore needs a service manager"), std::string::npos)
      << daemon.log();
}

}  // namespace
}  // namespace hearth
