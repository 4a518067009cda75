// Goal: wrong usage is told before anything is asked, and a missing daemon in one clear line.
#include "tests/cli/program.hpp"

namespace hearth {
namespace {

const std::string kNowhere = "/nonexistent/hearthd.sock";

TEST(command_line, help_shows_every_command_and_ends_well) {
  const Ran ran = run_hearth(kNowhere, {"--help"});
  EXPECT_EQ(ran.status, 0);
  for (const char* command : {"run", "models", "ps", "stats", "tokenize", "detokenize", "eval",
                              "load", "unload", "cache", "Examples"}) {
    EXPECT_NE(ran.out.find(command), std::string::npos) << command;
  }
  EXPECT_EQ(run_hearth(kNowhere, {"run", "--help"}).status, 0);
  EXPECT_EQ(run_hearth(kNowhere, {"--version"}).out, "hearth 0.1.0\n");
}

TEST(command_line, wrong_usage_is_status_2_and_names_the_option) {
  const struct {
    std::vector<std::string> arguments;
    const char* named;
  } cases[] = {
      {{}, "subcommand"},
      {{"dance"}, "subcommand"},
      {{"run", "m"}, "PROMPT"},
      {{"run", "m", "a", "--tokens", "1"}, "PROMPT"},
      {{"run", "m", "a", "-n", "-1"}, "-n: "},
      {{"run", "m", "a", "-n", "0"}, "-n: "},
      {{"run", "m", "a", "-n", "many"}, "-n: "},
      {{"run", "m", "a", "-n", "99999999999"}, "-n: "},
      {{"run", "m", "a", "--temp", "-0.5"}, "temp"},
      {{"run", "m", "a", "--top-k", "-3"}, "top-k"},
      {{"run", "m", "a", "--top-p", "1.5"}, "top-p"},
      {{"run", "m", "a", "--temp", "nan"}, "temp"},
      {{"run", "m", "a", "--top-k", "0x10"}, "top-k"},
      {{"run", "m", "a", "--seed", "-1"}, "seed"},
      {{"run", "m", "a", "--stop", ""}, "stop"},
      {{"run", "m", "a", "--stop", std::string(257, 's')}, "257"},
      {{"run", "m", "a", "--speed", "9"}, "speed"},
      {{"load"}, "MODEL"},
      {{"load", "m", "--keep-alive", "soon"}, "--keep-alive"},
      {{"unload", "m", "--keep-alive", "1"}, "keep-alive"},
      {{"tokenize", "m"}, "TEXT"},
      {{"eval", "m"}, "tokens"},
      {{"eval"}, "MODEL"},
  };
  for (const auto& one : cases) {
    const Ran ran = run_hearth(kNowhere, one.arguments);
    EXPECT_EQ(ran.status, 2) << one.named << ": " << ran.err;
    EXPECT_EQ(ran.out, "") << one.named;
    EXPECT_NE(ran.err.find(one.named), std::string::npos) << ran.err;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
  }
}

TEST(command_line, nobody_listening_is_one_line_that_names_the_socket) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"ps"}, {"--json", "ps"}, {"run", "m", "hello"}}) {
    const Ran ran = run_hearth(kNowhere, arguments);
    EXPECT_EQ(ran.status, 1);
    EXPECT_EQ(ran.out, "");
    EXPECT_NE(ran.err.find(kNowhere), std::string::npos) << ran.err;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
  }
}

TEST(command_line, config_explain_says_where_every_setting_comes_from) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/hearthd.toml";
  std::ofstream(file) << "threads = 3\n";
  setenv("HEARTH_CTX", "512", 1);
  const Ran ran = run_hearth("/nowhere", {"config", "explain", "--config", file});
  unsetenv("HEARTH_CTX");
  EXPECT_EQ(ran.status, 0) << ran.err;
  for (const std::string& line :
       {std::string("ctx = 512  # HEARTH_CTX"), "threads = 3  # " + file + ": line 1",
        std::string("device = auto  # default")}) {
    EXPECT_NE(ran.out.find(line), std::string::npos) << line << " in\n" << ran.out;
  }
  EXPECT_EQ(run_hearth("/nowhere", {"config"}).status, 2);
  std::ofstream(file) << "threads = \"many\"\n";
  EXPECT_EQ(run_hearth("/nowhere", {"config", "explain", "--config", file}).status, 2);
}

}  // namespace
}  // namespace hearth
