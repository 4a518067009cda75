// SentencePiece-style BPE on vocabularies made by hand.
#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

const std::string kSpace = "\u2581";

TEST(spm_tokenizer, the_highest_score_merges_first) {
  const auto tokenizer = make_tokenizer(
      spm_vocabulary({{"a", 0}, {"b", 0}, {"c", 0}, {"ab", -2}, {"bc", -1}, {"abc", -3}}));
  EXPECT_EQ(shown(*tokenizer, "ab"), "ab");
  EXPECT_EQ(shown(*tokenizer, "abc"), "abc");  // bc first, then abc
  EXPECT_EQ(shown(*tokenizer, "abcab"), "abc|ab");
  EXPECT_EQ(shown(*tokenizer, "abb"), "ab|b");
}

TEST(spm_tokenizer, equal_scores_merge_leftmost_first) {
  const auto tokenizer = make_tokenizer(spm_vocabulary({{"a", 0}, {"aa", -1}, {"ab", -1}, {"b"}}));
  EXPECT_EQ(shown(*tokenizer, "aaa"), "aa|a");
  EXPECT_EQ(shown(*tokenizer, "aab"), "aa|b");
}

TEST(spm_tokenizer, zero_and_minus_zero_are_equal_scores) {
  const auto tokenizer =
      make_tokenizer(spm_vocabulary({{"a"}, {"b"}, {"c"}, {"ab", -0.0f}, {"bc", 0.0f}}));
  EXPECT_EQ(shown(*tokenizer, "abc"), "ab|c");
}

TEST(spm_tokenizer, scores_of_both_signs_order) {
  const auto tokenizer = make_tokenizer(
      spm_vocabulary({{"a"}, {"b"}, {"c"}, {"d"}, {"ab", -1e30f}, {"bc", 2.5f}, {"cd", 1e-40f}}));
  EXPECT_EQ(shown(*tokenizer, "abcd"), "a|bc|d");
  EXPECT_EQ(shown(*tokenizer, "abd"), "ab|d");
}

TEST(spm_tokenizer, spaces_become_u2581) {
  const auto tokenizer =
      make_tokenizer(spm_vocabulary({{kSpace}, {kSpace + kSpace, -1}, {"a"}, {kSpace + "a", -2}}));
  EXPECT_EQ(shown(*tokenizer, " a"), kSpace + "a");
  EXPECT_EQ(shown(*tokenizer, "  a"), kSpace + kSpace + "|a");
  EXPECT_EQ(shown(*tokenizer, "a a"), "a|" + kSpace + "a");
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, " a  a "), false), " a  a ");
}

TEST(spm_tokenizer, a_token_may_go_on_over_a_space) {
  const auto tokenizer = make_tokenizer(
      spm_vocabulary({{kSpace}, {"a"}, {"a" + kSpace, -1}, {"a" + kSpace + "a", -2}}));
  EXPECT_EQ(shown(*tokenizer, "a a"), "a" + kSpace + "a");
  EXPECT_EQ(shown(*tokenizer, "a  a"), "a" + kSpace + "|" + kSpace + "|a");
}

TEST(spm_tokenizer, the_space_prefix_stands_at_the_begin_and_behind_specials) {
  Vocabulary vocabulary = spm_vocabulary({{kSpace}, {"a"}, {kSpace + "a", -1}});
  vocabulary.add_space_prefix = true;
  vocabulary.add_bos = true;
  const auto tokenizer = make_tokenizer(std::move(vocabulary));
  EXPECT_EQ(shown(*tokenizer, "a"), kSpace + "a");
  EXPECT_EQ(shown(*tokenizer, "a", true), "<s>|" + kSpace + "a");
  EXPECT_EQ(shown(*tokenizer, " a"), kSpace + "|" + kSpace + "a");
  EXPECT_EQ(shown(*tokenizer, "a</s>a", false, true), kSpace + "a|</s>|" + kSpace + "a");
  EXPECT_EQ(shown(*tokenizer, "</s>", false, true), "</s>");
  EXPECT_EQ(encode(*tokenizer, ""), Ids());
  EXPECT_EQ(shown(*tokenizer, " "), kSpace + "|" + kSpace);
}

TEST(spm_tokenizer, decode_takes_the_space_prefix_off_again) {
  Vocabulary vocabulary = spm_vocabulary({{kSpace}, {"a"}, {kSpace + "a", -1}});
  vocabulary.add_space_prefix = true;
  vocabulary.add_bos = true;
  const auto tokenizer = make_tokenizer(std::move(vocabulary));
  for (const char* text : {"a", " a", "  a a ", "", " ", "\n", " \xFF"}) {
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text, false), false), text);
    EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text, true), false), text);
  }
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, "a a", true), true), "<s>a a");
  EXPECT_EQ(tokenizer->piece(id_of(*tokenizer, kSpace + "a"), false), " a");
}

TEST(spm_tokenizer, without_the_space_prefix_decode_keeps_the_first_space) {
  const auto tokenizer = make_tokenizer(spm_vocabulary({{kSpace}, {"a"}}));
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, " a"), false), " a");
}

