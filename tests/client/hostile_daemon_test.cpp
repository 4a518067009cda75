// Goal: what a table of wrong frames does not reach: wrong answers to questions, descriptors that
// nobody wants, frames in pieces, noise.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

using Question = std::function<int(hearth_client*)>;

int ask_models(hearth_client* client) {
  char* json = nullptr;
  const int code = hearth_query(client, HEARTH_QUERY_MODELS, &json);
  EXPECT_EQ(json == nullptr, code != HEARTH_OK);
  hearth_free(json);
  return code;
}
int ask_tokens(hearth_client* client) {
  std::int32_t* ids = nullptr;
  std::size_t count = 0;
  const int code = hearth_tokenize(client, "m", "text", 4, 0, &ids, &count);
  EXPECT_EQ(ids == nullptr, code != HEARTH_OK);
  hearth_free(ids);
  return code;
}

// What a question gives when this answers it, the reply's header included.
int answer(const Question& question, const std::string& json, const std::string& payload,
           std::uint8_t flags = kReply) {
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.read();
    peer.send(encode(request.verb(), flags, request.request(), json, payload));
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const int code = question(client.get());
  EXPECT_EQ(hearth_fd(client.get()) < 0, code == HEARTH_EPROTOCOL);
  return code;
}

TEST(hostile_daemon, wrong_answers_to_questions_break_the_connection) {
  EXPECT_EQ(answer(ask_models, "", "{}"), HEARTH_OK);
  EXPECT_EQ(answer(ask_models, "", ""), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_models, "{}", ""), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_models, "", std::string("{\0}", 3)), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_tokens, R"({"count":1})", "1234"), HEARTH_OK);
  EXPECT_EQ(answer(ask_tokens, R"({"count":2})", "1234"), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_tokens, R"({"count":0})", "1234"), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_tokens, R"({"count":1.25})", "12345"), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_tokens, R"({"count":-1})", ""), HEARTH_EPROTOCOL);
  // 2^62 and 2^53: times 4 bytes, both are 0 in 64 bits or far away.
  EXPECT_EQ(answer(ask_tokens, R"({"count":4611686018427387904})", ""), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_tokens, R"({"count":9007199254740992})", ""), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_tokens, "", "1234"), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_tokens, R"({"count":1)", "1234"), HEARTH_EPROTOCOL)
      << "JSON must end where the header says, not within the payload";
  EXPECT_EQ(answer(ask_tokens, "{}", "", kReply | kError), HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_tokens, R"({"error":{"code":"again"}})", "", kReply | kError),
            HEARTH_EPROTOCOL);
  EXPECT_EQ(answer(ask_tokens, R"({"error":{"code":"model"}})", "", kReply | kError),
            HEARTH_EMODEL);
}

TEST(hostile_daemon, stray_frames_for_a_question_are_passed_over) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kModels);
    peer.tokens(request, {1, 2, 3});
    peer.send(encode(kHello, kReply, 0, kGreeting));
    peer.send(encode(kModels, kReply, request.request() + 1, "", "[]"));
    peer.reply(request, "", "{}");
    peer.reply(request, "", "again");
    peer.reply(peer.expect(kModels), "", "{}");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  EXPECT_EQ(ask_models(client.get()), HEARTH_OK);
  EXPECT_EQ(ask_models(client.get()), HEARTH_OK);
}

// One message that carries descriptors besides its bytes.
void send_with_descriptor(const Peer& peer, const std::string& bytes, int fd) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = {};
  iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(fd));
  std::memcpy(CMSG_DATA(head), &fd, sizeof(fd));
  EXPECT_EQ(sendmsg(peer.fd(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

TEST(hostile_daemon, descriptors_that_nobody_expects_do_not_stay_open) {
  Gate counted;
  std::ptrdiff_t before = 0;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 10; ++i)
      send_with_descriptor(peer, encode_tokens(request.request(), {i}), fd);
    close(fd);
    peer.reply(request, kResult);
    counted.wait();
  });
  const Client client = connect_to(daemon.socket());
  before = open_descriptors();
  EXPECT_EQ(read_all(generate(client)).ids.size(), 10u);
  EXPECT_EQ(open_descriptors(), before);
  counted.open();
}

