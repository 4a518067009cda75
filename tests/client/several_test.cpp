// Goal: streams and questions side by side on one connection, and the ways a stream is given up:
// cancelled, closed, stopped by a callback.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

const std::string kCanceledResult =
    R"({"usage":{"prompt_tokens":7,"cached_tokens":0,"completion_tokens":2},)"
    R"("timings":{},"seed":1,"stop_reason":"canceled"})";

TEST(several, streams_are_told_apart) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame first = peer.expect(kGenerate);
    const ReceivedFrame second = peer.expect(kEval);
    EXPECT_NE(first.request(), second.request());
    EXPECT_NE(first.request(), 0u);
    peer.tokens(first, {1}, "one ");
    peer.send(encode_logits(second.request(), 0, 1, 1, {0.5F}));
    peer.tokens(first, {2}, "two");
    peer.tokens({{0, 0, 0, 0, 12345, 0}, "", ""}, {9}, "of no stream");
    peer.send(encode_logits(second.request(), 1, 1, 1, {1.5F}));
    peer.reply(second, R"({"mean_nll":1,"stop_reason":"end"})");
    peer.reply(first, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream first = generate(client);
  const Stream second = evaluate(client, {1, 2});
  EXPECT_STREQ(next_event(first).text, "one ");
  const Outcome evaluated = read_all(second);
  EXPECT_EQ(evaluated.logits, (std::vector<float>{0.5F, 1.5F}));
  EXPECT_EQ(evaluated.result.mean_nll, 1);
  const Outcome generated = read_all(first);
  EXPECT_EQ(generated.text, "two");
  EXPECT_EQ(generated.result.completion_tokens, 5);
}

TEST(several, the_end_of_one_stream_is_not_the_end_of_another) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame first = peer.expect(kGenerate);
    const ReceivedFrame second = peer.expect(kGenerate);
    peer.reply_error(first, "limit", "the first is too long");
    peer.tokens(second, {5});
    peer.reply(second, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream first = generate(client);
  const Stream second = generate(client);
  EXPECT_EQ(read_all(second).ids, std::vector{5});
  EXPECT_EQ(read_code(first), HEARTH_ELIMIT);
  EXPECT_EQ(last_error(client), "the first is too long");
}

TEST(several, questions_are_answered_while_streams_run) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame stream = peer.expect(kGenerate);
    const ReceivedFrame tokenize = peer.expect(kTokenize);
    EXPECT_EQ(tokenize.json, R"({"model":"m","add_special":false,"parse_special":true})");
    EXPECT_EQ(tokenize.payload, std::string("a\0b", 3));
    peer.tokens(stream, {1}, "x");
    peer.reply(tokenize, R"({"count":2})", raw_bytes(std::vector<std::int32_t>{10, -20}));
    const ReceivedFrame detokenize = peer.expect(kDetokenize);
    EXPECT_EQ(detokenize.json, R"({"model":"m","parse_special":true})");
    EXPECT_EQ(detokenize.payload, raw_bytes(std::vector<std::int32_t>{10, -20}));
    peer.tokens(stream, {2}, "y");
    peer.reply(detokenize, "", std::string("\xff\0z", 3));
    const ReceivedFrame query = peer.expect(kStats);
    EXPECT_EQ(query.json + query.payload, "");
    peer.reply(stream, kResult);
    peer.reply(query, "", R"({"daemon":{}})");
    peer.reply_error(peer.expect(kTokenize), "tokenization", "no vocabulary");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  std::int32_t* ids = nullptr;
  std::size_t count = 0;
  const std::uint32_t both = HEARTH_NO_SPECIAL | HEARTH_PARSE_SPECIAL;
  ASSERT_EQ(hearth_tokenize(client.get(), "m", "a\0b", 3, both, &ids, &count), HEARTH_OK);
  EXPECT_EQ(std::vector(ids, ids + count), (std::vector{10, -20}));
  char* text = nullptr;
  std::size_t size = 0;
  ASSERT_EQ(hearth_detokenize(client.get(), "m", ids, count, HEARTH_PARSE_SPECIAL, &text, &size),
            HEARTH_OK);
  EXPECT_EQ(std::string(text, size + 1), std::string("\xff\0z\0", 4));
  char* json = nullptr;
  ASSERT_EQ(hearth_query(client.get(), HEARTH_QUERY_STATS, &json), HEARTH_OK);
  EXPECT_STREQ(json, R"({"daemon":{}})");
  hearth_free(json);
  hearth_free(text);
  hearth_free(ids);
  ids = nullptr;
  EXPECT_EQ(hearth_tokenize(client.get(), "m", "", 0, 0, &ids, &count), HEARTH_ETOKENIZATION);
  EXPECT_EQ(last_error(client), "no vocabulary");
  EXPECT_EQ(ids, nullptr);
  EXPECT_EQ(read_all(stream).text, "xy");
}