TEST(spm_tokenizer, characters_without_a_token_become_their_bytes) {
  const auto tokenizer = make_tokenizer(spm_vocabulary({{"a"}, {"é"}}));
  EXPECT_EQ(shown(*tokenizer, "aé"), "a|é");
  EXPECT_EQ(shown(*tokenizer, "aü"), "a|<0xC3>|<0xBC>");
  EXPECT_EQ(shown(*tokenizer, std::string("\0\n", 2)), "<0x00>|<0x0A>");
  EXPECT_EQ(tokenizer->piece(id_of(*tokenizer, "<0xC3>"), false), "\xC3");
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, "aü"), false), "aü");
}

TEST(spm_tokenizer, invalid_utf8_becomes_bytes_one_by_one) {
  const auto tokenizer = make_tokenizer(spm_vocabulary({{"a"}, {"é"}}));
  EXPECT_EQ(shown(*tokenizer, "\xC3"), "<0xC3>");
  EXPECT_EQ(shown(*tokenizer,
                  "\xC3"
                  "a"),
            "<0xC3>|a");
  EXPECT_EQ(shown(*tokenizer, "a\xE2\x96"), "a|<0xE2>|<0x96>");
  EXPECT_EQ(shown(*tokenizer, "\xC0\x80"), "<0xC0>|<0x80>");
  EXPECT_EQ(shown(*tokenizer, "\xED\xA0\x80"), "<0xED>|<0xA0>|<0x80>");
  EXPECT_EQ(shown(*tokenizer, "\xA9\xC3\xA9"), "<0xA9>|é");
}

TEST(spm_tokenizer, a_run_without_any_token_becomes_one_unknown_token) {
  const auto tokenizer = make_tokenizer(spm_vocabulary({{"a"}}, /*with_bytes=*/false));
  EXPECT_EQ(shown(*tokenizer, "a"), "a");
  EXPECT_EQ(shown(*tokenizer, "abca"), "a|<unk>|a");
  EXPECT_EQ(shown(*tokenizer, "ü"), "<unk>");
  EXPECT_EQ(shown(*tokenizer, "<unk>b", false, true), "<unk>|<unk>");
}

TEST(spm_tokenizer, without_an_unknown_token_that_is_an_error) {
  Vocabulary vocabulary = spm_vocabulary({{"a"}}, /*with_bytes=*/false);
  vocabulary.unknown = kNoToken;
  const auto tokenizer = make_tokenizer(std::move(vocabulary));
  const auto ids = tokenizer->encode("aba", {});
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code, Code::TOKENIZATION);
  EXPECT_NE(ids.error().message.find("0x62"), std::string::npos) << ids.error().message;
}

// "</" + "s>" would be "</s>": that text must not end a turn.
TEST(spm_tokenizer, plain_text_never_merges_into_control_unused_or_byte_tokens) {
  const auto tokenizer = make_tokenizer(spm_vocabulary({{"<"},
                                                        {"/"},
                                                        {"s"},
                                                        {">"},
                                                        {"</", -1},
                                                        {"s>", -2},
                                                        {"x"},
                                                        {"<x", -3, TokenType::unused},
                                                        {"0"},
                                                        {"<0", -1},
                                                        {"A>", -1},
                                                        {"A"}}));
  EXPECT_EQ(shown(*tokenizer, "</s>"), "</|s>");
  EXPECT_EQ(shown(*tokenizer, "</s>", false, true), "</s>");
  EXPECT_EQ(shown(*tokenizer, "<x"), "<|x");
  EXPECT_EQ(shown(*tokenizer, "<0x0A>"), "<0|x|0|A>");
  EXPECT_EQ(tokenizer->piece(id_of(*tokenizer, "<x"), false), "<x");
}

TEST(spm_tokenizer, byte_tokens_are_read_strictly) {
  for (const char* text : {"<0x-1>", "<0x 1>", "<0x1>", "<0x100>", "<0xG0>", "<0X41>", "<0x41", "",
                           "<0x+1>", "<0x41>>"}) {
    const auto made = Tokenizer::create(spm_vocabulary({{text, 0, TokenType::byte}}, false));
    ASSERT_FALSE(made) << text;
    EXPECT_EQ(made.error().code, Code::MODEL);
  }
  const auto tokenizer =
      make_tokenizer(spm_vocabulary({{"<0xfF>", 0, TokenType::byte}}, /*with_bytes=*/false));
  EXPECT_EQ(shown(*tokenizer, "\xFF"), "<0xfF>");
}

TEST(spm_tokenizer, broken_scores_are_refused) {
  for (const float score : {INFINITY, -INFINITY, NAN}) {
    EXPECT_FALSE(Tokenizer::create(spm_vocabulary({{"a", score}})));
  }
  Vocabulary vocabulary = spm_vocabulary({{"a"}});
  vocabulary.scores.pop_back();
  EXPECT_FALSE(Tokenizer::create(std::move(vocabulary)));
}

TEST(spm_tokenizer, an_empty_token_is_never_made) {
  const auto tokenizer = make_tokenizer(spm_vocabulary({{""}, {"a"}, {""}}));
  EXPECT_EQ(shown(*tokenizer, "aa"), "a|a");
}

}  // namespace
}  // namespace hearth::testing
