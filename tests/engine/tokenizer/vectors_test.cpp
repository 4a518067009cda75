// Goal: real vocabularies give the ids that other tools give.
// Method: texts with their ids, from files made elsewhere.
#include <cjson/cJSON.h>

#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";

std::string vocabulary_path(const std::string& name) {
  return std::string(HEARTH_SHARED_DIR "/vocab/ggml-vocab-") + name + ".gguf";
}

// Every text, the last one too, is ended by the separator.
std::vector<std::string> read_texts(const std::string& path) {
  const std::string all = read_file(path).value_or("");
  std::vector<std::string> texts;
  std::size_t begin = 0;
  while (begin < all.size()) {
    const std::size_t end = all.find(kSeparator, begin);
    if (end == std::string::npos) {
      ADD_FAILURE() << path << " does not end with a separator";
      return {};
    }
    texts.push_back(all.substr(begin, end - begin));
    begin = end + kSeparator.size();
  }
  return texts;
}

std::vector<Ids> read_ids(const std::string& path) {
  std::istringstream lines(read_file(path).value_or(""));
  std::vector<Ids> all;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    Ids& ids = all.emplace_back();
    for (TokenId id; numbers >> id;) ids.push_back(id);
  }
  return all;
}

void expect_vectors(const std::string& name) {
  const std::string path = vocabulary_path(name);
  const auto tokenizer = load_tokenizer(path);
  ASSERT_TRUE(tokenizer);
  const auto texts = read_texts(path + ".inp");
  const auto ids = read_ids(path + ".out");
  ASSERT_EQ(texts.size(), 46u);
  ASSERT_EQ(ids.size(), 46u);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(encode(*tokenizer, texts[i]), ids[i]) << name << ", text " << i << ": " << texts[i];
    EXPECT_EQ(tokenizer->decode(ids[i], false), texts[i]) << name << ", text " << i;
  }
}

TEST(tokenizer_vectors, gpt2_gives_the_known_ids) {
  SKIP_WITHOUT(vocabulary_path("gpt-2"));
  expect_vectors("gpt-2");
}

TEST(tokenizer_vectors, llama_spm_gives_the_known_ids) {
  SKIP_WITHOUT(vocabulary_path("llama-spm"));
  expect_vectors("llama-spm");
}

TEST(tokenizer_vectors, gpt2_vocabulary_is_read) {
  SKIP_WITHOUT(vocabulary_path("gpt-2"));
  const auto tokenizer = load_tokenizer(vocabulary_path("gpt-2"));
  ASSERT_TRUE(tokenizer);
  const Vocabulary& vocabulary = tokenizer->vocabulary();
  EXPECT_EQ(vocabulary.model, TokenizerModel::bpe);
  EXPECT_EQ(vocabulary.pre, "gpt-2");
  EXPECT_EQ(vocabulary.size(), 50257u);
  EXPECT_EQ(vocabulary.merges.size(), 50000u);
  EXPECT_EQ(vocabulary.bos, 50256);
  EXPECT_EQ(vocabulary.eos, 50256);
  EXPECT_EQ(vocabulary.unknown, kNoToken);
  EXPECT_FALSE(vocabulary.add_bos);
  EXPECT_FALSE(vocabulary.add_space_prefix);
  EXPECT_EQ(vocabulary.end_tokens, Ids{50256});
  EXPECT_TRUE(tokenizer->is_end(50256));
  EXPECT_FALSE(tokenizer->is_end(0));
  EXPECT_EQ(encode(*tokenizer, "a<|endoftext|>b", false, true), (Ids{64, 50256, 65}));
}

TEST(tokenizer_vectors, llama_spm_vocabulary_is_read) {
  SKIP_WITHOUT(vocabulary_path("llama-spm"));
  const auto tokenizer = load_tokenizer(vocabulary_path("llama-spm"));
  ASSERT_TRUE(tokenizer);
  const Vocabulary& vocabulary = tokenizer->vocabulary();
  EXPECT_EQ(vocabulary.model, TokenizerModel::spm);
  EXPECT_EQ(vocabulary.size(), 32000u);
  EXPECT_EQ(vocabulary.bos, 1);
  EXPECT_EQ(vocabulary.eos, 2);
  EXPECT_EQ(vocabulary.unknown, 0);
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_FALSE(vocabulary.add_eos);
  EXPECT_TRUE(vocabulary.add_space_prefix);
  EXPECT_EQ(vocabulary.end_tokens, Ids{2});
}

// The file has no add_bos_token, no add_space_prefix: the family's defaults hold.
TEST(tokenizer_vectors, stories260k_takes_the_defaults_of_its_family) {
  const std::string path = HEARTH_SHARED_DIR "/models/stories260K.gguf";
  SKIP_WITHOUT(path);
  const auto tokenizer = load_tokenizer(path);
  ASSERT_TRUE(tokenizer);
  const Ids ids = encode(*tokenizer, "Once upon a time", true);
  EXPECT_EQ(ids, (Ids{1, 403, 407, 261, 378}));
  EXPECT_EQ(tokenizer->decode(ids, false), "Once upon a time");
}

TEST(tokenizer_vectors, deepseek_coder_gives_the_known_ids) {
  SKIP_WITHOUT(vocabulary_path("deepseek-coder"));
  expect_vectors("deepseek-coder");
}

TEST(tokenizer_vectors, deepseek_llm_gives_the_known_ids) {
  SKIP_WITHOUT(vocabulary_path("deepseek-llm"));
  expect_vectors("deepseek-llm");
}

TEST(tokenizer_vectors, starcoder_gives_the_known_ids) {
  SKIP_WITHOUT(vocabulary_path("starcoder"));
  expect_vectors("starcoder");
}

// The project's own model, and ids that the tool gave which trained its vocabulary.
TEST(tokenizer_vectors, ember_gives_the_ids_of_the_tool_that_trained_it) {
  const std::string model_path = HEARTH_MODELS_DIR "/ember-f16.gguf";
  const std::string cases_path = HEARTH_TEST_DATA "/ember_tokenizer.jsonl";
  if (!exists(model_path) && !exists(cases_path)) {
    GTEST_SKIP() << model_path << " and " << cases_path << " are not there";
  }
  ASSERT_TRUE(exists(model_path)) << cases_path << " stands without its model";
  ASSERT_TRUE(exists(cases_path)) << model_path << " stands without its cases";
  const auto tokenizer = load_tokenizer(model_path);
  ASSERT_TRUE(tokenizer);
  std::istringstream lines(read_file(cases_path).value_or(""));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    cJSON* object = cJSON_Parse(line.c_str());
    const char* text = cJSON_GetStringValue(cJSON_GetObjectItem(object, "text"));
    const cJSON* ids = cJSON_GetObjectItem(object, "ids");
    EXPECT_TRUE(text != nullptr && cJSON_IsArray(ids)) << "line " << count + 1;
    if (text != nullptr && cJSON_IsArray(ids)) {
      Ids wanted;
      for (const cJSON* id = ids->child; id != nullptr; id = id->next) {
        wanted.push_back(static_cast<TokenId>(id->valuedouble));
      }
      EXPECT_EQ(encode(*tokenizer, text), wanted) << text;
      EXPECT_EQ(tokenizer->decode(wanted, false), text);
    }
    cJSON_Delete(object);
  }
  EXPECT_GT(count, 0) << cases_path << " is empty";
}

}  // namespace
}  // namespace hearth::testing
