// Goal: models are loaded and unloaded as docs/wire.md and hearthd(8) say, whoever asks in whatever
// order, and nobody loses anything but time by it.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/daemon/daemon_process.hpp"

namespace hearth {
namespace {

namespace fs = std::filesystem;
const std::string kFile = HEARTH_TEST_DATA "/models/llama.gguf";

std::string generate(const std::string& model, int tokens, int credit) {
  return R"({"model":")" + model +
         R"(","prompt_kind":"tokens","temperature":0,"ignore_eos":true,)" + R"("max_tokens":)" +
         std::to_string(tokens) + R"(,"credit":)" + std::to_string(credit) + "}";
}
std::string model_of(const std::string& id) {
  return R"({"model":")" + id + R"("})";
}

// A daemon with the models a, b and c, all of them the same file, and nothing loaded.
class Models {
 public:
  explicit Models(std::vector<std::string> more = {})
      : daemon_(with_models(std::move(more))), client_(daemon_.socket()) {}

  RawClient& client() { return client_; }
  DaemonProcess& daemon() { return daemon_; }
  Json ps() { return parse_json(client_.ask(kPs).payload); }
  double number(const std::string& id, const std::string& key) {
    const Json document = ps();
    return number_at(entry(document, id), key);
  }
  std::string state(const std::string& id) {
    const Json document = ps();
    return string_at(entry(document, id), "state");
  }
  bool becomes(const std::string& id, const std::string& wanted) {
    return eventually([&] { return state(id) == wanted; });
  }
  double loads(const std::string& id) {
    const Json document = parse_json(client_.ask(kStats).payload);
    return number_at(entry(document, id), "loads");
  }
  // Load and unload them: their sizes are exact from then on.
  void know_sizes(const std::string& ids) {
    for (const char id : ids) {
      load(std::string(1, id));
      unload(std::string(1, id));
    }
  }
  bool logs(const std::string& text) {
    return eventually([&] { return daemon_.log().find(text) != std::string::npos; });
  }
  bool has_requests(int count) {
    return eventually(
        [&] { return cJSON_GetArraySize(cJSON_GetObjectItem(ps().get(), "requests")) == count; });
  }
  void load(const std::string& id) { EXPECT_EQ(client_.ask(kLoad, model_of(id)).flags, 1) << id; }
  void unload(const std::string& id) {
    EXPECT_EQ(client_.ask(kUnload, model_of(id)).flags, 1) << id;
  }

 private:
  static const cJSON* entry(const Json& document, const std::string& id) {
    const cJSON* models = cJSON_GetObjectItem(document.get(), "models");
    for (const cJSON* model = models->child; model != nullptr; model = model->next) {
      if (string_at(model, "id") == id) return model;
    }
    return nullptr;
  }
  static std::vector<std::string> with_models(std::vector<std::string> arguments) {
    for (const char* id : {"a", "b", "c"}) {
      arguments.insert(arguments.end(), {"--model", std::string(id) + "=" + kFile});
    }
    arguments.insert(arguments.end(), {"--preload", "none", "--kv-bytes", "64M"});
    return arguments;
  }
  DaemonProcess daemon_;
  RawClient client_;
};

// Bytes that the model takes: what limits have to be, in these tests.
double model_bytes() {
  static const double bytes = [] {
    Models models;
    models.load("a");
    return models.number("a", "memory_bytes");
  }();
  EXPECT_GT(bytes, 1e5);
  return bytes;
}
std::string bytes_for(double models) {
  return std::to_string(static_cast<std::uint64_t>(models * model_bytes()));
}

