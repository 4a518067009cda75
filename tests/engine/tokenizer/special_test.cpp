// Special tokens: where text spells them, and what they give.
#include <algorithm>
#include <chrono>

#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

// Ids from 256: <s> </s> <|a|> <|ab|> <|a|>x <ud> <ud>> <unk>
std::unique_ptr<Tokenizer> make() {
  Vocabulary vocabulary = bpe_vocabulary({}, {{"<s>", TokenType::control},
                                              {"</s>", TokenType::control},
                                              {"<|a|>", TokenType::control},
                                              {"<|ab|>", TokenType::control},
                                              {"<|a|>x", TokenType::control},
                                              {"<ud>", TokenType::user_defined},
                                              {"<ud>>", TokenType::user_defined},
                                              {"<unk>", TokenType::unknown}});
  vocabulary.bos = 256;
  vocabulary.eos = 257;
  return make_tokenizer(std::move(vocabulary));
}

TEST(special_tokens, control_and_unknown_tokens_are_parsed_on_request_only) {
  const auto tokenizer = make();
  EXPECT_EQ(shown(*tokenizer, "<s>"), "<|s|>");
  EXPECT_EQ(shown(*tokenizer, "<s>", false, true), "<s>");
  EXPECT_EQ(shown(*tokenizer, "<unk>"), "<|u|n|k|>");
  EXPECT_EQ(shown(*tokenizer, "<unk>", false, true), "<unk>");
}

TEST(special_tokens, user_defined_tokens_are_always_parsed) {
  const auto tokenizer = make();
  EXPECT_EQ(shown(*tokenizer, "a<ud>b"), "a|<ud>|b");
  EXPECT_EQ(shown(*tokenizer, "a<ud>b", false, true), "a|<ud>|b");
}

TEST(special_tokens, they_stand_at_the_begin_in_the_middle_at_the_end_and_side_by_side) {
  const auto tokenizer = make();
  EXPECT_EQ(shown(*tokenizer, "<s>a", false, true), "<s>|a");
  EXPECT_EQ(shown(*tokenizer, "a<s>b", false, true), "a|<s>|b");
  EXPECT_EQ(shown(*tokenizer, "a<s>", false, true), "a|<s>");
  EXPECT_EQ(shown(*tokenizer, "<s><s></s><ud>", false, true), "<s>|<s>|</s>|<ud>");
}

TEST(special_tokens, the_longest_that_begins_at_a_place_wins) {
  const auto tokenizer = make();
  EXPECT_EQ(shown(*tokenizer, "<|a|>", false, true), "<|a|>");
  EXPECT_EQ(shown(*tokenizer, "<|a|>x", false, true), "<|a|>x");
  EXPECT_EQ(shown(*tokenizer, "<|a|>y", false, true), "<|a|>|y");
  EXPECT_EQ(shown(*tokenizer, "<|ab|>", false, true), "<|ab|>");
  EXPECT_EQ(shown(*tokenizer, "<ud>>>"), "<ud>>|>");
}

TEST(special_tokens, what_only_begins_like_one_is_text) {
  const auto tokenizer = make();
  EXPECT_EQ(encode(*tokenizer, "<|a", false, true), (Ids{'<', '|', 'a'}));
  EXPECT_EQ(encode(*tokenizer, "<", false, true), (Ids{'<'}));
  EXPECT_EQ(shown(*tokenizer, "<<s>", false, true), "<|<s>");
  EXPECT_EQ(shown(*tokenizer, "<ud", false, true), "<|u|d");
}

TEST(special_tokens, bos_and_eos_are_added_where_the_vocabulary_asks_for_them) {
  for (const bool add_bos : {false, true}) {
    for (const bool add_eos : {false, true}) {
      Vocabulary vocabulary = make()->vocabulary();
      vocabulary.add_bos = add_bos;
      vocabulary.add_eos = add_eos;
      const auto tokenizer = make_tokenizer(std::move(vocabulary));
      for (const Ids& plain : {Ids{}, Ids{'a'}}) {
        const std::string text = plain.empty() ? "" : "a";
        Ids wanted = plain;
        if (add_bos) wanted.insert(wanted.begin(), 256);
        if (add_eos) wanted.push_back(257);
        EXPECT_EQ(encode(*tokenizer, text, true), wanted);
        EXPECT_EQ(encode(*tokenizer, text, false), plain);
      }
    }
  }
}

TEST(special_tokens, control_and_unknown_tokens_give_text_only_when_spelled) {
  const auto tokenizer = make();
  const Ids ids = {256, 'a', 261, 263, 'b', 257};
  EXPECT_EQ(tokenizer->decode(ids, false), "a<ud>b");
  EXPECT_EQ(tokenizer->decode(ids, true), "<s>a<ud><unk>b</s>");
  EXPECT_EQ(tokenizer->piece(256, false), "");
  EXPECT_EQ(tokenizer->piece(256, true), "<s>");
}

