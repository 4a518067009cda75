// Goal: models, ps and stats show what the daemon says, as a table and as its document.
#include "tests/cli/program.hpp"

namespace hearth {
namespace {

class CliStatus : public testing::Test {
 protected:
  DaemonProcess daemon_{{"--model", "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf", "--model",
                         "broken=/nonexistent.gguf"}};
};

TEST_F(CliStatus, models_lists_each_with_its_state_and_why_one_failed) {
  const auto listing = [&] { return run_hearth(daemon_, {"models"}).out; };
  EXPECT_TRUE(eventually([&] {
    return listing().find("ready") != std::string::npos &&
           listing().find("failed") != std::string::npos;
  })) << listing();
  EXPECT_NE(listing().find("qwen3"), std::string::npos);
  EXPECT_NE(listing().find("broken: "), std::string::npos) << listing();
  EXPECT_NE(listing().find("/nonexistent.gguf"), std::string::npos);
}

TEST_F(CliStatus, ps_succeeds_as_soon_as_the_daemon_answers) {
  const Ran ran = run_hearth(daemon_, {"ps"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_NE(ran.out.find("pid " + std::to_string(daemon_.pid())), std::string::npos) << ran.out;
}

TEST_F(CliStatus, json_is_one_document_on_one_line) {
  for (const auto& [command, key] :
       {std::pair("models", "models"), {"ps", "requests"}, {"stats", "daemon"}}) {
    const Ran ran = run_hearth(daemon_, {command, "--json"});
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(std::ranges::count(ran.out, '\n'), 1);
    EXPECT_NE(cJSON_GetObjectItem(parse_json(ran.out).get(), key), nullptr) << ran.out;
  }
}

TEST_F(CliStatus, load_and_unload_return_when_it_is_done) {
  const auto ps = [&] { return run_hearth(daemon_, {"ps"}).out; };
  Ran ran = run_hearth(daemon_, {"load", "qwen", "--keep-alive", "2h"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ps().find(" of 2 h"), std::string::npos) << ps();
  ran = run_hearth(daemon_, {"unload", "qwen", "--json"});
  EXPECT_EQ(ran.out, "{\"model\":\"qwen\",\"state\":\"unloaded\"}\n");
  EXPECT_NE(ps().find("unloaded"), std::string::npos) << ps();
  ran = run_hearth(daemon_, {"load", "broken"});
  EXPECT_EQ(ran.status, 1);
  EXPECT_NE(ran.err.find("/nonexistent.gguf"), std::string::npos) << ran.err;
  EXPECT_EQ(run_hearth(daemon_, {"unload", "nix"}).status, 1);
}

TEST_F(CliStatus, stats_counts_what_was_computed) {
  EXPECT_EQ(run_hearth(daemon_, {"run", "qwen", "--tokens", "1,2,3", "-n", "5"}).status, 0);
  const Json stats = parse_json(run_hearth(daemon_, {"--json", "stats"}).out);
  EXPECT_EQ(number_at(stats.get(), "models.0.rows.prompt"), 3);
  const std::string table = run_hearth(daemon_, {"stats"}).out;
  EXPECT_NE(table.find("PROMPT ROWS"), std::string::npos);
  const std::string us = "qwen   uid " + std::to_string(geteuid()) + "      1       0  ";
  EXPECT_NE(table.find(us), std::string::npos) << table;
}

}  // namespace
}  // namespace hearth
