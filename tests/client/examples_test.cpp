// Goal: the examples do what they say, against a real daemon and the model that comes with Hearth.
#include "tests/client/client_testing.hpp"
#include "tests/daemon/daemon_process.hpp"

namespace hearth::client_test {
namespace {

struct Ran {
  int status = -1;
  std::string out;
};

Ran run(const std::string& socket, const std::string& command) {
  const ScopedEnvironment environment("HEARTH_SOCKET", socket.c_str());
  FILE* const pipe = popen((HEARTH_PROGRAMS_DIR "/" + command + " 2>&1").c_str(), "r");
  Ran ran;
  char chunk[4096];
  for (std::size_t got; (got = fread(chunk, 1, sizeof(chunk), pipe)) > 0;) {
    ran.out.append(chunk, got);
  }
  ran.status = WEXITSTATUS(pclose(pipe));
  return ran;
}

class Examples : public testing::Test {
 protected:
  DaemonProcess daemon_{{"--model", "ember=" HEARTH_MODELS_DIR "/ember-q8_0.gguf"}};
};

TEST_F(Examples, the_one_in_c_prints_text_and_numbers) {
  const Ran ran = run(daemon_.socket(), "example_generate_c ember 'Once upon a time' 30");
  EXPECT_EQ(ran.status, 0) << ran.out;
  EXPECT_TRUE(mentions(ran.out, "30 tokens, "));
  EXPECT_TRUE(mentions(ran.out, "stop: length"));
  EXPECT_GT(ran.out.find("5 prompt tokens"), 60u) << "a text before the numbers: " << ran.out;
}

TEST_F(Examples, the_one_in_cpp_reads_two_streams_in_a_loop_of_its_own) {
  const Ran ran = run(daemon_.socket(), "example_generate_cpp ember 'Once upon a time' 30");
  EXPECT_EQ(ran.status, 0) << ran.out;
  EXPECT_TRUE(mentions(ran.out, "Once upon a time"));
  EXPECT_TRUE(mentions(ran.out, "Once upon a time and"));
  EXPECT_TRUE(mentions(ran.out, "30 tokens, stop: length"));
}

TEST_F(Examples, failures_are_told) {
  for (const char* example : {"example_generate_c", "example_generate_cpp"}) {
    Ran ran = run(daemon_.socket(), std::string(example) + " other Once");
    EXPECT_EQ(ran.status, 1) << ran.out;
    EXPECT_TRUE(mentions(ran.out, "other"));
    ran = run("/nonexistent/h.sock", std::string(example) + " ember Once");
    EXPECT_EQ(ran.status, 1) << ran.out;
    EXPECT_TRUE(mentions(ran.out, "/nonexistent/h.sock"));
    EXPECT_EQ(run(daemon_.socket(), example).status, 2);
  }
}

}  // namespace
}  // namespace hearth::client_test
