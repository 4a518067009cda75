// Goal: hearth_connect() finds the daemon where hearth.h says, and tells apart all ways to fail.
// Method: fake daemons that name themselves in the error they answer the greeting with.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

const char* const kSystemSocket = "/run/hearth/hearthd.sock";

// Answers every greeting with an error whose text is a name.
FakeDaemon::Script called(const std::string& name) {
  return
      [name](Peer& peer) { peer.reply_error(peer.expect(kHello), "unavailable", "I am " + name); };
}

struct Attempt {
  int code;
  std::string error;
};
Attempt attempt(hearth_connect_options options) {
  hearth_client* const untouched = reinterpret_cast<hearth_client*>(&options);
  hearth_client* client = untouched;
  const int code = hearth_connect(&options, &client);
  if (code == HEARTH_OK) {
    hearth_close(client);
  } else {
    EXPECT_EQ(client, untouched) << "outputs are untouched on failure";
  }
  return {code, hearth_connect_error()};
}
Attempt attempt(const char* socket = nullptr, std::int32_t timeout_ms = kPatienceMs) {
  hearth_connect_options options;
  hearth_connect_options_init(&options);
  options.socket_path = socket;
  options.timeout_ms = timeout_ms;
  return attempt(options);
}

TEST(connect, greets_with_the_protocol_range_and_a_name) {
  ReceivedFrame hello;
  FakeDaemon daemon([&](Peer& peer) {
    hello = peer.read();
    peer.reply(hello, kGreeting);
    peer.wait_for_end();
  });
  hearth_connect_options options;
  hearth_connect_options_init(&options);
  options.socket_path = daemon.socket().c_str();
  options.client_name = "a \"name\"";
  EXPECT_EQ(attempt(options).code, HEARTH_OK);
  EXPECT_EQ(hello.verb(), kHello);
  EXPECT_EQ(hello.request(), 0u);
  EXPECT_EQ(hello.header.flags, 0);
  EXPECT_EQ(hello.header.fd_count, 0);
  EXPECT_EQ(hello.json, R"({"protocol_min":1,"protocol_max":1,"client":"a \"name\""})");
  EXPECT_EQ(hello.payload, "");
}

TEST(connect, gives_the_name_of_the_program_when_none_is_given) {
  std::string json;
  FakeDaemon daemon([&](Peer& peer) {
    const ReceivedFrame hello = peer.read();
    json = hello.json;
    peer.reply(hello, kGreeting);
  });
  EXPECT_EQ(attempt(daemon.socket().c_str()).code, HEARTH_OK);
  EXPECT_TRUE(mentions(json, R"("client":"test_client")"));
}

TEST(connect, without_a_daemon_names_the_socket_that_was_tried) {
  const TemporaryDirectory directory;
  const std::string nobody = directory.path() + "/nobody.sock";
  const Attempt absent = attempt(nobody.c_str());
  EXPECT_EQ(absent.code, HEARTH_EUNAVAILABLE);
  EXPECT_TRUE(mentions(absent.error, nobody));
  EXPECT_TRUE(mentions(absent.error, "No such file"));
  {
    FakeDaemon left_its_socket_behind([](Peer&) {}, nobody);
  }
  EXPECT_EQ(attempt(nobody.c_str()).code, HEARTH_EUNAVAILABLE);
}

TEST(connect, a_path_that_fits_no_address_is_invalid) {
  const std::string longest(107, 'x');  // sun_path has 108 bytes and ends with a NUL
  EXPECT_EQ(attempt(longest.c_str()).code, HEARTH_EUNAVAILABLE);
  const Attempt too_long = attempt((longest + "x").c_str());
  EXPECT_EQ(too_long.code, HEARTH_EINVALID);
  EXPECT_TRUE(mentions(too_long.error, "socket_path"));
  EXPECT_EQ(attempt("").code, HEARTH_EINVALID);
}

TEST(connect, a_name_that_is_too_long_is_invalid) {
  FakeDaemon daemon([](Peer& peer) { peer.greet(); });
  hearth_connect_options options;
  hearth_connect_options_init(&options);
  options.socket_path = daemon.socket().c_str();
  const std::string longest(256, 'n');
  options.client_name = longest.c_str();
  EXPECT_EQ(attempt(options).code, HEARTH_OK);
  const std::string too_long = longest + "n";
  options.client_name = too_long.c_str();
  const Attempt attempted = attempt(options);
  EXPECT_EQ(attempted.code, HEARTH_EINVALID);
  EXPECT_TRUE(mentions(attempted.error, "client_name"));
}