TEST(special_tokens, decode_takes_off_the_space_prefix_behind_each_of_them) {
  Vocabulary vocabulary = spm_vocabulary({{"  ", 0, TokenType::user_defined},
                                          {"<ud>", 0, TokenType::user_defined},
                                          {"a"},
                                          {"\u2581"},
                                          {"\u2581a", -1}});
  vocabulary.add_space_prefix = true;
  const auto tokenizer = make_tokenizer(std::move(vocabulary));
  EXPECT_EQ(shown(*tokenizer, "  a a"), "  |\u2581a|\u2581a");
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    const auto words = {"a", " ", "<ud>", "<s>", "</s>", "\n"};
    const std::string text = random_words(random, {words.begin(), words.end()}, random() % 12);
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text, false, true), true), text);
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text, true, true), true), text);
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text), false), text);
  }
}

// Goal: the search agrees with trying every token at every place.
TEST(special_tokens, random_spellings_agree_with_trying_all) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::pair<std::string, TokenType>> specials;
    for (int i = 0; i < 12; ++i) {
      const std::string text =
          std::string("#").append(random_words(random, {"a", "b", "#", "\xFF"}, random() % 5));
      bool is_new = text.size() > 1;
      for (const auto& [other, type] : specials) is_new = is_new && other != text;
      const bool is_control = random() % 2 == 0;
      if (is_new) {
        specials.emplace_back(text, is_control ? TokenType::control : TokenType::user_defined);
      }
    }
    const auto tokenizer = make_tokenizer(bpe_vocabulary({}, specials));
    // Now and then beyond one block of the search.
    const std::size_t words = round % 50 == 0 ? 70'000 : 40;
    const std::string text = random_words(random, {"a", "b", "#", "\xFF", "#a"}, words);
    const bool parse_special = random() % 2 == 0;
    Ids wanted;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t size = 1;
      TokenId id = static_cast<unsigned char>(text[at]);
      for (std::size_t i = 0; i < specials.size(); ++i) {
        const auto& [spelling, type] = specials[i];
        if (!parse_special && type == TokenType::control) continue;
        if (text.compare(at, spelling.size(), spelling) != 0 || spelling.size() <= size) continue;
        size = spelling.size();
        id = static_cast<TokenId>(256 + i);
      }
      wanted.push_back(id);
      at += size;
    }
    ASSERT_EQ(encode(*tokenizer, text, false, parse_special), wanted) << "round " << round;
  }
}

// Goal: no spelling makes the search slow.  Method: thousands of "<" with tokens of as many, which
// all but match everywhere; one that is short matches everywhere.
TEST(special_tokens, the_search_is_linear_for_long_spellings_that_all_but_match) {
  std::vector<std::pair<std::string, TokenType>> specials = {{"<<", TokenType::user_defined}};
  for (std::size_t size = 3000; size < 3010; ++size) {
    specials.emplace_back(std::string(size, '<') + '>', TokenType::user_defined);
  }
  const auto tokenizer = make_tokenizer(bpe_vocabulary({}, specials));
  const auto start = std::chrono::steady_clock::now();
  const Ids ids = encode(*tokenizer, std::string(1 << 20, '<'));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(ids, Ids(1 << 19, 256));
  EXPECT_LT(took.count(), 20.0) << "under a sanitizer; without one it takes 0.02 s";
}

// A prompt of pieces: those in odd places are input.
std::string shown_rendered(const Tokenizer& tokenizer, const std::vector<std::string>& pieces,
                           const Ids& structure = {}) {
  std::string text;
  std::vector<RenderedText::Range> input;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i % 2 == 1) input.push_back({text.size(), text.size() + pieces[i].size()});
    text += pieces[i];
  }
  const auto ids = tokenizer.encode(RenderedText{text, input, structure}, /*add_special=*/false);
  EXPECT_TRUE(ids) << (ids ? "" : ids.error().message);
  return ids ? shown(tokenizer, *ids) : std::string();
}

TEST(special_tokens, input_never_becomes_a_control_token) {
  const auto tokenizer = make();
  EXPECT_EQ(shown_rendered(*tokenizer, {"<s>", "a", "</s>"}), "<s>|a|</s>");
  EXPECT_EQ(shown_rendered(*tokenizer, {"<s>", "</s>", "</s>"}), "<s>|<|/|s|>|</s>");
  EXPECT_EQ(shown_rendered(*tokenizer, {"", "<|a|>x<s>"}), "<|||a|||>|x|<|s|>");
  EXPECT_EQ(shown_rendered(*tokenizer, {"<unk>", "<unk>"}), "<unk>|<|u|n|k|>");
}

