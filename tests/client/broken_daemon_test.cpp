// Goal: whatever a daemon sends, the client ends with a code that says what happened, gives what
// came in order, keeps no descriptor and does not crash.
// Method: a table of wrong frames, each played to a stream; then bytes changed one by one.
#include <gtest/gtest.h>

#include <functional>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

struct Broken {
  const char* name;
  std::function<std::string(std::uint32_t request)> bytes;  // in place of the stream's next frame
  int code = HEARTH_EPROTOCOL;
  const char* verb = "generate";  // or "eval"
};

void PrintTo(const Broken& broken, std::ostream* out) {
  *out << broken.name;
}

std::string reply(std::uint32_t request, const std::string& json) {
  return encode(kGenerate, kReply, request, json);
}
std::string progress(std::uint32_t request, const std::string& json) {
  return encode(kProgress, 0, request, json);
}
std::string header(FrameFields fields, std::uint32_t request, const std::string& body = "") {
  fields.request = request;
  return encode_header(fields) + body;
}

const std::vector<Broken>& broken_headers() {
  static const std::vector<Broken> all = {
      {"an_oversize_frame",
       [](auto r) {
         return header({8454145, kTokens, 0, 0, 0, 0}, r);
       }},
      {"the_largest_size",
       [](auto r) {
         return header({0xffffffff, kTokens, 0, 0, 0, 0}, r);
       }},
      {"an_oversize_payload",
       [](auto r) {
         return header({8388609, kTokens, 0, 0, 0, 0}, r);
       }},
      {"json_beyond_the_body",
       [](auto r) {
         return header({4, kGenerate, kReply, 0, 0, 5}, r, "{}  ");
       }},
      {"json_over_the_limit",
       [](auto r) {
         return header({70000, kGenerate, kReply, 0, 0, 65537}, r);
       }},
      {"unknown_flags",
       [](auto r) {
         return header({0, kTokens, 4, 0, 0, 0}, r);
       }},
      {"an_error_that_is_no_reply",
       [](auto r) {
         return header({0, kTokens, kError, 0, 0, 0}, r);
       }},
      {"announced_descriptors",
       [](auto r) {
         return header({0, kTokens, 0, 1, 0, 0}, r);
       }},
      {"for_no_request_either",
       [](auto) {
         return encode_header({0xffffffff, kTokens, 0, 0, 999, 0});
       }},
  };
  return all;
}

const std::vector<Broken>& broken_bodies() {
  const auto tokens = [](std::vector<std::uint32_t> head, const std::string& rest) {
    return [=](std::uint32_t r) { return encode(kTokens, 0, r, "", raw_bytes(head) + rest); };
  };
  const auto logits = [](std::uint64_t position, std::uint32_t rows, std::uint32_t cols,
                         std::size_t floats) {
    return [=](std::uint32_t r) {
      return encode_logits(r, position, rows, cols, std::vector<float>(floats));
    };
  };
  static const std::vector<Broken> all = {
      {"tokens_without_a_head", [](auto r) { return encode(kTokens, 0, r, "", "1234567"); }},
      {"fewer_ids_than_announced", tokens({2, 0}, "1234")},
      {"more_ids_than_announced", tokens({1, 0}, "12341234")},
      {"fewer_bytes_of_text", tokens({0, 3}, "xy")},
      {"more_bytes_of_text", tokens({0, 1}, "xy")},
      {"id_bytes_that_wrap", tokens({0x40000000, 0}, "")},
      {"sizes_that_wrap", tokens({0xffffffff, 0xffffffff}, "1234")},
      {"tokens_of_an_evaluation", tokens({1, 0}, "1234"), HEARTH_EPROTOCOL, "eval"},
      {"logits_without_a_head", [](auto r) { return encode(kLogits, 0, r, "", "123456789012345"); },
       HEARTH_EPROTOCOL, "eval"},
      {"logits_without_rows", logits(0, 0, 4, 0), HEARTH_EPROTOCOL, "eval"},
      {"logits_without_columns", logits(0, 4, 0, 0), HEARTH_EPROTOCOL, "eval"},
      {"fewer_floats_than_announced", logits(0, 2, 2, 3), HEARTH_EPROTOCOL, "eval"},
      {"more_floats_than_announced", logits(0, 2, 2, 5), HEARTH_EPROTOCOL, "eval"},
      {"a_float_that_is_cut",
       [](auto r) { return encode(kLogits, 0, r, "", std::string(12, '\0') + "\1\0\0\0abcde"); },
       HEARTH_EPROTOCOL, "eval"},
      {"rows_times_columns_that_wrap", logits(0, 0x80000000, 0x80000000, 0), HEARTH_EPROTOCOL,
       "eval"},
      {"a_position_without_end", logits(0x7fffffffffffffff, 1, 1, 1), HEARTH_EPROTOCOL, "eval"},
      {"a_negative_position", logits(0xffffffffffffffff, 1, 1, 1), HEARTH_EPROTOCOL, "eval"},
      {"more_rows_than_credit", logits(0, 9, 1, 9), HEARTH_EPROTOCOL, "eval"},
      {"logits_that_nobody_asked_for", logits(0, 1, 1, 1)},
  };
  return all;
}

