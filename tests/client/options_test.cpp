// Goal: the struct_size rule holds for every struct, every option is checked and reaches the wire
// as docs/wire.md names it, and a failed call leaves no trace: no output, no byte to the daemon.
#include <cjson/cJSON.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

// A caller built against a later header: one field more.
struct LaterGenerateOptions {
  hearth_generate_options known;
  std::int64_t later;
};

bool same_json(const std::string& a, const std::string& b) {
  cJSON* const left = cJSON_Parse(a.c_str());
  cJSON* const right = cJSON_Parse(b.c_str());
  const bool same = cJSON_Compare(left, right, /*case_sensitive=*/true) != 0;
  cJSON_Delete(left);
  cJSON_Delete(right);
  return same;
}

// A daemon that records what it is asked and ends every generation at once.
class Options : public ::testing::Test {
 protected:
  // What the daemon got for these options; the call must succeed.
  ReceivedFrame sent(const hearth_generate_options& options) {
    EXPECT_EQ(read_all(generate(client_, options)).code, HEARTH_OK);
    return requests_.back();
  }
  // The code of a call that must fail without sending anything.
  int refused(const hearth_generate_options& options, const char* word) {
    hearth_stream* const untouched = reinterpret_cast<hearth_stream*>(this);
    hearth_stream* stream = untouched;
    const int code = hearth_generate(client_.get(), &options, &stream);
    EXPECT_EQ(stream, untouched);
    EXPECT_TRUE(mentions(last_error(client_), word));
    if (code == HEARTH_OK) hearth_stream_close(stream);
    return code;
  }
  // Ends the connection, so that all the daemon was sent is known.
  const std::vector<ReceivedFrame>& all_requests() {
    client_.reset();
    ended_.wait();
    return requests_;
  }

  std::vector<ReceivedFrame> requests_;  // the reply that follows publishes each
  Gate ended_;
  FakeDaemon daemon_{[this](Peer& peer) {
    peer.greet();
    for (ReceivedFrame frame = peer.read(); frame.verb() != 0; frame = peer.read()) {
      requests_.push_back(frame);
      peer.reply(frame, kResult);
    }
    ended_.open();
  }};
  Client client_ = connect_to(daemon_.socket());
};

TEST_F(Options, what_has_no_opinion_is_not_sent) {
  const ReceivedFrame frame = sent(generate_options("Once"));
  EXPECT_EQ(frame.verb(), kGenerate);
  EXPECT_TRUE(same_json(frame.json, R"({"model":"m","prompt_kind":"text","credit":256})"))
      << frame.json;
  EXPECT_EQ(frame.payload, "Once");
}

TEST_F(Options, every_option_is_on_the_wire_as_it_was_set) {
  const char* const stop[] = {"\n\n", "\"end\""};
  hearth_generate_options options = generate_options();
  options.prompt_size = 2;
  options.token_flags = HEARTH_NO_SPECIAL | HEARTH_PARSE_SPECIAL;
  options.raw = 1;
  options.max_tokens = INT32_MAX;
  options.temperature = 0.5F;
  options.top_k = 40;
  options.top_p = 1;
  options.seed = 4294967295;
  options.stop = stop;
  options.stop_count = 2;
  options.ignore_eos = 1;
  options.want_logits = 1;
  options.credit = 65536;
  const ReceivedFrame frame = sent(options);
  EXPECT_TRUE(same_json(frame.json, R"({"model":"m","prompt_kind":"text","add_special":false,)"
                                    R"("parse_special":true,"raw":true,"max_tokens":2147483647,)"
                                    R"("temperature":0.5,"top_k":40,"top_p":1,"seed":4294967295,)"
                                    R"("stop":["\n\n","\"end\""],"ignore_eos":true,"logits":true,)"
                                    R"("credit":65536})"))
      << frame.json;
  EXPECT_EQ(frame.payload, "On");
}

TEST_F(Options, zeros_are_opinions) {
  hearth_generate_options options = generate_options();
  options.raw = 0;
  options.temperature = 0;
  options.top_k = 0;
  options.top_p = 0;
  options.seed = 0;
  options.ignore_eos = 0;
  options.want_logits = 0;
  const ReceivedFrame frame = sent(options);
  EXPECT_TRUE(same_json(frame.json,
                        R"({"model":"m","prompt_kind":"text","raw":false,"temperature":0,)"
                        R"("top_k":0,"top_p":0,"seed":0,"ignore_eos":false,"logits":false,)"
                        R"("credit":256})"))
      << frame.json;
}

TEST_F(Options, a_prompt_of_ids_is_their_bytes) {
  const std::vector<std::int32_t> ids = {1, 403, -1, 7};
  hearth_generate_options options = generate_options();
  options.prompt = nullptr;
  options.prompt_ids = ids.data();
  options.prompt_id_count = ids.size();
  const ReceivedFrame frame = sent(options);
  EXPECT_TRUE(same_json(frame.json, R"({"model":"m","prompt_kind":"tokens","credit":256})"))
      << frame.json;
  EXPECT_EQ(frame.payload, raw_bytes(ids));
}