// Goal: marks are found at the token that has their byte, whatever stands before them.
TEST(special_tokens, marks_are_found_among_the_tokens) {
  const std::string text = "ab<s>x e\u0301y</s></s> z<ud>w";
  Vocabulary with_prefix = spm_vocabulary(
      {{"\u2581", 0}, {"\u2581x", 1}, {"ab", 2}, {"<ud>", 0, TokenType::user_defined}});
  with_prefix.add_space_prefix = true;
  Vocabulary composing = make()->vocabulary();
  composing.nfc = true;
  std::vector<std::size_t> marks;
  for (const char* what : {"ab", "<s>", "s>x", "y</s>", "</s></s>", "</s> z", "z<ud>", "<ud>", "w"})
    marks.push_back(text.find(what));
  for (const Vocabulary& vocabulary : {make()->vocabulary(), with_prefix, composing}) {
    const auto tokenizer = make_tokenizer(vocabulary);
    std::vector<std::uint32_t> found;
    const auto ids = tokenizer->encode(RenderedText{text, {}, {}, marks}, false, &found);
    ASSERT_TRUE(ids);
    ASSERT_EQ(found.size(), marks.size());
    EXPECT_EQ(found.front(), 0u);
    EXPECT_TRUE(std::ranges::is_sorted(found));
    const auto at = [&](const char* what) {
      const auto mark = std::ranges::find(marks, text.find(what));
      return found[static_cast<std::size_t>(mark - marks.begin())];
    };
    const auto piece_at = [&](const char* what) {
      return std::string(tokenizer->piece((*ids)[at(what)], true));
    };
    EXPECT_EQ(piece_at("<s>"), "<s>");
    EXPECT_EQ(at("s>x"), at("<s>"));
    EXPECT_EQ(piece_at("y</s>"), "y") << "behind what was composed, or has a prefix";
    EXPECT_EQ(piece_at("</s></s>"), "</s>");
    EXPECT_EQ(at("</s> z"), at("</s></s>") + 1);
    EXPECT_EQ(piece_at("z<ud>"), "z");
    EXPECT_EQ(piece_at("<ud>"), "<ud>");
    EXPECT_EQ(at("w"), at("<ud>") + 1) << "the prefix belongs to it";
  }
}

TEST(special_tokens, input_and_template_together_spell_no_token) {
  const auto tokenizer = make();
  EXPECT_EQ(shown_rendered(*tokenizer, {"<", "s>", ""}), "<|s|>");
  EXPECT_EQ(shown_rendered(*tokenizer, {"", "<", "s>"}), "<|s|>");
  EXPECT_EQ(shown_rendered(*tokenizer, {"", "<s", "", ">"}), "<|s|>");
  EXPECT_EQ(shown_rendered(*tokenizer, {"<|a|>", "x"}), "<|a|>|x");  // not the longer one
  EXPECT_EQ(shown_rendered(*tokenizer, {"<ud>", ">"}), "<ud>|>");
}

TEST(special_tokens, input_becomes_user_defined_tokens_but_for_structure) {
  const auto tokenizer = make();
  constexpr TokenId kUd = 261, kLonger = 262;
  EXPECT_EQ(shown_rendered(*tokenizer, {"<ud>", "<ud>", "<ud>"}), "<ud>|<ud>|<ud>");
  EXPECT_EQ(shown_rendered(*tokenizer, {"<ud>", "<ud>", "<ud>"}, {kUd}), "<ud>|<|u|d|>|<ud>");
  EXPECT_EQ(shown_rendered(*tokenizer, {"", "<ud>><ud>"}, {kUd}), "<ud>>|<|u|d|>");
  EXPECT_EQ(shown_rendered(*tokenizer, {"", "<ud>><ud>"}, {kUd, kLonger}), "<|u|d|>|>|<|u|d|>");
  EXPECT_EQ(tokenizer->structure_of("if <ud>> then <ud>> or <s>"), (Ids{kLonger}));
  EXPECT_EQ(tokenizer->structure_of("<ud>"), (Ids{kUd}));
  EXPECT_EQ(tokenizer->structure_of(""), (Ids{}));
}

// What is merged across a border is what would be merged in one text.
TEST(special_tokens, plain_text_is_of_one_author) {
  Vocabulary vocabulary = bpe_vocabulary({{"a", "b"}}, {{"<s>", TokenType::control}});
  const auto tokenizer = make_tokenizer(std::move(vocabulary));
  EXPECT_EQ(shown_rendered(*tokenizer, {"<s>a", "b"}), shown(*tokenizer, "<s>ab", false, true));
  EXPECT_EQ(shown_rendered(*tokenizer, {"<s>a", "b"}), "<s>|ab");
}

}  // namespace
}  // namespace hearth::testing
