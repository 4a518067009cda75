// Goal: control bodies are read strictly: nothing unknown, twice, too long or of a wrong type.
#include "daemon/json.hpp"

#include <gtest/gtest.h>

#include <random>

#include "common/limits.h"

namespace hearth {
namespace {

Result<JsonReader> parse(const std::string& text) {
  return JsonReader::parse(std::as_bytes(std::span(text)));
}

TEST(json, values_come_by_key_and_absent_ones_are_no_opinion) {
  auto json = parse(R"({"s":"text","b":true,"i":42,"n":0.5,"l":["a","b"],"z":null})");
  ASSERT_TRUE(json);
  EXPECT_EQ(**json->string("s"), "text");
  EXPECT_EQ(**json->boolean("b"), true);
  EXPECT_EQ(**json->integer("i", 0, 100), 42);
  EXPECT_EQ(**json->number("n", 0, 1), 0.5);
  EXPECT_EQ((**json->strings("l", 4, 4)).size(), 2u);
  EXPECT_FALSE(*json->string("z"));
  EXPECT_FALSE(*json->string("absent"));
  EXPECT_TRUE(json->done());
  EXPECT_TRUE(parse("")) << "no body is an object without keys";
}

TEST(json, errors_name_the_key) {
  auto json =
      parse(R"({"max_tokens":-1,"top_p":"x","seed":1.5,"stop":[1],"model":7,"raw":1,"e":1e300})");
  ASSERT_TRUE(json);
  const auto expect_names = [](const auto& result, const char* key) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::INVALID);
    EXPECT_EQ(result.error().message.rfind(key, 0), 0u) << result.error().message;
  };
  expect_names(json->integer("max_tokens", 1, 100), "max_tokens");
  expect_names(json->number("top_p", 0, 1), "top_p");
  expect_names(json->integer("seed", 0, 100), "seed");
  expect_names(json->strings("stop", 4, 4), "stop");
  expect_names(json->string("model"), "model");
  expect_names(json->boolean("raw"), "raw");
  expect_names(json->integer("e", 0, 100), "e");
  expect_names(json->require_string("missing"), "missing");
}

TEST(json, unknown_and_double_keys_are_errors) {
  auto json = parse(R"({"known":1,"unknwon":2})");
  ASSERT_TRUE(json);
  (void)json->integer("known", 0, 9);
  const Status done = json->done();
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("unknwon"), std::string::npos);
  EXPECT_FALSE(parse(R"({"a":1,"a":2})"));
  EXPECT_FALSE(parse(R"({"a":{"b":1,"b":2}})"));
}

TEST(json, what_is_no_small_object_is_refused) {
  EXPECT_FALSE(parse("[]"));
  EXPECT_FALSE(parse("{\"a\":1"));
  EXPECT_FALSE(parse("{\"a\":1} x"));
  EXPECT_FALSE(parse("nonsense"));
  EXPECT_FALSE(parse(std::string("{\"a\":\"\0\"}", 9)));
  EXPECT_FALSE(parse("{\"a\":\"\xff\"}"));
  EXPECT_FALSE(parse("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}"));
  EXPECT_FALSE(parse("{\"a\":" + std::string(20, '[') + std::string(20, ']') + "}"));
  EXPECT_FALSE(parse("{\"a\":\"" + std::string(HEARTH_JSON_BYTES_MAX, 'x') + "\"}"));
}

TEST(json, long_lists_and_texts_are_refused) {
  auto json = parse(R"({"l":["aaaaa"],"m":["a","b","c"],"e":[""]})");
  ASSERT_TRUE(json);
  EXPECT_FALSE(json->strings("l", 4, 4));
  EXPECT_FALSE(json->strings("m", 2, 4));
  EXPECT_FALSE(json->strings("e", 2, 4));
}

TEST(json, random_damage_never_crashes) {
  const std::string whole =
      R"({"model":"m","stop":["a","\u00e9"],"n":-1.5e3,"o":{"p":[true,null]}})";
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    std::string text = whole;
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
      text[random() % text.size()] = static_cast<char>(random() % 128);
    }
    text.resize(random() % (text.size() + 1));
    auto json = parse(text);
    if (!json) continue;
    (void)json->string("model");
    (void)json->strings("stop", 4, 100);
    (void)json->number("n", -1e9, 1e9);
    (void)json->done();
  }
}

TEST(json, text_that_is_not_utf8_is_written_as_replacement_characters) {
  JsonWriter json;
  json.add("t", std::string("a\xff\xc3(b")).add("n", std::uint64_t{7});
  EXPECT_EQ(json.text(), "{\"t\":\"a\xEF\xBF\xBD\xEF\xBF\xBD(b\",\"n\":7}");
}

}  // namespace
}  // namespace hearth
