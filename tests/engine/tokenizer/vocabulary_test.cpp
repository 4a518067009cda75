// Goal: read_vocabulary() takes what real files say, and refuses what a hostile one does.
// Method: GGUF files of metadata only, written here from the format's specification.
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <map>

#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

enum : std::uint32_t { kU8 = 0, kI32 = 5, kU32 = 4, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::string encoded(const std::string& text) {
  return raw<std::uint64_t>(text.size()) + text;
}

// Keys with their type and encoded value; set() replaces.
class Metadata {
 public:
  void set(const std::string& key, const char* text) {
    values_[key] = raw<std::uint32_t>(kString) + encoded(text);
  }
  void set(const std::string& key, bool value) {
    values_[key] = raw<std::uint32_t>(kBool) + raw<std::uint8_t>(value);
  }
  void set(const std::string& key, std::uint32_t value) {
    values_[key] = raw<std::uint32_t>(kU32) + raw(value);
  }
  void set(const std::string& key, std::int32_t value) {
    values_[key] = raw<std::uint32_t>(kI32) + raw(value);
  }
  void set(const std::string& key, const std::vector<std::string>& texts) {
    std::string bytes = array(kString, texts.size());
    for (const std::string& text : texts) bytes += encoded(text);
    values_[key] = bytes;
  }
  void set(const std::string& key, const std::vector<float>& numbers) {
    std::string bytes = array(kF32, numbers.size());
    for (const float number : numbers) bytes += raw(number);
    values_[key] = bytes;
  }
  void set(const std::string& key, const std::vector<std::int32_t>& numbers) {
    std::string bytes = array(kI32, numbers.size());
    for (const std::int32_t number : numbers) bytes += raw(number);
    values_[key] = bytes;
  }
  void set_zeros(const std::string& key, std::uint64_t count) {
    values_[key] = array(kU8, count) + std::string(count, '\0');
  }
  void set_empty_texts(const std::string& key, std::uint64_t count) {
    values_[key] = array(kString, count) + std::string(count * 8, '\0');
  }
  void erase(const std::string& key) { values_.erase(key); }

  std::string file() const {
    std::string bytes =
        "GGUF" + raw<std::uint32_t>(3) + raw<std::uint64_t>(0) + raw<std::uint64_t>(values_.size());
    for (const auto& [key, value] : values_) bytes += encoded("tokenizer.ggml." + key) + value;
    return bytes;
  }