TEST(connect, a_program_with_a_long_name_connects_all_the_same) {
  FakeDaemon daemon([](Peer& peer) { peer.greet(); });
  const std::string long_name(300, 'p');
  char* const before = program_invocation_short_name;
  program_invocation_short_name = const_cast<char*>(long_name.c_str());
  EXPECT_EQ(attempt(daemon.socket().c_str()).code, HEARTH_OK);
  program_invocation_short_name = before;
}

TEST(connect, a_daemon_that_says_nothing_is_given_up) {
  Gate tried;
  FakeDaemon daemon([&](Peer& peer) {
    peer.send(encode(kHello, kReply, 0, kGreeting).substr(0, 20));  // and then nothing
    tried.wait();
  });
  const Attempt silent = attempt(daemon.socket().c_str(), 50);
  tried.open();
  EXPECT_EQ(silent.code, HEARTH_EUNAVAILABLE);
  EXPECT_TRUE(mentions(silent.error, daemon.socket()));
  EXPECT_TRUE(mentions(silent.error, "greeting"));
}

TEST(connect, a_daemon_that_sends_anything_but_a_greeting_is_given_up) {
  FakeDaemon daemon([&](Peer& peer) {
    while (peer.send(encode(kProgress, 0, 0, R"({"state":"loading","progress":0})") +
                     encode(kHello, kReply, 9, kGreeting))) {
      continue;
    }
  });
  EXPECT_EQ(attempt(daemon.socket().c_str(), 50).code, HEARTH_EUNAVAILABLE);
}

TEST(connect, waits_for_a_daemon_whose_queue_is_full) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/h.sock";
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  ASSERT_EQ(bind(listener, generic, sizeof(address)), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  std::vector<int> waiting;
  do {
    waiting.push_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  } while (connect(waiting.back(), generic, sizeof(address)) == 0);
  const Attempt full = attempt(path.c_str(), 50);
  EXPECT_EQ(full.code, HEARTH_EUNAVAILABLE);
  EXPECT_TRUE(mentions(full.error, "accepts no connection"));
  // Now the daemon accepts, while the client tries again and again.
  std::thread accepts([&] {
    std::vector<int> ends;
    for (std::size_t i = 0; i + 1 < waiting.size(); ++i) {
      ends.push_back(accept(listener, nullptr, nullptr));
    }
    {
      Peer peer(accept(listener, nullptr, nullptr));
      peer.greet();
    }
    for (const int fd : ends) close(fd);
  });
  EXPECT_EQ(attempt(path.c_str()).code, HEARTH_OK);
  accepts.join();
  for (const int fd : waiting) close(fd);
  close(listener);
}

TEST(connect, a_protocol_that_is_not_spoken_here_is_refused) {
  for (const char* greeting : {R"({"protocol":2})", R"({"protocol":0})", "{}"}) {
    FakeDaemon daemon([&](Peer& peer) { peer.reply(peer.expect(kHello), greeting); });
    const Attempt attempted = attempt(daemon.socket().c_str());
    EXPECT_EQ(attempted.code, HEARTH_EPROTOCOL) << greeting;
    EXPECT_TRUE(mentions(attempted.error, "protocol")) << greeting;
  }
}

TEST(connect, a_greeting_that_cannot_be_read_is_refused) {
  for (const char* greeting :
       {"", "[]", "{", "protocol", R"({"protocol":"1"})", R"({"protocol":1.5})",
        R"({"protocol":1,"limits":7})", R"({"protocol":1,"limits":{"payload_bytes":-1}})"}) {
    FakeDaemon daemon([&](Peer& peer) { peer.reply(peer.expect(kHello), greeting); });
    EXPECT_EQ(attempt(daemon.socket().c_str()).code, HEARTH_EPROTOCOL) << greeting;
  }
}

