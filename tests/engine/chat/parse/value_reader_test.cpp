// Goal: values in every notation come out as JSON, byte by byte as well as whole.
#include "engine/chat/parse/value_reader.hpp"

#include <gtest/gtest.h>

#include <array>
#include <span>

namespace hearth::chat {
namespace {

using Progress = ValueReader::Progress;
using Notation = ValueReader::Notation;

// What a value in text is written as; "?" behind it when more is missing, "!" when it is broken,
// and then what was not read.
std::string read(Notation notation, std::string_view text, std::size_t piece) {
  ValueReader reader;
  reader.start(notation);
  std::string out;
  std::string pending;
  Progress progress = Progress::more;
  std::size_t at = 0;
  while (progress == Progress::more) {
    const bool ended = at >= text.size();
    if (!ended) pending += text.substr(at, piece);
    at += piece;
    std::size_t used = 0;
    progress = reader.read(pending, ended, used, out);
    pending.erase(0, used);
    if (ended) break;
  }
  if (at < text.size()) pending += text.substr(at);
  if (progress == Progress::more) return out + "?" + reader.take_held() + pending;
  if (progress == Progress::bad) return out + "!" + reader.take_held() + pending;
  return pending.empty() ? out : out + "|" + pending;
}

using Row = std::array<std::string_view, 2>;

void expect_rows(Notation notation, std::span<const Row> rows) {
  for (const auto& [text, want] : rows) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
      EXPECT_EQ(read(notation, text, piece), want) << text << " in pieces of " << piece;
    }
  }
}

TEST(chat_value_reader, json_is_copied) {
  constexpr Row kRows[] = {
      {R"({"a": [1, -2.5e+10, true, null], "b": {}} )",
       R"({"a": [1, -2.5e+10, true, null], "b": {}}| )"},
      {R"(  "a\"b\\c\u00e9\n"x)", R"("a\"b\\c\u00e9\n"|x)"},
      {"[ ]", "[ ]"},
      {"{ \"a\"\n:\t1 }", "{ \"a\"\n:\t1 }"},
      {"12", "12"},
      {"\"格\"", "\"格\""},
  };
  expect_rows(Notation::json, kRows);
}

TEST(chat_value_reader, what_models_get_wrong_is_put_right) {
  constexpr Row kRows[] = {
      {"{'a': True, 'b': [False, None]}", R"({"a": true, "b": [false, null]})"},
      {R"('say "hi" it\'s')", R"("say \"hi\" it's")"},
      {"\"two\nlines\t\x01\"", R"("two\nlines\t\u0001")"},
      {R"("C:\dir \u12 \x41 \")", R"("C:\\dir \\u12 \\x41 \"?)"},
      {R"("\q")", R"("\\q")"},
  };
  expect_rows(Notation::json, kRows);
}

TEST(chat_value_reader, what_is_broken_stops_where_it_breaks) {
  constexpr Row kRows[] = {
      {"{a: 1}", "{!a: 1}"},
      {"{\"a\" 1}", "{\"a\" !1}"},
      {"[1 2]", "[1 !2]"},
      {"[1,]", "[1,!]"},
      {"[01]", "[!01]"},
      {"[1.]", "[!1.]"},
      {"[nul]", "[!nul]"},
      {"nope", "!nope"},
      {"{\"a\": [1, {\"b\": \"te", "{\"a\": [1, {\"b\": \"te?"},
      {"[12", "[?12"},
      {"", "?"},
  };
  expect_rows(Notation::json, kRows);
}

TEST(chat_value_reader, gemmas_notation) {
  constexpr Row kRows[] = {
      {R"({city:<|"|>San "F"\n<|"|>,n:-3,ok:true,no:null})",
       R"({"city":"San \"F\"\\n","n":-3,"ok":true,"no":null})"},
      {R"({l:[<|"|>a<|"|>,[1,{}],{k:<|"|><|"|>}]})", R"({"l":["a",[1,{}],{"k":""}]})"},
      {R"({<|"|>a key<|"|>:1, my-key : 2})", R"({"a key":1, "my-key": 2})"},
      {"{unit: degrees celsius ,x:1}", R"({"unit": "degrees celsius","x":1})"},
      {R"({a:<|"|>1 < 2, <| 3<|"|>})", R"({"a":"1 < 2, <| 3"})"},
      {"{}x", "{}|x"},
      {"{a}", "{!a}"},
      {"{a:1", R"({"a":?1)"},
  };
  expect_rows(Notation::gemma, kRows);
}

TEST(chat_value_reader, nesting_has_an_end) {
  const std::string deep(ValueReader::kDepthMax, '[');
  const std::string close(ValueReader::kDepthMax, ']');
  EXPECT_EQ(read(Notation::json, deep + close, 7), deep + close);
  EXPECT_EQ(read(Notation::json, deep + "[1", 7), deep + "![1");
  std::string gemma, json;
  for (int i = 0; i < ValueReader::kDepthMax; ++i) {
    gemma += "{a:";
    json += "{\"a\":";
  }
  EXPECT_EQ(read(Notation::gemma, gemma + "{", 7), json + "!{");
}

TEST(chat_value_reader, a_word_has_an_end) {
  const std::string digits(ValueReader::kLiteralMax - 1, '1');
  EXPECT_EQ(read(Notation::json, digits + " ", 100), digits + "| ");
  EXPECT_EQ(read(Notation::json, digits + "11", 100), "!" + digits + "11");
}

TEST(chat_value_reader, strings_there_and_back) {
  std::string out;
  append_escaped("a\"\\\n\x1f/", out);
  EXPECT_EQ(out, R"(a\"\\\n\u001f/)");
  const auto text = [](std::string_view json) {
    std::string result;
    append_unescaped(json, result);
    return result;
  };
  EXPECT_EQ(text(R"("a\"\\\n\/é\u20ac\ud83d\ude00")"), "a\"\\\n/é€😀");
  EXPECT_EQ(text(R"("\ud83d x\u12")"), "\xEF\xBF\xBD x\\u12");
  EXPECT_EQ(text("\""), "");
  EXPECT_EQ(whole_value(" [1] "), "[1]");
  EXPECT_EQ(whole_value("[1] 2"), "");
  EXPECT_EQ(whole_value("1.5 apples"), "");
}

}  // namespace
}  // namespace hearth::chat
