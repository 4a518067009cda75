// Goal: models with experts, as files: quantised ones stay near what their weights say in float32,
// whoever is in the batch; files that are wrong are refused by name.
// Method: a model written here, of rows long enough for blocks of 256.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "tests/engine/fixtures.hpp"
#include "tests/engine/forward_testing.hpp"
#include "tests/files/gguf_builder.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

using Dims = std::vector<std::uint64_t>;  // fastest first

// What a file says, for changing one thing of it.
struct Description {
  std::string architecture = "qwen3moe";
  std::map<std::string, std::uint32_t> numbers = {{"block_count", 2},
                                                  {"context_length", 128},
                                                  {"embedding_length", 256},
                                                  {"feed_forward_length", 512},
                                                  {"attention.head_count", 4},
                                                  {"attention.head_count_kv", 2},
                                                  {"attention.key_length", 64},
                                                  {"attention.value_length", 64},
                                                  {"expert_count", 8},
                                                  {"expert_used_count", 2},
                                                  {"expert_feed_forward_length", 256}};
  std::map<std::string, float> reals = {{"attention.layer_norm_rms_epsilon", 1e-6F}};
  std::map<std::string, Dims> tensors;

  Description() {
    tensors = {{"token_embd.weight", {256, 300}}, {"output_norm.weight", {256}}};
    for (const std::string block : {"blk.0.", "blk.1."}) {
      for (const auto& [name, dims] : std::map<std::string, Dims>{
               {"attn_norm", {256}},
               {"attn_q", {256, 256}},
               {"attn_k", {256, 128}},
               {"attn_v", {256, 128}},
               {"attn_output", {256, 256}},
               {"attn_q_norm", {64}},
               {"attn_k_norm", {64}},
               {"ffn_norm", {256}},
               {"ffn_gate_inp", {256, 8}},
               {"ffn_gate_exps", {256, 256, 8}},
               {"ffn_up_exps", {256, 256, 8}},
               {"ffn_down_exps", {256, 256, 8}},
           }) {
        tensors[block + name + ".weight"] = dims;
      }
    }
  }

  // Random weights: matrices keep the size of what they are multiplied with, routers spread their
  // scores.
  std::string bytes() const {
    std::mt19937 random(1);
    return bytes([&](const std::string& name, const Dims& dims, std::vector<float>& ret_values) {
      const bool is_norm = dims.size() == 1;
      const bool is_router = name.find("gate_inp") != std::string::npos;
      const float spread = (is_router ? 3.0F : 1.0F) / std::sqrt(static_cast<float>(dims[0]));
      std::normal_distribution<float> normal(is_norm ? 1 : 0, is_norm ? 0.2F : spread);
      for (float& value : ret_values) value = normal(random);
    });
  }
  // Weights that are all 0.
  std::string empty_bytes() const {
    return bytes([](const std::string&, const Dims&, std::vector<float>&) {});
  }

 private:
  template <class Fill>
  std::string bytes(Fill fill) const {
    GgufBuilder file;
    file.string("general.architecture", architecture);
    for (const auto& [key, value] : numbers) file.u32(architecture + "." + key, value);
    for (const auto& [key, value] : reals) file.f32(architecture + "." + key, value);
    for (const auto& [name, dims] : tensors) {
      std::uint64_t count = 1;
      for (const std::uint64_t dim : dims) count *= dim;
      std::vector<float> values(count);
      fill(name, dims, values);
      std::string data(count * sizeof(float), '\0');
      std::memcpy(data.data(), values.data(), data.size());
      file.tensor(name, dims, 0, data);
    }
    return file.bytes();
  }
};

class ExpertModels : public testing::Test {
 protected:
  std::string path(const char* name) const { return directory_.path() + "/" + name; }