TEST_F(Options, checkpoints_are_positions_of_the_ids) {
  const std::vector<std::int32_t> ids = {1, 403, 5, 7};
  const std::int32_t checkpoints[] = {1, 3};
  hearth_generate_options options = generate_options();
  options.prompt = nullptr;
  options.prompt_ids = ids.data();
  options.prompt_id_count = ids.size();
  options.checkpoints = checkpoints;
  options.checkpoint_count = 2;
  EXPECT_TRUE(mentions(sent(options).json, R"("checkpoints":[1,3])"));
}

TEST_F(Options, logits_begin_with_a_small_credit) {
  hearth_generate_options options = generate_options();
  options.want_logits = 1;
  EXPECT_TRUE(mentions(sent(options).json, R"("credit":8)"));
}

TEST_F(Options, a_shorter_struct_leaves_the_rest_without_opinion) {
  hearth_generate_options options = generate_options();
  options.struct_size = offsetof(hearth_generate_options, prompt_ids);
  options.prompt_id_count = 99;  // from here on: not of the caller's struct
  options.max_tokens = -5;
  options.credit = 3;
  const ReceivedFrame frame = sent(options);
  EXPECT_TRUE(same_json(frame.json, R"({"model":"m","prompt_kind":"text","credit":256})"))
      << frame.json;
}

TEST_F(Options, a_longer_struct_is_fine_while_its_tail_is_zero) {
  LaterGenerateOptions options;
  std::memset(&options, 0x5a, sizeof(options));
  hearth_generate_options_init_sized(&options.known, sizeof(options));
  EXPECT_EQ(options.later, 0);
  EXPECT_EQ(options.known.struct_size, sizeof(options));
  EXPECT_EQ(options.known.max_tokens, HEARTH_UNSET_I32);
  options.known.model = "m";
  options.known.prompt = "Once";
  options.known.prompt_size = 4;
  sent(options.known);
  options.later = 1;
  EXPECT_EQ(refused(options.known, "struct_size"), HEARTH_EINVALID);
  EXPECT_EQ(all_requests().size(), 1u);
}

TEST_F(Options, a_struct_that_was_not_initialised_is_invalid) {
  hearth_generate_options options = generate_options();
  for (const std::size_t size : {std::size_t{0}, sizeof(std::size_t) - 1, std::size_t{4097},
                                 std::numeric_limits<std::size_t>::max()}) {
    options.struct_size = size;
    EXPECT_EQ(refused(options, "struct_size"), HEARTH_EINVALID) << size;
  }
  hearth_stream* stream = nullptr;
  EXPECT_EQ(hearth_generate(client_.get(), nullptr, &stream), HEARTH_EINVALID);
  EXPECT_EQ(hearth_eval(client_.get(), nullptr, &stream), HEARTH_EINVALID);
  options = generate_options();
  EXPECT_EQ(hearth_generate(client_.get(), &options, nullptr), HEARTH_EINVALID);
  EXPECT_TRUE(all_requests().empty());
}