const std::vector<Broken>& broken_json() {
  const auto is_reply = [](const std::string& json) {
    return [=](std::uint32_t r) { return reply(r, json); };
  };
  const auto is_progress = [](const std::string& json) {
    return [=](std::uint32_t r) { return progress(r, json); };
  };
  const auto is_error = [](const std::string& json) {
    return [=](std::uint32_t r) { return encode(kGenerate, kReply | kError, r, json); };
  };
  static const std::vector<Broken> all = {
      {"a_reply_without_json", is_reply("")},
      {"a_reply_that_is_an_array", is_reply("[]")},
      {"a_reply_that_is_text", is_reply("done")},
      {"a_reply_that_is_cut", is_reply(R"({"usage":{)")},
      {"a_reply_and_more", is_reply("{} {}")},
      {"a_reply_with_a_nul", is_reply(std::string("{}\0", 3))},
      {"a_reply_nested_without_end", is_reply(R"({"x":)" + std::string(50000, '['))},
      {"usage_that_is_no_object", is_reply(R"({"usage":[]})")},
      {"a_count_that_is_text", is_reply(R"({"usage":{"prompt_tokens":"7"}})")},
      {"a_count_that_is_negative", is_reply(R"({"usage":{"prompt_tokens":-1}})")},
      {"a_count_that_is_broken", is_reply(R"({"usage":{"cached_tokens":0.5}})")},
      {"a_count_that_is_too_large", is_reply(R"({"usage":{"completion_tokens":1e16}})")},
      {"a_count_that_is_infinite", is_reply(R"({"seed":1e999})")},
      {"a_number_that_is_nan", is_reply(R"({"mean_nll":nan})")},
      {"a_number_that_is_NaN", is_reply(R"({"mean_nll":NaN})")},
      {"a_number_that_is_infinite", is_reply(R"({"mean_nll":-1e999})")},
      {"a_number_that_is_true", is_reply(R"({"timings":{"ttft_ms":true}})")},
      {"a_reason_that_is_a_number", is_reply(R"({"stop_reason":1})")},
      {"progress_without_json", is_progress("")},
      {"progress_without_a_state", is_progress(R"({"progress":1})")},
      {"progress_with_a_state_that_is_a_number", is_progress(R"({"state":1,"progress":1})")},
      {"progress_beyond_1", is_progress(R"({"state":"loading","progress":1.01})")},
      {"progress_below_0", is_progress(R"({"state":"loading","progress":-0.01})")},
      {"progress_that_is_infinite", is_progress(R"({"state":"loading","progress":1e400})")},
      {"an_error_without_json", is_error("")},
      {"an_error_without_a_code", is_error(R"({"error":{"message":"x"}})")},
      {"an_error_with_a_code_that_is_a_number", is_error(R"({"error":{"code":3}})")},
      {"an_error_with_a_message_that_is_none", is_error(R"({"error":{"code":"io","message":1}})")},
      {"an_error_that_is_text", is_error(R"({"error":"io"})")},
      // Readers wait for ever on HEARTH_EAGAIN: it cannot be how a request ends.
      {"an_error_that_says_again", is_error(R"({"error":{"code":"again"}})")},
  };
  return all;
}