TEST(connect, a_greeting_of_a_later_version_is_read) {
  FakeDaemon daemon([&](Peer& peer) {
    peer.reply(peer.expect(kHello),
               R"({"protocol":1,"new":{"x":[1]},"limits":{"payload_bytes":4}})");
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const hearth_generate_options options = generate_options("12345");
  hearth_stream* stream = nullptr;
  EXPECT_EQ(hearth_generate(client.get(), &options, &stream), HEARTH_ELIMIT);
  EXPECT_TRUE(mentions(last_error(client), "may have 4"));
}

TEST(connect, an_error_that_answers_the_greeting_is_given_on) {
  FakeDaemon daemon(called("full"));
  const Attempt attempted = attempt(daemon.socket().c_str());
  EXPECT_EQ(attempted.code, HEARTH_EUNAVAILABLE);
  EXPECT_EQ(attempted.error, daemon.socket() + ": I am full");
}

TEST(connect, a_daemon_that_hangs_up_is_unavailable) {
  FakeDaemon daemon([](Peer& peer) { peer.expect(kHello); });
  const Attempt attempted = attempt(daemon.socket().c_str());
  EXPECT_EQ(attempted.code, HEARTH_EUNAVAILABLE);
  EXPECT_TRUE(mentions(attempted.error, "closed the connection"));
}

TEST(connect, looks_for_the_socket_in_the_order_of_hearth_h) {
  const TemporaryDirectory runtime;
  std::filesystem::create_directory(runtime.path() + "/hearth");
  const ScopedEnvironment xdg("XDG_RUNTIME_DIR", runtime.path().c_str());
  FakeDaemon of_user(called("the user's"), runtime.path() + "/hearth/hearthd.sock");
  FakeDaemon of_variable(called("HEARTH_SOCKET's"));
  FakeDaemon of_options(called("the options'"));
  {
    const ScopedEnvironment variable("HEARTH_SOCKET", of_variable.socket().c_str());
    EXPECT_TRUE(mentions(attempt(of_options.socket().c_str()).error, "I am the options'"));
    EXPECT_TRUE(mentions(attempt().error, "I am HEARTH_SOCKET's"));
  }
  {
    const ScopedEnvironment empty("HEARTH_SOCKET", "");
    EXPECT_TRUE(mentions(attempt().error, "I am the user's")) << "as if it were not set";
  }
  const ScopedEnvironment none("HEARTH_SOCKET", nullptr);
  EXPECT_TRUE(mentions(attempt().error, "I am the user's"));
  hearth_client* client = nullptr;
  EXPECT_EQ(hearth_connect(nullptr, &client), HEARTH_EUNAVAILABLE) << "no options: all defaults";
  EXPECT_TRUE(mentions(hearth_connect_error(), "I am the user's"));
}

TEST(connect, tries_the_system_socket_when_the_user_has_none) {
  if (std::filesystem::exists(kSystemSocket)) GTEST_SKIP() << "a daemon of this system is there";
  const TemporaryDirectory runtime;
  const ScopedEnvironment none("HEARTH_SOCKET", nullptr);
  const std::string too_long(200, 'x');
  for (const std::string& value : {runtime.path(), too_long, std::string()}) {
    const ScopedEnvironment xdg("XDG_RUNTIME_DIR", value.c_str());
    const Attempt attempted = attempt();
    EXPECT_EQ(attempted.code, HEARTH_EUNAVAILABLE) << value;
    EXPECT_TRUE(mentions(attempted.error, kSystemSocket)) << value;
  }
}

TEST(connect, options_out_of_contract_are_invalid) {
  EXPECT_EQ(attempt("/tmp", -1).code, HEARTH_EINVALID);
  EXPECT_TRUE(mentions(hearth_connect_error(), "timeout_ms"));
  hearth_connect_options options;
  hearth_connect_options_init(&options);
  options.struct_size = 0;
  EXPECT_EQ(attempt(options).code, HEARTH_EINVALID);
  EXPECT_TRUE(mentions(hearth_connect_error(), "struct_size"));
  hearth_connect_options_init(&options);
  EXPECT_EQ(hearth_connect(&options, nullptr), HEARTH_EINVALID);
}

TEST(connect, failed_attempts_keep_no_descriptor) {
  const std::ptrdiff_t before = open_descriptors();
  {
    FakeDaemon daemon(called("busy"));
    for (int i = 0; i < 20; ++i) attempt(daemon.socket().c_str());
    attempt("/nowhere/h.sock");
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(connect, the_descriptor_is_closed_by_exec_and_does_not_block) {
  FakeDaemon daemon([](Peer& peer) {
    peer.greet();
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const int fd = hearth_fd(client.get());
  EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(hearth_events(client.get()), POLLIN);
}

TEST(connect, calls_without_a_client_are_invalid) {
  EXPECT_EQ(hearth_close(nullptr), nullptr);
  EXPECT_EQ(hearth_stream_close(nullptr), nullptr);
  EXPECT_EQ(hearth_fd(nullptr), -1);
  EXPECT_EQ(hearth_events(nullptr), 0);
  EXPECT_EQ(hearth_process(nullptr), HEARTH_EINVALID);
  EXPECT_EQ(hearth_query(nullptr, HEARTH_QUERY_PS, nullptr), HEARTH_EINVALID);
  EXPECT_EQ(hearth_stream_read(nullptr, nullptr, 0), HEARTH_EINVALID);
  EXPECT_EQ(hearth_stream_cancel(nullptr), HEARTH_EINVALID);
  EXPECT_EQ(hearth_stream_result(nullptr, nullptr), HEARTH_EINVALID);
  EXPECT_STRNE(hearth_last_error(nullptr), nullptr);
}

}  // namespace
}  // namespace hearth::client_test
