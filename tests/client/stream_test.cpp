// Goal: streams of generation and evaluation as hearth.h promises them: order, credit, the end.
// Method: a fake daemon sends and looks at what comes back; no test depends on when bytes arrive.
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

hearth_generate_options with_credit(std::int32_t credit) {
  hearth_generate_options options = generate_options();
  options.credit = credit;
  return options;
}

// How much a CREDIT frame gives.
int credit_of(const ReceivedFrame& frame) {
  EXPECT_EQ(frame.verb(), kCredit);
  int tokens = -1;
  EXPECT_EQ(std::sscanf(frame.json.c_str(), "{\"tokens\":%d}", &tokens), 1) << frame.json;
  EXPECT_EQ(frame.payload, "");
  return tokens;
}

TEST(stream, events_come_in_order_and_whole) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    peer.send(encode(kProgress, 0, request.request(), R"({"state":"loading","progress":0.5})"));
    peer.expect(kModels);  // the client has read that far
    peer.reply({{0, kModels, 0, 0, request.request() + 1, 0}, "", ""}, "", "{}");
    peer.tokens(request, {1, 2, 3}, "a\xc3\xa4");
    peer.send(encode_logits(request.request(), 41, 2, 3, {1, 2, 3, 4, 5, 6}));
    peer.tokens(request, {}, "held back");
    peer.tokens(request, {-7}, "");
    peer.send(encode(99, 0, request.request(), "{}", "of a later version"));
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  hearth_generate_options options = generate_options();
  options.want_logits = 1;
  options.credit = 100;
  const Stream stream = generate(client, options);

  hearth_event event = next_event(stream);
  EXPECT_EQ(event.kind, HEARTH_EVENT_PROGRESS);
  EXPECT_STREQ(event.state, "loading");
  EXPECT_EQ(event.progress, 0.5);
  char* json = nullptr;
  EXPECT_EQ(hearth_query(client.get(), HEARTH_QUERY_MODELS, &json), HEARTH_OK);
  hearth_free(json);

  event = next_event(stream);
  EXPECT_EQ(event.kind, HEARTH_EVENT_TOKENS);
  EXPECT_EQ(std::vector(event.ids, event.ids + event.id_count), (std::vector{1, 2, 3}));
  EXPECT_STREQ(event.text, "a\xc3\xa4");
  EXPECT_EQ(event.text_size, 3u);

  event = next_event(stream);
  EXPECT_EQ(event.kind, HEARTH_EVENT_LOGITS);
  EXPECT_EQ(event.logits_rows, 2u);
  EXPECT_EQ(event.logits_cols, 3u);
  EXPECT_EQ(event.logits_position, 41);
  EXPECT_EQ(std::vector(event.logits, event.logits + 6), (std::vector<float>{1, 2, 3, 4, 5, 6}));

  event = next_event(stream);
  EXPECT_EQ(event.id_count, 0u);
  EXPECT_STREQ(event.text, "held back");
  event = next_event(stream);
  EXPECT_EQ(event.ids[0], -7);
  EXPECT_STREQ(event.text, "");
  EXPECT_EQ(next_event(stream).kind, HEARTH_EVENT_DONE);
}

TEST(stream, the_result_has_every_number_of_the_reply) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    peer.reply(peer.expect(kGenerate), kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const hearth_result result = read_all(generate(client)).result;
  EXPECT_EQ(result.prompt_tokens, 7);
  EXPECT_EQ(result.cached_tokens, 3);
  EXPECT_EQ(result.completion_tokens, 5);
  EXPECT_EQ(result.ttft_ms, 1.5);
  EXPECT_EQ(result.prefill_ms, 1.25);
  EXPECT_EQ(result.decode_ms, 8);
  EXPECT_EQ(result.prefill_tps, 800);
  EXPECT_EQ(result.decode_tps, 500.5);
  EXPECT_EQ(result.seed, 4294967295);
  EXPECT_EQ(result.stop_reason, HEARTH_STOP_LENGTH);
  EXPECT_EQ(result.reserved, 0);
  EXPECT_EQ(result.mean_nll, 0);
}

TEST(stream, done_repeats_and_the_result_waits_for_it) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    peer.tokens(request, {1});
    peer.reply(request, kResult);
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  hearth_result result;
  hearth_result_init(&result);
  result.seed = -1;
  EXPECT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_EINVALID_OPERATION);
  while (hearth_process(client.get()) == HEARTH_OK) continue;  // until all that there is has come
  EXPECT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_EINVALID_OPERATION)
      << "the reply has come, but nobody has read so";
  EXPECT_EQ(next_event(stream).kind, HEARTH_EVENT_TOKENS);
  EXPECT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_EINVALID_OPERATION);
  EXPECT_EQ(result.seed, -1) << "untouched";
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(next_event(stream, 0).kind, HEARTH_EVENT_DONE);
    EXPECT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_OK);
  }
  EXPECT_EQ(result.completion_tokens, 5);
}

