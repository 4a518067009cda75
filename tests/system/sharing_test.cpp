// Goal: processes of one user share what was computed, users share nothing.
// Method: client processes of their own; what was computed is counted by the engine in rows, not
// taken from the cache's word.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "tests/daemon/daemon_process.hpp"
#include "tests/random_prompt.hpp"
#include "tests/system/as_user.hpp"
#include "tests/system/client_process.hpp"

namespace hearth {
namespace {

const std::string kModel = "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf";
constexpr uid_t kNobody = 65534;
constexpr std::int64_t kPageTokens = 32;

TEST(sharing, a_second_process_computes_only_what_the_first_has_not) {
  DaemonProcess daemon({"--model", kModel, "--ctx", "1024", "--kv-bytes", "64M"});
  const auto prompt = random_prompt(1, 200);
  const ClientOutcome cold = ClientProcess(daemon.socket(), "qwen", prompt, 40).outcome();
  ASSERT_EQ(cold.code, HEARTH_OK);
  EXPECT_EQ(cold.cached_tokens, 0);
  EXPECT_EQ(prompt_rows(daemon), 200);
  const ClientOutcome warm = ClientProcess(daemon.socket(), "qwen", prompt, 40).outcome();
  ASSERT_EQ(warm.code, HEARTH_OK);
  EXPECT_GE(warm.cached_tokens, 200 / kPageTokens * kPageTokens);
  EXPECT_EQ(prompt_rows(daemon), 200 + (200 - warm.cached_tokens));
  EXPECT_EQ(warm.tokens, cold.tokens);
  EXPECT_EQ(warm.tokens.size(), 40u);
}

TEST(sharing, processes_that_come_together_compute_their_prompt_once) {
  DaemonProcess daemon({"--model", kModel, "--ctx", "1024", "--kv-bytes", "64M"});
  const auto prompt = random_prompt(2, 320);
  int gate[2];
  ASSERT_EQ(pipe2(gate, O_CLOEXEC), 0);
  std::vector<std::unique_ptr<ClientProcess>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<ClientProcess>(daemon.socket(), "qwen", prompt, 8, gate[0]));
  }
  ASSERT_EQ(write(gate[1], "gogogogo", 8), 8);
  std::vector<ClientOutcome> outcomes;
  for (const auto& client : clients) outcomes.push_back(client->outcome());
  close(gate[0]);
  close(gate[1]);
  std::int64_t computed = 0;
  for (const ClientOutcome& outcome : outcomes) {
    EXPECT_EQ(outcome.code, HEARTH_OK);
    EXPECT_EQ(outcome.tokens, outcomes.front().tokens);
    computed += outcome.prompt_tokens - outcome.cached_tokens;
  }
  EXPECT_EQ(prompt_rows(daemon), static_cast<double>(computed));
  // 320 once, and of each other at most the last page, which is never shared while it fills.
  EXPECT_LE(computed, 320 + 7 * kPageTokens);
}

TEST(sharing, another_user_finds_neither_pages_nor_requests_of_ours) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be two users";
  DaemonProcess daemon(
      {"--model", kModel, "--ctx", "1024", "--kv-bytes", "64M", "--socket-mode", "0666"});
  ASSERT_EQ(chmod(daemon.directory().c_str(), 0755), 0);
  const std::string prompt = ids_payload(random_prompt(3, 128));
  RawClient ours(daemon.socket());
  EXPECT_EQ(cached_tokens_of_a_run(ours, prompt), 0);
  EXPECT_GE(cached_tokens_of_a_run(ours, prompt), 96);

  const auto theirs = connect_as(kNobody, daemon);
  ASSERT_TRUE(theirs->connected());
  EXPECT_EQ(cached_tokens_of_a_run(*theirs, prompt), 0) << "a hit tells that somebody asked this";
  EXPECT_GE(cached_tokens_of_a_run(*theirs, prompt), 96) << "their own is warm";

  // A request of ours that waits for credit is running while they look.
  ours.send(kGenerate, 900,
            R"({"model":"qwen","prompt_kind":"tokens","max_tokens":4,"temperature":0,"credit":1})",
            prompt);
  const auto requests_seen_by = [](RawClient& client) {
    const Json ps = parse_json(client.ask(kPs).payload);
    return cJSON_GetArraySize(cJSON_GetObjectItem(ps.get(), "requests"));
  };
  RawClient root(daemon.socket());
  EXPECT_TRUE(eventually([&] { return requests_seen_by(root) == 1; })) << "root sees all";
  EXPECT_EQ(requests_seen_by(*theirs), 0);
  // Their cancelling the same number reaches nothing of ours.
  theirs->send(kCancel, 900, "");
  EXPECT_EQ(error_code(theirs->ask(kModels)), "");
  ours.send(kCredit, 900, R"({"tokens":10})");
  const RawFrame reply = ours.read_reply(900);
  EXPECT_EQ(string_at(parse_json(reply.json).get(), "stop_reason"), "length");
}