  // Why it is not loaded.
  std::string refusal(const Description& description) const {
    const auto file = GgufFile::open(write_file(path("wrong.gguf"), description.empty_bytes()));
    if (!file) return file.error().message;
    const auto architecture = find_architecture(*file);
    if (!architecture) return architecture.error().message;
    auto loader = WeightLoader::create(*file, nullptr);
    if (!loader) return loader.error().message;
    const auto table = (*architecture)->build(*loader, {});
    if (!table) return table.error().message;
    return loader->finish() ? "" : "not finished";
  }
  template <class Change>
  void refused(Change change, const std::vector<std::string>& words) const {
    Description description;
    change(description);
    const std::string why = refusal(description);
    for (const std::string& word : words) {
      EXPECT_NE(why.find(word), std::string::npos) << "\"" << why << "\" does not say " << word;
    }
  }

  TemporaryDirectory directory_;
  WorkerPool pool_{3, nullptr};
};

// Median over the rows: where a choice is near a tie, rounding may take another expert.
double median_nmse(const std::vector<float>& got, const std::vector<float>& wanted,
                   std::size_t rows) {
  const std::size_t vocab = wanted.size() / rows;
  std::vector<double> errors;
  for (std::size_t i = 0; i < wanted.size(); i += vocab) {
    const auto at = static_cast<std::ptrdiff_t>(i), end = static_cast<std::ptrdiff_t>(i + vocab);
    errors.push_back(
        nmse({got.begin() + at, got.begin() + end}, {wanted.begin() + at, wanted.begin() + end}));
  }
  std::ranges::nth_element(errors, errors.begin() + static_cast<std::ptrdiff_t>(rows / 2));
  return errors[rows / 2];
}

TEST_F(ExpertModels, say_what_their_weights_say_in_float32) {
  write_file(path("f32.gguf"), Description().bytes());
  std::vector<TokenId> tokens;
  for (int i = 0; i < 60; ++i) tokens.push_back(i * 37 % 300);
  for (const char* mix : {"BF16", "Q8_0", "Q4_K_M"}) {
    convert_model(path("f32.gguf"), mix, path("mix.gguf"));
    convert_model(path("mix.gguf"), "F32", path("wide.gguf"));
    ForwardModel wide(path("wide.gguf"), best_kernels(), &pool_);
    const std::vector<float> wanted = wide.logits(tokens, {60});
    for (const kernels::KernelSet& kernels : {best_kernels(), emulated_amx_kernels()}) {
      ForwardModel model(path("mix.gguf"), kernels, &pool_);
      const std::vector<float> whole = model.logits(tokens, {60});
      const double error = median_nmse(whole, wanted, tokens.size());
      RecordProperty(std::string(mix) + "_" + kernels.tier, fmt::format("{:.2e}", error));
      EXPECT_LE(error, kernels.prompt_takes_splits ? 1e-2 : 3e-3) << mix << ", " << kernels.tier;
      EXPECT_EQ(model.logits(tokens, {1}), whole) << mix << ", " << kernels.tier;
      EXPECT_EQ(model.logits(tokens, {2, 31, 7}), whole) << mix << ", " << kernels.tier;
    }
  }
}

TEST_F(ExpertModels, quantised_files_keep_routers_and_have_experts_in_the_mix) {
  write_file(path("f32.gguf"), Description().bytes());
  convert_model(path("f32.gguf"), "Q4_K_M", path("mix.gguf"));
  const auto file = GgufFile::open(path("mix.gguf"));
  ASSERT_TRUE(file);
  const auto type = [&](const char* name) {
    return tensor_type_name(file->find_tensor(name)->type);
  };
  EXPECT_EQ(type("blk.0.ffn_gate_inp.weight"), "F32");
  EXPECT_EQ(type("blk.0.ffn_gate_exps.weight"), "Q4_K");
  EXPECT_EQ(type("blk.1.ffn_down_exps.weight"), "Q6_K");
  const GgufTensor* experts = file->find_tensor("blk.1.ffn_up_exps.weight");
  EXPECT_EQ(Dims(experts->dims, experts->dims + 4), (Dims{256, 256, 8, 1}));
}