TEST(hostile_daemon, frames_may_come_byte_by_byte) {
  FakeDaemon daemon([](Peer& peer) {
    peer.send_byte_by_byte(encode(kHello, kReply, peer.expect(kHello).request(), kGreeting));
    const std::uint32_t request = peer.expect(kGenerate).request();
    peer.send_byte_by_byte(encode_tokens(request, {1, 2}, "in pieces") +
                           encode(kGenerate, kReply, request, kResult));
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Outcome outcome = read_all(generate(client));
  EXPECT_EQ(outcome.text, "in pieces");
  EXPECT_EQ(outcome.result.completion_tokens, 5);
}

TEST(hostile_daemon, the_largest_frame_is_taken) {
  const std::string json = "{" + std::string(65534, ' ') + "}";
  const std::string text((8 << 20) - 8, 't');
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    // JSON in a TOKENS frame means nothing, and the payload behind it is not aligned: 65535 bytes.
    const std::vector<std::uint32_t> head = {0, static_cast<std::uint32_t>(text.size())};
    peer.send(encode(kTokens, 0, request.request(), json, raw_bytes(head) + text));
    peer.send(encode(kTokens, 0, request.request(), "{}x", raw_bytes(std::vector{1, 0, 77})));
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Outcome outcome = read_all(generate(client));
  EXPECT_EQ(outcome.code, HEARTH_OK) << last_error(client);
  EXPECT_EQ(outcome.text, text);
  EXPECT_EQ(outcome.ids, std::vector{77});
}

TEST(hostile_daemon, text_that_nobody_reads_is_bounded) {
  // No ids, so no credit: only the bytes bound it.
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    const std::string text(8 << 20, 't');
    while (peer.tokens(request, {}, text.substr(8))) continue;
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  int code = HEARTH_OK;
  while (code == HEARTH_OK) {
    pollfd ready = {hearth_fd(client.get()), POLLIN, 0};
    ASSERT_EQ(poll(&ready, 1, kPatienceMs), 1);
    code = hearth_process(client.get());
  }
  EXPECT_EQ(code, HEARTH_EPROTOCOL);
}

// Plays bytes in place of everything after the greeting and reads until the stream ends.
int play(const std::function<std::string(std::uint32_t)>& bytes) {
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const std::uint32_t request = peer.expect(kGenerate).request();
    peer.send(bytes(request));
  });
  const Client client = connect_to(daemon.socket());
  hearth_generate_options options = generate_options();
  options.want_logits = 1;
  return read_all(generate(client, options)).code;
}

TEST(hostile_daemon, noise_does_no_harm) {
  std::uint32_t state = 1;
  for (std::size_t size = 1; size < 300; ++size) {
    std::string noise(size, '\0');
    for (char& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    if (size > 8 && size % 2 == 0) std::memset(noise.data() + 1, 0, 3);  // a size that may be
    const int code = play([&](std::uint32_t) { return noise; });
    EXPECT_TRUE(code == HEARTH_EPROTOCOL || code == HEARTH_EUNAVAILABLE) << size << ": " << code;
  }
}

TEST(hostile_daemon, any_byte_may_be_wrong) {
  const auto session = [](std::uint32_t request) {
    return encode(kProgress, 0, request, R"({"state":"prefill","progress":0.5})") +
           encode_logits(request, 3, 1, 2, {1, 2}) + encode_tokens(request, {5}, "t") +
           encode(kGenerate, kReply, request, kResult);
  };
  EXPECT_EQ(play(session), HEARTH_OK);
  const std::size_t size = session(1).size();
  for (std::size_t at = 0; at < size; ++at) {
    for (const unsigned char flip : {0x01, 0x80, 0xff}) {
      const int code = play([&](std::uint32_t request) {
        std::string bytes = session(request);
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flip);
        return bytes;
      });
      // A reply that became a stream's frame or another request's: the end is the connection's.
      EXPECT_TRUE(code == HEARTH_OK || code == HEARTH_EPROTOCOL || code == HEARTH_EUNAVAILABLE)
          << "byte " << at << ": " << code;
    }
  }
}

}  // namespace
}  // namespace hearth::client_test
