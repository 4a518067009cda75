// Goal: hearth cache shows, drops and checks what the daemon keeps, and hearth run tells why
// something missed.
#include "tests/cli/program.hpp"

namespace hearth {
namespace {

class CliCache : public testing::Test {
 protected:
  Ran cache(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "cache");
    return run_hearth(daemon_, arguments);
  }
  Ran generate(const std::string& prompt) {
    return run_hearth(daemon_, {"run", "ember", prompt, "--raw", "-n", "5", "--temp", "0"});
  }
  Json json(std::vector<std::string> arguments) {
    arguments.emplace_back("--json");
    const Ran ran = cache(std::move(arguments));
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(std::ranges::count(ran.out, '\n'), 1) << ran.out;
    return parse_json(ran.out);
  }
  DaemonProcess daemon_{{"--model", "ember=" HEARTH_MODELS_DIR "/ember-q8_0.gguf", "--model",
                         "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf", "--kv-bytes", "64M"}};
};

TEST_F(CliCache, run_tells_what_was_cached_and_why_no_more) {
  Ran ran = generate("Once upon a time");
  EXPECT_NE(ran.err.find("nothing is cached for this user and model (it began empty: absent)"),
            std::string::npos)
      << ran.err;
  ran = generate("Once upon a time");
  EXPECT_NE(ran.err.find("copied): all is cached but the last token"), std::string::npos)
      << ran.err;
  ran =
      run_hearth(daemon_, {"--json", "run", "ember", "Once upon another day", "--raw", "-n", "1"});
  const Json document = parse_json(ran.out);
  EXPECT_EQ(string_at(cJSON_GetObjectItem(document.get(), "cache"), "match_end"), "never_seen");
  EXPECT_EQ(number_at(document.get(), "cache.copied_tokens"),
            number_at(document.get(), "usage.cached_tokens"));
  ran = run_hearth(daemon_, {"eval", "ember", "--tokens", "1,2,3"});
  EXPECT_NE(ran.err.find("an evaluation computes every token"), std::string::npos) << ran.err;
  ran = run_hearth(daemon_, {"--json", "eval", "ember", "--tokens", "1,2,3"});
  EXPECT_EQ(string_at(cJSON_GetObjectItem(parse_json(ran.out).get(), "cache"), "match_end"),
            "evaluation");
}

TEST_F(CliCache, ls_shows_how_texts_begin_and_evict_drops_them) {
  generate("Once upon a time");
  generate("The little dog");
  Ran ran = cache({"ls", "ember"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  const std::size_t once = ran.out.find("\"Once upon a time");
  const std::size_t dog = ran.out.find("\"The little dog");
  ASSERT_NE(once, std::string::npos) << ran.out;
  ASSERT_NE(dog, std::string::npos) << ran.out;
  EXPECT_LT(dog, once) << "the last used first";
  EXPECT_NE(ran.out.find(" in 2 pages, "), std::string::npos) << ran.out;
  ran = cache({"ls", "ember", "--limit", "1"});
  EXPECT_NE(ran.out.find("and 1 more"), std::string::npos) << ran.out;
  ran = cache({"ls", "ember", "--prefix", "Once upon"});
  EXPECT_EQ(ran.out.find("dog"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("Once"), std::string::npos) << ran.out;

  ran = cache({"evict", "ember", "--prefix", "Once upon"});
  EXPECT_EQ(ran.out.find("evicted 1 pages"), 0u) << ran.out;
  EXPECT_EQ(number_at(json({"ls", "ember"}).get(), "pages"), 1);
  EXPECT_EQ(number_at(json({"evict", "ember", "--max-bytes", "1K"}).get(), "pages"), 0);
  EXPECT_EQ(number_at(json({"evict", "ember", "--max-bytes", "64K"}).get(), "pages"), 1);
  EXPECT_EQ(cache({"ls", "ember"}).out, "0 tokens in 0 pages, 0 B\n");
}

TEST_F(CliCache, ls_of_a_model_without_a_vocabulary_shows_ids) {
  run_hearth(daemon_, {"run", "qwen", "--tokens", "5,6,7", "-n", "2", "--raw"});
  const Ran ran = cache({"ls", "qwen", "--tokens", "5,6"});
  EXPECT_NE(ran.out.find("[5,6,7,"), std::string::npos) << ran.out << ran.err;
  EXPECT_EQ(cache({"ls", "qwen", "--tokens", "6"}).out, "0 tokens in 0 pages, 0 B\n");
}

TEST_F(CliCache, verify_says_that_all_is_well) {
  generate("Once upon a time");
  const Ran ran = cache({"verify", "ember"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out.find("checked 1 pages, "), 0u) << ran.out;
  EXPECT_NE(ran.out.find(": none is damaged\n"), std::string::npos) << ran.out;
  const Json all = json({"verify", "ember", "--all"});
  EXPECT_EQ(number_at(all.get(), "pages"), 1);
  EXPECT_EQ(number_at(all.get(), "damaged"), 0);
}

TEST_F(CliCache, stats_needs_no_loaded_model) {
  generate("Once upon a time");
  const Ran ran = cache({"stats"});
  EXPECT_NE(ran.out.find("empty: absent"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("(kv-bytes)"), std::string::npos) << ran.out;
  const Json one = json({"stats", "ember"});
  EXPECT_EQ(cJSON_GetArraySize(cJSON_GetObjectItem(one.get(), "models")), 1);
  EXPECT_EQ(number_at(one.get(), "models.0.pages.cached"), 1);
  EXPECT_EQ(number_at(one.get(), "kv_bytes_limit"), 64 << 20);
  EXPECT_EQ(cache({"stats", "nix"}).status, 1);
}

TEST_F(CliCache, what_cannot_be_is_one_line_that_says_what_to_do) {
  generate("Once upon a time");
  EXPECT_EQ(run_hearth(daemon_, {"unload", "ember"}).status, 0);
  Ran ran = cache({"ls", "ember"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.err.find("hearth load ember"), std::string::npos) << ran.err;
  const std::vector<std::pair<std::vector<std::string>, const char*>> wrong = {
      {{}, "hearth cache --help"},
      {{"purge", "ember"}, "hearth cache --help"},
      {{"ls"}, "MODEL"},
      {{"ls", "ember", "--limit", "0"}, "--limit"},
      {{"ls", "ember", "--all", "--uid", "3"}, "--uid"},
      {{"ls", "ember", "--prefix", "a", "--tokens", "1"}, "--prefix"},
      {{"evict", "ember", "--max-bytes", "0"}, "--max-bytes"},
      {{"evict", "ember", "--max-bytes", "5X"}, "--max-bytes"},
      {{"evict", "ember", "--max-bytes", "99999999T"}, "--max-bytes"},
      {{"verify", "ember", "--uid", "-1"}, "--uid"},
      {{"verify", "ember", "--limit", "1"}, "--limit"},
  };
  for (const auto& [arguments, named] : wrong) {
    ran = cache(arguments);
    EXPECT_EQ(ran.status, 2) << named;
    EXPECT_EQ(ran.out, "") << named;
    EXPECT_NE(ran.err.find(named), std::string::npos) << ran.err;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
  }
}

}  // namespace
}  // namespace hearth