TEST(residency, a_model_is_loaded_when_it_is_asked_for_and_is_warm_when_it_comes_back) {
  Models models;
  EXPECT_TRUE(models.becomes("a", "unloaded")) << "once its file is read";
  EXPECT_TRUE(std::isnan(models.number("a", "memory_bytes")));
  std::vector<std::int32_t> prompt;
  for (int i = 0; i < 64; ++i) prompt.push_back(i % 50 + 3);
  RawFrame reply = models.client().ask(kGenerate, generate("a", 5, 10), ids_payload(prompt));
  ASSERT_EQ(reply.flags, 1) << reply.json;
  const std::vector<std::int32_t> before = models.client().tokens;
  EXPECT_EQ(models.state("a"), "ready");
  EXPECT_GT(models.number("a", "memory_bytes"), 0);
  models.unload("a");
  EXPECT_EQ(models.state("a"), "unloaded");
  models.client().tokens.clear();
  reply = models.client().ask(kGenerate, generate("a", 5, 10), ids_payload(prompt));
  EXPECT_EQ(number_at(parse_json(reply.json).get(), "usage.cached_tokens"), 63);
  EXPECT_EQ(models.client().tokens, before);
  EXPECT_EQ(models.loads("a"), 2);
  EXPECT_EQ(models.loads("b"), 0);
}

TEST(residency, all_models_are_loaded_at_the_start_as_far_as_memory_goes) {
  const std::string file = "=" + kFile;
  // A file without tensors keeps no other from its turn.
  const std::string vocabulary = "=" HEARTH_TEST_DATA "/tokenizers/spm.gguf";
  DaemonProcess daemon({"--model", "v" + vocabulary, "--model", "a" + file, "--model", "b" + file,
                        "--kv-bytes", "64M"});
  EXPECT_TRUE(eventually([&] { return daemon.log().find("a: ready") != std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return daemon.log().find("b: ready") != std::string::npos; }));
  DaemonProcess small({"--model", "a" + file, "--model", "b" + file, "--kv-bytes", "64M",
                       "--model-bytes", bytes_for(1)});
  EXPECT_TRUE(eventually([&] {
    return small.log().find("b: not loaded at the start") != std::string::npos;
  })) << small.log();
  EXPECT_NE(small.log().find("a: ready"), std::string::npos) << small.log();
}

// When the daemon logged a text, in seconds of the day.
double logged_at(const std::string& log, const std::string& text) {
  const std::size_t at = log.find(text);
  if (at == std::string::npos) return std::nan("");
  const std::string line = log.substr(log.rfind('\n', at) + 1);
  int hours = 0, minutes = 0;
  float seconds = 0;
  std::sscanf(line.c_str(), "%*s %d:%d:%f", &hours, &minutes, &seconds);
  return 3600 * hours + 60 * minutes + static_cast<double>(seconds);
}

TEST(residency, the_time_of_an_idle_model_begins_when_it_is_ready) {
  DaemonProcess daemon({"--model", "a=" + kFile, "--kv-bytes", "64M", "--keep-alive", "2"});
  kill(daemon.pid(), SIGSTOP);  // loading takes longer than the model may be idle
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  kill(daemon.pid(), SIGCONT);
  ASSERT_TRUE(eventually([&] { return daemon.log().find("a: idle") != std::string::npos; }));
  const double idle = logged_at(daemon.log(), "a: idle") - logged_at(daemon.log(), "a: ready");
  EXPECT_GT(idle < 0 ? idle + 86400 : idle, 1.9) << daemon.log();
}

TEST(residency, the_least_recently_used_model_makes_room) {
  model_bytes();
  Models models({"--model-bytes", bytes_for(2.5)});
  models.know_sizes("abc");
  models.load("a");
  models.load("b");
  models.load("a");  // now b was used before a
  models.load("c");
  EXPECT_EQ(models.state("b"), "unloaded");
  EXPECT_EQ(models.state("a"), "ready");
  models.load("b");
  EXPECT_EQ(models.state("a"), "unloaded");
  const Json stats = parse_json(models.client().ask(kStats).payload);
  EXPECT_EQ(number_at(stats.get(), "daemon.model_bytes_used"), 2 * model_bytes());
}

