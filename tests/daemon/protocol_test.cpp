// Goal: the daemon answers what docs/wire.md says, to clients that are right, wrong and hostile,
// and goes on serving the others.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/daemon/daemon_process.hpp"

namespace hearth {
namespace {

const std::string kLlama = "llama=" HEARTH_TEST_DATA "/models/llama.gguf";
const std::string kQwen = "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf";

// One daemon for all tests here: each must leave it as it found it.
class Protocol : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    daemon =
        new DaemonProcess({"--model", kLlama, "--model", kQwen, "--model",
                           "missing=/nowhere/model.gguf", "--ctx", "512", "--kv-bytes", "64M"});
    RawClient client(daemon->socket());
    client.ask(kEval, R"({"model":"llama"})", ids_payload({1}));  // waits until it is loaded
    client.ask(kEval, R"({"model":"qwen"})", ids_payload({1}));
  }
  static void TearDownTestSuite() {
    EXPECT_EQ(daemon->stop(SIGTERM), 0) << daemon->log();
    delete daemon;
  }
  // The daemon still answers, holds no pages and no more than a few descriptors.
  void TearDown() override {
    ASSERT_TRUE(eventually([] {
      RawClient client(daemon->socket());
      const Json stats = parse_json(client.ask(kStats).payload);
      return number_at(stats.get(), "models.0.pages.in_use") == 0 &&
             number_at(stats.get(), "models.1.pages.in_use") == 0 &&
             number_at(stats.get(), "daemon.connections") == 1;
    })) << daemon->log();
  }
  static DaemonProcess* daemon;
};
DaemonProcess* Protocol::daemon = nullptr;

TEST_F(Protocol, hello_tells_version_epoch_and_limits) {
  RawClient client(daemon->socket());
  EXPECT_EQ(client.hello().verb, kHello);
  EXPECT_EQ(client.hello().flags, 1);
  const Json json = parse_json(client.hello().json);
  EXPECT_EQ(number_at(json.get(), "protocol"), 1);
  EXPECT_EQ(string_at(json.get(), "epoch").size(), 16u);
  EXPECT_EQ(number_at(json.get(), "limits.payload_bytes"), 8 << 20);
}

TEST_F(Protocol, a_client_of_the_future_is_told_what_is_spoken) {
  RawClient client(daemon->socket(), /*hello=*/false);
  client.send(kHello, 0, R"({"protocol_min":7,"protocol_max":9})");
  const RawFrame answer = client.read();
  EXPECT_EQ(error_code(answer), "protocol");
  EXPECT_TRUE(client.closed_by_peer());
}

TEST_F(Protocol, a_range_that_includes_ours_is_fine) {
  RawClient client(daemon->socket(), /*hello=*/false);
  client.send(kHello, 0, R"({"protocol_min":0,"protocol_max":9,"features":["rings","unknown"]})");
  EXPECT_EQ(client.read().flags, 1);
}

TEST_F(Protocol, nothing_is_accepted_before_hello) {
  RawClient client(daemon->socket(), /*hello=*/false);
  client.send(kModels, 1, "");
  EXPECT_TRUE(client.closed_by_peer());
  RawClient second(daemon->socket());
  second.send(kHello, 0, R"({"protocol_min":1,"protocol_max":1})");
  EXPECT_TRUE(second.closed_by_peer()) << "HELLO comes once";
}

TEST_F(Protocol, an_unknown_verb_is_an_error_and_the_connection_goes_on) {
  RawClient client(daemon->socket());
  const RawFrame answer = client.ask(999);
  EXPECT_EQ(error_code(answer), "invalid");
  EXPECT_NE(error_message(answer).find("999"), std::string::npos);
  EXPECT_EQ(client.ask(kModels).flags, 1);
  EXPECT_EQ(error_code(client.ask(kTokens)), "invalid") << "a verb of the daemon's side";
}

TEST_F(Protocol, broken_frames_close_the_connection_and_no_other) {
  RawClient witness(daemon->socket());
  const std::vector<std::string> broken = {
      std::string("\xff\xff\xff\xff\x02\0\0\0\x01\0\0\0\0\0\0\0", 16),  // 4 GiB
      std::string("\0\0\0\0\x02\0\x01\0\x01\0\0\0\0\0\0\0", 16),        // flags from a client
      std::string("\0\0\0\0\x02\0\0\x01\x01\0\0\0\0\0\0\0", 16),        // descriptors
      std::string("\x04\0\0\0\x02\0\0\0\x01\0\0\0\x05\0\0\0", 16),      // more JSON than body
      RawClient::encode(kModels, 0, ""),                                // number 0
      RawClient::encode(kCredit, 1, "{\"tokens\":0}"),
      RawClient::encode(kCredit, 1, "nonsense"),
  };
  for (const std::string& bytes : broken) {
    RawClient client(daemon->socket());
    client.send_bytes(bytes);
    EXPECT_TRUE(client.closed_by_peer());
    EXPECT_EQ(witness.ask(kModels).flags, 1);
  }
}

