// Goal: Unigram, SPM and WordPiece give what the packages of their makers give.
// Method: small vocabularies trained by these packages, with 150 random texts each and the ids that
// they gave (tools/fixtures/check_tokenizers.py, which compares 100,000 texts).
#include <cjson/cJSON.h>

#include <chrono>
#include <filesystem>
#include <memory>

#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

const std::string kFolder = HEARTH_TEST_DATA "/tokenizers/";

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& name) {
  const auto file = GgufFile::open(kFolder + name + ".gguf");
  if (!file) throw std::runtime_error(file.error().message);
  auto vocabulary = read_vocabulary(*file);
  if (!vocabulary) throw std::runtime_error(vocabulary.error().message);
  return make_tokenizer(*std::move(vocabulary));
}

class makers : public ::testing::TestWithParam<const char*> {};

TEST_P(makers, give_the_same_ids) {
  const auto tokenizer = open_tokenizer(GetParam());
  std::ifstream cases(kFolder + GetParam() + ".jsonl");
  int count = 0;
  for (std::string line; std::getline(cases, line); ++count) {
    const std::unique_ptr<cJSON, decltype(&cJSON_Delete)> json(cJSON_Parse(line.c_str()),
                                                               cJSON_Delete);
    ASSERT_NE(json, nullptr) << line;
    const std::string text = cJSON_GetObjectItem(json.get(), "text")->valuestring;
    Ids wanted;
    const cJSON* id = nullptr;
    cJSON_ArrayForEach(id, cJSON_GetObjectItem(json.get(), "ids")) wanted.push_back(id->valueint);
    EXPECT_EQ(encode(*tokenizer, text), wanted) << line;
  }
  EXPECT_EQ(count, 150);
}

// Any bytes are taken, and no text takes long.
TEST_P(makers, survive_any_bytes_and_are_linear) {
  const auto tokenizer = open_tokenizer(GetParam());
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (unsigned i = random() % 40; i-- > 0;) text += static_cast<char>(random());
    tokenizer->decode(encode(*tokenizer, text), false);
  }
  for (const char* part : {"a", " ", ".", "\xCC\x81", "\u597d", "\x80", "\xCC\xA7\xCC\x81"}) {
    std::string text;
    while (text.size() < 1 << 20) text += part;
    const auto start = std::chrono::steady_clock::now();
    encode(*tokenizer, text);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    EXPECT_LT(took.count(), 30.0) << part << ": under a sanitizer; without one it takes 0.2 s";
    RecordProperty(part, std::to_string(took.count()));
  }
}

INSTANTIATE_TEST_SUITE_P(tokenizers, makers,
                         ::testing::Values("wordpiece", "wordpiece-cased", "unigram",
                                           "unigram-bytes", "spm"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(unigram, texts_with_bytes_come_back) {
  const auto tokenizer = open_tokenizer("unigram-bytes");
  for (const char* text : {"", "a", " a  b ", "\xFF\xC3(", "\u597d\U0001F642 \n\t"}) {
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text), false), text);
  }
}

TEST(unigram, a_broken_map_of_characters_is_refused_or_ignored) {
  const auto good = GgufFile::open(kFolder + "unigram.gguf");
  ASSERT_TRUE(good);
  const auto vocabulary = read_vocabulary(*good);
  ASSERT_TRUE(vocabulary);
  ASSERT_GT(vocabulary->charsmap.size(), 100u);
  std::mt19937 random(13);
  for (int round = 0; round < 2000; ++round) {
    Vocabulary broken = *vocabulary;
    std::string& map = broken.charsmap;
    if (round % 2 == 0) map.resize(1 + random() % (map.size() - 1));
    for (int i = 0; i < round % 7; ++i) map[random() % map.size()] = static_cast<char>(random());
    const auto tokenizer = Tokenizer::create(std::move(broken));
    if (!tokenizer) continue;
    for (const char* text : {"AB\uFB01 \u3000\u2026e\u0301\u200B\n", "plain text", "\xFF\xFE"}) {
      const auto ids = (*tokenizer)->encode(text, {.add_special = true, .parse_special = true});
      if (ids) (*tokenizer)->decode(*ids, true);
    }
  }
}

// Goal: text is composed where the file asks for it, and only there.
TEST(normal_form, nfc_is_applied_where_the_file_asks_for_it) {
  Vocabulary vocabulary = bpe_vocabulary({});
  const std::string decomposed = "e\u0301 o\u0323\u0302 \u1100\u1161 \xFF\u0301";
  const std::string composed = "\u00e9 \u1ed9 \uac00 \xFF\u0301";
  for (const bool nfc : {false, true}) {
    vocabulary.nfc = nfc;
    const auto tokenizer = make_tokenizer(vocabulary);
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, decomposed), false),
              nfc ? composed : decomposed);
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, composed), false), composed);
  }
}

}  // namespace
}  // namespace hearth::testing