// busy keeps model a by parking after ten of twenty tokens, other waits for b, late came for a
// then.
struct Scene {
  Models models{{"--model-bytes", bytes_for(1.5)}};
  RawClient busy{models.daemon().socket()};
  RawClient other{models.daemon().socket()};
  RawClient late{models.daemon().socket()};

  bool set() {
    models.know_sizes("ab");
    busy.send(kGenerate, 1, generate("a", 20, 10), ids_payload({9}));
    const bool runs = eventually([&] { return models.number("a", "running") == 1; });
    other.send(kGenerate, 1, generate("b", 5, 10), ids_payload({9}));
    const bool goes = runs && models.logs("a: has to go, for b");
    late.send(kGenerate, 1, generate("a", 5, 10), ids_payload({9}));
    return goes && models.has_requests(3);
  }
};

TEST(residency, a_model_at_work_is_waited_for_and_then_takes_its_turn) {
  Scene scene;
  ASSERT_TRUE(scene.set());
  EXPECT_EQ(scene.models.number("a", "running"), 1) << "what comes late waits";
  EXPECT_EQ(scene.models.state("b"), "unloaded");
  scene.busy.send(kCredit, 1, R"({"tokens":1000})");
  EXPECT_EQ(scene.busy.read_reply(1).flags, 1);
  EXPECT_EQ(scene.other.read_reply(1).flags, 1);
  EXPECT_EQ(scene.late.read_reply(1).flags, 1);
  EXPECT_EQ(scene.busy.tokens.size(), 20u);
  EXPECT_EQ(scene.models.loads("a"), 3);
}

TEST(residency, a_model_whose_memory_is_wanted_no_more_stays_and_takes_what_waited) {
  Scene scene;
  ASSERT_TRUE(scene.set());
  scene.other.close();
  EXPECT_EQ(scene.late.read_reply(1).flags, 1) << "beside the one that is parked";
  EXPECT_EQ(scene.models.loads("b"), 1);
  scene.busy.send(kCredit, 1, R"({"tokens":1000})");
  EXPECT_EQ(scene.busy.read_reply(1).flags, 1);
  scene.models.unload("a");
}

TEST(residency, who_does_not_read_keeps_no_model_from_the_others) {
  Models models({"--model-bytes", bytes_for(1.5), "--drain-seconds", "4"});
  models.know_sizes("ab");
  RawClient parked(models.daemon().socket());
  parked.send(kGenerate, 1, generate("a", 20, 10), ids_payload({9}));
  RawClient busy(models.daemon().socket());  // gives credit when it has read all, at once
  busy.send(kGenerate, 1, generate("a", 60, 1), ids_payload({8}));
  ASSERT_TRUE(eventually([&] { return models.number("a", "running") == 2; }));
  // Rows of logits that nobody takes: the daemon stops long before the credit is used up.
  RawClient deaf(models.daemon().socket());
  std::string request = generate("a", 100, 60000);
  request.insert(1, R"("logits":true,)");
  for (std::uint32_t i = 1; i <= 64; ++i) deaf.send(kGenerate, i, request, ids_payload({7}));
  RawClient other(models.daemon().socket());
  other.send(kGenerate, 1, generate("b", 5, 10), ids_payload({9}));
  ASSERT_TRUE(models.logs("a: has to go, for b"));
  for (std::size_t i = 0; i < 59; ++i) {
    while (busy.tokens.size() <= i && busy.read_stream()) continue;
    busy.send(kCredit, 1, R"({"tokens":1})");
  }
  EXPECT_EQ(busy.read_reply(1).flags, 1) << "who reads is waited for";
  EXPECT_EQ(busy.tokens.size(), 60u);
  const RawFrame reply = parked.read_reply(1);
  EXPECT_EQ(error_code(reply), "unavailable");
  EXPECT_NE(error_message(reply).find("not read"), std::string::npos) << reply.json;
  EXPECT_EQ(other.read_reply(1).flags, 1);
}

