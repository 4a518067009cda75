// Byte-level BPE on vocabularies made by hand.
#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

TEST(bpe_tokenizer, merges_go_by_rank) {
  const auto tokenizer = make_tokenizer(bpe_vocabulary({{"b", "c"}, {"a", "b"}, {"a", "bc"}}));
  EXPECT_EQ(shown(*tokenizer, "ab"), "ab");
  EXPECT_EQ(shown(*tokenizer, "abc"), "abc");
  EXPECT_EQ(shown(*tokenizer, "abb"), "ab|b");
  EXPECT_EQ(shown(*tokenizer, "abbc"), "ab|bc");
}

TEST(bpe_tokenizer, equal_ranks_merge_leftmost_first) {
  const auto tokenizer = make_tokenizer(bpe_vocabulary({{"a", "a"}}));
  EXPECT_EQ(shown(*tokenizer, "aaa"), "aa|a");
  EXPECT_EQ(shown(*tokenizer, "aaaaa"), "aa|aa|a");
}

// A vocabulary may hold "ab" without a merge that makes it.
TEST(bpe_tokenizer, only_merges_make_tokens) {
  Vocabulary vocabulary = bpe_vocabulary({}, {{"ab", TokenType::normal}});
  const auto tokenizer = make_tokenizer(std::move(vocabulary));
  EXPECT_EQ(shown(*tokenizer, "ab"), "a|b");
}

TEST(bpe_tokenizer, the_first_of_two_equal_merges_counts) {
  const auto tokenizer = make_tokenizer(bpe_vocabulary({{"a", "b"}, {"b", "c"}, {"a", "b"}}));
  EXPECT_EQ(shown(*tokenizer, "abc"), "ab|c");
}

TEST(bpe_tokenizer, pieces_do_not_merge_with_each_other) {
  const auto tokenizer = make_tokenizer(bpe_vocabulary({{"a", " "}, {" ", "b"}, {"a", "1"}}));
  EXPECT_EQ(shown(*tokenizer, "a b"), "a|" + spelled(" b"));
  EXPECT_EQ(shown(*tokenizer, "a1"), "a|1");
}

TEST(bpe_tokenizer, every_byte_has_its_spelling_and_comes_back) {
  const auto tokenizer = make_tokenizer(bpe_vocabulary({}));
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_EQ(encode(*tokenizer, text), Ids{static_cast<TokenId>(byte)});
    EXPECT_EQ(tokenizer->piece(static_cast<TokenId>(byte), false), text);
  }
  EXPECT_EQ(spelled(" \n"), "ĠĊ");
}

TEST(bpe_tokenizer, merges_may_cross_bytes_of_a_character) {
  const auto tokenizer = make_tokenizer(bpe_vocabulary({{"\xC3", "\xA9"}, {"\xA9", "x"}}));
  EXPECT_EQ(encode(*tokenizer, "éx"), (Ids{256, 'x'}));
  EXPECT_EQ(tokenizer->piece(256, false), "é");
}

// A merge may pass through a text that the vocabulary does not have; where it ends there, the
// bytes stand for it.
TEST(bpe_tokenizer, what_merges_into_no_token_becomes_its_bytes) {
  Vocabulary vocabulary = bpe_vocabulary({});
  vocabulary.merges = {"a b", "ab c"};
  vocabulary.tokens.push_back("abc");
  vocabulary.types.push_back(TokenType::normal);
  const auto tokenizer = make_tokenizer(std::move(vocabulary));
  EXPECT_EQ(shown(*tokenizer, "ab"), "a|b");
  EXPECT_EQ(shown(*tokenizer, "abc"), "abc");
}

TEST(bpe_tokenizer, a_byte_without_a_token_is_unknown_or_an_error) {
  Vocabulary vocabulary = bpe_vocabulary({}, {{"<unk>", TokenType::unknown}});
  vocabulary.tokens[0xFF] = "renamed";
  vocabulary.unknown = 256;
  const auto with_unknown = make_tokenizer(vocabulary);
  EXPECT_EQ(encode(*with_unknown, "a\xFF\xFF"), (Ids{'a', 256, 256}));
  vocabulary.types[256] =
      TokenType::control;  // some name their end of text so: not from plain text
  EXPECT_FALSE(make_tokenizer(vocabulary)->encode("a\xFF", {}));
  vocabulary.unknown = kNoToken;
  const auto without = make_tokenizer(vocabulary);
  const auto ids = without->encode("a\xFF", {});
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code, Code::TOKENIZATION);
  EXPECT_NE(ids.error().message.find("0xFF"), std::string::npos) << ids.error().message;
}