TEST(several, no_ids_are_an_array_too) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    peer.reply(peer.expect(kTokenize), R"({"count":0})");
    peer.reply(peer.expect(kDetokenize), "", "");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  std::int32_t* ids = nullptr;
  std::size_t count = 99;
  EXPECT_EQ(hearth_tokenize(client.get(), "m", nullptr, 0, 0, &ids, &count), HEARTH_OK);
  EXPECT_NE(ids, nullptr) << "never NULL on success";
  EXPECT_EQ(count, 0u);
  hearth_free(ids);
  char* text = nullptr;
  std::size_t size = 99;
  EXPECT_EQ(hearth_detokenize(client.get(), "m", nullptr, 0, 0, &text, &size), HEARTH_OK);
  EXPECT_STREQ(text, "");
  EXPECT_EQ(size, 0u);
  hearth_free(text);
}

TEST(several, canceling_what_has_not_begun_is_an_end_like_the_others) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    const ReceivedFrame cancel = peer.expect(kCancel);
    EXPECT_EQ(cancel.request(), request.request());
    EXPECT_EQ(cancel.header.size, 0u);
    peer.reply_error(request, "canceled", "canceled before it began");
    EXPECT_EQ(peer.read().verb(), 0) << "it was cancelled once";
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  EXPECT_EQ(hearth_stream_cancel(stream.get()), HEARTH_OK);
  EXPECT_EQ(hearth_stream_cancel(stream.get()), HEARTH_OK);
  const Outcome outcome = read_all(stream);
  EXPECT_EQ(outcome.code, HEARTH_OK);
  EXPECT_EQ(outcome.result.stop_reason, HEARTH_STOP_CANCELED);
  EXPECT_EQ(outcome.result.prompt_tokens, 0);
  EXPECT_EQ(hearth_stream_cancel(stream.get()), HEARTH_OK) << "it is over: nothing happens";
}

TEST(several, a_cancel_that_nobody_asked_for_is_an_error) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    peer.reply_error(peer.expect(kGenerate), "canceled", "the daemon is shutting down");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  EXPECT_EQ(read_code(stream), HEARTH_ECANCELED);
  EXPECT_EQ(last_error(client), "the daemon is shutting down");
}

TEST(several, a_cancelled_stream_gives_what_came_before) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    peer.tokens(request, {1}, "a");
    peer.expect(kCancel);
    peer.tokens(request, {2}, "b");
    peer.reply(request, kCanceledResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  EXPECT_STREQ(next_event(stream).text, "a");
  hearth_stream_cancel(stream.get());
  const Outcome outcome = read_all(stream);
  EXPECT_EQ(outcome.text, "b");
  EXPECT_EQ(outcome.result.stop_reason, HEARTH_STOP_CANCELED);
  EXPECT_EQ(outcome.result.completion_tokens, 2);
}

TEST(several, closing_a_running_stream_cancels_it_and_the_connection_goes_on) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame given_up = peer.expect(kGenerate);
    peer.tokens(given_up, {1});
    const ReceivedFrame over = peer.expect(kGenerate);
    peer.reply(over, kResult);
    EXPECT_EQ(peer.expect(kCancel).request(), given_up.request());
    const ReceivedFrame query = peer.expect(kPs);  // and no CANCEL for what was over
    peer.tokens(given_up, {2});                    // sent before the CANCEL was seen
    peer.reply(given_up, kCanceledResult);
    peer.reply(query, "", "{}");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  Stream given_up = generate(client);
  EXPECT_EQ(next_event(given_up).kind, HEARTH_EVENT_TOKENS);
  Stream over = generate(client);
  EXPECT_EQ(read_all(over).code, HEARTH_OK);
  over.reset();
  given_up.reset();
  char* json = nullptr;
  EXPECT_EQ(hearth_query(client.get(), HEARTH_QUERY_PS, &json), HEARTH_OK);
  hearth_free(json);
}