TEST(residency, a_drop_now_and_then_does_not_count_as_reading) {
  Models models({"--model-bytes", bytes_for(1.5), "--drain-seconds", "2"});
  models.know_sizes("ab");
  RawClient drip(models.daemon().socket());
  drip.send(kGenerate, 1, generate("a", 100, 1), ids_payload({9}));
  ASSERT_TRUE(eventually([&] { return models.number("a", "running") == 1; }));
  std::atomic<bool> answered = false;
  const std::jthread other([&] {
    RawClient client(models.daemon().socket());
    EXPECT_EQ(client.ask(kGenerate, generate("b", 5, 10), ids_payload({9})).flags, 1);
    answered = true;
  });
  for (int i = 0; i < 95 && !answered; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    drip.send(kCredit, 1, R"({"tokens":1})");
  }
  EXPECT_TRUE(answered);
}

TEST(residency, requests_that_an_engine_has_no_room_for_are_told_to_it_later) {
  Models models({"--model-bytes", bytes_for(2.5)});
  models.know_sizes("abc");
  RawClient parked(models.daemon().socket());
  parked.send(kGenerate, 1, generate("a", 20, 10), ids_payload({9}));
  ASSERT_TRUE(eventually([&] { return models.number("a", "running") == 1; }));
  // Another model that is never idle and says something all the time.
  RawClient busy(models.daemon().socket());
  busy.send(kGenerate, 1, generate("c", 20, 10), ids_payload({9}));
  ASSERT_TRUE(eventually([&] { return models.number("c", "running") == 1; }));
  const std::jthread chatter([&](const std::stop_token& stop) {
    RawClient client(models.daemon().socket());
    while (!stop.stop_requested()) {
      client.ask(kGenerate, generate("c", 100, 1000), ids_payload({9}));
    }
  });
  // More than a ring holds, for a model that has to wait for its memory.
  std::string request = generate("b", 1, 10);
  std::string biases;
  for (int i = 0; i < 1024; ++i) biases += (i == 0 ? "[" : ",[") + std::to_string(i) + ",1]";
  std::string stops;
  for (int i = 0; i < 16; ++i) stops += (i == 0 ? "\"" : ",\"") + std::string(256, 'x') + '"';
  request.insert(1, R"("logit_bias":[)" + biases + R"(],"stop":[)" + stops + "],");
  std::vector<std::unique_ptr<RawClient>> clients;
  constexpr std::uint32_t kRequests = 60;
  for (int i = 0; i < 14; ++i) {
    clients.push_back(std::make_unique<RawClient>(models.daemon().socket()));
    for (std::uint32_t n = 1; n <= kRequests; ++n) {
      clients.back()->send(kGenerate, n, request, ids_payload({9}));
    }
  }
  ASSERT_TRUE(models.logs("a: has to go, for b"));
  ASSERT_TRUE(eventually([&] {
    return cJSON_GetArraySize(cJSON_GetObjectItem(models.ps().get(), "requests")) >= 14 * 60;
  }));
  parked.send(kCredit, 1, R"({"tokens":1000})");
  for (const auto& client : clients) {
    for (std::uint32_t n = 0; n < kRequests; ++n) {
      RawFrame frame;
      do frame = client->read();
      while (frame.verb != 0 && (frame.flags & 1) == 0);
      ASSERT_EQ(frame.flags, 1) << frame.json;
    }
  }
}

TEST(residency, an_idle_model_goes_after_its_time) {
  Models models({"--keep-alive", "1s"});
  EXPECT_EQ(models.client().ask(kLoad, R"({"model":"b","keep_alive":-1})").flags, 1);
  EXPECT_EQ(models.client().ask(kLoad, R"({"model":"c","keep_alive":0})").flags, 1);
  EXPECT_TRUE(models.becomes("c", "unloaded"));
  const double begin = seconds_now();
  models.load("a");
  EXPECT_TRUE(models.becomes("a", "unloaded"));
  EXPECT_GT(seconds_now() - begin, 0.99);
  EXPECT_EQ(models.state("b"), "ready") << "kept for ever";
  EXPECT_EQ(models.number("a", "keep_alive_s"), 1);
  EXPECT_TRUE(std::isnan(models.number("b", "keep_alive_s")));
}

