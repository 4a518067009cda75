// Goal: a card is either understood as a whole or refused by the name of the key that is wrong.
#include "engine/chat/card.hpp"

#include <gtest/gtest.h>

#include "tests/temporary_directory.hpp"

#include <fstream>

namespace hearth::chat {
namespace {

std::string error_of(const std::string& json) {
  const auto card = parse_card(json);
  return card ? "none" : card.error().message;
}

TEST(ModelCard, every_key_is_read) {
  const auto card = parse_card(R"({
    "promptRenderer": "dsml", "outputParser": "deepseek_v32", "metalFastSynch": true,
    "mtpHeads": true, "mtpMaxDepth": 3, "mtpSidecarRepo": "a/b",
    "mtpNormConvention": "zero_centered", "mtpConcatOrder": "hidden_first",
    "speculativeMultiNode": false, "servedSpecType": "draft_simple", "servedSpecNMax": 4,
    "servedSpecDraftRepo": "c/d", "servedSpecDraftFile": "x/draft.gguf"})");
  ASSERT_TRUE(card) << card.error().message;
  EXPECT_EQ(card->prompt_renderer, PromptRenderer::dsml);
  EXPECT_EQ(card->output_parser, OutputFormat::deepseek_v32);
  EXPECT_EQ(card->mtp_max_depth, 3);
  EXPECT_EQ(card->mtp_norm_convention, NormConvention::zero_centered);
  EXPECT_EQ(card->mtp_concat_order, ConcatOrder::hidden_first);
  EXPECT_EQ(card->speculative_multi_node, false);
  EXPECT_EQ(card->served_spec_type, ServedSpecType::draft_simple);
  EXPECT_EQ(card->served_spec_draft_file, "x/draft.gguf");
  const std::vector<CardEntry> entries = explain_card(*card);
  ASSERT_EQ(entries.size(), 13u);
  for (const CardEntry& entry : entries) {
    const bool chooses = entry.key == "promptRenderer" || entry.key == "outputParser";
    EXPECT_EQ(entry.has_effect, chooses) << entry.key;
    EXPECT_EQ(entry.effect.find("no effect") == std::string_view::npos, chooses) << entry.key;
  }
  EXPECT_EQ(entries.front().value, "dsml");
}

TEST(ModelCard, no_key_is_no_opinion) {
  const auto card = parse_card("{}");
  ASSERT_TRUE(card);
  EXPECT_FALSE(card->prompt_renderer);
  EXPECT_TRUE(explain_card(*card).empty());
}

TEST(ModelCard, what_is_wrong_is_named) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"promptRenderer": "html"})", "promptRenderer: \"html\" is not one of tokenizer, gemma4"},
      {R"({"promptRenderer": 1})", "promptRenderer: no text"},
      {R"({"prompt_renderer": "gemma4"})", "prompt_renderer: unknown; there are promptRenderer"},
      {R"({"outputParser": "peg"})",
       "outputParser: \"peg\" is not one of generic, gemma4, gpt_oss"},
      {R"({"metalFastSynch": "yes"})", "metalFastSynch: neither true nor false"},
      {R"({"mtpMaxDepth": 0})", "mtpMaxDepth: no whole number of 1"},
      {R"({"mtpMaxDepth": 1.5})", "mtpMaxDepth: no whole number"},
      {R"({"servedSpecNMax": 0})", "servedSpecNMax: no whole number of 1"},
      {R"({"mtpSidecarRepo": "x"})", "mtpSidecarRepo: \"x\" is no OWNER/NAME"},
      {R"({"mtpSidecarRepo": "a/../b"})", "mtpSidecarRepo: \"a/../b\" is no OWNER/NAME"},
      {R"({"servedSpecDraftRepo": "a/b"})", "servedSpecDraftFile: missing beside"},
      {R"({"servedSpecDraftFile": "f"})", "servedSpecDraftRepo: missing beside"},
      {R"({"servedSpecDraftRepo": "a/b", "servedSpecDraftFile": "../f"})", "leaves the repository"},
      {R"({"assistantModelRepo": "a/b", "mtpHeads": true})", "assistantModelRepo: a model has"},
      {R"({"mtpHeads": false, "mtpMaxDepth": 2})", "mtpHeads: false, but"},
      {R"({"servedSpecType": "draft_eagle3"})", "draft_eagle3 needs servedSpecDraftRepo"},
      {R"({"servedSpecType": "ngram", "servedSpecDraftRepo": "a/b", "servedSpecDraftFile": "f"})",
       "ngram takes no servedSpecDraftRepo"},
      {"[]", "a card is one JSON object"},
      {"{", "JSON"},
      {"", "JSON"},
  };
  for (const auto& [json, why] : cases) {
    EXPECT_NE(error_of(json).find(why), std::string::npos) << json << ": " << error_of(json);
  }
}

TEST(ModelCard, a_file_is_named_in_its_errors) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/x.card.json";
  EXPECT_NE(read_card(path).error().message.find(path), std::string::npos);
  std::ofstream(path) << R"({"mtpHeads": 3})";
  EXPECT_EQ(read_card(path).error().message, path + ": mtpHeads: neither true nor false");
  std::ofstream(path) << R"({"mtpHeads": true})";
  EXPECT_TRUE(read_card(path));
  EXPECT_FALSE(read_card(directory.path()));
}

}  // namespace
}  // namespace hearth::chat