TEST_F(Options, every_generate_option_has_a_range) {
  const float nan = std::nanf("");
  const float infinite = std::numeric_limits<float>::infinity();
  static const std::int32_t id = 1;
  static const char* const empty_stop[] = {"x", ""};
  static const char* const null_stop[] = {nullptr};
  static const std::string long_text(257, 's');
  static const char* const long_stop[] = {long_text.c_str()};
  static const std::string long_model(129, 'm');
  struct Case {
    const char* word;  // of the error
    std::function<void(hearth_generate_options&)> set;
  };
  const Case cases[] = {
      {"model", [](auto& o) { o.model = nullptr; }},
      {"model", [](auto& o) { o.model = ""; }},
      {"model", [](auto& o) { o.model = long_model.c_str(); }},
      {"prompt", [](auto& o) { o.prompt = nullptr; }},
      {"prompt_ids", [](auto& o) { o.prompt_ids = &id; }},
      {"prompt_id_count", [](auto& o) { o.prompt = nullptr, o.prompt_ids = &id; }},
      {"flags", [](auto& o) { o.token_flags = 4; }},
      {"raw", [](auto& o) { o.raw = 2; }},
      {"raw", [](auto& o) { o.raw = -1; }},
      {"max_tokens", [](auto& o) { o.max_tokens = 0; }},
      {"max_tokens", [](auto& o) { o.max_tokens = -1; }},
      {"temperature", [](auto& o) { o.temperature = -0.1F; }},
      {"temperature", [](auto& o) { o.temperature = 100.1F; }},
      {"temperature", [&](auto& o) { o.temperature = nan; }},
      {"temperature", [&](auto& o) { o.temperature = infinite; }},
      {"top_k", [](auto& o) { o.top_k = -1; }},
      {"top_p", [](auto& o) { o.top_p = -0.1F; }},
      {"min_p", [](auto& o) { o.min_p = 1.5F; }},
      {"repeat_penalty", [](auto& o) { o.repeat_penalty = 0; }},
      {"frequency_penalty", [](auto& o) { o.frequency_penalty = -101; }},
      {"penalty_last_n", [](auto& o) { o.penalty_last_n = -2; }},
      {"dry_base", [](auto& o) { o.dry_base = 0.5F; }},
      {"mirostat", [](auto& o) { o.mirostat = 3; }},
      {"mirostat_eta", [&](auto& o) { o.mirostat_eta = nan; }},
      {"top_p", [](auto& o) { o.top_p = 1.1F; }},
      {"top_p", [&](auto& o) { o.top_p = nan; }},
      {"seed", [](auto& o) { o.seed = -1; }},
      {"seed", [](auto& o) { o.seed = 4294967296; }},
      {"stop", [](auto& o) { o.stop_count = 1; }},
      {"stop_count", [](auto& o) { o.stop_count = 17, o.stop = empty_stop; }},
      {"stop[1]", [](auto& o) { o.stop_count = 2, o.stop = empty_stop; }},
      {"stop[0]", [](auto& o) { o.stop_count = 1, o.stop = null_stop; }},
      {"stop[0]", [](auto& o) { o.stop_count = 1, o.stop = long_stop; }},
      {"ignore_eos", [](auto& o) { o.ignore_eos = 2; }},
      {"want_logits", [](auto& o) { o.want_logits = -1; }},
      {"credit", [](auto& o) { o.credit = 0; }},
      {"credit", [](auto& o) { o.credit = 65537; }},
  };
  for (const Case& one : cases) {
    hearth_generate_options options = generate_options();
    one.set(options);
    EXPECT_EQ(refused(options, one.word), HEARTH_EINVALID) << one.word;
  }
  EXPECT_TRUE(all_requests().empty());
}

TEST_F(Options, every_eval_option_has_a_range) {
  static const std::int32_t id = 1;
  const auto refused_eval = [&](const char* word, auto set) {
    hearth_eval_options options;
    hearth_eval_options_init(&options);
    options.model = "m";
    options.ids = &id;
    options.id_count = 1;
    set(options);
    hearth_stream* stream = nullptr;
    EXPECT_EQ(hearth_eval(client_.get(), &options, &stream), HEARTH_EINVALID) << word;
    EXPECT_EQ(stream, nullptr);
    EXPECT_TRUE(mentions(last_error(client_), word));
  };
  refused_eval("struct_size", [](auto& o) { o.struct_size = 1; });
  refused_eval("model", [](auto& o) { o.model = nullptr; });
  refused_eval("ids", [](auto& o) { o.ids = nullptr; });
  refused_eval("id_count", [](auto& o) { o.id_count = 0; });
  refused_eval("want_logits", [](auto& o) { o.want_logits = 2; });
  refused_eval("pooling", [](auto& o) { o.pooling = 3; });
  refused_eval("pooling", [](auto& o) { o.pooling = HEARTH_POOLING_LAST, o.want_logits = 1; });
  EXPECT_TRUE(all_requests().empty());
}

TEST_F(Options, a_prompt_that_fits_no_frame_is_a_limit) {
  const std::string text((8 << 20) + 1, 'x');
  hearth_generate_options options = generate_options();
  options.prompt = text.data();
  options.prompt_size = text.size();
  EXPECT_EQ(refused(options, "prompt"), HEARTH_ELIMIT);
  const std::vector<std::int32_t> ids((2 << 20) + 1);
  options.prompt = nullptr;
  options.prompt_ids = ids.data();
  options.prompt_id_count = ids.size();
  EXPECT_EQ(refused(options, "prompt_ids"), HEARTH_ELIMIT);
  options.prompt_id_count = SIZE_MAX;  // whose bytes would wrap
  EXPECT_EQ(refused(options, "prompt_ids"), HEARTH_ELIMIT);
  options = generate_options();
  options.prompt = text.data();
  options.prompt_size = text.size() - 1;
  EXPECT_EQ(sent(options).payload.size(), std::size_t{8 << 20});
}

