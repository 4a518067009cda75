// Goal: hearth quantize and hearth info work on files alone, and what quantize writes is served.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "tests/cli/program.hpp"
#include "tests/files/gguf_builder.hpp"

namespace hearth {
namespace {

const std::string kNowhere = "/nonexistent/hearthd.sock";
const std::string kEmber = HEARTH_MODELS_DIR "/ember-f16.gguf";
// "Once upon a time, there was a sleepy girl named Dora." and on: see ember_greedy.json.
const std::string kText =
    "0,443,483,266,390,19,369,286,266,1583,455,416,1182,21,813,593,450,286,1182,19,266,1484,455,21,"
    "433,336,338,1450,19,1062,279,1050,348,282,269,547,734,21,304,1488,337,269,734,471,830,21";

double mean_nll(const DaemonProcess& daemon, const std::string& model) {
  const Ran ran = run_hearth(daemon, {"--json", "eval", model, "--tokens", kText});
  EXPECT_EQ(ran.status, 0) << ran.err;
  return number_at(parse_json(ran.out).get(), "mean_nll");
}

TEST(cli_files, every_format_that_quantize_writes_is_served_and_means_the_same) {
  const TemporaryDirectory directory;
  std::vector<std::string> arguments = {"--model", "f16=" + kEmber};
  // The likelihood of the model's own greedy text may worsen by so many nats.
  const std::vector<std::pair<std::string, double>> types = {
      {"F32", 0.001},  {"BF16", 0.01},  {"Q8_0", 0.01},  {"Q6_K", 0.02},  {"Q5_K_M", 0.05},
      {"Q5_0", 0.05},  {"Q5_1", 0.05},  {"Q4_K_M", 0.1}, {"Q4_0", 0.15},  {"Q4_1", 0.15},
      {"IQ4_NL", 0.1}, {"IQ4_XS", 0.1}, {"MXFP4", 0.1},  {"Q3_K_M", 0.1}, {"Q2_K", 0.2}};
  for (const auto& [type, worse] : types) {
    const std::string out = directory.path() + "/" + type + ".gguf";
    const Ran ran = run_hearth(kNowhere, {"quantize", kEmber, out, type});
    ASSERT_EQ(ran.status, 0) << ran.err;
    EXPECT_NE(ran.out.find("tensors converted"), std::string::npos) << ran.out;
    arguments.insert(arguments.end(), {"--model", type + "=" + out});
  }
  DaemonProcess daemon(arguments);
  const double before = mean_nll(daemon, "f16");
  for (const auto& [type, worse] : types) {
    const double nll = mean_nll(daemon, type);
    EXPECT_LE(nll, before + worse) << type;
    std::printf("%s: mean NLL %.4f, F16 %.4f\n", type.c_str(), nll, before);
  }
}

TEST(cli_files, quantize_refuses_clearly_and_leaves_nothing) {
  const TemporaryDirectory directory;
  const std::string out = directory.path() + "/out.gguf";
  const Ran type = run_hearth(kNowhere, {"quantize", kEmber, out, "Q9_Z"});
  EXPECT_EQ(type.status, 2);
  EXPECT_NE(type.err.find("Q9_Z"), std::string::npos) << type.err;
  EXPECT_NE(type.err.find("Q4_K_M"), std::string::npos) << type.err;
  const Ran missing = run_hearth(kNowhere, {"quantize", "/nonexistent.gguf", out, "Q8_0"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("/nonexistent.gguf"), std::string::npos) << missing.err;
  const Ran nowhere = run_hearth(kNowhere, {"quantize", kEmber, "/nonexistent/out.gguf", "Q8_0"});
  EXPECT_EQ(nowhere.status, 1);
  EXPECT_NE(nowhere.err.find("/nonexistent/out.gguf"), std::string::npos) << nowhere.err;
  const std::string text = directory.path() + "/text";
  std::ofstream(text) << "no model";
  EXPECT_EQ(run_hearth(kNowhere, {"quantize", text, out, "Q8_0"}).status, 1);
  EXPECT_FALSE(std::filesystem::exists(out));
  EXPECT_EQ(run_hearth(kNowhere, {"quantize", kEmber, out}).status, 2);
}

TEST(cli_files, a_file_may_be_quantized_onto_itself) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/model.gguf";
  std::filesystem::copy_file(kEmber, file);
  const auto size = std::filesystem::file_size(file);
  EXPECT_EQ(run_hearth(kNowhere, {"quantize", file, file, "Q4_0", "--threads", "3"}).status, 0);
  EXPECT_LT(std::filesystem::file_size(file), size / 2);
  EXPECT_EQ(run_hearth(kNowhere, {"info", file}).status, 0);
}

TEST(cli_files, info_tells_what_a_file_holds_and_what_it_will_need) {
  const Ran plain = run_hearth(kNowhere, {"info", kEmber, "--metadata", "--tensors"});
  ASSERT_EQ(plain.status, 0) << plain.err;
  for (const char* shown : {"llama", "3.7M (tiny)", "2048 tokens, bpe", "blk.3.ffn_down.weight",
                            "llama.block_count", "768 x 256"}) {
    EXPECT_NE(plain.out.find(shown), std::string::npos) << shown << " in\n" << plain.out;
  }
  const Json json =
      parse_json(run_hearth(kNowhere, {"info", kEmber, "--ctx", "1000", "--json"}).out);
  ASSERT_NE(json, nullptr);
  EXPECT_EQ(number_at(json.get(), "parameters"), 3672320);
  // 4 layers, 2 KV heads of 64, K and V, 2 bytes each.
  EXPECT_EQ(number_at(json.get(), "memory.kv_bytes"), 1000.0 * 4 * 2 * 64 * 2 * 2);
  EXPECT_GT(number_at(json.get(), "memory.weight_bytes"), 7e6);
  const Ran bad = run_hearth(kNowhere, {"info", "/nonexistent.gguf"});
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.err.find("/nonexistent.gguf"), std::string::npos);
}

TEST(cli_files, a_file_without_tensors_has_facts_but_nothing_to_quantize) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/vocabulary.gguf";
  std::ofstream(file, std::ios::binary)
      << GgufBuilder().string("general.architecture", "llama").bytes();
  const Ran info = run_hearth(kNowhere, {"info", file});
  EXPECT_EQ(info.status, 0) << info.err;
  EXPECT_EQ(info.out.find("tiny"), std::string::npos) << info.out;
  const Ran quantize = run_hearth(kNowhere, {"quantize", file, directory.path() + "/out", "Q8_0"});
  EXPECT_EQ(quantize.status, 1);
  EXPECT_NE(quantize.err.find("no tensors"), std::string::npos) << quantize.err;
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/out"));
}

