// Goal: a quantised file is a model file of the formats that its mix names, and what was not to
// change has not.
#include "files/quantizer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "kernels/kernels.hpp"
#include "tests/files/gguf_builder.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

constexpr std::uint64_t kLayers = 16;

std::string gaussian(std::uint64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return GgufBuilder::floats(values);
}

class Quantizer : public testing::Test {
 protected:
  // A llama's tensors, with rows of 256 and, in one matrix, of 96.
  GgufBuilder model(bool tied = false) {
    GgufBuilder file;
    file.string("general.architecture", "llama")
        .u32("llama.block_count", kLayers)
        .u32("llama.attention.head_count", 4)
        .u32("llama.attention.head_count_kv", 2)
        .u32("general.file_type", 0)
        .u32("split.count", 1)
        .strings("tokenizer.ggml.tokens", {"a", "b"});
    file.tensor("token_embd.weight", {256, 4}, 0, gaussian(1024, 1));
    if (!tied) file.tensor("output.weight", {256, 4}, 0, gaussian(1024, 2));
    for (std::uint64_t i = 0; i < kLayers; ++i) {
      const std::string blk = "blk." + std::to_string(i) + ".";
      file.tensor(blk + "attn_norm.weight", {256}, 0, gaussian(256, 3));
      for (const char* name : {"attn_q", "attn_v", "attn_output", "ffn_down"}) {
        file.tensor(blk + name + ".weight", {256, 2}, 0, gaussian(512, 4));
      }
      file.tensor(blk + "ffn_up.weight", {96, 2}, 0, gaussian(192, 5));
      file.tensor(blk + "attn_q.bias", {256}, 0, gaussian(256, 6));
    }
    return file;
  }

  Result<GgufFile> quantize(const GgufBuilder& builder, const char* type, int threads = 2) {
    HEARTH_TRY(const GgufFile in,
               GgufFile::open(write_file(directory_.path() + "/in.gguf", builder.bytes())));
    std::string bytes;
    HEARTH_TRY(report_, quantize_file(in, *QuantizeMix::find(type), threads,
                                      {[&](std::span<const std::byte> part) {
                                         bytes.append(reinterpret_cast<const char*>(part.data()),
                                                      part.size());
                                         return Status();
                                       },
                                       nullptr}));
    return GgufFile::open(write_file(directory_.path() + "/out.gguf", bytes));
  }

  static std::string type_of(const GgufFile& file, const std::string& name) {
    const GgufTensor* tensor = file.find_tensor(name);
    return tensor == nullptr ? "none" : tensor_type_name(tensor->type);
  }

  TemporaryDirectory directory_;
  QuantizeReport report_;
};

TEST_F(Quantizer, a_mix_spends_more_where_it_matters) {
  const auto file = quantize(model(), "q4_k_m");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(type_of(*file, "token_embd.weight"), "Q4_K");
  EXPECT_EQ(type_of(*file, "output.weight"), "Q6_K");
  EXPECT_EQ(type_of(*file, "blk.0.attn_norm.weight"), "F32");
  EXPECT_EQ(type_of(*file, "blk.0.attn_q.bias"), "F32");
  EXPECT_EQ(type_of(*file, "blk.0.ffn_up.weight"), "Q5_0") << "rows of 96";
  // 16 layers: the first two, the last two, and 4, 7, 10, 13.
  std::string better;
  for (std::uint64_t i = 0; i < kLayers; ++i) {
    EXPECT_EQ(type_of(*file, "blk." + std::to_string(i) + ".attn_q.weight"), "Q4_K");
    const std::string value = type_of(*file, "blk." + std::to_string(i) + ".attn_v.weight");
    EXPECT_EQ(value, type_of(*file, "blk." + std::to_string(i) + ".ffn_down.weight"));
    if (value == "Q6_K") better += " " + std::to_string(i);
  }
  EXPECT_EQ(better, " 0 1 4 7 10 13 14 15");
  EXPECT_EQ(**file->uint_value("general.file_type"), 15u);
  EXPECT_EQ(file->find("split.count"), nullptr);
  EXPECT_EQ((**file->string_array("tokenizer.ggml.tokens"))[1], "b");
  EXPECT_EQ(report_.tensors, file->tensors().size());
  EXPECT_LT(report_.bytes_after, report_.bytes_before / 3);
}

TEST_F(Quantizer, every_type_is_one_that_the_reader_and_the_kernels_know) {
  for (const std::string& name : QuantizeMix::names()) {
    const auto file = quantize(model(/*tied=*/true), name.c_str());
    ASSERT_TRUE(file) << name << ": " << file.error().message;
    for (const GgufTensor& tensor : file->tensors()) {
      EXPECT_FALSE(tensor.data.empty()) << name << ": " << tensor.name;
    }
    const std::string embedding = type_of(*file, "token_embd.weight");
    if (name.starts_with("Q4_K")) {
      EXPECT_EQ(embedding, "Q6_K") << "it is the output matrix as well";
    }
  }
}

TEST_F(Quantizer, weights_stay_close_and_vectors_equal_whatever_the_threads) {
  const auto one = quantize(model(), "Q5_K_S", 1);
  ASSERT_TRUE(one);
  const std::string bytes_of_one(
      reinterpret_cast<const char*>(one->find_tensor("blk.3.attn_v.weight")->data.data()),
      one->find_tensor("blk.3.attn_v.weight")->data.size());
  const auto file = quantize(model(), "Q5_K_S", 3);
  ASSERT_TRUE(file);
  const GgufTensor& tensor = *file->find_tensor("blk.3.attn_v.weight");
  EXPECT_EQ(bytes_of_one,
            std::string(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()));
  const std::string before = gaussian(512, 4);
  std::vector<float> was(512), is(512);
  std::memcpy(was.data(), before.data(), before.size());
  kernels::dequant_row({kernels::WeightFormat::q5_k, tensor.data.data(), 512, is.data()});
  double error = 0, energy = 0;
  for (int i = 0; i < 512; ++i) {
    error += std::pow(was[i] - is[i], 2);
    energy += std::pow(was[i], 2);
  }
  EXPECT_LT(std::sqrt(error / energy), 0.05);
  const std::string norm = gaussian(256, 3);
  EXPECT_EQ(std::memcmp(file->find_tensor("blk.3.attn_norm.weight")->data.data(), norm.data(),
                        norm.size()),
            0);
}

TEST_F(Quantizer, numbers_that_are_not_finite_are_refused_by_name) {
  GgufBuilder builder = model();
  builder.tensor(
      "bad.weight", {256, 1}, 0,
      GgufBuilder::floats(std::vector<float>(256, std::numeric_limits<float>::infinity())));
  const auto file = quantize(builder, "Q4_K_M");
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("bad.weight"), std::string::npos) << file.error().message;
}

TEST_F(Quantizer, an_unknown_type_of_tensor_is_refused_by_name) {
  GgufBuilder builder = model();
  builder.tensor("strange.weight", {256, 1}, 777, "xxxx");
  const auto file = quantize(builder, "Q4_K_M");
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("strange.weight"), std::string::npos);
  EXPECT_NE(file.error().message.find("777"), std::string::npos);
  EXPECT_FALSE(QuantizeMix::find("Q4_Z"));
}

}  // namespace
}  // namespace hearth
