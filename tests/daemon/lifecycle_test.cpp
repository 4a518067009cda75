// Goal: the daemon starts, ends and fails as an administrator expects.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/daemon/daemon_process.hpp"
#include "tests/files/gguf_builder.hpp"

namespace hearth {
namespace {

namespace fs = std::filesystem;
const std::string kLlama = "llama=" HEARTH_TEST_DATA "/models/llama.gguf";

// Runs hearthd with arguments of its own to its end.
struct Ended {
  int code;
  std::string output;
};
Ended run_to_end(const std::string& arguments) {
  const std::string command = HEARTH_PROGRAMS_DIR "/hearthd " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  Ended ended = {0, ""};
  char buffer[4096];
  while (const std::size_t size = fread(buffer, 1, sizeof(buffer), pipe))
    ended.output.append(buffer, size);
  ended.code = WEXITSTATUS(pclose(pipe));
  return ended;
}

TEST(lifecycle, sigterm_lets_what_runs_end_and_takes_nothing_new) {
  DaemonProcess daemon({"--model", kLlama, "--ctx", "512", "--kv-bytes", "32M"});
  RawClient client(daemon.socket());
  RawClient second(daemon.socket());
  client.send(
      kGenerate, 1,
      R"({"model":"llama","prompt_kind":"tokens","max_tokens":60,"temperature":0,"credit":5})",
      ids_payload({9}));
  RawFrame frame;
  do frame = client.read();
  while (frame.verb != kTokens && frame.verb != 0);
  kill(daemon.pid(), SIGTERM);
  ASSERT_TRUE(eventually([&] { return access(daemon.socket().c_str(), F_OK) != 0; }))
      << "the socket goes first";
  EXPECT_EQ(error_code(second.ask(kEval, R"({"model":"llama"})", ids_payload({1}))), "unavailable");
  EXPECT_TRUE(daemon.alive()) << "a request is under way";
  client.send(kCredit, 1, R"({"tokens":1000})");
  EXPECT_EQ(client.read_reply(1).flags, 1);
  EXPECT_EQ(daemon.wait(), 0);
}

TEST(lifecycle, a_second_sigterm_ends_at_once) {
  DaemonProcess daemon({"--model", kLlama, "--ctx", "512", "--kv-bytes", "32M"});
  RawClient client(daemon.socket());
  client.send(
      kGenerate, 1,
      R"({"model":"llama","prompt_kind":"tokens","max_tokens":400,"temperature":0,"credit":1})",
      ids_payload({9}));
  RawFrame frame;
  do frame = client.read();
  while (frame.verb != kTokens && frame.verb != 0);
  kill(daemon.pid(), SIGTERM);
  ASSERT_TRUE(eventually([&] { return access(daemon.socket().c_str(), F_OK) != 0; }));
  EXPECT_TRUE(daemon.alive());
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
}

TEST(lifecycle, the_drain_has_an_end) {
  DaemonProcess daemon(
      {"--model", kLlama, "--ctx", "512", "--kv-bytes", "32M", "--drain-seconds", "1"});
  RawClient client(daemon.socket());
  client.send(
      kGenerate, 1,
      R"({"model":"llama","prompt_kind":"tokens","max_tokens":400,"temperature":0,"credit":1})",
      ids_payload({9}));
  RawFrame frame;
  do frame = client.read();
  while (frame.verb != kTokens && frame.verb != 0);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  EXPECT_NE(daemon.log().find("cut off"), std::string::npos);
}

TEST(lifecycle, a_socket_left_by_a_dead_daemon_is_replaced_and_a_living_one_is_not) {
  const TemporaryDirectory directory;
  const std::string socket = directory.path() + "/h.sock";
  {
    DaemonProcess daemon({"--model", kLlama, "--socket", socket, "--kv-bytes", "32M"}, false);
    ASSERT_TRUE(eventually([&] { return access(socket.c_str(), F_OK) == 0; }));
    const Ended other = run_to_end("--socket " + socket + " --state-dir " + directory.path() +
                                   "/other --model " + kLlama);
    EXPECT_EQ(other.code, 1);
    EXPECT_NE(other.output.find("another daemon listens"), std::string::npos) << other.output;
    daemon.stop(SIGKILL);
  }
  EXPECT_EQ(access(socket.c_str(), F_OK), 0) << "kill -9 leaves it";
  DaemonProcess daemon({"--model", kLlama, "--socket", socket, "--kv-bytes", "32M"}, false);
  ASSERT_TRUE(eventually([&] { return RawClient(socket).connected(); }));
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  run_to_end("--purge --state-dir " + directory.path() + "/other");
}

TEST(lifecycle, a_state_directory_has_one_daemon) {
  DaemonProcess daemon({"--model", kLlama, "--kv-bytes", "32M"});
  const Ended other = run_to_end("--socket " + daemon.directory() + "/b.sock --state-dir " +
                                 daemon.directory() + "/state --model " + kLlama);
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.output.find("in use by another hearthd"), std::string::npos) << other.output;
  const Ended purge = run_to_end("--purge --state-dir " + daemon.directory() + "/state");
  EXPECT_EQ(purge.code, 1);
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
}

// The directory in /dev/shm of the segments that a process maps; "" before it maps any.
std::string memory_directory(pid_t pid) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t at = line.find("/dev/shm/hearth-");
    if (at != std::string::npos) return fs::path(line.substr(at)).parent_path();
  }
  return "";
}

