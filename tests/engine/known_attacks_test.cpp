// Goal: what has broken other readers of model files is an error here, one that says what is wrong.
// Method: one test for each row of the table in reference/daemon.md, section 6.1, by the row's
// name; the trigger is built byte by byte.  (Saved KV states, CVE-2026-43629, are not read from
// outside yet: their tests come with them.)
#include <gtest/gtest.h>

#include "engine/layer_table.hpp"
#include "engine/tokenizer/tokenizer.hpp"
#include "engine/weights.hpp"
#include "files/model_facts.hpp"
#include "tests/files/gguf_builder.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

using B = GgufBuilder;

class known_attacks : public testing::Test {
 protected:
  // Everything that loading does, as far as it goes; the first error.
  std::string load(const std::string& bytes) {
    const std::string path = write_file(directory_.path() + "/model.gguf", bytes);
    const auto file = GgufFile::open(path);
    if (!file) return file.error().message;
    if (const auto facts = read_facts(*file); !facts) return facts.error().message;
    auto vocabulary = read_vocabulary(*file);
    if (!vocabulary) return vocabulary.error().message;
    if (vocabulary->model != TokenizerModel::none) {
      const auto tokenizer = Tokenizer::create(*std::move(vocabulary));
      if (!tokenizer) return tokenizer.error().message;
    }
    const auto architecture = find_architecture(*file);
    if (!architecture) return architecture.error().message;
    auto loader = WeightLoader::create(*file, [](std::uint64_t, std::uint64_t) {});
    if (!loader) return loader.error().message;
    const auto table = (*architecture)->build(*loader, {});
    return table ? "it was loaded" : table.error().message;
  }
  void refused(const std::string& bytes, const std::string& because) {
    const std::string error = load(bytes);
    EXPECT_NE(error.find(because), std::string::npos) << error;
  }

  // A model's metadata without tensors.
  static B model(std::uint32_t layers = 1) {
    B builder;
    builder.string("general.architecture", "llama");
    builder.u32("llama.block_count", layers);
    builder.u32("llama.context_length", 64);
    builder.u32("llama.embedding_length", 32);
    builder.u32("llama.feed_forward_length", 32);
    builder.u32("llama.attention.head_count", 2);
    builder.f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
    return builder;
  }
  static B vocabulary(const std::vector<std::string>& tokens, const std::vector<int>& types) {
    B builder = model();
    builder.string("tokenizer.ggml.model", "llama").strings("tokenizer.ggml.tokens", tokens);
    const auto count = static_cast<std::uint64_t>(tokens.size());
    std::string scores = B::number<std::uint32_t>(6) + B::number(count);
    std::string kinds = B::number<std::uint32_t>(5) + B::number(count);
    for (std::size_t i = 0; i < tokens.size(); ++i) scores += B::number(0.0F);
    for (const int type : types) kinds += B::number(type);
    return builder.raw("tokenizer.ggml.scores", 9, scores)
        .raw("tokenizer.ggml.token_type", 9, kinds);
  }

  TemporaryDirectory directory_;
};

TEST_F(known_attacks, CVE_2024_23605_and_CVE_2024_21836_huge_numbers_of_values_and_tensors) {
  for (const std::uint64_t count : {1ul << 32, 1ul << 60, UINT64_MAX / 2}) {
    B values = model();
    values.value_count_lie = count;
    refused(values.bytes(), "values");
    B tensors = model();
    tensors.tensor_count_lie = count;
    refused(tensors.bytes(), "tensors");
  }
}

TEST_F(known_attacks, CVE_2024_21802_dimensions_beyond_the_data) {
  refused(model().tensor("t", {1ull << 40}, 0, "abcd").bytes(), "tensor t");
}

TEST_F(known_attacks, CVE_2024_23496_lengths_of_strings) {
  for (const std::uint64_t size : {UINT64_MAX, UINT64_MAX - 7, 1ul << 63, 1ul << 33}) {
    refused(B().raw("s", 8, B::number(size)).bytes(), "a string");
  }
}

TEST_F(known_attacks, CVE_2024_21825_types_of_arrays) {
  for (const std::uint32_t type : {13u, 77u, UINT32_MAX}) {
    refused(B().raw("a", 9, B::number(type) + B::number<std::uint64_t>(1) + "abcd").bytes(),
            "type");
  }
}

TEST_F(known_attacks, CVE_2025_49847_a_token_longer_than_a_number_can_say) {
  refused(vocabulary({std::string(1 << 20, 'x'), "b"}, {1, 1}).bytes(), "tokenizer.ggml.tokens");
}

