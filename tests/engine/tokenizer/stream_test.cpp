// StreamDecoder: text that never ends inside a character, and UTF-8 as strict as the standard.
#include "engine/tokenizer/utf8.hpp"
#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::testing {
namespace {

// Valid by the arithmetic of the encoding: decode, encode again, compare.
bool is_character(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  const int ones = std::countl_one(lead);
  const std::size_t size = ones == 0 ? 1 : static_cast<std::size_t>(ones);
  if (ones == 1 || size > 4 || bytes.size() != size) return false;
  std::uint32_t code = size == 1 ? lead : lead & ((1u << (7 - size)) - 1);
  for (std::size_t i = 1; i < size; ++i) {
    if ((bytes[i] & 0xC0) != 0x80) return false;
    code = code << 6 | (static_cast<unsigned char>(bytes[i]) & 63u);
  }
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
  std::string again;
  append_code_point(code, again);
  return again == bytes;
}

bool is_valid(std::string_view text) {
  while (!text.empty()) {
    std::size_t size = 1;
    while (size <= 4 && size <= text.size() && !is_character(text.substr(0, size))) ++size;
    if (size > 4 || size > text.size()) return false;
    text.remove_prefix(size);
  }
  return true;
}

TEST(utf8, agrees_with_the_encodings_arithmetic_on_all_short_sequences) {
  for (std::uint32_t bits = 0; bits < 1u << 24; ++bits) {
    const char bytes[3] = {static_cast<char>(bits), static_cast<char>(bits >> 8),
                           static_cast<char>(bits >> 16)};
    const std::string_view text(bytes, 3);
    const std::size_t size = utf8_character(text);
    const std::size_t wanted = is_character(text.substr(0, 1))   ? 1
                               : is_character(text.substr(0, 2)) ? 2
                               : is_character(text)              ? 3
                                                                 : 0;
    ASSERT_EQ(size, wanted) << std::hex << bits;
  }
}

TEST(utf8, every_code_point_is_a_character_and_its_begins_are_unfinished) {
  for (std::uint32_t code = 0; code < 0x110000; ++code) {
    std::string text, ours;
    append_code_point(code, text);
    append_utf8(code, ours);
    ASSERT_EQ(ours, text);
    const bool is_surrogate = code >= 0xD800 && code < 0xE000;
    ASSERT_EQ(utf8_character(text), is_surrogate ? 0 : text.size()) << code;
    for (std::size_t size = 1; size < text.size(); ++size) {
      const std::string begin = "é" + text.substr(0, size);
      const std::size_t wanted = is_surrogate && size > 1 ? 0 : size;
      ASSERT_EQ(utf8_unfinished_bytes(begin), wanted) << code;
    }
    ASSERT_EQ(utf8_unfinished_bytes(text), 0u);
  }
}

TEST(utf8, four_byte_forms_outside_the_range_are_refused) {
  for (const char* text : {"\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                           "\xF8\x88\x80\x80\x80", "\xF0\x90\x80", "\xF0\x90\x80\x41"}) {
    EXPECT_EQ(utf8_character(text), 0u);
  }
  EXPECT_EQ(utf8_valid_bytes("12345678é12345678\xFFz"), 18u);
  EXPECT_EQ(utf8_valid_bytes(""), 0u);
}

std::unique_ptr<Tokenizer> byte_tokenizer() {
  return make_tokenizer(bpe_vocabulary({}, {{"<s>", TokenType::control}}));
}

std::vector<std::string> push_all(const Tokenizer& tokenizer, const Ids& ids) {
  StreamDecoder decoder(&tokenizer, /*spell_special=*/false);
  std::vector<std::string> outputs;
  for (const TokenId id : ids) decoder.push(id, outputs.emplace_back());
  decoder.finish(outputs.emplace_back());
  return outputs;
}

TEST(stream_decoder, a_character_comes_when_it_is_complete) {
  const auto tokenizer = byte_tokenizer();
  EXPECT_EQ(push_all(*tokenizer, {'a', 0xF0, 0x9F, 0xA6, 0x99, 'b'}),
            (std::vector<std::string>{"a", "", "", "", "🦙", "b", ""}));
}

TEST(stream_decoder, bytes_that_cannot_become_a_character_pass_at_once) {
  const auto tokenizer = byte_tokenizer();
  using Texts = std::vector<std::string>;
  EXPECT_EQ(push_all(*tokenizer, {0xFF, 'a'}), (Texts{"\xFF", "a", ""}));
  EXPECT_EQ(push_all(*tokenizer, {0x80}), (Texts{"\x80", ""}));
  EXPECT_EQ(push_all(*tokenizer, {0xE0, 0x80}), (Texts{"", "\xE0\x80", ""}));
  EXPECT_EQ(push_all(*tokenizer, {0xED, 0xA0}), (Texts{"", "\xED\xA0", ""}));
  EXPECT_EQ(push_all(*tokenizer, {0xE2, 'a'}), (Texts{"",
                                                      "\xE2"
                                                      "a",
                                                      ""}));
  EXPECT_EQ(push_all(*tokenizer, {0xE2, 0xC3, 0xA9}), (Texts{"", "\xE2", "é", ""}));
}

TEST(stream_decoder, finish_gives_what_is_held_back) {
  const auto tokenizer = byte_tokenizer();
  EXPECT_EQ(push_all(*tokenizer, {'a', 0xF0, 0x9F, 0xA6}),
            (std::vector<std::string>{"a", "", "", "", "\xF0\x9F\xA6"}));
}

TEST(stream_decoder, control_tokens_give_nothing_and_part_no_character) {
  const auto tokenizer = byte_tokenizer();
  EXPECT_EQ(push_all(*tokenizer, {256, 0xC3, 256, 0xA9}),
            (std::vector<std::string>{"", "", "", "é", ""}));
}

TEST(stream_decoder, a_leading_space_stays) {
  const auto tokenizer = make_tokenizer(spm_vocabulary({{"\u2581a"}}));
  EXPECT_EQ(push_all(*tokenizer, {3}), (std::vector<std::string>{" a", ""}));
}

// Goal: outputs join to the pieces' bytes; each is valid where the whole is.
TEST(stream_decoder, random_texts_come_back_in_valid_parts) {
  std::mt19937 random(11);
  const auto tokenizer = byte_tokenizer();
  for (int round = 0; round < 2000; ++round) {
    const bool is_text = round % 2 == 0;
    const std::string text = is_text ? random_unicode(random, 20) : random_bytes(random, 20);
    std::string joined;
    for (const std::string& output : push_all(*tokenizer, encode(*tokenizer, text))) {
      ASSERT_TRUE(!is_text || is_valid(output));
      joined += output;
    }
    ASSERT_EQ(joined, text);
  }
}

}  // namespace
}  // namespace hearth::testing