// Whatever state the model is in when the second one comes.
TEST(residency, who_is_told_to_go_twice_comes_back_for_those_who_wait) {
  Models models;
  RawClient second(models.daemon().socket());
  for (int i = 0; i < 150; ++i) {
    models.load("a");
    RawClient& client = models.client();
    const std::uint32_t unload = client.next();
    const std::uint32_t request = client.next();
    client.send_bytes(
        RawClient::encode(kUnload, unload, model_of("a")) +
        RawClient::encode(kGenerate, request, generate("a", 2, 10), ids_payload({9})));
    std::this_thread::sleep_for(std::chrono::microseconds(20 * i));
    ASSERT_EQ(second.ask(kUnload, model_of("a")).flags, 1);
    ASSERT_EQ(client.read_reply(request).flags, 1) << i;
  }
}

TEST(residency, a_model_that_can_never_fit_says_so_and_the_others_go_on) {
  Models models({"--model-bytes", "1K"});
  const RawFrame reply = models.client().ask(kLoad, model_of("a"));
  EXPECT_EQ(error_code(reply), "limit");
  EXPECT_NE(error_message(reply).find("raise model-bytes"), std::string::npos) << reply.json;
  EXPECT_EQ(models.state("a"), "unloaded") << "its file is as good as it was";
}

TEST(residency, loading_again_takes_the_file_that_is_there_now) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/model.gguf";
  DaemonProcess daemon({"--model", "m=" + path, "--kv-bytes", "64M"});
  RawClient client(daemon.socket());
  const auto state = [&] {
    const Json models = parse_json(client.ask(kModels).payload);
    return string_at(cJSON_GetObjectItem(models.get(), "models")->child, "state");
  };
  EXPECT_TRUE(eventually([&] { return state() == "failed"; }));
  EXPECT_EQ(error_code(client.ask(kEval, model_of("m"), ids_payload({1}))), "io");
  fs::copy_file(kFile, path);
  EXPECT_EQ(error_code(client.ask(kEval, model_of("m"), ids_payload({1}))), "io") << "until LOAD";
  EXPECT_EQ(client.ask(kLoad, model_of("m")).flags, 1);
  EXPECT_EQ(client.ask(kEval, model_of("m"), ids_payload({1, 2, 3})).flags, 1);
  // Another model in its place: its vocabulary and its pages are other ones.
  fs::copy_file(HEARTH_TEST_DATA "/models/qwen3.gguf", directory.path() + "/new");
  fs::rename(directory.path() + "/new", path);
  EXPECT_EQ(client.ask(kEval, model_of("m"), ids_payload({1, 2, 3})).flags, 1) << "still there";
  // Also for a request that came while the old one was still to finish another.
  RawClient parked(daemon.socket());
  parked.send(kGenerate, 1, generate("m", 20, 5), ids_payload({9}));
  while (parked.tokens.size() < 5 && parked.read_stream()) continue;
  client.send(kUnload, 500, model_of("m"));
  client.send(kGenerate, 501, generate("m", 8, 10), ids_payload({1, 2, 3}));
  parked.send(kCredit, 1, R"({"tokens":100})");
  EXPECT_EQ(client.read_reply(501).flags, 1);
  DaemonProcess other({"--model", "m=" HEARTH_TEST_DATA "/models/qwen3.gguf"});
  RawClient fresh(other.socket());
  EXPECT_EQ(fresh.ask(kGenerate, generate("m", 8, 10), ids_payload({1, 2, 3})).flags, 1);
  EXPECT_EQ(client.tokens, fresh.tokens);
  const Json models = parse_json(client.ask(kModels).payload);
  EXPECT_EQ(string_at(cJSON_GetObjectItem(models.get(), "models")->child, "architecture"), "qwen3");
}

