// Goal: hearth eval writes the logits that the oracle has, whole or not at all.
#include <cmath>
#include <filesystem>

#include "tests/cli/program.hpp"

namespace hearth {
namespace {

std::vector<float> read_floats(const std::string& path) {
  const std::string bytes = read_whole(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

// sum (got - want)^2 / sum want^2
double nmse(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0, power = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    error += std::pow(double{got[i]} - double{want[i]}, 2);
    power += std::pow(double{want[i]}, 2);
  }
  return error / power;
}

void expect_logits(const std::string& stem) {
  DaemonProcess daemon({"--model", "m=" + stem + ".gguf", "--kv-type", "f32"});
  const std::string out = daemon.directory() + "/logits";
  const Ran ran = run_hearth(
      daemon, {"--json", "eval", "m", "--tokens-file", stem + ".tokens", "--logits-out", out});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto got = read_floats(out), want = read_floats(stem + ".f32");
  ASSERT_EQ(got.size(), want.size());
  EXPECT_LE(nmse(got, want), 1e-6);
  const Json json = parse_json(ran.out);
  EXPECT_NEAR(number_at(json.get(), "perplexity"), std::exp(number_at(json.get(), "mean_nll")),
              1e-3);
  // The same without logits: the likelihood is the same, and now it comes from a warm cache or not.
  const Ran plain = run_hearth(daemon, {"eval", "m", "--tokens-file", stem + ".tokens"});
  EXPECT_EQ(plain.out.find("mean NLL "), 0u) << plain.out;
  EXPECT_NEAR(std::stod(plain.out.substr(9)), number_at(json.get(), "mean_nll"), 1e-5);
}

TEST(cli_eval, logits_are_those_of_transformers) {
  expect_logits(HEARTH_TEST_DATA "/models/qwen3");
}

TEST(cli_eval, logits_are_those_of_another_engine) {
  const std::string stem = HEARTH_SHARED_DIR "/parity/llama-dense";
  if (access((stem + ".gguf").c_str(), R_OK) != 0) GTEST_SKIP() << stem << " is not there";
  expect_logits(stem);
}

TEST(cli_eval, a_failure_leaves_no_file_and_a_device_is_written_as_it_is) {
  DaemonProcess daemon({"--model", "m=" HEARTH_TEST_DATA "/models/qwen3.gguf"});
  const std::string out = daemon.directory() + "/logits";
  EXPECT_EQ(run_hearth(daemon, {"eval", "m", "--tokens", "1,99999", "--logits-out", out}).status,
            1);
  for (const auto& entry : std::filesystem::directory_iterator(daemon.directory())) {
    EXPECT_EQ(entry.path().filename().string().find("logits"), std::string::npos);
  }
  const Ran nowhere =
      run_hearth(daemon, {"eval", "m", "--tokens", "1", "--logits-out", "/nonexistent/x"});
  EXPECT_EQ(nowhere.status, 1);
  EXPECT_NE(nowhere.err.find("/nonexistent/x"), std::string::npos) << nowhere.err;
  EXPECT_EQ(
      run_hearth(daemon, {"eval", "m", "--tokens", "1,2", "--logits-out", "/dev/null"}).status, 0);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

}  // namespace
}  // namespace hearth
