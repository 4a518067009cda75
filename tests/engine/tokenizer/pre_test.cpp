// Splitting text into words, and what becomes of bytes that are not text.
#include "engine/tokenizer/pre_tokenizer.hpp"
#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

using Pieces = std::vector<std::string>;

Pieces split(const std::string& text, const char* name = "gpt-2") {
  auto made = PreTokenizer::create(name);
  if (!made) {
    ADD_FAILURE() << made.error().message;
    return {};
  }
  std::vector<std::uint32_t> ends;
  const Status status = made->split(text, ends);
  EXPECT_TRUE(status);
  Pieces pieces;
  std::size_t begin = 0;
  for (const std::uint32_t end : ends) {
    EXPECT_GT(end, begin);
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  EXPECT_EQ(begin, text.size());
  return pieces;
}

TEST(pre_tokenizer, gpt2_splits_words_numbers_and_marks) {
  EXPECT_EQ(split("Hello world"), (Pieces{"Hello", " world"}));
  EXPECT_EQ(split("abc123 456!?"), (Pieces{"abc", "123", " 456", "!?"}));
  EXPECT_EQ(split("I'm you're they'll 'tis"),
            (Pieces{"I", "'m", " you", "'re", " they", "'ll", " '", "tis"}));
  EXPECT_EQ(split("'M"), (Pieces{"'", "M"}));
  EXPECT_EQ(split("нещо 我想"), (Pieces{"нещо", " 我想"}));
  EXPECT_EQ(split(""), Pieces{});
}

TEST(pre_tokenizer, gpt2_leaves_the_last_space_of_a_run_to_the_word) {
  EXPECT_EQ(split("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(split("a   "), (Pieces{"a", "   "}));
  EXPECT_EQ(split("a\n\nb"), (Pieces{"a", "\n", "\n", "b"}));
  EXPECT_EQ(split("a \tb"), (Pieces{"a", " ", "\t", "b"}));
  EXPECT_EQ(split(" \n x"), (Pieces{" \n", " x"}));
}

TEST(pre_tokenizer, spaces_are_those_of_unicode) {
  EXPECT_EQ(split("a\u00A0\u3000\u2028b"), (Pieces{"a", "\u00A0\u3000", "\u2028", "b"}));
  // The Mongolian vowel separator is none, nor is the separator of units, U+001F.
  EXPECT_EQ(split("a\u180E\u180Eb"), (Pieces{"a", "\u180E\u180E", "b"}));
  EXPECT_EQ(split("a \x1F"
                  "b"),
            (Pieces{"a", " \x1F", "b"}));
}

TEST(pre_tokenizer, a_run_of_invalid_bytes_is_a_piece_of_its_own) {
  EXPECT_EQ(split("\xFF"), (Pieces{"\xFF"}));
  EXPECT_EQ(split("ab\xFF\xFE cd"), (Pieces{"ab", "\xFF\xFE", " cd"}));
  EXPECT_EQ(split("ab\xC3"), (Pieces{"ab", "\xC3"}));
  EXPECT_EQ(split("\xE2\x96"
                  "ab"),
            (Pieces{"\xE2\x96", "ab"}));
  EXPECT_EQ(split("a\xED\xA0\x80z\xC0\xAF"), (Pieces{"a", "\xED\xA0\x80", "z", "\xC0\xAF"}));
  EXPECT_EQ(split("a  \xFF"), (Pieces{"a", "  ", "\xFF"}));
}

TEST(pre_tokenizer, nul_bytes_are_text) {
  EXPECT_EQ(split(std::string("a\0\0b", 4)), (Pieces{"a", std::string("\0\0", 2), "b"}));
}

TEST(pre_tokenizer, mpt_and_files_that_do_not_say_split_as_gpt2_does) {
  for (const char* name : {"mpt", "default", ""}) {
    EXPECT_EQ(split("a  b1'll", name), (Pieces{"a", " ", " b", "1", "'ll"}));
  }
}

TEST(pre_tokenizer, unknown_names_are_refused_with_those_that_are_known) {
  EXPECT_FALSE(PreTokenizer::supports("gpt-5"));
  const auto made = PreTokenizer::create("gpt-5");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::MODEL);
  EXPECT_NE(made.error().message.find("gpt-5"), std::string::npos);
  EXPECT_NE(made.error().message.find(PreTokenizer::supported_names()), std::string::npos);
}

TEST(pre_tokenizer, a_piece_of_a_megabyte_is_split_like_a_short_one) {
  const std::size_t size = 1 << 20;
  EXPECT_EQ(split(std::string(size, ' ') + "x"), (Pieces{std::string(size - 1, ' '), " x"}));
  EXPECT_EQ(split(std::string(size, 'x') + "1"), (Pieces{std::string(size, 'x'), "1"}));
  EXPECT_EQ(split(std::string(size, '\'')), (Pieces{std::string(size, '\'')}));
}

// Which class of characters GPT-2's expression sees, for those that random_text() uses.
enum class Kind { letter, number, space, other };
struct Character {
  const char* text;
  Kind kind;
};
constexpr Character kCharacters[] = {
    {"a", Kind::letter},     {"l", Kind::letter},     {"s", Kind::letter},
    {"r", Kind::letter},     {"e", Kind::letter},     {"é", Kind::letter},
    {"я", Kind::letter},     {"我", Kind::letter},    {"1", Kind::number},
    {"½", Kind::number},     {"٣", Kind::number},     {" ", Kind::space},
    {" ", Kind::space},      {"\n", Kind::space},     {"\u00A0", Kind::space},
    {"\u2003", Kind::space}, {"'", Kind::other},      {"'", Kind::other},
    {"!", Kind::other},      {"_", Kind::other},      {"🦙", Kind::other},
    {"\u0301", Kind::other}, {"\u200B", Kind::other}, {"\u180E", Kind::other},
};

// GPT-2's expression, read by hand: the alternatives in their order.
Pieces split_by_hand(const std::vector<Character>& text) {
  Pieces pieces;
  const auto is = [&](std::size_t at, Kind kind) {
    return at < text.size() && text[at].kind == kind;
  };
  const auto is_space_mark = [&](std::size_t at) { return std::string(text[at].text) == " "; };
  const auto contraction = [&](std::size_t at) -> std::size_t {
    std::string next;
    for (std::size_t i = at; i < text.size() && i < at + 3; ++i) next += text[i].text;
    for (const char* end : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
      if (next.starts_with(end)) return std::string(end).size();
    }
    return 0;
  };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + contraction(at);
    for (const Kind kind : {Kind::letter, Kind::number, Kind::other}) {
      if (end > at) break;
      const std::size_t first = is_space_mark(at) ? at + 1 : at;
      for (end = first; is(end, kind);) ++end;
      if (end == first) end = at;
    }
    if (end == at) {
      while (is(end, Kind::space)) ++end;
      if (end < text.size() && end - at > 1) --end;
    }
    std::string& piece = pieces.emplace_back();
    for (; at < end; ++at) piece += text[at].text;
  }
  return pieces;
}

TEST(pre_tokenizer, random_text_splits_as_the_expression_read_by_hand) {
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::vector<Character> characters;
    std::string text;
    for (int i = 0; i < 30; ++i) {
      characters.push_back(kCharacters[random() % std::size(kCharacters)]);
      text += characters.back().text;
    }
    ASSERT_EQ(split(text), split_by_hand(characters)) << text;
  }
}

}  // namespace
}  // namespace hearth::testing