TEST_F(known_attacks, CVE_2025_52566_a_long_text) {
  Vocabulary words;
  words.model = TokenizerModel::spm;
  words.tokens = {"<unk>", "a"};
  words.types = {TokenType::unknown, TokenType::normal};
  words.scores = {0, 0};
  words.unknown = 0;
  const auto tokenizer = Tokenizer::create(words);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const auto ids = (*tokenizer)->encode(std::string(3 << 20, 'a'), {});
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->size(), 3u << 20);
  const auto beyond = (*tokenizer)->encode(std::string(Tokenizer::kTextBytesMax + 1, 'a'), {});
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, Code::LIMIT);
}

TEST_F(known_attacks, CVE_2025_53630_and_CVE_2026_27940_sizes_that_overflow_when_summed) {
  B builder = model();
  for (const char* name : {"a", "b", "c"}) builder.tensor(name, {1ull << 61}, 24, "");
  refused(builder.bytes(), "tensor a");
  refused(model()
              .tensor("a", {8}, 24, "12345678")
              .tensor_at("b", {32}, 24, UINT64_MAX - 31, "")
              .bytes(),
          "tensor b");
}

TEST_F(known_attacks, CVE_2026_33298_dimensions_whose_product_overflows) {
  refused(model().tensor("t", {1ull << 31, 1ull << 31, 4}, 0, "abcd").bytes(), "tensor t");
  refused(model().tensor("t", {1ul << 32, 1ul << 32}, 0, "abcd").bytes(), "tensor t");
  refused(model().tensor("t", {1ull << 20, 1ull << 20, 1ull << 20, 16}, 0, "abcd").bytes(),
          "tensor t");
}

TEST_F(known_attacks, reports_of_2026_padding_and_alignment) {
  for (const std::uint32_t alignment : {0u, 1u << 31, UINT32_MAX, 33u}) {
    refused(model().u32("general.alignment", alignment).bytes(), "general.alignment");
  }
  refused(model().string("general.alignment", "x").bytes(), "general.alignment");
  refused(model().raw("general.alignment", 12, B::number(32.0)).bytes(), "general.alignment");
  refused(model().tensor_at("t", {4}, 0, UINT64_MAX, "").bytes(), "tensor t");
  refused(model().tensor("t", {0}, 0, "abcd").bytes(), "is 0");
  refused(model().tensor("t", {0, 0}, 8, "abcd").bytes(), "is 0");
}

TEST_F(known_attacks, report_of_2026_rows_whose_size_wraps_before_it_is_divided) {
  for (const std::uint32_t type : {2u, 8u, 12u, 14u}) {
    refused(model().tensor("t", {1ul << 59, 1}, type, "abcd").bytes(), "tensor t");
  }
}

TEST_F(known_attacks, PR_25821_more_layers_than_anybody_has) {
  for (const std::uint32_t layers : {0u, 513u, 100'000u, UINT32_MAX}) {
    const std::string error = load(model(layers).bytes());
    EXPECT_NE(error, "it was loaded");
    EXPECT_TRUE(error.find("block_count") != std::string::npos ||
                error.find("token_embd") != std::string::npos)
        << error;
  }
}

TEST_F(known_attacks, PR_25969_byte_tokens_that_are_none) {
  for (const char* text : {"<0x-1>", "<0xFFF>", "<0xG0>", "<0x1>", "0x41", "<0x 1>"}) {
    refused(vocabulary({"a", text}, {1, 6}).bytes(), "byte token");
  }
}

TEST_F(known_attacks, report_of_2026_numbers_in_names_of_tensors) {
  // Names are looked up, never taken apart: a layer that nobody asks for is not there.
  for (const char* name : {"blk.536870912.attn_q.weight", "blk.-1.attn_q.weight",
                           "direction.536870912", "blk.99999999999999999999.x"}) {
    refused(model().tensor(name, {4}, 0, B::floats({1, 2, 3, 4})).bytes(), "token_embd");
  }
}

TEST_F(known_attacks, oss_security_2026_05_15_a_file_that_ends_anywhere) {
  B whole = vocabulary({"<unk>", "<s>", "</s>", "a"}, {2, 3, 3, 1});
  whole.tensor("t", {8}, 0, B::floats({1, 2, 3, 4, 5, 6, 7, 8}));
  const std::string bytes = whole.bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(load(bytes.substr(0, size)), "it was loaded") << size;
  }
}

}  // namespace
}  // namespace hearth
