// Goal: 64 client processes at once each get what one gets alone, and nothing grows over rounds.
// Method: ten rounds of 64 processes, each with a prompt of its own, against one daemon; after each
// round its descriptors, pages and memory are compared with those after the second (the first two
// fill pools that are kept).
#include <gtest/gtest.h>

#include <random>

#include "tests/daemon/daemon_process.hpp"
#include "tests/system/client_process.hpp"

namespace hearth {
namespace {

constexpr int kClients = 64;
constexpr int kRounds = 10;
constexpr int kMaxTokens = 24;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kMemoryGrowthMax = 1e12;  // a sanitizer keeps what was freed
#else
constexpr double kMemoryGrowthMax = 2 << 20;
#endif

std::vector<std::int32_t> prompt_of(int client) {
  std::mt19937 random(static_cast<unsigned>(client) + 100);
  std::vector<std::int32_t> prompt;
  for (int i = 0; i < 40 + client; ++i) prompt.push_back(static_cast<std::int32_t>(random() % 64));
  return prompt;
}

struct Level {
  double descriptors, pages_in_use, pages_backed, memory;
};

// What the daemon holds once the clients of a round are gone.
Level level(const DaemonProcess& daemon) {
  RawClient client(daemon.socket());
  Json stats = parse_json("{}");
  eventually([&] {
    stats = parse_json(client.ask(kStats).payload);
    return number_at(stats.get(), "daemon.connections") == 1;
  });
  EXPECT_EQ(number_at(stats.get(), "daemon.connections"), 1);
  return {
      number_at(stats.get(), "daemon.open_fds"), number_at(stats.get(), "models.0.pages.in_use"),
      number_at(stats.get(), "models.0.pages.backed"), number_at(stats.get(), "daemon.rss_bytes")};
}

void run_round(const DaemonProcess& daemon, const std::vector<ClientOutcome>& alone) {
  std::vector<std::unique_ptr<ClientProcess>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(
        std::make_unique<ClientProcess>(daemon.socket(), "qwen", prompt_of(i), kMaxTokens));
  }
  for (int i = 0; i < kClients; ++i) {
    const ClientOutcome outcome = clients[static_cast<std::size_t>(i)]->outcome();
    ASSERT_EQ(outcome.code, HEARTH_OK) << "client " << i;
    EXPECT_EQ(outcome.tokens, alone[static_cast<std::size_t>(i)].tokens) << "client " << i;
  }
}

TEST(many_clients, each_gets_what_it_gets_alone_and_nothing_grows) {
  const std::string model = "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf";
  std::vector<ClientOutcome> alone;
  {
    DaemonProcess daemon({"--model", model, "--ctx", "512", "--kv-bytes", "64M"});
    for (int i = 0; i < kClients; ++i) {
      alone.push_back(ClientProcess(daemon.socket(), "qwen", prompt_of(i), kMaxTokens).outcome());
      ASSERT_EQ(alone.back().code, HEARTH_OK);
      ASSERT_EQ(alone.back().tokens.size(), static_cast<std::size_t>(kMaxTokens));
    }
  }
  // A cache too small to keep every client's pages: rounds evict, and must not lose any.
  DaemonProcess daemon({"--model", model, "--ctx", "512", "--kv-bytes", "4M"});
  Level base = {};
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(run_round(daemon, alone));
    const Level now = level(daemon);
    RecordProperty("memory_after_round_" + std::to_string(round), std::to_string(now.memory));
    EXPECT_EQ(now.pages_in_use, 0);
    if (round == 1) base = now;
    if (round <= 1) continue;
    EXPECT_EQ(now.descriptors, base.descriptors) << "round " << round;
    EXPECT_LE(now.pages_backed, base.pages_backed) << "round " << round;
    EXPECT_LE(now.memory, base.memory + kMemoryGrowthMax) << "round " << round;
  }
}

}  // namespace
}  // namespace hearth
