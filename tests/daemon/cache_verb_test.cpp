// Goal: the verb CACHE and what replies say of the cache, as docs/wire.md has them, to clients that
// are right, wrong and hostile.
#include <gtest/gtest.h>

#include "tests/daemon/daemon_process.hpp"
#include "tests/daemon/damage_cache.hpp"

namespace hearth {
namespace {

const std::string kModel = "llama=" HEARTH_TEST_DATA "/models/llama.gguf";
const std::vector<std::string> kArguments = {"--model", kModel,       "--ctx",
                                             "512",     "--kv-bytes", "64M"};

std::vector<std::int32_t> prompt_of(int first) {
  std::vector<std::int32_t> prompt;
  for (int i = 0; i < 70; ++i) prompt.push_back((first + i * 7) % 60 + 1);
  return prompt;
}

class CacheVerb : public testing::Test {
 protected:
  // The reply's JSON.
  Json generate(const std::vector<std::int32_t>& prompt, int max_tokens = 1) {
    const RawFrame reply =
        client_.ask(kGenerate,
                    R"({"model":"llama","prompt_kind":"tokens","temperature":0,"ignore_eos":true,)"
                    R"("max_tokens":)" +
                        std::to_string(max_tokens) + "}",
                    ids_payload(prompt));
    EXPECT_EQ(error_code(reply), "") << reply.json;
    return parse_json(reply.json);
  }
  RawFrame ask(const std::string& rest, const std::string& payload = "") {
    return client_.ask(kCache, R"({"model":"llama",)" + rest + "}", payload);
  }
  // The document of the reply.
  Json document(const std::string& rest, const std::string& payload = "") {
    const RawFrame reply = ask(rest, payload);
    EXPECT_EQ(reply.flags, 1) << reply.json;
    return parse_json(reply.payload);
  }
  void expect_error(const std::string& rest, const std::string& payload, const char* code,
                    const char* word) {
    const RawFrame reply = ask(rest, payload);
    EXPECT_EQ(error_code(reply), code) << rest;
    EXPECT_NE(error_message(reply).find(word), std::string::npos) << error_message(reply);
  }
  DaemonProcess daemon_{kArguments};
  RawClient client_{daemon_.socket()};
};

TEST_F(CacheVerb, replies_tell_what_the_cache_did) {
  Json reply = generate(prompt_of(1));
  EXPECT_EQ(string_at(cJSON_GetObjectItem(reply.get(), "cache"), "match_end"), "cold");
  EXPECT_EQ(string_at(cJSON_GetObjectItem(reply.get(), "cache"), "cold"), "absent");
  EXPECT_EQ(number_at(reply.get(), "cache.computed_tokens"), 70);
  reply = generate(prompt_of(1));
  const cJSON* cache = cJSON_GetObjectItem(reply.get(), "cache");
  EXPECT_EQ(string_at(cache, "match_end"), "last_token");
  EXPECT_EQ(string_at(cache, "tier"), "host");
  EXPECT_EQ(number_at(cache, "copied_tokens"), 5);
  EXPECT_EQ(number_at(cache, "computed_tokens"), 1);
  EXPECT_EQ(number_at(cache, "restored_tokens"), 0);
  EXPECT_EQ(number_at(cache, "waited_tokens"), 0);
  EXPECT_EQ(number_at(cache, "recomputed_tokens"), 0);
  EXPECT_EQ(cJSON_GetObjectItem(cache, "cold"), nullptr);
  const RawFrame evaluated = client_.ask(kEval, R"({"model":"llama"})", ids_payload(prompt_of(1)));
  EXPECT_EQ(string_at(cJSON_GetObjectItem(parse_json(evaluated.json).get(), "cache"), "match_end"),
            "evaluation");

  ASSERT_EQ(daemon_.stop(SIGKILL), -SIGKILL);
  daemon_.restart();
  RawClient again(daemon_.socket());
  const RawFrame warm = again.ask(
      kGenerate, R"({"model":"llama","prompt_kind":"tokens","max_tokens":1,"temperature":0})",
      ids_payload(prompt_of(1)));
  const Json restored = parse_json(warm.json);
  EXPECT_EQ(number_at(restored.get(), "cache.restored_pages"), 3);
  EXPECT_EQ(number_at(restored.get(), "cache.restored_tokens"), 69);
  EXPECT_GT(number_at(restored.get(), "cache.restore_ms"), 0);
}

TEST_F(CacheVerb, ls_tells_texts_evict_drops_them_verify_checks_them) {
  generate(prompt_of(1));
  generate(prompt_of(2));
  Json listed = document(R"("do":"ls","first_tokens":3)");
  ASSERT_EQ(cJSON_GetArraySize(cJSON_GetObjectItem(listed.get(), "prefixes")), 2);
  EXPECT_EQ(number_at(listed.get(), "prefixes.0.tokens"), 70);
  EXPECT_EQ(number_at(listed.get(), "prefixes.0.uid"), geteuid());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(number_at(listed.get(), "prefixes.0.first_tokens." + std::to_string(i)),
              prompt_of(2)[static_cast<std::size_t>(i)])
        << "the last used first";
  }
  EXPECT_EQ(number_at(listed.get(), "pages"), 6);
  EXPECT_EQ(number_at(listed.get(), "bytes"), 6 * number_at(listed.get(), "page_bytes"));
  EXPECT_EQ(number_at(listed.get(), "checkpoints"), 0) << "of a model without recurrent layers";
  EXPECT_EQ(number_at(listed.get(), "checkpoint_bytes"), 0);
  EXPECT_EQ(number_at(listed.get(), "left_out"), 0);
  listed = document(R"("do":"ls","limit":1)");
  EXPECT_EQ(number_at(listed.get(), "left_out"), 1);
  const std::string begin = ids_payload({prompt_of(1)[0], prompt_of(1)[1]});
  EXPECT_EQ(number_at(document(R"("do":"ls")", begin).get(), "pages"), 3);

