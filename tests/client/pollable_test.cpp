// Goal: a client in a poll loop of its own never blocks and never misses anything.
// Method: hearth_fd(), hearth_events(), hearth_process() and reads with a timeout of 0, nothing
// else; a daemon that lets a large prompt wait in the client's queue.
#include <gtest/gtest.h>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

// Waits as a loop would; false when what the client waits for does not come.
bool wait_and_process(const Client& client) {
  pollfd ready = {hearth_fd(client.get()), static_cast<short>(hearth_events(client.get())), 0};
  EXPECT_GT(poll(&ready, 1, kPatienceMs), 0) << "a stall";
  const bool woken = ready.revents != 0;
  EXPECT_EQ(hearth_process(client.get()), HEARTH_OK) << last_error(client);
  return woken;
}

TEST(pollable, a_prompt_that_the_daemon_does_not_read_waits_in_the_queue) {
  std::string prompt(4 << 20, '\0');
  for (std::size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<char>(i * 2654435761 >> 9);
  const std::string expected = prompt;
  Gate looked;
  bool whole = false;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    looked.wait();
    const ReceivedFrame request = peer.expect(kGenerate);
    whole = request.payload == expected;
    peer.tokens(request, {1}, "read");
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  EXPECT_EQ(hearth_events(client.get()), POLLIN);
  hearth_generate_options options = generate_options();
  options.prompt = prompt.data();
  options.prompt_size = prompt.size();
  const Stream stream = generate(client, options);
  EXPECT_EQ(hearth_events(client.get()), POLLIN | POLLOUT);
  prompt.assign(prompt.size(), 'x');  // the library has its own copy
  EXPECT_EQ(hearth_process(client.get()), HEARTH_OK) << "it does not wait either";
  EXPECT_EQ(hearth_events(client.get()), POLLIN | POLLOUT);
  EXPECT_EQ(read_code(stream, 0), HEARTH_EAGAIN);
  looked.open();
  hearth_event event;
  hearth_event_init(&event);
  std::string text;
  while (event.kind != HEARTH_EVENT_DONE && wait_and_process(client)) {
    while (event.kind != HEARTH_EVENT_DONE &&
           hearth_stream_read(stream.get(), &event, 0) == HEARTH_OK) {
      if (event.kind == HEARTH_EVENT_TOKENS) text.append(event.text, event.text_size);
    }
  }
  EXPECT_EQ(text, "read");
  EXPECT_EQ(hearth_events(client.get()), POLLIN);
  EXPECT_TRUE(whole);
}

TEST(pollable, a_stream_never_waits_for_a_descriptor_that_another_has_emptied) {
  // The frames of the first stream arrive while the second is read.  If that read took them in,
  // a loop that has looked at the first already would sleep for ever.
  Gate first_was_read;
  Gate sent;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame first = peer.expect(kGenerate);
    peer.expect(kGenerate);
    first_was_read.wait();
    peer.tokens(first, {1}, "for the first");
    peer.reply(first, kResult);
    sent.open();
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream first = generate(client);
  const Stream second = generate(client);
  EXPECT_EQ(hearth_process(client.get()), HEARTH_OK);
  EXPECT_EQ(read_code(first, 0), HEARTH_EAGAIN);
  first_was_read.open();
  sent.wait();
  EXPECT_EQ(read_code(second, 0), HEARTH_EAGAIN);
  EXPECT_TRUE(wait_and_process(client));
  EXPECT_STREQ(next_event(first, 0).text, "for the first");
  EXPECT_EQ(next_event(first, 0).kind, HEARTH_EVENT_DONE);
}

TEST(pollable, one_call_takes_in_a_bounded_amount) {
  // 4 MiB lie ready: more than the socket holds, so the daemon's thread keeps filling it.
  const std::string text(1 << 20, 't');
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    for (int i = 0; i < 4; ++i) peer.tokens(request, {i}, text);
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  hearth_event event;
  hearth_event_init(&event);
  std::size_t size = 0;
  int rounds = 0;
  while (event.kind != HEARTH_EVENT_DONE && wait_and_process(client)) {
    ++rounds;
    while (event.kind != HEARTH_EVENT_DONE &&
           hearth_stream_read(stream.get(), &event, 0) == HEARTH_OK) {
      if (event.kind == HEARTH_EVENT_TOKENS) size += event.text_size;
    }
  }
  EXPECT_EQ(size, 4 * text.size());
  EXPECT_GE(rounds, 2) << "2 MiB at most in each";
}

TEST(pollable, a_broken_connection_is_seen_without_reading) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    peer.tokens(peer.expect(kGenerate), {1});
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  while (hearth_process(client.get()) == HEARTH_OK) {
    pollfd ready = {hearth_fd(client.get()), POLLIN, 0};
    EXPECT_EQ(poll(&ready, 1, kPatienceMs), 1);
  }
  EXPECT_EQ(hearth_process(client.get()), HEARTH_EUNAVAILABLE);
  EXPECT_EQ(hearth_fd(client.get()), -1);
  EXPECT_EQ(hearth_events(client.get()), 0);
  EXPECT_EQ(next_event(stream, 0).kind, HEARTH_EVENT_TOKENS) << "it came before the end";
  EXPECT_EQ(read_code(stream, 0), HEARTH_EUNAVAILABLE);
  EXPECT_EQ(read_code(stream, -1), HEARTH_EUNAVAILABLE);
}

}  // namespace
}  // namespace hearth::client_test