TEST(residency, what_is_wrong_in_load_and_unload_is_named) {
  Models models;
  RawClient& client = models.client();
  EXPECT_EQ(error_code(client.ask(kLoad, model_of("nix"))), "not_found");
  EXPECT_EQ(error_code(client.ask(kUnload, model_of("nix"))), "not_found");
  for (const char* json :
       {R"({"model":"a","keep_alive":-2})", R"({"model":"a","keep_alive":1.5})",
        R"({"model":"a","keep_alive":"1h"})", R"({"model":"a","keep_alive":2147483648})",
        R"({"model":"a","credit":1})", "{}"}) {
    EXPECT_EQ(error_code(client.ask(kLoad, json)), "invalid") << json;
  }
  EXPECT_EQ(error_code(client.ask(kUnload, R"({"model":"a","keep_alive":1})")), "invalid");
  EXPECT_EQ(error_code(client.ask(kLoad, model_of("a"), "payload")), "invalid");
  EXPECT_EQ(client.ask(kUnload, model_of("a")).flags, 1) << "it is not loaded: nothing to do";
}

TEST(residency, only_administrators_decide_for_others) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to be another user";
  DaemonProcess daemon({"--model", "a=" + kFile, "--kv-bytes", "64M", "--socket-mode", "0666"});
  fs::permissions(daemon.directory(), fs::perms(0755));
  const pid_t child = fork();
  if (child == 0) {
    if (setresuid(65534, 65534, 65534) != 0) _exit(1);
    RawClient client(daemon.socket());
    if (error_code(client.ask(kUnload, model_of("a"))) != "invalid_operation") _exit(2);
    if (error_code(client.ask(kLoad, R"({"model":"a","keep_alive":1})")) != "invalid_operation") {
      _exit(3);
    }
    _exit(client.ask(kLoad, model_of("a")).flags == 1 ? 0 : 4);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(residency, three_models_that_share_the_memory_of_one_answer_everybody) {
  Models models({"--model-bytes", bytes_for(1.5)});
  models.know_sizes("abc");
  RawClient alone(models.daemon().socket());
  ASSERT_EQ(alone.ask(kGenerate, generate("a", 12, 100), ids_payload({9, 8, 7})).flags, 1);
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      RawClient client(models.daemon().socket());
      for (int i = 0; i < 8; ++i) {
        const std::string id(1, static_cast<char>('a' + (i + t) % 3));
        client.tokens.clear();
        const bool leaves = (i + t) % 5 == 4;  // before it is answered
        client.send(kGenerate, 100u + static_cast<std::uint32_t>(i), generate(id, 12, 100),
                    ids_payload({9, 8, 7}));
        if (leaves) {
          client.send(kCancel, 100u + static_cast<std::uint32_t>(i), "");
          client.read_reply(100u + static_cast<std::uint32_t>(i));
          continue;
        }
        const RawFrame reply = client.read_reply(100u + static_cast<std::uint32_t>(i));
        wrong += reply.flags != 1 || client.tokens != alone.tokens;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(eventually([&] { return models.number("a", "running") == 0; }));
}

TEST(residency, the_daemon_ends_in_the_middle_of_it_all) {
  for (int i = 0; i < 3; ++i) {
    Models models({"--model-bytes", bytes_for(1.5), "--drain-seconds", "0", "--keep-alive", "0"});
    RawClient deaf(models.daemon().socket());  // its replies are queued: the end waits for it
    for (std::uint32_t n = 1; n < 3000; ++n) deaf.send(kStats, n, "");
    RawClient client(models.daemon().socket());
    for (std::uint32_t n = 1; n < 9; ++n) {
      const std::string id(1, static_cast<char>('a' + n % 3));
      client.send(n % 4 == 3 ? kUnload : kGenerate, n,
                  n % 4 == 3 ? model_of(id) : generate(id, 50, 5),
                  n % 4 == 3 ? "" : ids_payload({9}));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(12 * i));
    EXPECT_EQ(models.daemon().stop(SIGTERM), 0);
  }
}

}  // namespace
}  // namespace hearth
