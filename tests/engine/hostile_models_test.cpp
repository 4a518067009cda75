// Goal: whatever the metadata of a hybrid model says, loading it is an error that names what is
// wrong, or the model computes.
// Method: metadata is drawn from numbers that break readers.  What the reader then asks for in
// tensors is given to it, in the shapes that it asks for, so that no wrong number hides behind a
// tensor that does not fit; a model that is taken computes some tokens.  Under the sanitizers a
// write beside its memory ends the test.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "engine/executor.hpp"
#include "engine/layer_table.hpp"
#include "files/gguf.hpp"
#include "kernels/cpu_features.hpp"
#include "tests/files/gguf_builder.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

using Dims = std::vector<std::uint64_t>;
constexpr std::uint64_t kElementsMax = 1 << 19;  // of a tensor that is worth making
constexpr std::size_t kTensorsMax = 100;
constexpr std::uint64_t kVocab = 11;

// A key and what a model that works says there.
using Keys = std::map<std::string, std::uint32_t>;

const Keys kCommon = {{"block_count", 2},
                      {"context_length", 64},
                      {"embedding_length", 32},
                      {"feed_forward_length", 48},
                      {"attention.head_count", 2}};
const Keys kAttention = {{"attention.head_count_kv", 1},
                         {"attention.key_length", 16},
                         {"attention.value_length", 16},
                         {"rope.dimension_count", 8}};
const Keys kState = {{"ssm.inner_size", 32},
                     {"ssm.state_size", 8},
                     {"ssm.time_step_rank", 4},
                     {"ssm.group_count", 2},
                     {"ssm.conv_kernel", 4}};
const Keys kExperts = {{"expert_count", 4},
                       {"expert_used_count", 2},
                       {"expert_feed_forward_length", 16},
                       {"expert_shared_feed_forward_length", 24}};

struct Family {
  const char* name;
  std::vector<Keys> keys;
};
const Family kFamilies[] = {
    {"qwen35", {kCommon, kAttention, kState, {{"full_attention_interval", 2}}}},
    {"qwen3next", {kCommon, kAttention, kState, kExperts, {{"full_attention_interval", 2}}}},
    {"jamba", {kCommon, kAttention, kState}},
    {"mamba", {kCommon, kState}},
    {"mamba2", {kCommon, kState}},
    {"lfm2", {kCommon, kAttention, {{"shortconv.l_cache", 3}}}},
    {"gemma3",
     {kCommon,
      kAttention,
      {{"attention.sliding_window", 4}, {"attention.sliding_window_pattern", 2}}}},
};

class HostileModels : public testing::TestWithParam<Family> {
 protected:
  Keys working() const {
    Keys keys;
    for (const Keys& some : GetParam().keys) keys.insert(some.begin(), some.end());
    return keys;
  }

  // Load it with all the tensors that it wants: an error, or "" when it has computed.
  std::string load(const Keys& keys) {
    const auto hidden = keys.find("embedding_length");
    const std::uint64_t width = hidden == keys.end() ? 1 : hidden->second;
    if (width == 0 || width * kVocab > kElementsMax) return "a tensor of no sensible size";
    std::map<std::string, Dims> tensors = tensors_;  // most are as they were
    tensors["token_embd.weight"] = {width, kVocab};
    for (;;) {
      const std::string error = try_to_load(keys, tensors);
      if (error.empty() && tensors_.empty()) tensors_ = tensors;
      const std::size_t named = error.find(": tensor ");
      if (named == std::string::npos) return error;
      const std::string rest = error.substr(named + 9);
      const std::string tensor = rest.substr(0, rest.find(' '));
      const std::string_view expected = "expected were ";
      const std::size_t wanted = rest.find(expected);
      Dims dims = {1};
      if (wanted != std::string::npos) {
        dims = dims_of(rest.substr(wanted + expected.size()));
      } else if (rest.find("is missing") == std::string::npos) {
        return error;
      }
      std::uint64_t elements = 1;
      for (const std::uint64_t dim : dims) {
        if (dim == 0 || dim > kElementsMax) return "a tensor of no sensible size";
        elements *= dim;
      }
      if (elements > kElementsMax || tensors.size() > kTensorsMax) {
        return "a tensor of no sensible size";
      }
      EXPECT_NE(tensors[tensor], dims) << error;
      if (HasFailure()) return error;
      tensors[tensor] = dims;
    }
  }

