// JSON to Input: what is read, and what is refused.
#include "jinja_testing.hpp"

namespace hearth::jinja {
namespace {

TEST(jinja_json, values_keep_their_kinds_and_order) {
  const Input read = json_input(R"( {"b": [1, 1.0, -0, 1e2, true, false, null], "a": {"": "x"}} )");
  const auto& dict = std::get<InputDict>(read.held);
  ASSERT_EQ(dict.size(), 2u);
  EXPECT_EQ(dict[0].first, "b");
  const auto& list = std::get<InputList>(dict[0].second.held);
  EXPECT_EQ(std::get<std::int64_t>(list[0].held), 1);
  EXPECT_EQ(std::get<double>(list[1].held), 1.0);
  EXPECT_EQ(std::get<std::int64_t>(list[2].held), 0);
  EXPECT_EQ(std::get<double>(list[3].held), 100.0);
  EXPECT_TRUE(std::get<bool>(list[4].held));
  EXPECT_FALSE(std::get<bool>(list[5].held));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(list[6].held));
  EXPECT_EQ(std::get<std::string>(read.find("a")->find("")->held), "x");
  EXPECT_EQ(read.find("c"), nullptr);
  EXPECT_EQ(dict[0].second.find("x"), nullptr);
}

TEST(jinja_json, escapes) {
  EXPECT_EQ(
      std::get<std::string>(json_input(R"("\"\\\/\b\f\n\r\t\u00e9\u2603\ud83d\ude42é")").held),
      "\"\\/\b\f\n\r\té☃🙂é");
  EXPECT_EQ(std::get<std::string>(json_input(R"("\u0000")").held), std::string(1, '\0'));
}

TEST(jinja_json, the_last_of_equal_keys_counts) {
  EXPECT_EQ(std::get<std::int64_t>(json_input(R"({"a": 1, "a": 2})").find("a")->held), 2);
  EXPECT_EQ(render_text("{{ d }}", R"({"d": {"a": 1, "b": 3, "a": 2}})"), "{'a': 2, 'b': 3}");
}

TEST(jinja_json, what_is_none_is_refused) {
  const char* const broken[] = {
      "",
      "{",
      "}",
      "[1,]",
      "[1 2]",
      "{\"a\"}",
      "{\"a\":}",
      "{a: 1}",
      "{\"a\":1",
      "\"a",
      "\"\\x\"",
      "\"\\u12g4\"",
      "\"\\ud800\"",
      "\"\\udc00\"",
      "\"\\ud800\\u0041\"",
      "\"\n\"",
      "01",
      "-",
      "1.",
      ".5",
      "1e",
      "+1",
      "nul",
      "NaN",
      "1 2",
      "99999999999999999999",
      "1e999",
      "\xff",
      "\"\xc3\"",
      "'a'",
  };
  for (const char* json : broken) {
    const auto read = parse_json(json);
    ASSERT_FALSE(read) << json;
    EXPECT_EQ(read.error().code, Code::INVALID) << json;
    EXPECT_TRUE(read.error().message.find("at byte ") != std::string::npos)
        << json << ": " << read.error().message;
  }
}

TEST(jinja_json, nesting_is_limited) {
  EXPECT_TRUE(parse_json("[[[]]]", 3));
  const auto read = parse_json("[[[[]]]]", 3);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::LIMIT);
  EXPECT_FALSE(parse_json(std::string(1000000, '[')));
}

}  // namespace
}  // namespace hearth::jinja