  client_.send(kCache, 500, R"({"model":"llama","do":"verify"})");
  const RawFrame progress = client_.read();
  EXPECT_EQ(progress.verb, kProgress);
  EXPECT_EQ(string_at(parse_json(progress.json).get(), "state"), "verify");
  const Json verified = parse_json(client_.read_reply(500).payload);
  EXPECT_EQ(number_at(verified.get(), "pages"), 6);
  EXPECT_EQ(number_at(verified.get(), "damaged"), 0);

  EXPECT_EQ(number_at(document(R"("do":"evict")", begin).get(), "pages"), 3);
  EXPECT_EQ(number_at(document(R"("do":"ls")", begin).get(), "pages"), 0);
  const Json one =
      document(R"("do":"evict","max_bytes":)" +
               std::to_string(static_cast<long>(number_at(listed.get(), "page_bytes"))));
  EXPECT_EQ(number_at(one.get(), "pages"), 1);
  EXPECT_EQ(number_at(document(R"("do":"evict")").get(), "pages"), 2);
  const Json stats = parse_json(client_.ask(kStats).payload);
  EXPECT_EQ(number_at(stats.get(), "models.0.pages.cached"), 0) << "when the reply comes";
  EXPECT_EQ(string_at(cJSON_GetObjectItem(generate(prompt_of(1)).get(), "cache"), "match_end"),
            "cold");
}

TEST_F(CacheVerb, members_of_a_group_mean_its_pages) {
  const std::string group = "us=" + std::to_string(geteuid()) + ",4711";
  ASSERT_EQ(daemon_.stop(SIGTERM), 0);
  daemon_.restart({"--group", group});
  RawClient client(daemon_.socket());
  const RawFrame reply = client.ask(
      kGenerate, R"({"model":"llama","prompt_kind":"tokens","max_tokens":1,"temperature":0})",
      ids_payload(prompt_of(1)));
  ASSERT_EQ(reply.flags, 1) << reply.json;
  for (const char* who : {"", R"(,"uid":4711)"}) {
    const RawFrame listed =
        client.ask(kCache, R"({"model":"llama","do":"ls")" + std::string(who) + "}");
    const Json json = parse_json(listed.payload);
    EXPECT_EQ(number_at(json.get(), "pages"), 3) << who;
    const cJSON* text = cJSON_GetArrayItem(cJSON_GetObjectItem(json.get(), "prefixes"), 0);
    EXPECT_EQ(string_at(text, "group"), "us");
    EXPECT_TRUE(cJSON_IsNull(cJSON_GetObjectItem(text, "uid")));
  }
}

TEST_F(CacheVerb, what_a_request_uses_stays) {
  client_.send(
      kGenerate, 900,
      R"({"model":"llama","prompt_kind":"tokens","max_tokens":4,"temperature":0,"credit":1})",
      ids_payload(prompt_of(1)));
  while (client_.tokens.empty()) ASSERT_TRUE(client_.read_stream());  // and parks
  RawClient other(daemon_.socket());
  const RawFrame reply = other.ask(kCache, R"({"model":"llama","do":"evict"})");
  const Json evicted = parse_json(reply.payload);
  EXPECT_EQ(number_at(evicted.get(), "pages"), 0);
  EXPECT_EQ(number_at(evicted.get(), "pages_in_use"), 2) << "the full ones";
  client_.send(kCredit, 900, R"({"tokens":10})");
  EXPECT_EQ(client_.read_reply(900).flags, 1);
  EXPECT_EQ(client_.tokens.size(), 4u);
}

TEST_F(CacheVerb, damage_in_memory_is_found_and_dropped) {
  generate(prompt_of(1));
  damage_first_page(daemon_.pid());
  const Json verified = document(R"("do":"verify")");
  EXPECT_EQ(number_at(verified.get(), "damaged"), 1);
  EXPECT_EQ(number_at(verified.get(), "dropped"), 3) << "with what continued it";
  const Json reply = generate(prompt_of(1));
  const cJSON* cache = cJSON_GetObjectItem(reply.get(), "cache");
  EXPECT_EQ(string_at(cache, "match_end"), "cold");
  EXPECT_EQ(cJSON_GetObjectItem(cache, "cold"), nullptr) << "it did not begin so";
  EXPECT_EQ(number_at(document(R"("do":"verify")").get(), "damaged"), 0);
}

TEST_F(CacheVerb, damage_that_a_restart_finds_is_told_to_who_meets_it) {
  generate(prompt_of(1));
  ASSERT_EQ(daemon_.stop(SIGKILL), -SIGKILL);
  daemon_.restart();
  RawClient client(daemon_.socket());
  ASSERT_EQ(client.ask(kLoad, R"({"model":"llama"})").flags, 1);
  damage_first_page(daemon_.pid());
  const RawFrame reply = client.ask(
      kGenerate, R"({"model":"llama","prompt_kind":"tokens","max_tokens":1,"temperature":0})",
      ids_payload(prompt_of(1)));
  const Json json = parse_json(reply.json);
  EXPECT_EQ(number_at(json.get(), "usage.cached_tokens"), 0);
  EXPECT_EQ(string_at(cJSON_GetObjectItem(json.get(), "cache"), "match_end"), "damaged");
  EXPECT_EQ(number_at(json.get(), "cache.restored_pages"), 0);
}

TEST_F(CacheVerb, what_was_verified_needs_no_check_when_it_is_used_first) {
  generate(prompt_of(1));
  ASSERT_EQ(daemon_.stop(SIGKILL), -SIGKILL);
  daemon_.restart();
  RawClient client(daemon_.socket());
  ASSERT_EQ(client.ask(kLoad, R"({"model":"llama"})").flags, 1);
  const RawFrame verified = client.ask(kCache, R"({"model":"llama","do":"verify"})");
  EXPECT_EQ(number_at(parse_json(verified.payload).get(), "pages"), 3);
  const RawFrame reply = client.ask(
      kGenerate, R"({"model":"llama","prompt_kind":"tokens","max_tokens":1,"temperature":0})",
      ids_payload(prompt_of(1)));
  EXPECT_EQ(number_at(parse_json(reply.json).get(), "usage.cached_tokens"), 69);
  EXPECT_EQ(number_at(parse_json(reply.json).get(), "cache.restored_pages"), 0);
}

TEST_F(CacheVerb, a_model_that_is_not_loaded_is_not_loaded_for_it) {
  generate(prompt_of(1));
  client_.ask(kUnload, R"({"model":"llama"})");
  for (const char* action : {"ls", "evict", "verify"}) {
    expect_error(R"("do":")" + std::string(action) + "\"", "", "invalid_operation",
                 "hearth load llama");
  }
  const Json stats = parse_json(client_.ask(kStats).payload);
  EXPECT_EQ(number_at(stats.get(), "models.0.loads"), 1);
  client_.ask(kLoad, R"({"model":"llama"})");
  EXPECT_EQ(number_at(document(R"("do":"ls")").get(), "pages"), 3) << "it was kept";
}