TEST(several, closing_the_client_frees_its_streams) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    for (int i = 0; i < 3; ++i) peer.tokens(peer.expect(kGenerate), {1, 2}, "text");
    peer.wait_for_end();
  });
  Client client = connect_to(daemon.socket());
  Stream read = generate(client);
  Stream unread = generate(client);
  Stream begun = generate(client);
  EXPECT_EQ(next_event(read).id_count, 2u);
  client.reset();
  // They are gone: whoever closes a client forgets its streams.  ASan sees what would be left.
  EXPECT_NE(read.release(), nullptr);
  EXPECT_NE(unread.release(), nullptr);
  EXPECT_NE(begun.release(), nullptr);
}

struct Seen {
  std::string text;
  int calls = 0;
  int stop_at = -1;  // the call that returns 0
};
int on_event(const hearth_event* event, void* user) {
  Seen& seen = *static_cast<Seen*>(user);
  EXPECT_EQ(event->struct_size, sizeof(hearth_event));
  EXPECT_NE(event->kind, HEARTH_EVENT_DONE);
  if (event->kind == HEARTH_EVENT_TOKENS) seen.text.append(event->text, event->text_size);
  return ++seen.calls != seen.stop_at;
}

TEST(generate_each, calls_back_for_every_event_but_done) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    for (int id = 0; id < 5; ++id) peer.tokens(request, {id}, std::to_string(id));
    peer.reply(request, kResult);
    peer.reply(peer.expect(kGenerate), kResult);
    peer.reply_error(peer.expect(kGenerate), "not_found", "no model m");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const hearth_generate_options options = generate_options();
  hearth_result result;
  hearth_result_init(&result);
  Seen seen;
  EXPECT_EQ(hearth_generate_each(client.get(), &options, on_event, &seen, &result), HEARTH_OK);
  EXPECT_EQ(seen.text, "01234");
  EXPECT_EQ(seen.calls, 5);
  EXPECT_EQ(result.completion_tokens, 5);
  EXPECT_EQ(hearth_generate_each(client.get(), &options, nullptr, nullptr, nullptr), HEARTH_OK);
  result.seed = -1;
  EXPECT_EQ(hearth_generate_each(client.get(), &options, on_event, &seen, &result),
            HEARTH_ENOT_FOUND);
  EXPECT_EQ(last_error(client), "no model m");
  EXPECT_EQ(result.seed, -1) << "untouched";
  result.struct_size = 1;
  EXPECT_EQ(hearth_generate_each(client.get(), &options, on_event, &seen, &result), HEARTH_EINVALID)
      << "before anything is sent";
}

TEST(generate_each, a_callback_that_returns_0_is_not_called_again) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    for (int id = 0; id < 4; ++id) peer.tokens(request, {id}, std::to_string(id));
    peer.expect(kCancel);
    peer.reply(request, kCanceledResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const hearth_generate_options options = generate_options();
  hearth_result result;
  hearth_result_init(&result);
  Seen seen;
  seen.stop_at = 2;
  EXPECT_EQ(hearth_generate_each(client.get(), &options, on_event, &seen, &result), HEARTH_OK);
  EXPECT_EQ(seen.text, "01");
  EXPECT_EQ(result.stop_reason, HEARTH_STOP_CANCELED);
}

TEST(several, a_handled_signal_ends_a_wait_but_not_generate_each) {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  const pthread_t reader = pthread_self();
  Gate woken;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame waits = peer.expect(kGenerate);
    // A signal that comes before the wait begins ends none: again, until one has.
    std::atomic<bool> stop = false;
    std::thread signals([&] {
      while (!stop) {
        pthread_kill(reader, SIGUSR1);
        std::this_thread::yield();
      }
    });
    woken.wait();
    peer.reply(waits, kResult);
    const ReceivedFrame each = peer.expect(kGenerate);
    peer.tokens(each, {1}, "x");
    peer.reply(each, kResult);
    stop = true;
    signals.join();
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  EXPECT_EQ(read_code(stream, -1), HEARTH_EAGAIN);
  woken.open();
  while (read_code(stream, -1) == HEARTH_EAGAIN) continue;
  const hearth_generate_options options = generate_options();
  Seen seen;
  EXPECT_EQ(hearth_generate_each(client.get(), &options, on_event, &seen, nullptr), HEARTH_OK);
  EXPECT_EQ(seen.text, "x");
  signal(SIGUSR1, SIG_IGN);  // a sanitizer may deliver the last ones late
}

}  // namespace
}  // namespace hearth::client_test