TEST(stream, an_error_ends_it_and_repeats_and_there_is_no_result) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    peer.tokens(request, {1});
    peer.reply_error(request, "kv_cache", "no page is free");
    peer.reply(peer.expect(kModels), "", "{}");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  EXPECT_EQ(next_event(stream).kind, HEARTH_EVENT_TOKENS);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(read_code(stream), HEARTH_EKV_CACHE);
    EXPECT_EQ(last_error(client), "no page is free");
  }
  hearth_result result;
  hearth_result_init(&result);
  EXPECT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_EINVALID_OPERATION);
  EXPECT_TRUE(mentions(last_error(client), "failed"));
  char* json = nullptr;
  EXPECT_EQ(hearth_query(client.get(), HEARTH_QUERY_MODELS, &json), HEARTH_OK)
      << "a request that failed does not break the connection";
  hearth_free(json);
}

TEST(stream, a_long_error_text_is_cut_at_a_whole_character) {
  std::string message;
  while (message.size() < 1100) message += "\xe2\x82\xac";
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    peer.reply_error(peer.expect(kGenerate), "model", message);
    peer.reply_error(peer.expect(kGenerate), "of_a_later_version", "x");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  EXPECT_EQ(read_code(generate(client)), HEARTH_EMODEL);
  const std::string text = last_error(client);
  EXPECT_EQ(text.size() % 3, 0u);
  EXPECT_GT(text.size(), 1000u);
  EXPECT_EQ(text, message.substr(0, text.size()));
  EXPECT_EQ(read_code(generate(client)), HEARTH_EINTERNAL);
}

TEST(stream, a_timeout_is_kept_and_takes_nothing_away) {
  Gate tried;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    tried.wait();
    peer.tokens(request, {1}, "late");
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  hearth_event event;
  hearth_event_init(&event);
  event.kind = -1;
  EXPECT_EQ(hearth_stream_read(stream.get(), &event, 0), HEARTH_EAGAIN);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(hearth_stream_read(stream.get(), &event, 60), HEARTH_EAGAIN);
  const auto waited = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(waited, std::chrono::milliseconds(59));  // the library counts whole milliseconds
  EXPECT_EQ(event.kind, -1) << "untouched";
  tried.open();
  event = next_event(stream, -1);
  EXPECT_STREQ(event.text, "late");
  EXPECT_EQ(next_event(stream, -1).kind, HEARTH_EVENT_DONE);
}

TEST(stream, an_event_lives_until_the_next_one_is_read) {
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    peer.tokens(request, {1}, "first");
    peer.tokens(request, {2}, "second");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  const hearth_event first = next_event(stream);
  hearth_process(client.get());
  EXPECT_STREQ(first.text, "first");
  const hearth_event second = next_event(stream);
  EXPECT_EQ(read_code(stream, 0), HEARTH_EAGAIN);
  EXPECT_STREQ(second.text, "second") << "nothing new was read: it is still there";
}

TEST(stream, only_the_newest_progress_is_kept) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    for (const char* progress : {"0.25", "0.5", "1"}) {
      peer.send(encode(kProgress, 0, request.request(),
                       std::string(R"({"state":"prefill","progress":)") + progress + "}"));
    }
    peer.reply(request, kResult);
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  while (hearth_process(client.get()) == HEARTH_OK) continue;
  const hearth_event event = next_event(stream);
  EXPECT_STREQ(event.state, "prefill");
  EXPECT_EQ(event.progress, 1);
  EXPECT_EQ(next_event(stream).kind, HEARTH_EVENT_DONE);
}

TEST(stream, credit_comes_back_when_half_of_it_was_read) {
  std::vector<int> credits;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    for (int round = 0; round < 3; ++round) {
      for (const int id : {1, 2, 3}) peer.tokens(request, {id});
      credits.push_back(credit_of(peer.read()));
    }
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Outcome outcome = read_all(generate(client, with_credit(6)));
  EXPECT_EQ(outcome.code, HEARTH_OK) << last_error(client);
  EXPECT_EQ(outcome.ids.size(), 9u);
  EXPECT_EQ(credits, (std::vector{3, 3, 3}));
}

