// Goal: the renderers gemma4 and dsml write what the models' own templates do, and conversations
// become the prompts that other servers make of them (../shared/conformance).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include "engine/chat/builtin_templates.hpp"
#include "engine/chat/chat_format.hpp"
#include "engine/chat/input_json.hpp"
#include "tests/engine/tokenizer/tokenizer_testing.hpp"

namespace hearth::chat {
namespace {

using jinja::Input;
using jinja::InputDict;

constexpr const char* kGoldens = HEARTH_SHARED_DIR "/conformance/template_goldens.jsonl";
constexpr const char* kCases = HEARTH_SHARED_DIR "/conformance/chat_cases.jsonl";

// The days on which the cases were made.
std::tm day_of(int month, int day, int weekday) {
  std::tm now = {};
  now.tm_year = 126;
  now.tm_mon = month - 1;
  now.tm_mday = day;
  now.tm_wday = weekday;
  return now;
}

std::string text_at(const Input& value, const char* key) {
  const Input* found = value.find(key);
  const auto* text = found == nullptr ? nullptr : std::get_if<std::string>(&found->held);
  return text == nullptr ? std::string() : *text;
}

TEST(Renderers, write_what_the_models_own_templates_write) {
  std::ifstream goldens(kGoldens);
  if (!goldens) GTEST_SKIP() << "no " << kGoldens;
  const std::map<std::string, std::pair<const char*, bool>> ours = {
      {"google-gemma-4-31B-it.jinja", {"gemma4", false}},
      {"deepseek-ai-DeepSeek-V3.2.jinja", {"dsml-v3.2", false}},
      {"deepseek-ai-DeepSeek-V4.jinja", {"dsml-v4", false}},
      {"deepseek-ai-DeepSeek-V4-Flash-0731.jinja", {"dsml-v4", true}}};
  int compared = 0;
  for (std::string line; std::getline(goldens, line);) {
    const auto golden = jinja::parse_json(line);
    ASSERT_TRUE(golden);
    const auto found = ours.find(text_at(*golden, "template"));
    if (found == ours.end() || golden->find("expect") == nullptr) continue;
    SCOPED_TRACE(found->first + " " + text_at(*golden, "case"));
    const auto compiled = jinja::compile(find_builtin_template(found->second.first)->source);
    ASSERT_TRUE(compiled) << compiled.error().message;
    auto context = std::get<InputDict>(golden->find("context")->held);
    if (found->second.second) context.emplace_back("is_flash", true);
    jinja::RenderOptions options;
    options.now = day_of(8, 18, 2);
    const auto rendered = jinja::render(*compiled, context, options);
    ASSERT_TRUE(rendered) << rendered.error().message;
    EXPECT_EQ(rendered->text, text_at(*golden, "expect"));
    ++compared;
  }
  EXPECT_GE(compared, 76);
}

std::string template_text(const std::string& path) {
  std::ifstream file(HEARTH_SHARED_DIR "/templates/" + path.substr(path.rfind('/') + 1));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The conversation of a case, as our API has it.
std::string conversation_json(const Input& params) {
  InputDict conversation = {{"messages", *params.find("messages")}};
  const auto copy = [&](const char* from, const char* to) {
    const Input* value = params.find(from);
    if (value != nullptr) conversation.emplace_back(to, *value);
  };
  copy("tools", "tools");
  copy("enable_thinking", "reasoning");
  copy("add_generation_prompt", "generation_prompt");
  return to_json(Input(conversation));
}

// The peer has rules of its own for a few templates: what it makes of dates, of reasoning that is
// forced, of formats that are asked for.
TEST(Prompts, are_those_of_the_peer) {
  std::ifstream cases(kCases);
  if (!cases) GTEST_SKIP() << "no " << kCases;
  using hearth::testing::bpe_vocabulary;
  Vocabulary vocabulary = bpe_vocabulary({}, {{"", TokenType::control}, {"", TokenType::control}});
  const auto tokenizer = hearth::testing::make_tokenizer(std::move(vocabulary));
  std::map<std::string, ChatFormat> formats;
  std::map<std::string, int> different;
  int equal = 0, failed = 0, total = 0;
  for (std::string line; std::getline(cases, line);) {
    const auto one = jinja::parse_json(line);
    ASSERT_TRUE(one);
    const std::string name = text_at(*one, "template");
    const Input& params = *one->find("params");
    auto format = formats.find(name);
    if (format == formats.end()) {
      const std::string source = template_text(name);
      auto made = ChatFormat::create({.id = "m", .own_template = source, .tokenizer = &*tokenizer});
      ASSERT_TRUE(made) << made.error().message;
      format = formats.emplace(name, *std::move(made)).first;
    }
    auto conversation = parse_conversation(conversation_json(params));
    ASSERT_TRUE(conversation) << conversation.error().message;
    ++total;
    const auto prompt = format->second.render(*std::move(conversation), day_of(11, 21, 6));
    if (!prompt) {
      ++failed;
      std::printf("%s: %s\n", name.c_str(), prompt.error().message.c_str());
    } else if (prompt->text == text_at(*one->find("ref"), "prompt")) {
      ++equal;
    } else {
      ++different[name];
    }
  }
  for (const auto& [name, count] : different) std::printf("%3d differ: %s\n", count, name.c_str());
  std::printf("%d of %d prompts are equal\n", equal, total);
  // Two templates want what only their own servers give them; one is wrong.
  EXPECT_LE(failed, 5);
  EXPECT_GE(equal, total * 8 / 10);
}

// Goal: with every family the prompt ends with what was begun, and its output is read from there.
TEST(Prompts, a_continued_message_is_what_was_begun_and_what_is_new) {
  std::ifstream cases(kCases);
  if (!cases) GTEST_SKIP() << "no " << kCases;
  const auto tokenizer = hearth::testing::make_tokenizer(hearth::testing::bpe_vocabulary({}));
  std::map<std::string, int> dialects;
  std::string refused;
  for (std::string line; std::getline(cases, line);) {
    const auto one = jinja::parse_json(line);
    ASSERT_TRUE(one);
    const Input& params = *one->find("params");
    if (to_json(*params.find("continue_final_message")) == "0") continue;
    const std::string source = template_text(text_at(*one, "template"));
    const auto format =
        ChatFormat::create({.id = "m", .own_template = source, .tokenizer = &*tokenizer});
    ASSERT_TRUE(format) << format.error().message;
    const std::string name(format->dialect().name);
    SCOPED_TRACE(text_at(*one, "template") + " " + name);
    auto conversation = parse_conversation(conversation_json(params));
    ASSERT_TRUE(conversation) << conversation.error().message;
    conversation->continues = true;
    conversation->generation_prompt = false;
    conversation->split_reasoning = text_at(params, "reasoning_format") != "none";
    const Input last = conversation->messages.back();
    const auto prompt = format->render(*conversation, day_of(11, 21, 6));
    if (!prompt) {
      refused += prompt.error().message + "\n";
      continue;
    }
    const std::string content = text_at(last, "content");
    const std::string reasoning = text_at(last, "reasoning_content");
    EXPECT_TRUE(prompt->text.ends_with(content.empty() ? reasoning : content)) << prompt->text;

    OutputParser parser(format->parser_options(*conversation, *prompt));
    Message client = parser.message();
    const auto take = [&](std::span<const Delta> deltas) {
      for (const Delta& delta : deltas) {
        (delta.kind == Delta::Kind::reasoning ? client.reasoning : client.content) += delta.text;
      }
    };
    EXPECT_EQ(client.content, content);
    take(parser.feed(text_at(*one, "input")));
    take(parser.finish());
    const Input& expected = *one->find("expect");
    EXPECT_EQ(parser.message().content, text_at(expected, "content"));
    EXPECT_EQ(parser.message().reasoning, text_at(expected, "reasoning_content"));
    EXPECT_EQ(client.content, parser.message().content);
    EXPECT_EQ(client.reasoning, parser.message().reasoning);
    ++dialects[name];
  }
  EXPECT_EQ(std::ranges::count(refused, '\n'), 1) << "one wants what its server gives: " << refused;
  EXPECT_GE(dialects.size(), 15u);
  for (const char* name : {"gpt_oss", "gemma4", "deepseek_v32"})
    EXPECT_GE(dialects[name], 2) << name;
}

}  // namespace
}  // namespace hearth::chat