 private:
  static Dims dims_of(const std::string& text) {  // "32 x 4 x 2"
    Dims dims;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t used = 0;
      dims.push_back(std::stoull(text.substr(at), &used));
      at += used + 3;
    }
    return dims;
  }

  std::string try_to_load(const Keys& keys, const std::map<std::string, Dims>& tensors) {
    GgufBuilder builder;
    const std::string prefix = std::string(GetParam().name) + ".";
    builder.string("general.architecture", GetParam().name);
    for (const auto& [key, value] : keys) builder.u32(prefix + key, value);
    for (const auto& [name, dims] : tensors) {
      std::uint64_t elements = 1;
      for (const std::uint64_t dim : dims) elements *= dim;
      std::vector<float> values(elements);
      for (std::size_t i = 0; i < elements; ++i) {
        values[i] = static_cast<float>(i * 7 % 13) / 64 - 0.1F;
      }
      builder.tensor(name, dims, /*type=*/0, GgufBuilder::floats(values));
    }
    const auto file =
        GgufFile::open(write_file(directory_.path() + "/model.gguf", builder.bytes()));
    if (!file) return file.error().message;
    const auto architecture = find_architecture(*file);
    if (!architecture) return architecture.error().message;
    auto loader = WeightLoader::create(*file, [](std::uint64_t, std::uint64_t) {});
    if (!loader) return loader.error().message;
    const auto table = (*architecture)->build(*loader, {});
    if (!table) return table.error().message;
    const auto weights = loader->finish();
    if (!weights) return weights.error().message;
    compute(*table);
    return "";
  }

  // A prompt whose state is kept in the middle, and a generated token.
  void compute(const LayerTable& table) {
    Executor executor(&table, compile_plan(table, kernels::KvFormat::f32, 32), &pool_,
                      kernels::select_kernels(kernels::cpu_features()), {8, 8});
    std::vector<std::byte> page(static_cast<std::size_t>(executor.kv().page_bytes));
    std::byte* const pages[] = {page.data()};
    const auto floats = static_cast<std::size_t>(executor.state_floats());
    std::vector<float> state(floats), snapshot(floats);
    std::vector<BatchRow> rows;
    for (std::int32_t i = 0; i < 5; ++i) {
      rows.push_back({i, i, pages, RowOutput::logits, RowRole::prompt, state.data(),
                      i == 2 && floats > 0 ? snapshot.data() : nullptr});
    }
    ASSERT_TRUE(executor.forward(rows));
    const BatchRow next[] = {
        {5, 5, pages, RowOutput::logits, RowRole::generated, state.data(), nullptr}};
    ASSERT_TRUE(executor.forward(next));
    ++computed_;
  }

 protected:
  TemporaryDirectory directory_;
  WorkerPool pool_{1, nullptr};
  std::map<std::string, Dims> tensors_;  // of the model that works
  int computed_ = 0;
};

TEST_P(HostileModels, what_works_computes) {
  EXPECT_EQ(load(working()), "");
}

TEST_P(HostileModels, one_number_that_breaks_readers_is_an_error_by_name_or_computes) {
  constexpr std::uint32_t kWild[] = {0,   1,   3,    7,     8,       9,       17,        255,
                                     256, 257, 1024, 65537, 1 << 21, 1 << 24, UINT32_MAX};
  const Keys keys = working();
  load(keys);
  for (const auto& [key, value] : keys) {
    for (const std::uint32_t wild : kWild) {
      Keys changed = keys;
      changed[key] = wild;
      SCOPED_TRACE(fmt::format("{} = {}", key, wild));
      const std::string error = load(changed);
      if (HasFatalFailure()) return;
      if (error.empty() || error == "a tensor of no sensible size") continue;
      EXPECT_NE(error.find(std::string(GetParam().name) + "."), std::string::npos) << error;
    }
    Keys without = keys;
    without.erase(key);
    load(without);
  }
  EXPECT_GT(computed_, 20);
}

TEST_P(HostileModels, many_numbers_at_a_time) {
  constexpr std::uint32_t kSmall[] = {0, 1, 1, 2, 2, 3, 4, 4, 5, 8, 8, 16, 17, 32, 33, 64};
  std::mt19937 random(7);
  const Keys keys = working();
  load(keys);
  for (int i = 0; i < 200; ++i) {
    Keys changed = keys;
    std::string what;
    for (auto& [key, value] : changed) {
      if (random() % 3 == 0) value = kSmall[random() % std::size(kSmall)];
      what += fmt::format(" {}={}", key, value);
    }
    SCOPED_TRACE(what);
    load(changed);
    if (HasFailure()) return;
  }
  EXPECT_GT(computed_, 10);
}

// Each of the numbers is possible; what they make together is no width of a row.
using HostileGroups = HostileModels;
TEST_P(HostileGroups, numbers_that_are_too_large_together) {
  Keys keys = working();
  keys["ssm.inner_size"] = keys["ssm.time_step_rank"] = keys["ssm.group_count"] = 1 << 17;
  keys["ssm.state_size"] = 256;
  const std::string error = load(keys);
  EXPECT_NE(error.find("ssm.group_count is 131072"), std::string::npos) << error;
}

std::string name_of(const testing::TestParamInfo<Family>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(families, HostileModels, testing::ValuesIn(kFamilies), name_of);
INSTANTIATE_TEST_SUITE_P(families, HostileGroups,
                         testing::Values(kFamilies[0], kFamilies[1], kFamilies[4]), name_of);

}  // namespace
}  // namespace hearth