TEST(stream, what_is_not_read_gives_no_credit) {
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    for (int id = 0; id < 6; ++id) peer.tokens(request, {id});
    peer.reply(peer.expect(kModels), "", "{}");  // no CREDIT came before the question
    EXPECT_EQ(credit_of(peer.read()), 3);
    EXPECT_EQ(credit_of(peer.read()), 3);
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client, with_credit(6));
  char* json = nullptr;
  EXPECT_EQ(hearth_query(client.get(), HEARTH_QUERY_MODELS, &json), HEARTH_OK);
  hearth_free(json);
  EXPECT_EQ(read_all(stream).ids.size(), 6u);
}

TEST(stream, one_token_of_credit_is_enough) {
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    for (int id = 0; id < 20; ++id) {
      peer.tokens(request, {id});
      EXPECT_EQ(credit_of(peer.read()), 1);
    }
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  std::vector<std::int32_t> expected(20);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(read_all(generate(client, with_credit(1))).ids, expected);
}

TEST(stream, a_daemon_that_sends_more_than_its_credit_is_broken) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    peer.tokens(request, {1, 2, 3, 4});
    peer.tokens(request, {5});
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client, with_credit(4));
  while (hearth_process(client.get()) == HEARTH_OK) continue;
  EXPECT_EQ(next_event(stream).id_count, 4u) << "what came in order is not lost";
  EXPECT_EQ(read_code(stream), HEARTH_EPROTOCOL);
  EXPECT_TRUE(mentions(last_error(client), "TOKENS"));
}

TEST(stream, small_rows_of_logits_widen_the_window_once) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kEval);
    EXPECT_TRUE(mentions(request.json, R"("credit":8)"));
    peer.send(encode_logits(request.request(), 0, 2, 2, {0, 1, 2, 3}));
    // 256 rows are possible from now on; two were read.
    EXPECT_EQ(credit_of(peer.read()), 256 - 8 + 2);
    peer.send(encode_logits(request.request(), 2, 256, 2, std::vector<float>(512)));
    EXPECT_EQ(credit_of(peer.read()), 256);
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Outcome outcome = read_all(evaluate(client, {1, 2, 3}));
  EXPECT_EQ(outcome.code, HEARTH_OK) << last_error(client);
  EXPECT_EQ(outcome.logits_rows, 258u);
}

TEST(stream, large_rows_of_logits_keep_the_window) {
  const std::uint32_t vocab = 1 << 19;  // 2 MiB a row: four of them are 8 MiB
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kEval);
    const std::vector<float> row(vocab, 1);
    for (std::uint64_t position = 0; position < 4; ++position) {
      peer.send(encode_logits(request.request(), position, 1, vocab, row));
    }
    EXPECT_EQ(credit_of(peer.read()), 4);
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  EXPECT_EQ(read_all(evaluate(client, {1, 2, 3, 4})).logits.size(), std::size_t{4} * vocab);
}

TEST(stream, evaluation_sends_its_ids_and_gives_the_likelihood) {
  const std::vector<std::int32_t> ids = {1, -2, 300};
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kEval);
    EXPECT_EQ(request.json, R"({"model":"m","logits":false,"credit":256})");
    EXPECT_EQ(request.payload, raw_bytes(ids));
    peer.reply(request, R"({"usage":{"prompt_tokens":3},"mean_nll":2.5,"stop_reason":"end"})");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Outcome outcome = read_all(evaluate(client, ids, /*want_logits=*/false));
  EXPECT_EQ(outcome.result.prompt_tokens, 3);
  EXPECT_EQ(outcome.result.mean_nll, 2.5);
  EXPECT_EQ(outcome.result.completion_tokens, 0);
}

TEST(stream, loading_tells_its_progress_and_takes_no_tokens) {
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kLoad);
    EXPECT_EQ(request.json, R"({"model":"m","keep_alive":-1})");
    peer.send(encode(kProgress, 0, request.request(), R"({"state":"loading","progress":0.5})"));
    peer.reply(request, R"({"state":"ready","memory_bytes":5,"load_ms":1.5})");
    const ReceivedFrame second = peer.expect(kLoad);
    EXPECT_EQ(second.json, R"({"model":"m"})");
    peer.send(encode_tokens(second.request(), {1}, "x"));
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  hearth_stream* stream = nullptr;
  ASSERT_EQ(hearth_load(client.get(), "m", HEARTH_FOREVER, &stream), HEARTH_OK);
  const Outcome outcome = read_all(Stream(stream));
  EXPECT_EQ(outcome.code, HEARTH_OK) << last_error(client);
  ASSERT_EQ(hearth_load(client.get(), "m", HEARTH_UNSET_I64, &stream), HEARTH_OK);
  EXPECT_EQ(read_all(Stream(stream)).code, HEARTH_EPROTOCOL);
}

}  // namespace
}  // namespace hearth::client_test