TEST(lifecycle, purge_removes_all_that_was_kept) {
  const TemporaryDirectory directory;
  const std::string state = directory.path() + "/s";
  DaemonProcess daemon({"--model", kLlama, "--state-dir", state, "--kv-bytes", "32M"});
  std::string memory;
  ASSERT_TRUE(eventually([&] { return !(memory = memory_directory(daemon.pid())).empty(); }));
  EXPECT_NE(run_to_end("--purge --state-dir " + state).code, 0) << "a daemon runs there";
  EXPECT_EQ(daemon.stop(SIGTERM), 0);
  EXPECT_TRUE(fs::exists(state));
  EXPECT_TRUE(fs::exists(memory)) << memory;
  EXPECT_EQ(run_to_end("--purge --state-dir " + state).code, 0);
  EXPECT_FALSE(fs::exists(state));
  EXPECT_FALSE(fs::exists(memory)) << memory;
}

TEST(lifecycle, the_socket_has_the_mode_that_was_asked_for) {
  DaemonProcess daemon({"--model", kLlama, "--socket-mode", "0666", "--kv-bytes", "32M"});
  struct stat status = {};
  ASSERT_EQ(stat(daemon.socket().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666u);
}

TEST(lifecycle, bad_settings_end_the_daemon_before_it_does_anything) {
  for (const auto& [arguments, word] :
       {std::pair("--ctx minus", "ctx"),
        {"--kv-bytes 0", "kv-bytes"},
        {"--model nopath", "model"},
        {"--device cuda:0", "device"},
        {"--config /nowhere.toml", "/nowhere.toml"},
        {"--unknown 1", "unknown"},
        {"--model a=/x --model a=/y", "before"},
        {"--socket /tmp/"
         "0123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789",
         "socket"}}) {
    const TemporaryDirectory directory;
    const Ended ended =
        run_to_end(std::string(arguments) + " --state-dir " + directory.path() + "/s");
    EXPECT_EQ(ended.code, 2) << arguments;
    EXPECT_NE(ended.output.find(word), std::string::npos) << ended.output;
    run_to_end("--purge --state-dir " + directory.path() + "/s");
  }
}

TEST(lifecycle, slow_kernels_are_told_of) {
  DaemonProcess slow({"--model", kLlama, "--kv-bytes", "32M", "--cpu-tier", "ref"});
  EXPECT_NE(slow.log().find("portable kernels"), std::string::npos) << slow.log();
  EXPECT_EQ(slow.stop(SIGTERM), 0);
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2")) return;
  DaemonProcess fast({"--model", kLlama, "--kv-bytes", "32M"});
  EXPECT_EQ(fast.log().find("portable kernels"), std::string::npos) << fast.log();
  EXPECT_EQ(fast.stop(SIGTERM), 0);
#endif
}

TEST(lifecycle, help_and_version_say_what_this_is) {
  EXPECT_NE(run_to_end("--help").output.find("--kv-bytes"), std::string::npos);
  EXPECT_EQ(run_to_end("--version").output.rfind("hearthd 0.", 0), 0u);
  EXPECT_EQ(run_to_end("--version").code, 0);
}

// A bad model file is that model's trouble only.
TEST(lifecycle, bad_model_files_are_errors_of_their_models_alone) {
  const TemporaryDirectory directory;
  const std::string good = HEARTH_TEST_DATA "/models/llama.gguf";
  std::ifstream whole(good, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(whole), {}};
  write_file(directory.path() + "/cut.gguf", bytes.substr(0, bytes.size() / 2));
  write_file(directory.path() + "/text.gguf", "this is no model");
  write_file(directory.path() + "/empty.gguf", "");
  GgufBuilder hostile;
  hostile.value_count_lie = 1ull << 61;
  write_file(directory.path() + "/hostile.gguf", hostile.bytes());
  GgufBuilder foreign;
  foreign.string("general.architecture", "flux").tensor("t", {4}, 0, std::string(16, 'x'));
  write_file(directory.path() + "/foreign.gguf", foreign.bytes());
  GgufBuilder hollow;
  hollow.string("general.architecture", "llama").u32("llama.block_count", 1);
  hollow.tensor("token_embd.weight", {32, 4}, 0, std::string(512, 'x'));
  write_file(directory.path() + "/hollow.gguf", hollow.bytes());
  GgufBuilder vocabulary;
  vocabulary.string("general.architecture", "anything").string("tokenizer.ggml.model", "gpt2");
  vocabulary.strings("tokenizer.ggml.tokens", {"a", "b", "ab"})
      .strings("tokenizer.ggml.merges", {"a b"});
  write_file(directory.path() + "/vocabulary.gguf", vocabulary.bytes());

  std::vector<std::string> arguments = {"--model", "good=" + good, "--ctx",
                                        "256",     "--kv-bytes",   "32M"};
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"cut", "beyond the file"},
      {"text", "not a GGUF file"},
      {"empty", "empty"},
      {"hostile", "at most"},
      {"foreign", "\"flux\" is not supported"},
      {"hollow", "llama.embedding_length is missing"}};
  for (const auto& [name, word] : bad) {
    arguments.insert(arguments.end(),
                     {"--model", name + "=" + directory.path() + "/" + name + ".gguf"});
  }
  arguments.insert(arguments.end(),
                   {"--model", "vocabulary=" + directory.path() + "/vocabulary.gguf"});
  DaemonProcess daemon(arguments);
  RawClient client(daemon.socket());
  for (const auto& [name, word] : bad) {
    const RawFrame answer = client.ask(kEval, "{\"model\":\"" + name + "\"}", ids_payload({1}));
    EXPECT_EQ(error_code(answer), "model") << name;
    EXPECT_NE(error_message(answer).find(word), std::string::npos) << error_message(answer);
  }
  EXPECT_EQ(client.ask(kEval, R"({"model":"good"})", ids_payload({1})).flags, 1);
  const RawFrame ids =
      client.ask(kTokenize, R"({"model":"vocabulary","add_special":false})", "abb");
  EXPECT_EQ(ids.payload, ids_payload({2, 1}));
  EXPECT_EQ(client.ask(kDetokenize, R"({"model":"vocabulary"})", ids_payload({2, 0})).payload,
            "aba");
  const RawFrame outside =
      client.ask(kDetokenize, R"({"model":"vocabulary"})", ids_payload({2, 3}));
  EXPECT_EQ(error_code(outside), "invalid");
  EXPECT_NE(error_message(outside).find("token 1"), std::string::npos);
  EXPECT_EQ(error_code(client.ask(kEval, R"({"model":"vocabulary"})", ids_payload({1}))), "model");
  EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
}