// The pages that CACHE tells of, or NaN.
double pages_of(RawClient& client, const std::string& rest) {
  const RawFrame reply = client.ask(kCache, R"({"model":"qwen",)" + rest + "}");
  return number_at(parse_json(reply.payload).get(), "pages");
}

TEST(sharing, another_user_neither_sees_nor_drops_pages_of_ours) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be two users";
  DaemonProcess daemon(
      {"--model", kModel, "--ctx", "1024", "--kv-bytes", "64M", "--socket-mode", "0666"});
  ASSERT_EQ(chmod(daemon.directory().c_str(), 0755), 0);
  RawClient ours(daemon.socket());
  std::unique_ptr<RawClient> theirs;
  {
    const AsUser nobody(kNobody);
    theirs = std::make_unique<RawClient>(daemon.socket());
  }
  cached_tokens_of_a_run(ours, ids_payload(random_prompt(3, 128)));
  cached_tokens_of_a_run(*theirs, ids_payload(random_prompt(4, 64)));
  const double our_pages = pages_of(ours, R"("do":"ls")");
  const double their_pages = pages_of(*theirs, R"("do":"ls")");
  EXPECT_GE(our_pages, 4);
  EXPECT_GE(their_pages, 2);
  EXPECT_EQ(pages_of(*theirs, R"("do":"verify")"), their_pages);
  // Their own uid by name is no other user's; all else is for administrators.
  EXPECT_EQ(pages_of(*theirs, R"("do":"ls","uid":65534)"), their_pages);
  for (const char* action : {"ls", "evict", "verify"}) {
    const std::string head = R"({"model":"qwen","do":")" + std::string(action) + "\",";
    EXPECT_EQ(error_code(theirs->ask(kCache, head + R"("uid":0})")), "invalid_operation");
    EXPECT_EQ(error_code(theirs->ask(kCache, head + R"("all":true})")), "invalid_operation");
  }
  EXPECT_EQ(pages_of(*theirs, R"("do":"evict")"), their_pages);
  EXPECT_EQ(pages_of(ours, R"("do":"ls")"), our_pages) << "ours are all there";
  // Their prompt in our cache's place finds nothing of ours.
  EXPECT_EQ(cached_tokens_of_a_run(*theirs, ids_payload(random_prompt(3, 128))), 0);
  EXPECT_EQ(pages_of(ours, R"("do":"ls","all":true)"), 2 * our_pages);
  EXPECT_EQ(pages_of(ours, R"("do":"ls","uid":65534)"), our_pages);
  EXPECT_EQ(pages_of(ours, R"("do":"verify","all":true)"), 2 * our_pages);
  EXPECT_EQ(pages_of(ours, R"("do":"evict","uid":65534)"), our_pages);
  EXPECT_EQ(pages_of(*theirs, R"("do":"ls")"), 0);
  EXPECT_GE(cached_tokens_of_a_run(ours, ids_payload(random_prompt(3, 128))), 96);
}

}  // namespace
}  // namespace hearth
