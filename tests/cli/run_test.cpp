// Goal: hearth run prints the text and nothing else, tells the numbers, and ends as it should.
#include "tests/cli/program.hpp"

namespace hearth {
namespace {

const std::string kQwen = "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf";
const std::string kStoriesFile = HEARTH_SHARED_DIR "/models/stories260K.gguf";
const std::vector<std::string> kGreedy = {"--temp", "0", "--raw"};

#define SKIP_WITHOUT_STORIES() \
  if (access(kStoriesFile.c_str(), R_OK) != 0) GTEST_SKIP() << kStoriesFile << " is not there"

std::vector<std::string> with(std::vector<std::string> arguments,
                              const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(cli_run, a_real_model_goes_on_as_the_float64_reference_has_it) {
  SKIP_WITHOUT_STORIES();
  const Json golden = parse_json(read_whole(HEARTH_TEST_DATA "/stories260K_greedy.json"));
  ASSERT_NE(golden, nullptr);
  DaemonProcess daemon({"--model", "stories=" + kStoriesFile});
  const std::vector<std::string> ask =
      with({"run", "stories", "Once upon a time", "-n", "200"}, kGreedy);
  const Ran plain = run_hearth(daemon, ask);
  ASSERT_EQ(plain.status, 0) << plain.err;
  EXPECT_EQ(
      plain.out.find(", there was a little girl named Lily. She loved to play outside in the "
                     "park. One day, she saw a big, red ball. She wanted to play with it, but "
                     "it was too high."),
      0u)
      << plain.out;
  EXPECT_NE(plain.err.find("cached 0 of 5 prompt tokens"), std::string::npos) << plain.err;
  EXPECT_NE(plain.err.find("tokens/s"), std::string::npos) << plain.err;

  const Ran json = run_hearth(daemon, with({"--json"}, ask));
  const Json document = parse_json(json.out);
  ASSERT_NE(document, nullptr) << json.out;
  EXPECT_EQ(ids_in(cJSON_GetObjectItem(document.get(), "tokens")),
            ids_in(cJSON_GetObjectItem(golden.get(), "ids")));
  EXPECT_EQ(string_at(document.get(), "text"), plain.out);
  EXPECT_EQ(string_at(document.get(), "stop_reason"), "length");
  EXPECT_EQ(number_at(document.get(), "usage.prompt_tokens"), 5);
  EXPECT_EQ(number_at(document.get(), "usage.cached_tokens"), 4) << "the last is always computed";
  EXPECT_EQ(number_at(document.get(), "usage.completion_tokens"), 200);
  for (const char* timing : {"timings.ttft_ms", "timings.prefill_tps", "timings.decode_tps"}) {
    EXPECT_GT(number_at(document.get(), timing), 0) << timing;
  }
  EXPECT_EQ(json.err, "");
}

// The model that comes with Hearth: this holds on every machine.
TEST(cli_run, our_own_model_goes_on_as_the_float64_reference_has_it) {
  const Json golden = parse_json(read_whole(HEARTH_TEST_DATA "/ember_greedy.json"));
  ASSERT_NE(golden, nullptr);
  DaemonProcess daemon(
      {"--model", "ember=" HEARTH_MODELS_DIR "/ember-f16.gguf", "--kv-type", "f32"});
  const Ran ran = run_hearth(
      daemon,
      with({"--json", "run", "ember", "Once upon a time", "-n", "200", "--ignore-eos"}, kGreedy));
  const Json document = parse_json(ran.out);
  ASSERT_NE(document, nullptr) << ran.err;
  EXPECT_EQ(ids_in(cJSON_GetObjectItem(document.get(), "tokens")),
            ids_in(cJSON_GetObjectItem(golden.get(), "ids")));
  EXPECT_EQ(string_at(document.get(), "text").find(", there was a sleepy girl named Dora."), 0u);
}

TEST(cli_run, stop_texts_end_the_text_before_them) {
  SKIP_WITHOUT_STORIES();
  DaemonProcess daemon({"--model", "stories=" + kStoriesFile});
  const Ran ran = run_hearth(
      daemon,
      with({"run", "stories", "Once upon a time", "--stop", "zzz", "--stop", " named"}, kGreedy));
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, ", there was a little girl");
  EXPECT_NE(ran.err.find("stop reason: stop"), std::string::npos) << ran.err;
}

TEST(cli_run, a_seed_repeats_and_a_prompt_may_come_from_standard_input) {
  SKIP_WITHOUT_STORIES();
  DaemonProcess daemon({"--model", "stories=" + kStoriesFile});
  const std::vector<std::string> sampled = {"--raw", "-n",      "40",   "--temp", "1", "--top-k",
                                            "50",    "--top-p", "0.95", "--seed", "7"};
  const Ran one = run_hearth(daemon, with({"run", "stories", "Tom"}, sampled));
  const Ran two = run_hearth(daemon, with({"run", "stories", "-"}, sampled), "Tom");
  EXPECT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(one.out, two.out);
  EXPECT_FALSE(one.out.empty());
}

TEST(cli_run, samplers_are_applied_as_asked) {
  DaemonProcess daemon({"--model", "ember=" HEARTH_MODELS_DIR "/ember-f16.gguf"});
  const auto text = [&](const std::vector<std::string>& more) {
    const Ran ran = run_hearth(
        daemon,
        with({"run", "ember", "Once upon a time", "--raw", "-n", "60", "--seed", "5"}, more));
    EXPECT_EQ(ran.status, 0) << ran.err;
    return ran.out;
  };
  const std::string greedy = text({"--temp", "0"});
  const std::string hot = text({"--temp", "2", "--repeat-penalty", "1"});
  EXPECT_NE(hot, greedy);
  EXPECT_EQ(text({"--temp", "2", "--repeat-penalty", "1"}), hot) << "a seed repeats";
  // Each of these leaves only the likeliest token.
  const std::vector<std::vector<std::string>> only_the_best = {
      {"--min-p", "1"},
      {"--top-k", "1"},
      {"--top-p", "0"},
      {"--mirostat", "2", "--mirostat-tau", "0", "--mirostat-eta", "0"},
      {"--top-n-sigma", "0.001"}};
  for (const std::vector<std::string>& option : only_the_best) {
    EXPECT_EQ(text(with({"--temp", "1", "--repeat-penalty", "1"}, option)), greedy) << option[0];
  }
  EXPECT_NE(text({"--temp", "0", "--repeat-penalty", "1.5"}), greedy);
  EXPECT_NE(text({"--temp", "0", "--presence-penalty", "3"}), greedy);
  const Ran bad = run_hearth(daemon, {"run", "ember", "x", "--raw", "--dry-base", "0.5"});
  EXPECT_EQ(bad.status, 2);
  EXPECT_NE(bad.err.find("--dry-base"), std::string::npos) << bad.err;
}

TEST(cli_run, a_model_without_a_vocabulary_prints_ids) {
  DaemonProcess daemon({"--model", kQwen});
  const Ran plain =
      run_hearth(daemon, with({"run", "qwen", "--tokens", "1, 2,3", "-n", "6"}, kGreedy));
  ASSERT_EQ(plain.status, 0) << plain.err;
  const Ran json =
      run_hearth(daemon, with({"--json", "run", "qwen", "--tokens", "1 2 3", "-n", "6"}, kGreedy));
  const Json document = parse_json(json.out);
  std::string expected;
  for (const std::int32_t id : ids_in(cJSON_GetObjectItem(document.get(), "tokens"))) {
    if (!expected.empty()) expected += ' ';
    expected += std::to_string(id);
  }
  EXPECT_EQ(plain.out, expected);
  EXPECT_EQ(std::ranges::count(plain.out, ' '), 5);
  const Ran text = run_hearth(daemon, {"run", "qwen", "hello"});
  EXPECT_EQ(text.status, 1);
  EXPECT_NE(text.err.find("vocabulary"), std::string::npos) << text.err;
}

TEST(cli_run, a_token_file_is_read_and_its_faults_are_placed) {
  DaemonProcess daemon({"--model", kQwen});
  const std::string file = daemon.directory() + "/ids";
  std::ofstream(file) << "1,2\n3\t4 ,5\n";
  const Ran ran = run_hearth(
      daemon, with({"--json", "run", "qwen", "--tokens-file", file, "-n", "1"}, kGreedy));
  EXPECT_EQ(number_at(parse_json(ran.out).get(), "usage.prompt_tokens"), 5) << ran.err;
  for (const auto& [bytes, fault] : {std::pair("1,2,three", "byte 4: "),
                                     {"1 -2", "byte 2: "},
                                     {"99999999999", "byte 0: "},
                                     {" \n", "no token id"}}) {
    std::ofstream(file) << bytes;
    const Ran bad = run_hearth(daemon, {"run", "qwen", "--tokens-file", file});
    EXPECT_EQ(bad.status, 2);
    EXPECT_NE(bad.err.find(file), std::string::npos) << bad.err;
    EXPECT_NE(bad.err.find(fault), std::string::npos) << bad.err;
  }
  const Ran missing = run_hearth(daemon, {"run", "qwen", "--tokens-file", file + ".no"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_NE(missing.err.find(file + ".no"), std::string::npos) << missing.err;
}

TEST(cli_run, what_the_daemon_refuses_is_one_line_and_status_1) {
  DaemonProcess daemon({"--model", kQwen, "--ctx", "64"});
  std::string long_prompt = "1";
  for (int i = 0; i < 64; ++i) long_prompt += ",1";
  const struct {
    std::vector<std::string> arguments;
    const char* named;
  } cases[] = {
      {{"run", "other", "--tokens", "1"}, "\"other\""},
      {{"run", "qwen", "--tokens", long_prompt}, "65"},
      {{"run", "qwen", "--tokens", "4000"}, "4000"},
  };
  for (const auto& one : cases) {
    const Ran ran = run_hearth(daemon, one.arguments);
    EXPECT_EQ(ran.status, 1) << one.named;
    EXPECT_EQ(ran.out, "") << one.named;
    EXPECT_NE(ran.err.find(one.named), std::string::npos) << ran.err;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
  }
  // Ten MiB: more than a request may have.
  const std::string file = daemon.directory() + "/large";
  std::ofstream(file) << std::string(std::size_t{10} << 20, 'a');
  const Ran large = run_hearth(daemon, {"tokenize", "qwen", "--file", file});
  EXPECT_EQ(large.status, 1);
  EXPECT_NE(large.err.find("10485760"), std::string::npos) << large.err;
  EXPECT_EQ(run_hearth(daemon, {"ps"}).status, 0) << "the daemon goes on";
}

TEST(cli_run, the_first_interrupt_stops_the_stream_and_tells_its_numbers) {
  DaemonProcess daemon({"--model", kQwen, "--ctx", "16384"});
  Program program(daemon,
                  with({"run", "qwen", "--tokens", "1", "-n", "16000", "--ignore-eos"}, kGreedy));
  ASSERT_TRUE(program.wait_for_output(" "));
  kill(program.pid(), SIGINT);
  const Ran ran = program.end();
  EXPECT_EQ(ran.status, 130);
  EXPECT_NE(ran.err.find("stop reason: canceled"), std::string::npos) << ran.err;
}

TEST(cli_run, a_closed_output_ends_the_program_and_its_request) {
  DaemonProcess daemon({"--model", kQwen, "--ctx", "16384"});
  Program program(daemon,
                  with({"run", "qwen", "--tokens", "1", "-n", "16000", "--ignore-eos"}, kGreedy));
  ASSERT_TRUE(program.wait_for_output(" "));
  program.close_output();
  EXPECT_EQ(program.end().status, -SIGPIPE);
  RawClient client(daemon.socket());
  EXPECT_TRUE(eventually([&] {
    const Json stats = parse_json(client.ask(kStats).payload);
    return number_at(stats.get(), "models.0.running") == 0;
  }));
}

}  // namespace
}  // namespace hearth