TEST(cli_files, models_of_known_shapes_are_made_and_served) {
  const TemporaryDirectory directory;
  std::vector<std::string> arguments;
  const std::map<std::string, std::string> models = {{"f16", "tiny F16"},
                                                     {"q4_k_m", "tiny Q4_K_M"},
                                                     {"iq4_xs", "tiny IQ4_XS"},
                                                     {"mxfp4", "tiny MXFP4"},
                                                     {"hybrid", "tiny-hybrid Q8_0"},
                                                     {"mamba", "mamba-370m Q4_0 --layers 1"},
                                                     {"mamba2", "mamba2-370m Q4_0 --layers 1"}};
  for (const auto& [id, what] : models) {
    const std::string out = directory.path() + "/" + id + ".gguf";
    ASSERT_EQ(std::system((HEARTH_PROGRAMS_DIR "/make_model " + what + " " + out).c_str()), 0);
    arguments.insert(arguments.end(), {"--model", id + "=" + out});
  }
  EXPECT_NE(std::system(HEARTH_PROGRAMS_DIR "/make_model huge Q4_K_M /tmp/x 2>/dev/null"), 0);
  DaemonProcess daemon(arguments);
  for (const auto& [id, what] : models) {
    const Ran ran = run_hearth(daemon, {"--json", "eval", id, "--tokens", "1,2,3,500,511"});
    ASSERT_EQ(ran.status, 0) << id << ": " << ran.err;
    // Nothing was learned: every token is about as likely as any other.
    const double vocab = id.starts_with("mamba") ? 50280 : 512;
    EXPECT_NEAR(number_at(parse_json(ran.out).get(), "mean_nll"), std::log(vocab), 1.5) << id;
  }
}

}  // namespace
}  // namespace hearth