TEST(lifecycle, check_config_shows_every_setting_and_its_origin) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/hearthd.toml";
  std::ofstream(file) << "ctx = 77\nthreads = 3\n"
                         "[[group]]\nname = \"research\"\nusers = [\"root\", 1001]\n";
  const auto run = [&](const std::string& arguments, int& ret_status) {
    const std::string command = "HEARTH_DRAIN_SECONDS=9 " HEARTH_PROGRAMS_DIR
                                "/hearthd --check-config --config " +
                                file + " " + arguments + " 2>&1";
    FILE* const pipe = popen(command.c_str(), "r");
    std::string text;
    char chunk[4096];
    for (std::size_t got; (got = fread(chunk, 1, sizeof(chunk), pipe)) > 0;)
      text.append(chunk, got);
    ret_status = WEXITSTATUS(pclose(pipe));
    return text;
  };
  int status = -1;
  const std::string text = run("--threads 5", status);
  EXPECT_EQ(status, 0) << text;
  EXPECT_NE(text.find("ctx = 77  # " + file), std::string::npos) << text;
  EXPECT_NE(text.find("threads = 5  # --threads"), std::string::npos) << text;
  EXPECT_NE(text.find("drain-seconds = 9  # HEARTH_DRAIN_SECONDS"), std::string::npos) << text;
  EXPECT_NE(text.find("kv-type = auto  # default"), std::string::npos) << text;
  EXPECT_NE(text.find("user-kv-bytes = 100%  # default"), std::string::npos) << text;
  EXPECT_NE(text.find("group = research=root,1001  # " + file + ": line 3"), std::string::npos)
      << text;
  const std::string unknown = run("--group a=no-such-user-here", status);
  EXPECT_EQ(status, 2);
  EXPECT_NE(unknown.find("no-such-user-here"), std::string::npos) << unknown;
  const std::string wrong = run("--kv-type f7", status);
  EXPECT_EQ(status, 2);
  EXPECT_NE(wrong.find("f7"), std::string::npos) << wrong;
}

}  // namespace
}  // namespace hearth
