// Goal: rule 7 of hearth.h: after fork() a client is the parent's; the child can only let go of it.
// Method: the child makes every call and reports by its exit status; the daemon sees all bytes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/client/client_testing.hpp"

namespace hearth::client_test {
namespace {

// Runs in the child: the number of the first check that fails, 0 when all hold.
class Checks {
 public:
  void expect(bool holds) {
    ++count_;
    if (!holds && failed_ == 0) failed_ = count_;
  }
  int failed() const { return failed_; }

 private:
  int count_ = 0;
  int failed_ = 0;
};

int exit_status(pid_t child) {
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int use_in_child(hearth_client* client, hearth_stream* stream) {
  Checks checks;
  const auto refused = [&](int code) { checks.expect(code == HEARTH_EINVALID_OPERATION); };
  const std::int32_t id = 1;
  std::int32_t* ids = nullptr;
  char* text = nullptr;
  std::size_t size = 0;
  hearth_stream* another = nullptr;
  const hearth_generate_options options = generate_options();
  hearth_eval_options eval_options;
  hearth_eval_options_init(&eval_options);
  hearth_event event;
  hearth_event_init(&event);
  hearth_result result;
  hearth_result_init(&result);
  refused(hearth_process(client));
  refused(hearth_query(client, HEARTH_QUERY_MODELS, &text));
  refused(hearth_tokenize(client, "m", "x", 1, 0, &ids, &size));
  refused(hearth_detokenize(client, "m", &id, 1, 0, &text, &size));
  refused(hearth_generate(client, &options, &another));
  refused(hearth_generate_each(client, &options, nullptr, nullptr, &result));
  refused(hearth_eval(client, &eval_options, &another));
  refused(hearth_stream_read(stream, &event, 0));
  refused(hearth_stream_result(stream, &result));
  refused(hearth_stream_cancel(stream));
  checks.expect(hearth_events(client) == 0);
  checks.expect(std::string(hearth_last_error(client)).find("fork") != std::string::npos);
  const int fd = hearth_fd(client);
  checks.expect(hearth_stream_close(stream) == nullptr);
  checks.expect(hearth_close(client) == nullptr);
  checks.expect(fcntl(fd, F_GETFD) < 0);
  return checks.failed();
}

TEST(fork, the_child_can_only_let_go_and_the_parent_goes_on) {
  Gate child_has_ended;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    const ReceivedFrame request = peer.expect(kGenerate);
    peer.tokens(request, {1});
    child_has_ended.wait();
    peer.reply(peer.expect(kModels), "", "{}");  // and nothing came from the child before
    peer.tokens(request, {2});
    peer.reply(request, kResult);
    peer.wait_for_end();
  });
  const Client client = connect_to(daemon.socket());
  const Stream stream = generate(client);
  EXPECT_EQ(next_event(stream).ids[0], 1);
  const pid_t child = fork();
  if (child == 0) _exit(use_in_child(client.get(), stream.get()));
  EXPECT_EQ(exit_status(child), 0) << "the number of the check that failed";
  child_has_ended.open();
  char* json = nullptr;
  EXPECT_EQ(hearth_query(client.get(), HEARTH_QUERY_MODELS, &json), HEARTH_OK);
  hearth_free(json);
  EXPECT_EQ(read_all(stream).ids, std::vector{2});
}

TEST(fork, a_child_that_let_go_does_not_keep_the_connection) {
  Gate ended;
  FakeDaemon daemon([&](Peer& peer) {
    peer.greet();
    peer.wait_for_end();
    ended.open();
  });
  Client client = connect_to(daemon.socket());
  int let_go[2];
  int may_end[2];
  ASSERT_EQ(pipe2(let_go, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(may_end, O_CLOEXEC), 0);
  char byte = 0;
  const pid_t child = fork();
  if (child == 0) {
    hearth_close(client.get());
    close(may_end[1]);
    const bool told = write(let_go[1], "x", 1) == 1;
    _exit(told && read(may_end[0], &byte, 1) == 0 ? 0 : 1);
  }
  EXPECT_EQ(read(let_go[0], &byte, 1), 1);
  client.reset();
  ended.wait();  // the daemon sees the end while the child lives
  for (const int fd : {let_go[0], let_go[1], may_end[0], may_end[1]}) close(fd);
  EXPECT_EQ(exit_status(child), 0);
}

TEST(fork, the_child_may_connect_by_itself) {
  FakeDaemon first([](Peer& peer) {
    peer.greet();
    peer.wait_for_end();
  });
  FakeDaemon second([](Peer& peer) {
    peer.greet();
    peer.reply(peer.expect(kModels), "", "{}");
    peer.wait_for_end();
  });
  const Client client = connect_to(first.socket());
  const pid_t child = fork();
  if (child == 0) {
    hearth_close(client.get());
    hearth_connect_options options;
    hearth_connect_options_init(&options);
    options.socket_path = second.socket().c_str();
    hearth_client* own = nullptr;
    char* json = nullptr;
    Checks checks;
    checks.expect(hearth_connect(&options, &own) == HEARTH_OK);
    checks.expect(hearth_query(own, HEARTH_QUERY_MODELS, &json) == HEARTH_OK);
    hearth_close(own);
    hearth_free(json);
    _exit(checks.failed());
  }
  EXPECT_EQ(exit_status(child), 0);
}

}  // namespace
}  // namespace hearth::client_test