TEST_F(CacheVerb, every_bad_field_is_an_error_that_names_it) {
  generate(prompt_of(1));
  const std::string ids = ids_payload({1, 2});
  expect_error(R"("do":"purge")", "", "invalid", "do");
  expect_error(R"("do":7)", "", "invalid", "do");
  expect_error(R"("limit":1)", "", "invalid", "do: missing");
  expect_error(R"("do":"ls","limit":0)", "", "invalid", "limit");
  expect_error(R"("do":"ls","limit":1001)", "", "invalid", "limit");
  expect_error(R"("do":"ls","limit":1e300)", "", "invalid", "limit");
  expect_error(R"("do":"ls","first_tokens":65)", "", "invalid", "first_tokens");
  expect_error(R"("do":"ls","first_tokens":-1)", "", "invalid", "first_tokens");
  expect_error(R"("do":"ls","max_bytes":5)", "", "invalid", "max_bytes");
  expect_error(R"("do":"verify","limit":5)", "", "invalid", "limit");
  expect_error(R"("do":"evict","first_tokens":5)", "", "invalid", "first_tokens");
  expect_error(R"("do":"evict","max_bytes":0)", "", "invalid", "max_bytes");
  expect_error(R"("do":"evict","max_bytes":9007199254740994)", "", "invalid", "max_bytes");
  expect_error(R"("do":"evict","max_bytes":"all")", "", "invalid", "max_bytes");
  expect_error(R"("do":"ls","uid":-1)", "", "invalid", "uid");
  expect_error(R"("do":"ls","uid":4294967295)", "", "invalid", "uid");
  expect_error(R"("do":"ls","uid":0.5)", "", "invalid", "uid");
  expect_error(R"("do":"ls","uid":[0])", "", "invalid", "uid");
  expect_error(R"("do":"ls","all":1)", "", "invalid", "all");
  expect_error(R"("do":"ls","uid":1,"all":true)", "", "invalid", "uid, all");
  expect_error(R"("do":"ls","do":"evict")", "", "invalid", "do");
  expect_error(R"("do":"ls","model":"other")", "", "invalid", "model");
  expect_error(R"("do":"ls","namespace":0)", "", "invalid", "namespace");
  expect_error(R"("do":"verify")", ids, "invalid", "payload");
  expect_error(R"("do":"ls")", "abc", "invalid", "payload");
  expect_error(R"("do":"ls")", std::string((std::size_t{1} << 22) + 4, '\0'), "limit", "payload");
  EXPECT_EQ(error_code(client_.ask(kCache, R"({"do":"ls","model":"nix"})")), "not_found");
  EXPECT_EQ(error_code(client_.ask(kCache, "")), "invalid");
  // Ids that no vocabulary has are the begin of nothing.
  EXPECT_EQ(number_at(document(R"("do":"ls")", ids_payload({-1, 1 << 30})).get(), "pages"), 0);
  EXPECT_EQ(number_at(document(R"("do":"ls")").get(), "pages"), 3) << "nothing was lost";
}

TEST_F(CacheVerb, many_at_once_and_canceled_ones_all_end) {
  generate(prompt_of(1));
  for (std::uint32_t request = 1000; request < 1060; ++request) {
    const char* action = request % 3 == 0 ? "ls" : request % 3 == 1 ? "verify" : "evict";
    client_.send(kCache, request, R"({"model":"llama","do":")" + std::string(action) + "\"}");
    if (request % 4 == 0) client_.send(kCancel, request, "");
  }
  for (int open = 60; open > 0;) {
    const RawFrame frame = client_.read();
    ASSERT_NE(frame.verb, 0);
    if ((frame.flags & 1) == 0) continue;
    --open;
    EXPECT_TRUE(frame.flags == 1 || error_code(frame) == "canceled") << frame.json;
  }
  // One whose client goes keeps the model from nothing.
  {
    RawClient gone(daemon_.socket());
    gone.send(kCache, 1, R"({"model":"llama","do":"verify"})");
  }
  EXPECT_EQ(client_.ask(kUnload, R"({"model":"llama"})").flags, 1);
}

}  // namespace
}  // namespace hearth
