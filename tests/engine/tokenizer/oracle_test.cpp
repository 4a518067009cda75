// Goal: the heaps of the two BPE tokenizers give what plain merging gives.
// Method: merge as the definition says - look at every pair, merge the best, leftmost of equals,
// begin again - on strings, on random vocabularies and real ones.
#include <map>

#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

using Parts = std::vector<std::string>;

// worth(left, right): what merging them is worth, or nothing; the highest goes first.
template <class Worth>
Parts merge_all(Parts parts, const Worth& worth) {
  while (true) {
    std::optional<double> best;
    std::size_t place = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const std::optional<double> value = worth(parts[i], parts[i + 1]);
      if (value && (!best || *value > *best)) best = value, place = i;
    }
    if (!best) return parts;
    parts[place] += parts[place + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

Parts characters_of(const std::string& text) {
  Parts parts;
  for (const char byte : text) {
    if ((byte & 0xC0) != 0x80 || parts.empty()) parts.emplace_back();
    parts.back() += byte;
  }
  return parts;
}

class SpmOracle {
 public:
  explicit SpmOracle(const Vocabulary& vocabulary) : prefix_(vocabulary.add_space_prefix) {
    for (std::size_t i = 0; i < vocabulary.size(); ++i) {
      const TokenType type = vocabulary.types[i];
      if (type == TokenType::byte) ids_[vocabulary.tokens[i]] = static_cast<TokenId>(i);
      if (type != TokenType::normal) continue;
      ids_[vocabulary.tokens[i]] = static_cast<TokenId>(i);
      scores_[vocabulary.tokens[i]] = static_cast<double>(vocabulary.scores[i]);
    }
  }

  Ids encode(const std::string& text) const {
    std::string escaped;
    for (const char byte : (prefix_ && !text.empty() ? " " + text : text)) {
      escaped += byte == ' ' ? "\u2581" : std::string(1, byte);
    }
    const Parts parts =
        merge_all(characters_of(escaped),
                  [&](const std::string& left, const std::string& right) -> std::optional<double> {
                    const auto found = scores_.find(left + right);
                    return found == scores_.end() ? std::nullopt : std::optional(found->second);
                  });
    Ids ids;
    for (const std::string& part : parts) {
      if (scores_.contains(part)) {
        ids.push_back(ids_.at(part));
        continue;
      }
      for (const char byte : part) {
        ids.push_back(ids_.at(hex_byte_token(static_cast<unsigned char>(byte))));
      }
    }
    return ids;
  }

 private:
  bool prefix_;
  std::map<std::string, TokenId> ids_;
  std::map<std::string, double> scores_;
};

// Of one word: pieces are another test's matter.
class BpeOracle {
 public:
  explicit BpeOracle(const Vocabulary& vocabulary) {
    for (std::size_t i = 0; i < vocabulary.size(); ++i) {
      if (vocabulary.types[i] != TokenType::normal) continue;
      ids_[vocabulary.tokens[i]] = static_cast<TokenId>(i);
    }
    for (std::size_t i = 0; i < vocabulary.merges.size(); ++i) {
      ranks_.try_emplace(vocabulary.merges[i], i);
    }
  }

  Ids encode(const std::string& word) const {
    Parts parts;
    for (const char byte : word) parts.push_back(spelled_byte(static_cast<unsigned char>(byte)));
    parts = merge_all(
        parts, [&](const std::string& left, const std::string& right) -> std::optional<double> {
          const auto found = ranks_.find(left + " " + right);
          if (found == ranks_.end()) return std::nullopt;
          return -static_cast<double>(found->second);
        });
    Ids ids;
    for (const std::string& part : parts) {
      if (const auto found = ids_.find(part); found != ids_.end()) {
        ids.push_back(found->second);
        continue;
      }
      for (const std::string& character : characters_of(part)) ids.push_back(ids_.at(character));
    }
    return ids;
  }

 private:
  std::map<std::string, TokenId> ids_;
  std::map<std::string, std::size_t> ranks_;
};

// Tokens over few characters with few scores, so that ties and overlaps abound.
Vocabulary random_spm_vocabulary(std::mt19937& random) {
  const Parts characters = {"a", "b", "é", "\u2581"};
  const bool goes_over_spaces = random() % 2 == 0;
  std::map<std::string, SpmToken> tokens;
  for (const std::string& character : characters) {
    if (random() % 4 != 0) tokens[character] = {character, -1};
  }
  for (int i = 0; i < 30; ++i) {
    const std::size_t size = 2 + random() % 4;
    std::string text = random_words(random, {"\u2581"}, random() % 2);
    text += random_words(random, goes_over_spaces ? characters : Parts{"a", "b", "é"}, size);
    const bool is_unused = random() % 10 == 0;
    tokens[text] = {text, -static_cast<float>(random() % 5),
                    is_unused ? TokenType::unused : TokenType::normal};
  }
  std::vector<SpmToken> list;
  for (const auto& [text, token] : tokens) list.push_back(token);
  Vocabulary made = spm_vocabulary(list);
  made.add_space_prefix = random() % 2 == 0;
  return made;
}

TEST(tokenizer_oracle, spm_agrees_on_random_vocabularies) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    const auto tokenizer = make_tokenizer(random_spm_vocabulary(random));
    const SpmOracle oracle(tokenizer->vocabulary());
    for (int i = 0; i < 20; ++i) {
      const std::string text = random_words(random, {"a", "b", "é", " ", "  ", "c"}, random() % 40);
      ASSERT_EQ(encode(*tokenizer, text), oracle.encode(text))
          << "round " << round << ": \"" << text << '"';
    }
  }
}

