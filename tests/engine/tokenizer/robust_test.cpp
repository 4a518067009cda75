// Any bytes, any length, several threads.
//
// The runs of a mebibyte take milliseconds; were the time quadratic they would take hours, so that
// ctest's time limit is the check.
#include <thread>

#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

constexpr std::size_t kMebibyte = 1 << 20;

std::string repeated(const std::string& text, std::size_t bytes) {
  std::string all;
  while (all.size() < bytes) all += text;
  return all;
}

// Merges that double runs, as real vocabularies have them.
std::unique_ptr<Tokenizer> run_bpe() {
  std::vector<std::pair<std::string, std::string>> merges;
  for (const char* unit : {"a", " ", "\n", "\xFF"}) {
    std::string run = unit;
    for (int i = 0; i < 5; ++i, run += run) merges.emplace_back(run, run);
  }
  merges.emplace_back("\xF0", "\x9F");
  return make_tokenizer(bpe_vocabulary(merges, {{"<|x|>", TokenType::control}}));
}

std::unique_ptr<Tokenizer> run_spm() {
  std::vector<SpmToken> tokens;
  float score = 0;
  for (const char* unit : {"a", "\u2581", "\n", "🦙"}) {
    std::string run = unit;
    for (int i = 0; i < 5; ++i, run += run) tokens.push_back({run, score -= 1});
  }
  tokens.push_back({"é", -50});
  Vocabulary vocabulary = spm_vocabulary(tokens);
  vocabulary.add_space_prefix = true;
  return make_tokenizer(std::move(vocabulary));
}

void expect_runs(const Tokenizer& tokenizer) {
  for (const char* unit : {"a", " ", "\n", "\xFF", "🦙", "a\xFF", " a", "<|x", "'"}) {
    const std::string text = repeated(unit, kMebibyte);
    const Ids ids = encode(tokenizer, text, false, true);
    EXPECT_EQ(tokenizer.decode(ids, false), text) << unit;
  }
}

TEST(tokenizer_robust, bpe_takes_long_runs) {
  expect_runs(*run_bpe());
}
TEST(tokenizer_robust, spm_takes_long_runs) {
  expect_runs(*run_spm());
}

TEST(tokenizer_robust, runs_become_the_longest_tokens) {
  const auto bpe = run_bpe();
  const auto spm = run_spm();
  EXPECT_EQ(encode(*bpe, std::string(kMebibyte, 'a')),
            Ids(kMebibyte / 32, id_of(*bpe, std::string(32, 'a'))));
  EXPECT_EQ(encode(*spm, std::string(kMebibyte - 1, ' ')),
            Ids(kMebibyte / 16, id_of(*spm, repeated("\u2581", 3 * 16))));
}

void expect_round_trips(const Tokenizer& tokenizer) {
  std::mt19937 random(9);
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = random_bytes(random, random() % 40);
    ASSERT_EQ(tokenizer.decode(encode(tokenizer, bytes), false), bytes) << "round " << i;
    const std::string text = random_unicode(random, random() % 20);
    ASSERT_EQ(tokenizer.decode(encode(tokenizer, text), false), text) << "round " << i;
  }
}

TEST(tokenizer_robust, bpe_brings_any_bytes_back) {
  expect_round_trips(*run_bpe());
}
TEST(tokenizer_robust, spm_brings_any_bytes_back) {
  expect_round_trips(*run_spm());
}

TEST(tokenizer_robust, real_vocabularies_bring_any_bytes_back) {
  for (const char* name : {"gpt-2", "llama-spm"}) {
    const std::string path = std::string(HEARTH_SHARED_DIR "/vocab/ggml-vocab-") + name + ".gguf";
    SKIP_WITHOUT(path);
    const auto tokenizer = load_tokenizer(path);
    ASSERT_TRUE(tokenizer);
    expect_round_trips(*tokenizer);
  }
}

TEST(tokenizer_robust, broken_utf8_comes_back) {
  const std::vector<std::string> texts = {
      "",
      "   ",
      std::string(3, '\0'),
      "\xC0\x80",          // NUL in two bytes
      "\xE0\x80\xAF",      // '/' in three
      "\xED\xA0\x80",      // half a surrogate pair
      "\xF4\x90\x80\x80",  // beyond U+10FFFF
      "a\xE2\x82",         // cut off
      "\xE2\x82z",
      "\x80\xBF",
      "\xF0\x9F\xA6\xF0\x9F\xA6\x99",
  };
  for (const std::string& text : texts) {
    for (const auto& tokenizer : {run_bpe(), run_spm()}) {
      EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text), false), text);
    }
  }
}

TEST(tokenizer_robust, a_text_beyond_the_limit_is_refused) {
  const auto tokenizer = run_bpe();
  const std::string text(Tokenizer::kTextBytesMax + 1, 'a');
  const auto ids = tokenizer->encode(text, {});
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code, Code::LIMIT);
}

TEST(tokenizer_robust, four_threads_share_a_tokenizer) {
  for (const auto& tokenizer : {run_bpe(), run_spm()}) {
    std::vector<std::string> texts;
    std::vector<Ids> wanted;
    std::mt19937 random(13);
    for (int i = 0; i < 200; ++i) {
      texts.push_back(i % 3 == 0 ? random_bytes(random, 200) : random_unicode(random, 100));
      wanted.push_back(encode(*tokenizer, texts.back()));
    }
    std::vector<int> mistakes(4);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; i < texts.size(); ++i) {
          const std::size_t at = (i + t * 50) % texts.size();
          const auto ids = tokenizer->encode(texts[at], {});
          if (!ids || *ids != wanted[at]) ++mistakes[t];
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(mistakes, std::vector<int>(4));
  }
}

}  // namespace
}  // namespace hearth::testing
