// Goal: a chat in the terminal keeps what was said, obeys its commands, and outlives an answer that
// is stopped; render and card check tell what the daemon would do.
#include "tests/cli/program.hpp"

namespace hearth {
namespace {

const std::string kEmber = HEARTH_MODELS_DIR "/ember-q8_0.gguf";
const std::vector<std::string> kArguments = {"--model", "ember=" + kEmber};

std::vector<std::string> chat(std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"chat", "ember", "--temp", "0", "-n", "12"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(cli_chat, every_line_is_a_message_and_all_of_it_is_kept) {
  DaemonProcess daemon(kArguments);
  const std::string saved = daemon.directory() + "/saved.json";
  const Ran ran = run_hearth(daemon, chat({"--system", "Be brief."}),
                             "Hello\n\"\"\"two\nlines\"\"\"\n/save " + saved + "\n/bye\nnever\n");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_FALSE(ran.out.empty());
  EXPECT_EQ(ran.out.back(), '\n');
  const Json messages = parse_json(read_whole(saved));
  ASSERT_EQ(cJSON_GetArraySize(messages.get()), 5);
  EXPECT_EQ(string_at(messages.get(), "0.role"), "system");
  EXPECT_EQ(string_at(messages.get(), "0.content"), "Be brief.");
  EXPECT_EQ(string_at(messages.get(), "1.content"), "Hello");
  EXPECT_EQ(string_at(messages.get(), "2.role"), "assistant");
  EXPECT_NE(ran.out.find(string_at(messages.get(), "2.content")), std::string::npos);
  EXPECT_EQ(string_at(messages.get(), "3.content"), "two\nlines");

  // From there another chat goes on.
  const std::string again = daemon.directory() + "/again.json";
  const Ran more = run_hearth(daemon, chat(), "/load " + saved + "\n/undo\nmore\n/save " + again);
  EXPECT_EQ(more.status, 0) << more.err;
  const Json then = parse_json(read_whole(again));
  ASSERT_EQ(cJSON_GetArraySize(then.get()), 5);
  EXPECT_EQ(string_at(then.get(), "0.content"), "Be brief.");
  EXPECT_EQ(string_at(then.get(), "3.content"), "more");
}

TEST(cli_chat, commands_change_what_is_asked) {
  DaemonProcess daemon(kArguments);
  const std::string saved = daemon.directory() + "/saved.json";
  const Ran ran = run_hearth(daemon, chat(),
                             "one\n/retry\n/clear\n/undo\n/retry\n/system Short.\n/system\n"
                             "/stats on\n/nonsense\n/reasoning high\ntwo\n/save " +
                                 saved + "\n");
  EXPECT_EQ(ran.status, 0) << ran.err;
  const Json messages = parse_json(read_whole(saved));
  ASSERT_EQ(cJSON_GetArraySize(messages.get()), 3);
  EXPECT_EQ(string_at(messages.get(), "0.content"), "Short.");
  EXPECT_EQ(string_at(messages.get(), "1.content"), "two");
  for (const char* told : {"there is nothing to undo", "there is nothing to answer", "Short.",
                           "there is no /nonsense: see /help", "tokens/s"}) {
    EXPECT_NE(ran.err.find(told), std::string::npos) << told << "\n" << ran.err;
  }
}

TEST(cli_chat, a_signal_stops_an_answer_and_not_the_chat) {
  DaemonProcess daemon(kArguments);
  const std::string saved = daemon.directory() + "/saved.json";
  Program program(daemon, {"chat", "ember", "--temp", "0", "-n", "2000", "--ignore-eos"},
                  "go\n/save " + saved + "\n");
  ASSERT_TRUE(program.wait_for_output(" "));
  kill(program.pid(), SIGINT);
  const Ran ran = program.end();
  EXPECT_EQ(ran.status, 0) << ran.err;
  const Json messages = parse_json(read_whole(saved));
  ASSERT_EQ(cJSON_GetArraySize(messages.get()), 2);
  EXPECT_FALSE(string_at(messages.get(), "1.content").empty());
}

TEST(cli_chat, what_fails_is_told) {
  DaemonProcess daemon({"--model", "ids=" HEARTH_TEST_DATA "/models/qwen3.gguf"});
  EXPECT_NE(run_hearth(daemon, {"chat", "ids"}, "Hello\n").err.find("no vocabulary"),
            std::string::npos);
  EXPECT_EQ(run_hearth(daemon, {"chat", "nope"}, "Hello\n").status, 1);
  EXPECT_EQ(run_hearth(daemon, {"chat"}).status, 2);
}

TEST(cli_render, shows_the_prompt_and_what_of_it_is_input) {
  DaemonProcess daemon(kArguments);
  const std::string messages = R"([{"role":"user","content":"Hello <|end|>"}])";
  const Ran plain = run_hearth(daemon, {"render", "ember", "--messages", "-"}, messages);
  EXPECT_EQ(plain.out, "<|user|>\nHello <|end|><|end|>\n<|assistant|>\n");
  const Json json = parse_json(
      run_hearth(daemon, {"render", "ember", "--messages", "-", "--json"}, messages).out);
  EXPECT_EQ(string_at(json.get(), "prompt"), plain.out);
  EXPECT_EQ(number_at(json.get(), "input.1.0"), 9);
  EXPECT_EQ(number_at(json.get(), "input.1.1"), 22);
  EXPECT_EQ(run_hearth(daemon, {"render", "ember", "--messages", "-"}, "nonsense").status, 1);
  EXPECT_EQ(run_hearth(daemon, {"render", "ember", "--messages", "/none"}).status, 2);
  EXPECT_EQ(run_hearth(daemon, {"render", "ember"}).status, 2);
}

TEST(cli_card, is_checked_without_a_daemon) {
  const TemporaryDirectory directory;
  const std::string card = directory.path() + "/a.card.json";
  const std::string no_daemon = directory.path() + "/none";
  std::ofstream(card) << R"({"outputParser":"gpt_oss","metalFastSynch":true})";
  const Ran good = run_hearth(no_daemon, {"card", "check", card});
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_NE(good.out.find("outputParser = gpt_oss  # chooses"), std::string::npos) << good.out;
  EXPECT_NE(good.out.find("metalFastSynch = true  # has no effect here"), std::string::npos);
  const Json json = parse_json(run_hearth(no_daemon, {"card", "check", card, "--json"}).out);
  EXPECT_EQ(string_at(json.get(), "entries.0.key"), "outputParser");
  EXPECT_TRUE(cJSON_IsFalse(node_at(json.get(), "entries.1.has_effect")));
  std::ofstream(card) << R"({"outputParser":"gpt"})";
  const Ran bad = run_hearth(no_daemon, {"card", "check", card});
  EXPECT_EQ(bad.status, 2);
  EXPECT_NE(bad.err.find("outputParser: \"gpt\" is not one of"), std::string::npos) << bad.err;
  EXPECT_EQ(run_hearth(no_daemon, {"card", "check", "/none"}).status, 1);
}

}  // namespace
}  // namespace hearth