// Merges of symbols that earlier merges made, some of which the vocabulary does not have.
Vocabulary random_bpe_vocabulary(std::mt19937& random) {
  Parts symbols = {"a", "b", "c", "\xC3", "\xA9"};
  std::vector<std::pair<std::string, std::string>> merges;
  for (int i = 0; i < 25; ++i) {
    merges.emplace_back(symbols[random() % symbols.size()], symbols[random() % symbols.size()]);
    symbols.push_back(merges.back().first + merges.back().second);
  }
  std::shuffle(merges.begin(), merges.end(), random);
  Vocabulary made = bpe_vocabulary(merges);
  for (std::size_t i = 256; i < made.size(); ++i) {
    if (random() % 8 == 0) made.tokens[i] = "gone" + std::to_string(i);
  }
  return made;
}

TEST(tokenizer_oracle, bpe_agrees_on_random_vocabularies) {
  std::mt19937 random(2);
  for (int round = 0; round < 400; ++round) {
    const auto tokenizer = make_tokenizer(random_bpe_vocabulary(random));
    const BpeOracle oracle(tokenizer->vocabulary());
    for (int i = 0; i < 20; ++i) {
      const std::string word = random_words(random, {"a", "b", "c", "é"}, 1 + random() % 40);
      ASSERT_EQ(encode(*tokenizer, word), oracle.encode(word)) << "round " << round << ": " << word;
    }
  }
}

TEST(tokenizer_oracle, spm_agrees_on_a_real_vocabulary) {
  const std::string path = HEARTH_SHARED_DIR "/vocab/ggml-vocab-llama-spm.gguf";
  SKIP_WITHOUT(path);
  const auto tokenizer = load_tokenizer(path);
  ASSERT_TRUE(tokenizer);
  const SpmOracle oracle(tokenizer->vocabulary());
  std::mt19937 random(3);
  const Parts words = {"the ", "and",  " ", "ing ", "He", "qu",  "ess",  ".", ",\n",  "  ",
                       "über", "时间", "1", "23",   "in", "ter", "tion", "s", "🦙", "ой"};
  for (int i = 0; i < 1000; ++i) {
    const std::string text =
        i % 4 == 0 ? random_unicode(random, 30) : random_words(random, words, random() % 20);
    ASSERT_EQ(encode(*tokenizer, text), oracle.encode(text)) << text;
  }
}

TEST(tokenizer_oracle, bpe_agrees_on_a_real_vocabulary) {
  const std::string path = HEARTH_SHARED_DIR "/vocab/ggml-vocab-gpt-2.gguf";
  SKIP_WITHOUT(path);
  const auto tokenizer = load_tokenizer(path);
  ASSERT_TRUE(tokenizer);
  const BpeOracle oracle(tokenizer->vocabulary());
  std::mt19937 random(4);
  const Parts parts = {"the", "ing", "e", "r",    "qu", "ess", "inter", "tion",
                       "s",   "ü",   "x", "时间", "in", "ter", "A",     "ой"};
  for (int i = 0; i < 2000; ++i) {  // letters only: one word
    const std::string word = random_words(random, parts, 1 + random() % 12);
    ASSERT_EQ(encode(*tokenizer, word), oracle.encode(word)) << word;
  }
}

}  // namespace
}  // namespace hearth::testing
