// Goal: the C API against a real hearthd: what it promises, and that the wire in between is the
// same on both sides.
#include "tests/client/client_testing.hpp"
#include "tests/daemon/daemon_process.hpp"

namespace hearth::client_test {
namespace {

class RealDaemon : public testing::Test {
 protected:
  hearth_generate_options ask(int max_tokens) const {
    hearth_generate_options options;
    hearth_generate_options_init(&options);
    options.model = "qwen";
    options.prompt_ids = kPrompt;
    options.prompt_id_count = std::size(kPrompt);
    options.raw = 1;
    options.temperature = 0;
    options.ignore_eos = 1;
    options.max_tokens = max_tokens;
    return options;
  }
  Client connect() const { return connect_to(daemon_.socket()); }
  // The prompt's own logits.
  Stream evaluate_prompt(const Client& client, bool want_logits) const {
    hearth_eval_options options;
    hearth_eval_options_init(&options);
    options.model = "qwen";
    options.ids = kPrompt;
    options.id_count = std::size(kPrompt);
    options.want_logits = want_logits ? 1 : 0;
    hearth_stream* stream = nullptr;
    EXPECT_EQ(hearth_eval(client.get(), &options, &stream), HEARTH_OK) << last_error(client);
    return Stream(stream);
  }

  static constexpr std::int32_t kPrompt[] = {5, 6, 7, 8, 9};
  DaemonProcess daemon_{
      {"--model", "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf", "--ctx", "16384"}};
};

TEST_F(RealDaemon, generates_and_tells_the_numbers) {
  const Client client = connect();
  const Outcome outcome = read_all(generate(client, ask(20)));
  ASSERT_EQ(outcome.code, HEARTH_OK) << last_error(client);
  EXPECT_EQ(outcome.ids.size(), 20u);
  EXPECT_EQ(outcome.text, "") << "a model without a vocabulary";
  EXPECT_EQ(outcome.result.prompt_tokens, 5);
  EXPECT_EQ(outcome.result.cached_tokens, 0);
  EXPECT_EQ(outcome.result.completion_tokens, 20);
  EXPECT_EQ(outcome.result.stop_reason, HEARTH_STOP_LENGTH);
  EXPECT_GT(outcome.result.ttft_ms, 0);
  EXPECT_GT(outcome.result.decode_tps, 0);
}

TEST_F(RealDaemon, the_cache_is_listed_checked_and_evicted) {
  const Client client = connect();
  std::vector<std::int32_t> prompt;
  for (int i = 0; i < 70; ++i) prompt.push_back(i % 50 + 3);
  hearth_generate_options options = ask(1);
  options.prompt_ids = prompt.data();
  options.prompt_id_count = prompt.size();
  Outcome outcome = read_all(generate(client, options));
  EXPECT_EQ(outcome.result.match_end, HEARTH_MATCH_END_COLD);
  EXPECT_EQ(outcome.result.computed_tokens, 70);
  EXPECT_EQ(outcome.result.cache_tier, HEARTH_CACHE_TIER_NONE);
  outcome = read_all(generate(client, options));
  EXPECT_EQ(outcome.result.match_end, HEARTH_MATCH_END_LAST_TOKEN);
  EXPECT_EQ(outcome.result.copied_tokens, 5);
  EXPECT_EQ(outcome.result.cache_tier, HEARTH_CACHE_TIER_HOST);

  // The pages that an action tells of.
  const auto pages = [&](int action) {
    hearth_cache_options cache;
    hearth_cache_options_init(&cache);
    cache.model = "qwen";
    cache.action = action;
    hearth_stream* opened = nullptr;
    EXPECT_EQ(hearth_cache(client.get(), &cache, &opened), HEARTH_OK) << last_error(client);
    const Stream stream(opened);
    while (next_event(stream).kind != HEARTH_EVENT_DONE) continue;
    hearth_result result;
    hearth_result_init(&result);
    EXPECT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_OK);
    return number_at(parse_json(result.document).get(), "pages");
  };
  EXPECT_EQ(pages(HEARTH_CACHE_LS), 3);
  EXPECT_EQ(pages(HEARTH_CACHE_VERIFY), 3);
  EXPECT_EQ(pages(HEARTH_CACHE_EVICT), 3);
  EXPECT_EQ(pages(HEARTH_CACHE_LS), 0);
}

TEST_F(RealDaemon, models_are_loaded_and_unloaded) {
  const Client client = connect();
  const auto state = [&] {
    char* json = nullptr;
    EXPECT_EQ(hearth_query(client.get(), HEARTH_QUERY_MODELS, &json), HEARTH_OK);
    const Json document = parse_json(json);
    hearth_free(json);
    return string_at(cJSON_GetObjectItem(document.get(), "models")->child, "state");
  };
  hearth_stream* stream = nullptr;
  ASSERT_EQ(hearth_load(client.get(), "qwen", 3600, &stream), HEARTH_OK) << last_error(client);
  Outcome outcome = read_all(Stream(stream));
  EXPECT_EQ(outcome.code, HEARTH_OK) << last_error(client);
  EXPECT_EQ(outcome.result.completion_tokens, 0);
  EXPECT_EQ(state(), "ready");
  ASSERT_EQ(hearth_unload(client.get(), "qwen", &stream), HEARTH_OK);
  EXPECT_EQ(read_all(Stream(stream)).code, HEARTH_OK);
  EXPECT_EQ(state(), "unloaded");
  EXPECT_EQ(read_all(generate(client, ask(3))).code, HEARTH_OK) << "loads it again";

  EXPECT_EQ(hearth_load(client.get(), nullptr, HEARTH_UNSET_I64, &stream), HEARTH_EINVALID);
  EXPECT_EQ(hearth_load(client.get(), "", HEARTH_UNSET_I64, &stream), HEARTH_EINVALID);
  const std::string long_name(100'000, 'm');
  EXPECT_EQ(hearth_load(client.get(), long_name.c_str(), HEARTH_UNSET_I64, &stream),
            HEARTH_EINVALID);
  EXPECT_EQ(hearth_load(client.get(), "qwen", -2, &stream), HEARTH_EINVALID);
  EXPECT_TRUE(mentions(last_error(client), "keep_alive_s"));
  EXPECT_EQ(hearth_load(client.get(), "qwen", HEARTH_FOREVER, nullptr), HEARTH_EINVALID);
  EXPECT_EQ(hearth_unload(client.get(), "qwen", nullptr), HEARTH_EINVALID);
  EXPECT_EQ(hearth_unload(nullptr, "qwen", &stream), HEARTH_EINVALID);
  ASSERT_EQ(hearth_load(client.get(), "nix", HEARTH_UNSET_I64, &stream), HEARTH_OK);
  EXPECT_EQ(read_all(Stream(stream)).code, HEARTH_ENOT_FOUND);
}

TEST_F(RealDaemon, logits_are_the_rows_that_greedy_tokens_were_drawn_from) {
  const Client client = connect();
  hearth_generate_options options = ask(12);
  options.want_logits = 1;
  options.credit = 2;
  const Outcome outcome = read_all(generate(client, options));
  ASSERT_EQ(outcome.code, HEARTH_OK) << last_error(client);
  ASSERT_EQ(outcome.logits_rows, outcome.ids.size());
  const std::size_t vocabulary = outcome.logits.size() / outcome.logits_rows;
  for (std::size_t i = 0; i < outcome.ids.size(); ++i) {
    const auto row = outcome.logits.begin() + static_cast<std::ptrdiff_t>(i * vocabulary);
    const auto best = std::max_element(row, row + static_cast<std::ptrdiff_t>(vocabulary));
    EXPECT_EQ(outcome.ids[i], best - row) << "token " << i;
  }
}

TEST_F(RealDaemon, evaluates_every_position_in_order) {
  const Client client = connect();
  const Outcome with = read_all(evaluate_prompt(client, true));
  const Outcome without = read_all(evaluate_prompt(client, false));
  ASSERT_EQ(with.code, HEARTH_OK) << last_error(client);
  EXPECT_EQ(with.logits_rows, 5u);
  EXPECT_EQ(without.logits_rows, 0u);
  EXPECT_GT(with.result.mean_nll, 0);
  EXPECT_EQ(with.result.mean_nll, without.result.mean_nll);
}

TEST_F(RealDaemon, a_callback_stops_the_generation) {
  const Client client = connect();
  const hearth_generate_options options = ask(16000);
  int events = 0;
  hearth_result result;
  hearth_result_init(&result);
  const auto stop_at_third = [](const hearth_event* event, void* user) {
    int& count = *static_cast<int*>(user);
    return event->kind != HEARTH_EVENT_TOKENS || ++count < 3 ? 1 : 0;
  };
  EXPECT_EQ(hearth_generate_each(client.get(), &options, stop_at_third, &events, &result),
            HEARTH_OK);
  EXPECT_EQ(events, 3) << "nothing is shown after the stop";
  EXPECT_EQ(result.stop_reason, HEARTH_STOP_CANCELED);
  EXPECT_LT(result.completion_tokens, 16000);
}

TEST_F(RealDaemon, another_thread_cancels_and_a_second_stream_goes_on) {
  const Client client = connect();
  const Stream endless = generate(client, ask(16000));
  hearth_generate_options second = ask(40);
  second.prompt_id_count = 3;
  const Stream short_one = generate(client, second);
  next_event(endless);
  std::thread canceler([&] { EXPECT_EQ(hearth_stream_cancel(endless.get()), HEARTH_OK); });
  const Outcome finished = read_all(short_one);
  const Outcome canceled = read_all(endless);
  canceler.join();
  EXPECT_EQ(finished.ids.size(), 40u);
  EXPECT_EQ(finished.result.stop_reason, HEARTH_STOP_LENGTH);
  EXPECT_EQ(canceled.result.stop_reason, HEARTH_STOP_CANCELED);
}

TEST_F(RealDaemon, what_the_daemon_refuses_names_the_reason_and_costs_one_request) {
  const Client client = connect();
  hearth_generate_options options = ask(5);
  options.model = "other";
  EXPECT_EQ(read_all(generate(client, options)).code, HEARTH_ENOT_FOUND);
  EXPECT_TRUE(mentions(last_error(client), "other"));
  const std::vector<std::int32_t> long_prompt(16385, 1);
  options = ask(5);
  options.prompt_ids = long_prompt.data();
  options.prompt_id_count = long_prompt.size();
  EXPECT_EQ(read_all(generate(client, options)).code, HEARTH_ELIMIT);
  EXPECT_TRUE(mentions(last_error(client), "16385"));
  options = generate_options("text");
  options.model = "qwen";
  EXPECT_EQ(read_all(generate(client, options)).code, HEARTH_ETOKENIZATION);
  EXPECT_EQ(read_all(generate(client, ask(5))).code, HEARTH_OK) << "the connection goes on";
}

TEST_F(RealDaemon, a_daemon_that_goes_away_is_told_once_and_for_all) {
  const Client client = connect();
  const Stream stream = generate(client, ask(16000));
  next_event(stream);
  EXPECT_EQ(daemon_.stop(SIGKILL), -SIGKILL);
  int code = HEARTH_OK;
  while (code == HEARTH_OK) code = read_code(stream);
  EXPECT_EQ(code, HEARTH_EUNAVAILABLE);
  char* json = nullptr;
  EXPECT_EQ(hearth_query(client.get(), HEARTH_QUERY_PS, &json), HEARTH_EUNAVAILABLE);
  EXPECT_EQ(hearth_fd(client.get()), -1);
}

TEST_F(RealDaemon, documents_are_json) {
  const Client client = connect();
  for (const auto& [kind, key] : {std::pair<int, const char*>(HEARTH_QUERY_MODELS, "models"),
                                  {HEARTH_QUERY_PS, "daemon"},
                                  {HEARTH_QUERY_STATS, "daemon"}}) {
    char* text = nullptr;
    ASSERT_EQ(hearth_query(client.get(), kind, &text), HEARTH_OK) << last_error(client);
    const Json json = parse_json(text);
    EXPECT_NE(cJSON_GetObjectItem(json.get(), key), nullptr) << text;
    hearth_free(text);
  }
}

}  // namespace
}  // namespace hearth::client_test
