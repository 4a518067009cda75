// Goal: hearth run prints the text and nothing else, tells the numbers, and ends as it should.
#include <numeric>

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

TEST(cli_run, the_report_says_which_samplers_ran_with_which_values) {
  DaemonProcess daemon({"--model", kQwen});
  const auto report = [&](const std::vector<std::string>& more) {
    const Ran ran = run_hearth(
        daemon,
        with({"--json", "run", "qwen", "--tokens", "1,2,3", "-n", "4", "--seed", "1"}, more));
    EXPECT_EQ(ran.status, 0) << ran.err;
    return parse_json(ran.out);
  };
  const auto samplers = [](const Json& json) {
    std::string names;
    const cJSON* name = nullptr;
    cJSON_ArrayForEach(
        name, cJSON_GetObjectItem(cJSON_GetObjectItem(json.get(), "sampling"), "samplers")) {
      names += std::string(names.empty() ? "" : " ") + name->valuestring;
    }
    return names;
  };
  Json json = report({});
  EXPECT_EQ(samplers(json), "penalties top_p temperature");
  EXPECT_EQ(number_at(json.get(), "sampling.repeat_penalty"), 1.1);
  EXPECT_EQ(number_at(json.get(), "sampling.top_p"), 0.9);
  EXPECT_EQ(number_at(json.get(), "sampling.temperature"), 0.7);
  EXPECT_EQ(samplers(report({"--temp", "0"})), "greedy");
  EXPECT_EQ(samplers(report({"--mirostat", "2"})), "temperature mirostat");
  json = report({"--samplers", "temperature,top_k", "--top-k", "3", "--logit-bias", "5=2.5",
                 "--logit-bias", "6=off", "--n-probs", "2"});
  EXPECT_EQ(samplers(json), "logit_bias temperature top_k");
  const cJSON* probabilities = cJSON_GetObjectItem(json.get(), "probabilities");
  ASSERT_EQ(cJSON_GetArraySize(probabilities), 4);
  const cJSON* first = cJSON_GetArrayItem(probabilities, 0);
  EXPECT_EQ(number_at(first, "drawn.id"), ids_in(cJSON_GetObjectItem(json.get(), "tokens")).at(0));
  EXPECT_EQ(cJSON_GetArraySize(cJSON_GetObjectItem(first, "likeliest")), 2);
  json = report({"--temp", "0", "--logit-bias", "7=1000"});
  EXPECT_EQ(ids_in(cJSON_GetObjectItem(json.get(), "tokens")), std::vector<int>(4, 7));
}

TEST(cli_run, samplers_and_biases_that_make_no_sense_are_refused) {
  DaemonProcess daemon({"--model", kQwen});
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--logit-bias", "5"}, "ID=NUMBER"},       {{"--logit-bias", "x=1"}, "ID=NUMBER"},
      {{"--logit-bias", "5=1e9"}, "-1e6 .. 1e6"}, {{"--logit-bias", "-1=1"}, "logit_bias[0].id"},
      {{"--samplers", "top_q"}, "top_q"},         {{"--samplers", "xtc,xtc"}, "stands twice"},
      {{"--n-probs", "1000"}, "--n-probs"},
  };
  for (const auto& [more, text] : cases) {
    const Ran ran = run_hearth(daemon, with({"run", "qwen", "--tokens", "1", "-n", "1"}, more));
    EXPECT_NE(ran.status, 0) << more[1];
    EXPECT_NE(ran.err.find(text), std::string::npos) << ran.err;
  }
  EXPECT_EQ(
      run_hearth(daemon, {"run", "qwen", "--tokens", "1", "-n", "1", "--samplers", ""}).status, 0)
      << "no step at all is possible";
}

TEST(cli_run, embed_gives_a_vector) {
  DaemonProcess daemon({"--model", "ember=" HEARTH_MODELS_DIR "/ember-q8_0.gguf"});
  const auto vector_of = [&](const std::vector<std::string>& more) {
    const Ran ran = run_hearth(daemon, with({"--json", "embed", "ember"}, more));
    EXPECT_EQ(ran.status, 0) << ran.err;
    const Json json = parse_json(ran.out);
    std::vector<double> values;
    const cJSON* value = nullptr;
    cJSON_ArrayForEach(value, cJSON_GetObjectItem(json.get(), "embedding")) {
      values.push_back(value->valuedouble);
    }
    return values;
  };
  const auto product = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  const std::vector<double> dog = vector_of({"The dog ran in the garden."});
  ASSERT_EQ(dog.size(), 256u);
  EXPECT_NEAR(product(dog, dog), 1, 1e-5);
  EXPECT_EQ(dog, vector_of({"The dog ran in the garden."}));
  const std::vector<double> raw = vector_of({"The dog ran in the garden.", "--no-normalize"});
  EXPECT_GT(product(raw, raw), 1.1);
  EXPECT_NE(dog, vector_of({"The dog ran in the garden.", "--pooling", "last"}));
  const std::vector<double> cat = vector_of({"The cat ran in the garden."});
  EXPECT_GT(product(dog, cat), product(dog, vector_of({"\"I am sorry,\" said Tom."})));
  EXPECT_EQ(run_hearth(daemon, {"embed", "ember", "x", "--pooling", "max"}).status, 2);
  EXPECT_EQ(run_hearth(daemon, {"embed", "ember"}).status, 2);
}

}  // namespace
}  // namespace hearth