TEST_F(Options, questions_check_their_arguments) {
  hearth_client* const client = client_.get();
  const std::int32_t id = 1;
  std::int32_t* ids = nullptr;
  char* text = nullptr;
  std::size_t size = 99;
  const std::string long_model(129, 'm');
  EXPECT_EQ(hearth_query(client, 0, &text), HEARTH_EINVALID);
  EXPECT_EQ(hearth_query(client, 99, &text), HEARTH_EINVALID);
  EXPECT_EQ(hearth_query(client, HEARTH_QUERY_PS, nullptr), HEARTH_EINVALID);
  EXPECT_EQ(hearth_tokenize(client, nullptr, "x", 1, 0, &ids, &size), HEARTH_EINVALID);
  EXPECT_EQ(hearth_tokenize(client, long_model.c_str(), "x", 1, 0, &ids, &size), HEARTH_EINVALID);
  EXPECT_EQ(hearth_tokenize(client, "m", nullptr, 1, 0, &ids, &size), HEARTH_EINVALID);
  EXPECT_EQ(hearth_tokenize(client, "m", "x", 1, 4, &ids, &size), HEARTH_EINVALID);
  EXPECT_EQ(hearth_tokenize(client, "m", "x", 1, 0, nullptr, &size), HEARTH_EINVALID);
  EXPECT_EQ(hearth_tokenize(client, "m", "x", 1, 0, &ids, nullptr), HEARTH_EINVALID);
  EXPECT_EQ(hearth_tokenize(client, "m", "x", SIZE_MAX, 0, &ids, &size), HEARTH_ELIMIT);
  EXPECT_EQ(hearth_detokenize(client, "", &id, 1, 0, &text, &size), HEARTH_EINVALID);
  EXPECT_EQ(hearth_detokenize(client, "m", nullptr, 1, 0, &text, &size), HEARTH_EINVALID);
  EXPECT_EQ(hearth_detokenize(client, "m", &id, 1, HEARTH_NO_SPECIAL, &text, &size),
            HEARTH_EINVALID);
  EXPECT_EQ(hearth_detokenize(client, "m", &id, 1, 0, nullptr, &size), HEARTH_EINVALID);
  EXPECT_EQ(hearth_detokenize(client, "m", &id, 1, 0, &text, nullptr), HEARTH_EINVALID);
  EXPECT_EQ(hearth_detokenize(client, "m", &id, SIZE_MAX, 0, &text, &size), HEARTH_ELIMIT);
  EXPECT_EQ(ids, nullptr);
  EXPECT_EQ(text, nullptr);
  EXPECT_EQ(size, 99u);
  EXPECT_TRUE(all_requests().empty());
}

TEST_F(Options, results_and_events_are_written_as_far_as_they_have_room) {
  const Stream stream = generate(client_);
  hearth_event event;
  std::memset(&event, 0xee, sizeof(event));
  hearth_event_init_sized(&event, offsetof(hearth_event, state));
  EXPECT_EQ(hearth_stream_read(stream.get(), &event, kPatienceMs), HEARTH_OK);
  EXPECT_EQ(event.kind, HEARTH_EVENT_DONE);
  EXPECT_EQ(event.struct_size, offsetof(hearth_event, state));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(event.state), 0xeeeeeeeeeeeeeeee);

  hearth_result result;
  std::memset(&result, 0xee, sizeof(result));
  hearth_result_init_sized(&result, offsetof(hearth_result, completion_tokens));
  EXPECT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_OK);
  EXPECT_EQ(result.prompt_tokens, 7);
  EXPECT_EQ(result.cached_tokens, 3);
  EXPECT_EQ(static_cast<std::uint64_t>(result.completion_tokens), 0xeeeeeeeeeeeeeeee);

  struct {
    hearth_result known;
    std::int64_t later = -1;
  } longer;
  hearth_result_init_sized(&longer.known, sizeof(longer));
  longer.later = -1;
  EXPECT_EQ(hearth_stream_result(stream.get(), &longer.known), HEARTH_OK);
  EXPECT_EQ(longer.known.struct_size, sizeof(longer));
  EXPECT_EQ(longer.known.completion_tokens, 5);
  EXPECT_EQ(longer.later, 0) << "a field of a later version has no value";
}

TEST_F(Options, a_place_for_an_event_is_checked_before_one_is_taken) {
  const Stream stream = generate(client_);
  hearth_event event;
  hearth_event_init(&event);
  event.struct_size = 0;
  EXPECT_EQ(hearth_stream_read(stream.get(), &event, kPatienceMs), HEARTH_EINVALID);
  EXPECT_EQ(hearth_stream_read(stream.get(), nullptr, kPatienceMs), HEARTH_EINVALID);
  hearth_event_init(&event);
  EXPECT_EQ(hearth_stream_read(stream.get(), &event, -2), HEARTH_EINVALID);
  EXPECT_EQ(event.kind, 0) << "untouched";
  EXPECT_EQ(next_event(stream).kind, HEARTH_EVENT_DONE);
  hearth_result result;
  result.struct_size = 5000;
  EXPECT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_EINVALID);
  EXPECT_EQ(hearth_stream_result(stream.get(), nullptr), HEARTH_EINVALID);
}

}  // namespace
}  // namespace hearth::client_test