// As many bytes as tensor_memory() says: what a model's memory is reckoned by.
TEST_F(ExpertModels, experts_take_the_memory_that_was_reckoned) {
  Description narrow;  // 24 rows: each expert's last group is half empty
  narrow.numbers["expert_feed_forward_length"] = 24;
  for (const std::string block : {"blk.0.", "blk.1."}) {
    narrow.tensors[block + "ffn_gate_exps.weight"] = {256, 24, 8};
    narrow.tensors[block + "ffn_up_exps.weight"] = {256, 24, 8};
    narrow.tensors[block + "ffn_down_exps.weight"] = {24, 256, 8};
  }
  EXPECT_EQ(refusal(narrow), "");
}

TEST_F(ExpertModels, of_wrong_numbers_are_refused_by_key) {
  const auto number = [](const char* key, std::uint32_t value) {
    return [=](Description& description) { description.numbers[key] = value; };
  };
  EXPECT_EQ(refusal(Description()), "");
  refused(number("expert_count", 0), {"qwen3moe.expert_count", "0"});
  refused([](Description& d) { d.numbers.erase("expert_count"); }, {"qwen3moe.expert_count"});
  refused(number("expert_count", 5000), {"qwen3moe.expert_count", "5000", "4096"});
  refused(number("expert_count", UINT32_MAX), {"qwen3moe.expert_count", "4096"});
  refused(number("expert_used_count", 0), {"qwen3moe.expert_used_count", "is 0", "1 to 8"});
  refused(number("expert_used_count", 9), {"qwen3moe.expert_used_count", "is 9", "1 to 8"});
  refused([](Description& d) { d.numbers.erase("expert_used_count"); },
          {"qwen3moe.expert_used_count"});
  refused(number("expert_feed_forward_length", 0), {"qwen3moe.expert_feed_forward_length"});
  refused(number("expert_feed_forward_length", 1 << 21), {"qwen3moe.expert_used_count", "2097152"});
  refused(number("expert_shared_count", 1), {"qwen3moe.expert_shared_count", "is 1"});
  refused(number("expert_gating_func", 2), {"qwen3moe.expert_gating_func", "is 2"});
  refused([](Description& d) { d.reals["expert_weights_scale"] = NAN; },
          {"qwen3moe.expert_weights_scale"});
  refused([](Description& d) { d.reals["expert_weights_scale"] = -1; },
          {"qwen3moe.expert_weights_scale"});
  refused(number("expert_weights_norm", 1), {"qwen3moe.expert_weights_norm"});
}

TEST_F(ExpertModels, of_wrong_tensors_are_refused_by_name) {
  for (const char* part : {"ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"}) {
    const std::string name = fmt::format("blk.1.{}.weight", part);
    refused([&](Description& d) { d.tensors.erase(name); }, {name, "missing"});
    refused([&](Description& d) { d.tensors[name].back() = 7; }, {name, " 7", "8"});
    refused([&](Description& d) { d.tensors[name][0] = 32; }, {name, "32", "256"});
    refused([&](Description& d) { d.tensors[name] = {256}; }, {name, "256 x 1 x 1"});
  }
  const std::string exps = "blk.0.ffn_gate_exps.weight";
  refused([&](Description& d) { d.tensors[exps] = {256, 256, 4, 2}; }, {exps, "256 x 256 x 8"});
  refused([&](Description& d) { d.tensors[exps] = {256, 256 * 8}; }, {exps, "256 x 256 x 8"});
  refused([](Description& d) { d.numbers["expert_count"] = 4; },
          {"blk.0.ffn_gate_inp.weight", "256 x 4"});
}

TEST_F(ExpertModels, llama_has_experts_where_its_file_says_so) {
  Description mixtral;
  mixtral.architecture = "llama";
  mixtral.numbers.erase("expert_feed_forward_length");
  mixtral.numbers["feed_forward_length"] = 256;
  EXPECT_EQ(refusal(mixtral), "");
  mixtral.numbers["expert_count"] = 0;
  EXPECT_NE(refusal(mixtral).find("blk.0.ffn_gate.weight is missing"), std::string::npos);
}

}  // namespace
}  // namespace hearth