const std::vector<Broken>& broken_connections() {
  static const std::vector<Broken> all = {
      {"no_answer", [](auto) { return std::string(); }, HEARTH_EUNAVAILABLE},
      {"half_a_header", [](auto r) { return reply(r, "{}").substr(0, 9); }, HEARTH_EUNAVAILABLE},
      {"a_header_alone", [](auto r) { return reply(r, "{}").substr(0, 16); }, HEARTH_EUNAVAILABLE},
      {"a_frame_that_is_cut",
       [](auto r) {
         return encode_tokens(r, {2, 3}, "text").substr(0, 27);
       },
       HEARTH_EUNAVAILABLE},
  };
  return all;
}

class BrokenDaemon : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenDaemon, breaks_the_connection_and_nothing_else) {
  const Broken& broken = GetParam();
  const bool is_eval = std::string(broken.verb) == "eval";
  const std::ptrdiff_t descriptors = open_descriptors();
  {
    FakeDaemon daemon([&](Peer& peer) {
      peer.greet();
      const ReceivedFrame request = peer.expect(is_eval ? kEval : kGenerate);
      const ReceivedFrame other = peer.expect(kGenerate);
      peer.tokens(other, {1}, "in order");
      peer.send(broken.bytes(request.request()));
      // The client must break off by itself; where it cannot know, the daemon hangs up.
      if (broken.code == HEARTH_EPROTOCOL) peer.wait_for_end();
    });
    const Client client = connect_to(daemon.socket());
    const Stream stream = is_eval ? evaluate(client, {1, 2}) : generate(client);
    const Stream other = generate(client);
    EXPECT_EQ(read_code(stream), broken.code) << last_error(client);
    EXPECT_FALSE(last_error(client).empty());
    EXPECT_EQ(hearth_fd(client.get()), -1);
    EXPECT_EQ(hearth_events(client.get()), 0);
    EXPECT_EQ(hearth_process(client.get()), broken.code);
    EXPECT_EQ(read_code(stream, -1), broken.code) << "it stays so, and does not wait";
    EXPECT_EQ(hearth_stream_cancel(stream.get()), broken.code);
    EXPECT_STREQ(next_event(other).text, "in order");
    EXPECT_EQ(read_code(other, -1), broken.code);
    char* json = nullptr;
    EXPECT_EQ(hearth_query(client.get(), HEARTH_QUERY_PS, &json), broken.code);
    hearth_stream* more = nullptr;
    const hearth_generate_options options = generate_options();
    EXPECT_EQ(hearth_generate(client.get(), &options, &more), broken.code);
    EXPECT_EQ(more, nullptr);
  }
  EXPECT_EQ(open_descriptors(), descriptors);
}

std::string name_of(const ::testing::TestParamInfo<Broken>& info) {
  return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(header, BrokenDaemon, ::testing::ValuesIn(broken_headers()), name_of);
INSTANTIATE_TEST_SUITE_P(body, BrokenDaemon, ::testing::ValuesIn(broken_bodies()), name_of);
INSTANTIATE_TEST_SUITE_P(json, BrokenDaemon, ::testing::ValuesIn(broken_json()), name_of);
INSTANTIATE_TEST_SUITE_P(connection, BrokenDaemon, ::testing::ValuesIn(broken_connections()),
                         name_of);

}  // namespace
}  // namespace hearth::client_test