 private:
  static std::string array(std::uint32_t type, std::uint64_t count) {
    return raw<std::uint32_t>(kArray) + raw(type) + raw(count);
  }
  std::map<std::string, std::string> values_;
};

Result<Vocabulary> read(const Metadata& metadata) {
  const std::string path = ::testing::TempDir() + "vocabulary_test_" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << metadata.file();
  auto file = GgufFile::open(path);
  std::remove(path.c_str());
  if (!file) return file.error();
  return read_vocabulary(*file);
}

Metadata spm_metadata() {
  Metadata metadata;
  metadata.set("model", "llama");
  metadata.set("tokens", std::vector<std::string>{"<unk>", "<s>", "</s>", "<0x41>", "a", "b"});
  metadata.set("scores", std::vector<float>{0, 0, 0, 0, -1, -2});
  metadata.set("token_type", std::vector<std::int32_t>{2, 3, 3, 6, 1, 1});
  return metadata;
}

Metadata bpe_metadata() {
  Metadata metadata;
  metadata.set("model", "gpt2");
  metadata.set("pre", "gpt-2");
  metadata.set("tokens", std::vector<std::string>{"a", "b", "ab", "<|endoftext|>"});
  metadata.set("token_type", std::vector<std::int32_t>{1, 1, 1, 3});
  metadata.set("merges", std::vector<std::string>{"a b"});
  return metadata;
}

template <class Value>
void expect_refused(Metadata metadata, const std::string& key, const Value& value,
                    const std::string& wanted_in_message) {
  metadata.set(key, value);
  const auto vocabulary = read(metadata);
  ASSERT_FALSE(vocabulary) << key << " / " << wanted_in_message;
  EXPECT_EQ(vocabulary.error().code, Code::MODEL);
  const std::string& message = vocabulary.error().message;
  EXPECT_NE(message.find("tokenizer.ggml." + key), std::string::npos) << message;
  EXPECT_NE(message.find(wanted_in_message), std::string::npos) << message;
}

TEST(vocabulary, spm_takes_its_familys_defaults) {
  const auto vocabulary = read(spm_metadata());
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  EXPECT_EQ(vocabulary->model, TokenizerModel::spm);
  EXPECT_EQ(vocabulary->tokens[4], "a");
  EXPECT_EQ(vocabulary->scores[5], -2.0f);
  EXPECT_EQ(vocabulary->types[3], TokenType::byte);
  EXPECT_EQ(vocabulary->bos, 1);
  EXPECT_EQ(vocabulary->eos, 2);
  EXPECT_EQ(vocabulary->unknown, 0);
  EXPECT_TRUE(vocabulary->add_bos);
  EXPECT_FALSE(vocabulary->add_eos);
  EXPECT_TRUE(vocabulary->add_space_prefix);
  EXPECT_EQ(vocabulary->end_tokens, Ids{2});
}

TEST(vocabulary, spm_defaults_end_with_the_vocabulary) {
  Metadata metadata;
  metadata.set("model", "llama");
  metadata.set("tokens", std::vector<std::string>{"a"});
  metadata.set("scores", std::vector<float>{0});
  metadata.set("token_type", std::vector<std::int32_t>{1});
  const auto vocabulary = read(metadata);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  EXPECT_EQ(vocabulary->bos, kNoToken);
  EXPECT_EQ(vocabulary->eos, kNoToken);
  EXPECT_FALSE(vocabulary->add_bos);
  EXPECT_EQ(vocabulary->end_tokens, Ids{});
}

TEST(vocabulary, bpe_takes_its_familys_defaults) {
  const auto vocabulary = read(bpe_metadata());
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  EXPECT_EQ(vocabulary->model, TokenizerModel::bpe);
  EXPECT_EQ(vocabulary->merges, (std::vector<std::string>{"a b"}));
  EXPECT_EQ(vocabulary->bos, kNoToken);
  EXPECT_EQ(vocabulary->eos, kNoToken);
  EXPECT_FALSE(vocabulary->add_bos);
  EXPECT_FALSE(vocabulary->add_space_prefix);
  EXPECT_EQ(vocabulary->end_tokens, Ids{3});  // by its text
}

TEST(vocabulary, keys_override_the_defaults) {
  Metadata metadata = spm_metadata();
  metadata.set("bos_token_id", 4u);
  metadata.set("eos_token_id", 5u);
  metadata.set("unknown_token_id", 3u);
  metadata.set("add_bos_token", false);
  metadata.set("add_eos_token", true);
  metadata.set("add_space_prefix", false);
  const auto vocabulary = read(metadata);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  EXPECT_EQ(vocabulary->bos, 4);
  EXPECT_EQ(vocabulary->eos, 5);
  EXPECT_EQ(vocabulary->unknown, 3);
  EXPECT_FALSE(vocabulary->add_bos);
  EXPECT_TRUE(vocabulary->add_eos);
  EXPECT_FALSE(vocabulary->add_space_prefix);
  EXPECT_EQ(vocabulary->end_tokens, (Ids{2, 5}));  // "</s>" by its text
}

TEST(vocabulary, a_model_without_a_tokenizer_is_none) {
  for (const char* model : {"none", "no_vocab"}) {
    Metadata metadata;
    metadata.set("model", model);
    const auto vocabulary = read(metadata);
    ASSERT_TRUE(vocabulary) << vocabulary.error().message;
    EXPECT_EQ(vocabulary->model, TokenizerModel::none);
    EXPECT_EQ(vocabulary->size(), 0u);
  }
  const auto vocabulary = read(Metadata());
  ASSERT_TRUE(vocabulary);
  EXPECT_EQ(vocabulary->model, TokenizerModel::none);
}

TEST(vocabulary, other_tokenizers_are_named_with_the_supported_ones) {
  for (const char* model : {"rwkv", "plamo2", "gemma4", ""}) {
    expect_refused(spm_metadata(), "model", model, std::string("\"") + model + "\"");
    expect_refused(spm_metadata(), "model", model, "none, llama, gpt2, t5, bert");
  }
  expect_refused(bpe_metadata(), "pre", "no-such-splitter", "\"no-such-splitter\"");
  expect_refused(bpe_metadata(), "pre", "no-such-splitter", "qwen2, qwen35");
  expect_refused(bpe_metadata(), "pre", "a\n\x1b[31m", "\"a??[31m\"");
}

TEST(vocabulary, byte_level_files_without_a_pre_tokenizer_are_read) {
  Metadata metadata = bpe_metadata();
  metadata.erase("pre");
  EXPECT_TRUE(read(metadata));
  metadata.set("pre", "default");
  EXPECT_TRUE(read(metadata));
}

TEST(vocabulary, missing_keys_are_named) {
  const auto expect_missing = [](Metadata metadata, const std::string& key) {
    metadata.erase(key);
    const auto vocabulary = read(metadata);
    ASSERT_FALSE(vocabulary) << key;
    EXPECT_EQ(vocabulary.error().code, Code::MODEL);
    EXPECT_NE(vocabulary.error().message.find("tokenizer.ggml." + key + " is missing"),
              std::string::npos)
        << vocabulary.error().message;
  };
  expect_missing(spm_metadata(), "tokens");
  expect_missing(spm_metadata(), "scores");
  expect_missing(bpe_metadata(), "tokens");
  expect_missing(bpe_metadata(), "merges");
}

TEST(vocabulary, arrays_of_other_lengths_are_refused) {
  expect_refused(spm_metadata(), "scores", std::vector<float>(5), "5 elements for 6 tokens");
  expect_refused(spm_metadata(), "scores", std::vector<float>(7), "7 elements for 6 tokens");
  expect_refused(spm_metadata(), "token_type", std::vector<std::int32_t>(5, 1), "5 elements");
  expect_refused(bpe_metadata(), "token_type", std::vector<std::int32_t>(), "0 elements");
  expect_refused(bpe_metadata(), "tokens", std::vector<std::string>(), "empty");
}

TEST(vocabulary, values_of_other_types_are_refused) {
  expect_refused(spm_metadata(), "tokens", 7u, "");
  expect_refused(spm_metadata(), "tokens", std::vector<float>(6), "");
  expect_refused(spm_metadata(), "scores", "text", "");
  expect_refused(spm_metadata(), "scores", std::vector<std::string>(6), "");
  expect_refused(spm_metadata(), "token_type", std::vector<std::string>(6), "");
  expect_refused(bpe_metadata(), "merges", std::vector<float>(1), "");
  expect_refused(spm_metadata(), "add_bos_token", 1u, "");
  expect_refused(spm_metadata(), "bos_token_id", "1", "");
  expect_refused(spm_metadata(), "model", true, "");
  expect_refused(bpe_metadata(), "pre", 1u, "");
}

TEST(vocabulary, ids_outside_the_vocabulary_are_refused) {
  for (const char* key :
       {"bos_token_id", "eos_token_id", "unknown_token_id", "eot_token_id", "eom_token_id"}) {
    expect_refused(spm_metadata(), key, 6u, "is 6, outside the vocabulary of 6 tokens");
    expect_refused(spm_metadata(), key, 0xFFFFFFFFu, "outside");
    expect_refused(spm_metadata(), key, -1, "");
  }
}

TEST(vocabulary, adding_a_token_that_is_not_named_is_refused) {
  expect_refused(bpe_metadata(), "add_bos_token", true, "bos_token_id is missing");
  expect_refused(bpe_metadata(), "add_eos_token", true, "eos_token_id is missing");
}

TEST(vocabulary, token_types_are_those_of_the_format) {
  for (const std::int32_t type : {-1, 7, 256, 257, 1 << 30}) {
    expect_refused(spm_metadata(), "token_type", std::vector<std::int32_t>{2, 3, 3, 6, type, 1},
                   "[4] is " + std::to_string(type));
  }
  expect_refused(spm_metadata(), "token_type", std::vector<float>{2, 3, 3, 6, 1.5f, 1}, "[4]");
  expect_refused(spm_metadata(), "token_type", std::vector<float>{2, 3, 3, 6, NAN, 1}, "[4]");
  Metadata metadata = spm_metadata();
  metadata.set("token_type", std::vector<std::int32_t>{2, 3, 3, 6, 0, 5});
  const auto vocabulary = read(metadata);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  EXPECT_EQ(vocabulary->types[4], TokenType::normal);
  EXPECT_EQ(vocabulary->types[5], TokenType::unused);
}

TEST(vocabulary, types_follow_from_the_texts_where_the_key_is_absent) {
  Metadata metadata = spm_metadata();
  metadata.erase("token_type");
  const auto vocabulary = read(metadata);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  using enum TokenType;
  EXPECT_EQ(vocabulary->types,
            (std::vector<TokenType>{unknown, control, control, byte, normal, normal}));
}

TEST(vocabulary, scores_are_finite) {
  for (const float score : {INFINITY, -INFINITY, NAN}) {
    expect_refused(spm_metadata(), "scores", std::vector<float>{0, 0, 0, 0, 0, score}, "[5]");
  }
}

TEST(vocabulary, byte_tokens_are_spelled_strictly) {
  for (const char* text : {"<0x-1>", "<0x1>", "<0xGG>", "<0x041>", "0x41", "A"}) {
    expect_refused(spm_metadata(), "tokens",
                   std::vector<std::string>{"<unk>", "<s>", "</s>", text, "a", "b"}, "[3]");
  }
}

TEST(vocabulary, texts_are_unique_unless_empty) {
  expect_refused(spm_metadata(), "tokens",
                 std::vector<std::string>{"<unk>", "<s>", "</s>", "<0x41>", "a", "a"},
                 "[4] and [5] are both \"a\"");
  Metadata metadata = spm_metadata();
  metadata.set("tokens", std::vector<std::string>{"<unk>", "<s>", "</s>", "<0x41>", "", ""});
  EXPECT_TRUE(read(metadata));
}

TEST(vocabulary, texts_have_a_limit) {
  std::vector<std::string> tokens = {"a", "b", "ab", std::string(kTokenBytesMax, 'x')};
  Metadata metadata = bpe_metadata();
  metadata.set("tokens", tokens);
  EXPECT_TRUE(read(metadata));
  tokens[3] += 'x';
  expect_refused(bpe_metadata(), "tokens", tokens, "[3] has 4097 bytes");
  expect_refused(bpe_metadata(), "merges",
                 std::vector<std::string>{"a b", "a " + std::string(kTokenBytesMax, 'x')},
                 "[1] has 4098 bytes");
}

TEST(vocabulary, arrays_have_a_limit) {
  Metadata metadata = spm_metadata();
  metadata.set_empty_texts("tokens", kVocabularyTokensMax + 1);
  auto vocabulary = read(metadata);
  ASSERT_FALSE(vocabulary);
  EXPECT_NE(vocabulary.error().message.find("4000001 elements"), std::string::npos);
  metadata = spm_metadata();
  metadata.set_zeros("scores", kVocabularyTokensMax + 1);
  vocabulary = read(metadata);
  ASSERT_FALSE(vocabulary);
  EXPECT_NE(vocabulary.error().message.find("4000001 elements"), std::string::npos);
}

TEST(vocabulary, merges_are_two_spellings) {
  for (const char* merge : {"", " ", "ab", "a ", " b", "a b c", "a  b"}) {
    expect_refused(bpe_metadata(), "merges", std::vector<std::string>{"a b", merge}, "[1]");
  }
}

TEST(vocabulary, end_tokens_are_named_or_known_by_text) {
  Metadata metadata = bpe_metadata();
  metadata.set("tokens",
               std::vector<std::string>{"<|im_end|>", "<end_of_turn>", "<eos>", "a", "b"});
  metadata.set("token_type", std::vector<std::int32_t>{3, 4, 1, 1, 1});
  metadata.set("eot_token_id", 4u);
  metadata.set("eom_token_id", 0u);
  const auto vocabulary = read(metadata);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  EXPECT_EQ(vocabulary->end_tokens, (Ids{0, 1, 4}));  // a normal "<eos>" is text
}

TEST(vocabulary, messages_within_a_turn_do_not_end_it) {
  Metadata metadata = bpe_metadata();
  metadata.set("tokens", std::vector<std::string>{"<|end|>", "<|return|>", "<|call|>", "a"});
  metadata.set("token_type", std::vector<std::int32_t>{3, 3, 3, 1});
  auto vocabulary = read(metadata);
  ASSERT_TRUE(vocabulary) << vocabulary.error().message;
  EXPECT_EQ(vocabulary->end_tokens, (Ids{1, 2}));
  metadata.set("eot_token_id", 0u);  // the file knows better
  vocabulary = read(metadata);
  ASSERT_TRUE(vocabulary);
  EXPECT_EQ(vocabulary->end_tokens, (Ids{0, 1, 2}));
}

// Whatever is cut off: a value, or an error, never a crash.
TEST(vocabulary, broken_files_are_refused_or_read) {
  const std::string whole = spm_metadata().file();
  const std::string path = ::testing::TempDir() + "vocabulary_cut_" + std::to_string(getpid());
  std::mt19937 random(17);
  for (std::size_t i = 0; i < 3000; ++i) {
    std::string bytes = whole;
    if (i < whole.size()) bytes.resize(i);
    if (i >= whole.size()) bytes[random() % bytes.size()] = static_cast<char>(random());
    std::ofstream(path, std::ios::binary) << bytes;
    auto file = GgufFile::open(path);
    if (!file) continue;
    auto vocabulary = read_vocabulary(*file);
    if (!vocabulary || vocabulary->model == TokenizerModel::none) continue;
    const auto tokenizer = Tokenizer::create(*std::move(vocabulary));
    if (tokenizer) (void)(*tokenizer)->encode("a b</s>\xFF", {true, true});
  }
  std::remove(path.c_str());
}

}  // namespace
}  // namespace hearth::testing