// A message with so many descriptors of /dev/null.
void send_with_fds(const RawClient& client, std::string bytes, std::size_t count) {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {};
  iovec part = {bytes.data(), bytes.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(count * sizeof(int));
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(CMSG_DATA(head) + i * sizeof(int), &null, sizeof(int));
  }
  EXPECT_EQ(sendmsg(client.fd(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  close(null);
}

std::string with_fd_count(std::string bytes, char count) {
  bytes[7] = count;
  return bytes;
}

TEST_F(Protocol, descriptors_without_a_frame_that_takes_them_end_the_connection) {
  const std::string import = RawClient::encode(kSessionImport, 1, R"({"model":"qwen"})");
  const std::string models = RawClient::encode(kModels, 1, "");
  {
    RawClient client(daemon->socket());
    send_with_fds(client, with_fd_count(models, 1), 1);  // a verb that takes none
    EXPECT_TRUE(client.closed_by_peer());
  }
  {
    RawClient client(daemon->socket());
    send_with_fds(client, with_fd_count(import, 1), 2);
    EXPECT_TRUE(client.closed_by_peer());
  }
  {
    RawClient client(daemon->socket());
    client.send_bytes(with_fd_count(import, 1));  // it is told and does not come
    EXPECT_TRUE(client.closed_by_peer());
  }
  {
    RawClient client(daemon->socket());
    send_with_fds(client, import, 1);  // it comes and is not told
    while (client.read().verb == kSessionImport) {
    }
    EXPECT_TRUE(client.closed_by_peer());
  }
  {
    RawClient client(daemon->socket());
    EXPECT_EQ(error_code(client.ask(kSessionImport, R"({"model":"qwen"})")), "invalid");
    send_with_fds(client,
                  with_fd_count(RawClient::encode(kSessionImport, 9, R"({"model":"qwen"})"), 1), 1);
    EXPECT_EQ(error_code(client.read_reply(9)), "invalid");  // /dev/null is no sealed memfd
    EXPECT_EQ(client.ask(kModels).flags, 1);
  }
}

TEST_F(Protocol, random_bytes_do_no_harm) {
  RawClient witness(daemon->socket());
  unsigned state = 1;
  for (int i = 0; i < 200; ++i) {
    RawClient client(daemon->socket(), /*hello=*/i % 2 == 0);
    std::string bytes(static_cast<std::size_t>(i * 3), '\0');
    for (char& c : bytes) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    if (i % 3 == 0 && bytes.size() > 4) std::memset(bytes.data() + 2, 0, 2);  // a small size
    client.send_bytes(bytes);
  }
  EXPECT_EQ(witness.ask(kModels).flags, 1);
}

TEST_F(Protocol, frames_may_come_byte_by_byte) {
  RawClient client(daemon->socket());
  const std::string bytes = RawClient::encode(kModels, 77, "{}");
  for (const char byte : bytes) {
    client.send_bytes(std::string(1, byte));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  EXPECT_EQ(client.read_reply(77).flags, 1);
}

TEST_F(Protocol, every_bad_field_is_an_error_that_names_it) {
  RawClient client(daemon->socket());
  const std::string ids = ids_payload({1, 2, 3});
  const auto expect = [&](const std::string& json, const std::string& payload, const char* code,
                          const char* word) {
    const RawFrame answer = client.ask(kGenerate, json, payload);
    EXPECT_EQ(error_code(answer), code) << json;
    EXPECT_NE(error_message(answer).find(word), std::string::npos) << error_message(answer);
  };
  const std::string base = R"({"model":"llama","prompt_kind":"tokens","raw":true)";
  expect("{}", ids, "invalid", "model");
  expect("not json", ids, "invalid", "JSON");
  expect(R"({"model":"nosuch"})", ids, "not_found", "nosuch");
  expect(R"({"model":"nosuch"})", ids, "not_found", "llama, qwen");
  expect(R"({"model":7})", ids, "invalid", "model");
  expect(base + R"(,"max_tokens":-1})", ids, "invalid", "max_tokens");
  expect(base + R"(,"max_tokens":0})", ids, "invalid", "max_tokens");
  expect(base + R"(,"max_tokens":1.5})", ids, "invalid", "max_tokens");
  expect(base + R"(,"max_tokens":1e30})", ids, "invalid", "max_tokens");
  expect(base + R"(,"temperature":-0.1})", ids, "invalid", "temperature");
  expect(base + R"(,"temperature":"hot"})", ids, "invalid", "temperature");
  expect(base + R"(,"top_p":1.1})", ids, "invalid", "top_p");
  expect(base + R"(,"min_p":-0.1})", ids, "invalid", "min_p");
  expect(base + R"(,"mirostat":3})", ids, "invalid", "mirostat");
  expect(base + R"(,"repeat_penalty":0})", ids, "invalid", "repeat_penalty");
  expect(base + R"(,"top_k":-1})", ids, "invalid", "top_k");
  expect(base + R"(,"seed":-1})", ids, "invalid", "seed");
  expect(base + R"(,"stop":"x"})", ids, "invalid", "stop");
  expect(base + R"(,"stop":[""]})", ids, "invalid", "stop");
  expect(base + R"(,"credit":0})", ids, "invalid", "credit");
  expect(base + R"(,"temprature":1})", ids, "invalid", "temprature");
  expect(base + R"(,"raw":false,"x":1})", ids, "invalid", "raw");  // stands twice
  expect(R"({"model":"llama","prompt_kind":"image"})", ids, "invalid", "prompt_kind");
  expect(base + "}", "abc", "invalid", "payload");
  expect(base + "}", "", "invalid", "prompt");
  expect(base + "}", ids_payload({1, -1}), "invalid", "id -1");
  expect(base + "}", ids_payload({1, 100000}), "invalid", "id 100000");
  expect(base + "}", ids_payload(std::vector<std::int32_t>(513, 1)), "limit", "513 tokens");
  expect(base + R"(,"checkpoints":3})", ids, "invalid", "checkpoints: not an array");
  expect(base + R"(,"checkpoints":[0]})", ids, "invalid", "checkpoints[0]");
  expect(base + R"(,"checkpoints":[1,1]})", ids, "invalid", "checkpoints[1]");
  expect(base + R"(,"checkpoints":[1.5]})", ids, "invalid", "checkpoints[0]");
  expect(base + R"(,"checkpoints":["1"]})", ids, "invalid", "checkpoints[0]");
  expect(base + R"(,"checkpoints":[1,1e9]})", ids, "invalid", "position 1000000000 is not inside");
  expect(R"({"model":"llama","raw":true,"checkpoints":[1]})", "text", "invalid", "prompt_kind");
  expect(R"({"model":"llama","raw":true})", "text", "tokenization", "no vocabulary");
  expect(R"({"model":"missing","prompt_kind":"tokens"})", ids, "io", "/nowhere/model.gguf");
  EXPECT_EQ(error_code(client.ask(kModels, "", "payload")), "invalid");
  EXPECT_EQ(error_code(client.ask(kTokenize, R"({"model":"llama"})", "text")), "tokenization");
}

TEST_F(Protocol, generation_streams_tokens_and_ends_with_the_numbers) {
  RawClient client(daemon->socket());
  const RawFrame reply = client.ask(
      kGenerate, R"({"model":"llama","prompt_kind":"tokens","max_tokens":20,"temperature":0})",
      ids_payload({5, 6, 7}));
  const Json json = parse_json(reply.json);
  EXPECT_EQ(client.tokens.size(), 20u);
  EXPECT_EQ(number_at(json.get(), "usage.completion_tokens"), 20);
  EXPECT_EQ(number_at(json.get(), "usage.prompt_tokens"), 3);
  EXPECT_EQ(string_at(json.get(), "stop_reason"), "length");
  EXPECT_GT(number_at(json.get(), "timings.decode_tps"), 0);
}

TEST_F(Protocol, a_seed_repeats_itself_and_is_reported) {
  const auto run = [&](const std::string& seed) {
    RawClient client(daemon->socket());
    const RawFrame reply = client.ask(
        kGenerate,
        R"({"model":"qwen","prompt_kind":"tokens","max_tokens":30,"temperature":2)" + seed + "}",
        ids_payload({5, 6, 7}));
    return std::pair(client.tokens, number_at(parse_json(reply.json).get(), "seed"));
  };
  const auto first = run("");
  const auto again = run(",\"seed\":" + std::to_string(static_cast<long long>(first.second)));
  EXPECT_EQ(first.first, again.first);
  EXPECT_NE(first.first, run(",\"seed\":1").first);
}

TEST_F(Protocol, requests_of_one_connection_run_side_by_side) {
  RawClient client(daemon->socket());
  const std::string json =
      R"({"model":"llama","prompt_kind":"tokens","max_tokens":100,"temperature":0,"credit":1000})";
  for (std::uint32_t request = 1; request <= 10; ++request) {
    client.send(kGenerate, request, json, ids_payload({static_cast<std::int32_t>(request)}));
  }
  int open = 10;
  std::vector<int> counts(11, 0);
  while (open > 0) {
    const RawFrame frame = client.read();
    ASSERT_NE(frame.verb, 0);
    if (frame.verb == kTokens) ++counts[frame.request];
    if ((frame.flags & 1) != 0) --open;
  }
  for (int request = 1; request <= 10; ++request)
    EXPECT_EQ(counts[static_cast<std::size_t>(request)], 100);
}

TEST_F(Protocol, a_number_in_use_breaks_the_protocol_and_too_many_requests_do_not) {
  RawClient client(daemon->socket());
  const std::string parked =
      R"({"model":"llama","prompt_kind":"tokens","max_tokens":100,"temperature":0,"credit":1})";
  for (std::uint32_t request = 1; request <= 64; ++request) {
    client.send(kGenerate, request, parked, ids_payload({3}));
  }
  client.send(kGenerate, 65, parked, ids_payload({3}));
  EXPECT_EQ(error_code(client.read_reply(65)), "limit");
  client.send(kGenerate, 1, parked, ids_payload({3}));
  RawFrame frame;
  do frame = client.read();
  while (frame.verb != 0);
}

TEST_F(Protocol, a_stream_without_credit_waits_for_it) {
  RawClient client(daemon->socket());
  client.send(
      kGenerate, 1,
      R"({"model":"llama","prompt_kind":"tokens","max_tokens":10,"temperature":0,"credit":4})",
      ids_payload({9}));
  for (int i = 0; i < 4; ++i) ASSERT_EQ(client.read().verb, kTokens);
  pollfd state = {client.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&state, 1, 100), 0) << "nothing more without credit";
  client.send(kCredit, 1, R"({"tokens":3})");
  for (int i = 0; i < 3; ++i) ASSERT_EQ(client.read().verb, kTokens);
  EXPECT_EQ(poll(&state, 1, 100), 0);
  client.send(kCredit, 1, R"({"tokens":100})");
  EXPECT_EQ(client.read_reply(1).flags, 1);
  client.send(kCredit, 1, R"({"tokens":1})");  // it has just ended: ignored
  EXPECT_EQ(client.ask(kModels).flags, 1);
}

TEST_F(Protocol, cancel_ends_a_request_early) {
  RawClient client(daemon->socket());
  client.send(
      kGenerate, 1,
      R"({"model":"llama","prompt_kind":"tokens","max_tokens":500,"temperature":0,"credit":5})",
      ids_payload({9}));
  ASSERT_EQ(client.read().verb, kTokens);
  client.send(kCancel, 1, "");
  const RawFrame reply = client.read_reply(1);
  EXPECT_EQ(string_at(parse_json(reply.json).get(), "stop_reason"), "canceled");
  client.send(kCancel, 1, "");
  client.send(kCancel, 4711, "");
  EXPECT_EQ(client.ask(kModels).flags, 1);
}

TEST_F(Protocol, evaluation_sends_rows_and_likelihood) {
  RawClient client(daemon->socket());
  client.send(kEval, 1, R"({"model":"llama","logits":true,"credit":2})",
              ids_payload({1, 2, 3, 4, 5}));
  int rows = 0;
  for (;;) {
    const RawFrame frame = client.read();
    ASSERT_NE(frame.verb, 0);
    if (frame.verb == kLogits) {
      std::uint64_t position;
      std::uint32_t count;
      std::memcpy(&position, frame.payload.data(), 8);
      std::memcpy(&count, frame.payload.data() + 8, 4);
      EXPECT_EQ(position, static_cast<std::uint64_t>(rows));
      rows += static_cast<int>(count);
      client.send(kCredit, 1, R"({"tokens":1})");
    }
    if ((frame.flags & 1) != 0) {
      EXPECT_GT(number_at(parse_json(frame.json).get(), "mean_nll"), 0);
      break;
    }
  }
  EXPECT_EQ(rows, 5);
}

TEST_F(Protocol, a_client_that_shuts_down_its_sending_half_still_gets_its_answer) {
  RawClient client(daemon->socket());
  client.send(
      kGenerate, 1,
      R"({"model":"llama","prompt_kind":"tokens","max_tokens":50,"temperature":0,"credit":100})",
      ids_payload({9}));
  shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(client.read_reply(1).flags, 1);
  EXPECT_EQ(client.tokens.size(), 50u);
  EXPECT_TRUE(client.closed_by_peer());
}

TEST_F(Protocol, a_client_that_dies_frees_what_it_held_at_once) {
  RawClient witness(daemon->socket());
  for (const bool half_closed : {false, true}) {
    auto client = std::make_unique<RawClient>(daemon->socket());
    client->send(
        kGenerate, 1,
        R"({"model":"llama","prompt_kind":"tokens","max_tokens":400,"temperature":0,"credit":2})",
        ids_payload(std::vector<std::int32_t>(100, 7)));
    ASSERT_EQ(client->read().verb, kTokens);
    if (half_closed) shutdown(client->fd(), SHUT_WR);
    const auto in_use = [&] {
      return number_at(parse_json(witness.ask(kStats).payload).get(), "models.0.pages.in_use");
    };
    EXPECT_GT(in_use(), 0);
    const double died = seconds_now();
    client.reset();
    ASSERT_TRUE(eventually([&] { return in_use() == 0; }));
    // 100 ms is the promise; builds with sanitizers on busy machines get more.
    RecordProperty("freed_after_ms", static_cast<int>(1000 * (seconds_now() - died)));
    EXPECT_LT(seconds_now() - died, 2.0);
  }
}

TEST_F(Protocol, a_client_that_never_reads_is_parked_and_harms_nobody) {
  RawClient deaf(daemon->socket());
  // A large credit and rows of logits: far more than the socket's buffer takes.
  deaf.send(kGenerate, 1,
            R"({"model":"llama","prompt_kind":"tokens","max_tokens":500,"temperature":0,)"
            R"("credit":65536,"logits":true})",
            ids_payload({9}));
  RawClient other(daemon->socket());
  for (int i = 0; i < 5; ++i) {
    const RawFrame reply = other.ask(
        kGenerate, R"({"model":"llama","prompt_kind":"tokens","max_tokens":30,"temperature":0})",
        ids_payload({i + 1}));
    EXPECT_EQ(reply.flags, 1);
  }
}

TEST_F(Protocol, a_client_that_floods_without_reading_is_closed) {
  RawClient flood(daemon->socket());
  std::string bytes;
  for (std::uint32_t request = 1; request <= 2000; ++request) {
    bytes += RawClient::encode(kModels, request, "");
  }
  // Replies pile up until its queue is full or it hangs up; either way others are served.
  const int flags = fcntl(flood.fd(), F_GETFL);
  fcntl(flood.fd(), F_SETFL, flags | O_NONBLOCK);
  flood.send_bytes(bytes);
  RawClient other(daemon->socket());
  EXPECT_EQ(other.ask(kModels).flags, 1);
}

TEST_F(Protocol, documents_have_what_they_promise) {
  RawClient client(daemon->socket());
  const Json models = parse_json(client.ask(kModels).payload);
  const cJSON* list = cJSON_GetObjectItem(models.get(), "models");
  ASSERT_EQ(cJSON_GetArraySize(list), 3);
  EXPECT_EQ(string_at(cJSON_GetArrayItem(list, 0), "state"), "ready");
  EXPECT_EQ(string_at(cJSON_GetArrayItem(list, 0), "architecture"), "llama");
  EXPECT_EQ(number_at(models.get(), "models.0.context"), 512);
  EXPECT_TRUE(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "tokenizer")));
  EXPECT_EQ(string_at(cJSON_GetArrayItem(list, 2), "state"), "failed");
  EXPECT_NE(string_at(cJSON_GetArrayItem(list, 2), "error").find("/nowhere"), std::string::npos);
  const Json ps = parse_json(client.ask(kPs).payload);
  EXPECT_EQ(number_at(ps.get(), "daemon.pid"), daemon->pid());
  const Json stats = parse_json(client.ask(kStats).payload);
  EXPECT_GE(number_at(stats.get(), "models.1.rows.prompt"), 1);
  EXPECT_GE(number_at(stats.get(), "daemon.numa.0.workers"), 1);
  EXPECT_GE(number_at(stats.get(), "daemon.numa.0.node"), 0);
  EXPECT_NE(daemon->log().find("on NUMA node"), std::string::npos);
}

TEST_F(Protocol, a_hundred_connections_come_and_go) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(std::make_unique<RawClient>(daemon->socket()));
  for (const auto& client : clients) EXPECT_EQ(client->ask(kModels).flags, 1);
}

}  // namespace
}  // namespace hearth
