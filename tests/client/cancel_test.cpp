// Goal: hearth_stream_cancel() from any thread, while the owner reads, sends, or loses the
// connection: no race, no torn frame, one CANCEL at most.
// Method: a daemon that sends one token for every token of credit, so that both threads write to
// the connection all the time.  ThreadSanitizer looks on.
#include <gtest/gtest.h>

#include <map>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

const std::string kCanceled = R"({"usage":{"completion_tokens":1},"stop_reason":"canceled"})";

// Serves any number of streams, each until it is cancelled; counts what it is sent.
class TokenPump {
 public:
  void operator()(Peer& peer) {
    peer.greet();
    for (ReceivedFrame frame = peer.read(); frame.verb() != 0; frame = peer.read()) {
      const std::uint32_t request = frame.request();
      switch (frame.verb()) {
        case kGenerate: running_[request] = true; break;
        case kCredit: break;
        case kCancel:
          ++cancels_[request];
          running_[request] = false;
          peer.send(encode(kGenerate, kReply, request, kCanceled));
          break;
        default: ADD_FAILURE() << "a torn frame: verb " << frame.verb();
      }
      if (running_[request]) peer.tokens(frame, {1}, "t");
    }
    for (const auto& [request, count] : cancels_) EXPECT_EQ(count, 1) << "of request " << request;
  }
  std::size_t cancelled() const { return cancels_.size(); }  // when the daemon is gone

 private:
  std::map<std::uint32_t, bool> running_;
  std::map<std::uint32_t, int> cancels_;
};

TEST(cancel, from_other_threads_while_the_owner_reads) {
  TokenPump pump;
  {
    FakeDaemon daemon([&](Peer& peer) { pump(peer); });
    const Client client = connect_to(daemon.socket());
    for (int round = 0; round < 40; ++round) {
      hearth_generate_options options = generate_options();
      options.credit = 1;
      const Stream stream = generate(client, options);
      std::atomic<int> read_count = 0;
      std::vector<std::thread> cancelers;
      for (int i = 0; i < 2; ++i) {
        cancelers.emplace_back([&] {
          while (read_count < round) std::this_thread::yield();
          EXPECT_EQ(hearth_stream_cancel(stream.get()), HEARTH_OK);
        });
      }
      hearth_event event;
      hearth_event_init(&event);
      while (event.kind != HEARTH_EVENT_DONE) {
        ASSERT_EQ(hearth_stream_read(stream.get(), &event, -1), HEARTH_OK) << last_error(client);
        ++read_count;
      }
      for (std::thread& thread : cancelers) thread.join();
      hearth_result result;
      hearth_result_init(&result);
      EXPECT_EQ(hearth_stream_result(stream.get(), &result), HEARTH_OK);
      EXPECT_EQ(result.stop_reason, HEARTH_STOP_CANCELED);
    }
  }
  EXPECT_EQ(pump.cancelled(), 40u);
}

TEST(cancel, streams_of_one_connection_while_others_run) {
  TokenPump pump;
  {
    FakeDaemon daemon([&](Peer& peer) { pump(peer); });
    const Client client = connect_to(daemon.socket());
    hearth_generate_options options = generate_options();
    options.credit = 2;
    std::vector<Stream> streams;
    for (int i = 0; i < 30; ++i) streams.push_back(generate(client, options));
    std::atomic<int> read_count = 0;
    std::thread canceler([&] {
      for (std::size_t i = streams.size(); i-- > 0;) {
        const int seen = read_count;
        while (read_count < seen + 3) std::this_thread::yield();
        EXPECT_EQ(hearth_stream_cancel(streams[i].get()), HEARTH_OK);
      }
    });
    for (std::size_t done = 0; done < streams.size();) {
      done = 0;
      for (const Stream& stream : streams) {
        hearth_event event;
        hearth_event_init(&event);
        ASSERT_EQ(hearth_stream_read(stream.get(), &event, kPatienceMs), HEARTH_OK);
        ++read_count;
        done += event.kind == HEARTH_EVENT_DONE ? 1 : 0;
      }
    }
    canceler.join();
  }
  EXPECT_EQ(pump.cancelled(), 30u);
}

TEST(cancel, never_waits_for_a_daemon_that_does_not_read) {
  // More in the queue than the socket takes: both CANCELs need the room that was kept for them.
  const std::string prompt(4 << 20, 'p');
  Gate cancelled;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    cancelled.wait();
    const ReceivedFrame first = peer.expect(kGenerate);
    const ReceivedFrame second = peer.expect(kGenerate);
    EXPECT_EQ(first.payload + second.payload, prompt + prompt);
    EXPECT_EQ(peer.expect(kCancel).request(), second.request());
    EXPECT_EQ(peer.expect(kCancel).request(), first.request());
    peer.reply_error(second, "canceled", "before it began");
    peer.reply_error(first, "canceled", "before it began");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  hearth_generate_options options = generate_options();
  options.prompt = prompt.data();
  options.prompt_size = prompt.size();
  const Stream first = generate(client, options);
  const Stream second = generate(client, options);
  std::thread canceler([&] {
    EXPECT_EQ(hearth_stream_cancel(second.get()), HEARTH_OK);
    EXPECT_EQ(hearth_stream_cancel(first.get()), HEARTH_OK);
    cancelled.open();
  });
  EXPECT_EQ(read_all(first).result.stop_reason, HEARTH_STOP_CANCELED);
  EXPECT_EQ(read_all(second).result.stop_reason, HEARTH_STOP_CANCELED);
  canceler.join();
}

TEST(cancel, while_the_connection_breaks) {
  for (int round = 0; round < 30; ++round) {
    FakeDaemon daemon([&](Peer& peer) {
      peer.greet();
      const ReceivedFrame request = peer.expect(kGenerate);
      for (int i = 0; i < round; ++i) peer.tokens(request, {i});
    });
    const Client client = connect_to(daemon.socket());
    const Stream stream = generate(client);
    std::atomic<bool> broken = false;
    std::thread canceler([&] {
      while (!broken) {
        const int code = hearth_stream_cancel(stream.get());
        EXPECT_TRUE(code == HEARTH_OK || code == HEARTH_EUNAVAILABLE) << code;
      }
      EXPECT_EQ(hearth_stream_cancel(stream.get()), HEARTH_EUNAVAILABLE);
    });
    EXPECT_EQ(read_all(stream).code, HEARTH_EUNAVAILABLE);
    broken = true;
    canceler.join();
  }
}

TEST(cancel, a_daemon_that_stopped_listening_is_still_heard) {
  Gate deaf, end;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    peer.tokens(request, {1, 2}, "last words");
    peer.reply(request, kResult);
    shutdown(peer.fd(), SHUT_RD);
    deaf.open();
    end.wait();
  });
  const Client client = connect_to(daemon.socket());
  const Stream heard = generate(client);
  deaf.wait();
  const Stream lost = generate(client);  // the socket refuses it; what was sent is read first
  EXPECT_EQ(hearth_stream_cancel(lost.get()), HEARTH_OK);
  Stream given_up = generate(client);
  given_up.reset();
  EXPECT_EQ(read_code(lost), HEARTH_EUNAVAILABLE);
  EXPECT_TRUE(mentions(last_error(client), "Broken pipe"));
  const Outcome outcome = read_all(heard);
  EXPECT_EQ(outcome.text, "last words");
  EXPECT_EQ(outcome.code, HEARTH_OK);
  end.open();
}

}  // namespace
}  // namespace hearth::client_test