TEST(bpe_tokenizer, plain_text_never_merges_into_control_or_unused_tokens) {
  Vocabulary vocabulary = bpe_vocabulary({{"<", "s"}, {"<s", ">"}, {"x", "y"}});
  vocabulary.types[257] = TokenType::control;
  vocabulary.types[258] = TokenType::unused;
  const auto tokenizer = make_tokenizer(std::move(vocabulary));
  EXPECT_EQ(encode(*tokenizer, "<s>"), (Ids{'<', 's', '>'}));
  EXPECT_EQ(encode(*tokenizer, "<s>", false, true), Ids{257});
  EXPECT_EQ(encode(*tokenizer, "xy"), (Ids{'x', 'y'}));
  EXPECT_EQ(tokenizer->piece(258, false), "xy");
}

// User-defined tokens are spelled raw: the text "õ" is not the byte that GPT-2 spells "õ".
TEST(bpe_tokenizer, user_defined_tokens_are_spelled_raw) {
  Vocabulary vocabulary = bpe_vocabulary({});
  vocabulary.tokens[0xF5] = "free";
  vocabulary.tokens.push_back("õ");
  vocabulary.types.push_back(TokenType::user_defined);
  vocabulary.tokens.push_back("a b");
  vocabulary.types.push_back(TokenType::user_defined);
  const auto tokenizer = make_tokenizer(std::move(vocabulary));
  EXPECT_EQ(encode(*tokenizer, "xõa b"), (Ids{'x', 256, 257}));
  EXPECT_EQ(tokenizer->decode(Ids{256, 257}, false), "õa b");
  EXPECT_FALSE(tokenizer->encode("\xF5", {}));
}

TEST(bpe_tokenizer, a_normal_token_that_spells_no_bytes_gives_its_text) {
  const auto tokenizer = make_tokenizer(bpe_vocabulary({}, {{"字 x", TokenType::normal}}));
  EXPECT_EQ(tokenizer->piece(256, false), "字 x");
}

TEST(bpe_tokenizer, broken_vocabularies_are_refused) {
  const auto expect_refused = [](const char* what, auto change) {
    Vocabulary vocabulary = bpe_vocabulary({{"a", "b"}});
    change(vocabulary);
    const auto made = Tokenizer::create(std::move(vocabulary));
    ASSERT_FALSE(made) << what;
    EXPECT_EQ(made.error().code, Code::MODEL) << what;
  };
  expect_refused("pre", [](Vocabulary& v) { v.pre = "gpt-3"; });
  for (const char* merge : {"", " ", "a", "a ", " a", "a b c", "a  b"}) {
    expect_refused(merge, [&](Vocabulary& v) { v.merges.push_back(merge); });
  }
  expect_refused("types", [](Vocabulary& v) { v.types.pop_back(); });
  expect_refused("tokens", [](Vocabulary& v) { v.tokens.clear(), v.types.clear(); });
  expect_refused("bos", [](Vocabulary& v) { v.bos = 257; });
  expect_refused("eos", [](Vocabulary& v) { v.eos = -2; });
  expect_refused("unknown", [](Vocabulary& v) { v.unknown = 1 << 30; });
  expect_refused("add_bos", [](Vocabulary& v) { v.add_bos = true; });
  expect_refused("add_eos", [](Vocabulary& v) { v.add_eos = true; });
  expect_refused("end_tokens", [](Vocabulary& v) { v.end_tokens = {2, 1}; });
}

TEST(bpe_tokenizer, a_model_without_a_vocabulary_has_no_tokenizer) {
  const auto made = Tokenizer::create(Vocabulary());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::TOKENIZATION);
}

}  // namespace
}  // namespace hearth::testing
