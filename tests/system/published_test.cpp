// Goal: what the administrator publishes is computed once for all users, whatever dies, and nothing
// else crosses users by it.
// Method: a real daemon with the model that comes with Hearth, asked by root and by nobody; what
// was computed is counted by the engine in rows.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "common/unique_fd.hpp"
#include "hearth/hearth.h"
#include "tests/daemon/daemon_process.hpp"
#include "tests/daemon/damage_cache.hpp"
#include "tests/system/as_user.hpp"

namespace hearth {
namespace {

constexpr uid_t kNobody = 65534;
constexpr uid_t kThird = 65533;
constexpr double kPageTokens = 32;

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}
const std::string kPrompt = repeated(
    "The little fox lived in a big forest. Every day he went to the river with his friends. ", 12);
const std::string kQuestion = "One day the fox saw something strange behind the old tree. It was ";

class Published : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can be several users";
    std::ofstream(text_) << kPrompt;
  }
  void configure(bool published, const std::string& more = "") {
    std::ofstream file(configuration_);
    file << "ctx = 512\nsocket-mode = \"0666\"\n" << more << '\n';
    if (published) file << "[[published]]\nmodel = \"ember\"\nfile = \"" << text_ << "\"\n";
  }
  void start(const std::string& more = "") {
    configure(/*published=*/true, more);
    daemon_ = std::make_unique<DaemonProcess>(std::vector<std::string>{"--config", configuration_});
    ASSERT_EQ(chmod(daemon_->directory().c_str(), 0755), 0);
    wait_for_published(1);
  }
  void restart() {
    ASSERT_EQ(daemon_->stop(SIGKILL), -SIGKILL);
    ASSERT_NO_FATAL_FAILURE(daemon_->restart());
  }
  void wait_for_published(int times) {
    ASSERT_TRUE(eventually([&] {
      const std::string log = daemon_->log();
      std::size_t at = 0;
      for (int i = 0; i < times && at != std::string::npos; ++i) {
        at = log.find(text_ + " is published", at + 1);
      }
      return at != std::string::npos;
    })) << daemon_->log();
  }
  // Tokens of a text, BOS included.
  double count(const std::string& text) {
    RawClient client(daemon_->socket());
    const RawFrame reply = client.ask(kTokenize, R"({"model":"ember","parse_special":true})", text);
    return number_at(parse_json(reply.json).get(), "count");
  }
  double whole_pages() { return std::floor(count(kPrompt) / kPageTokens) * kPageTokens; }

  struct Answer {
    double prompt, cached, published, computed;
    std::vector<std::int32_t> tokens;
  };
  Answer ask(uid_t uid, const std::string& prompt) {
    const auto client = connect_as(uid, *daemon_);
    const RawFrame reply =
        client->ask(kGenerate,
                    R"({"model":"ember","raw":true,"parse_special":true,"max_tokens":12,)"
                    R"("temperature":0,"ignore_eos":true})",
                    prompt);
    EXPECT_EQ(error_code(reply), "") << error_message(reply);
    const Json json = parse_json(reply.json);
    return {number_at(json.get(), "usage.prompt_tokens"),
            number_at(json.get(), "usage.cached_tokens"),
            number_at(json.get(), "cache.published_tokens"),
            number_at(json.get(), "cache.computed_tokens"), client->tokens};
  }

  static hearth_client* connect(const std::string& socket) {
    hearth_connect_options options;
    hearth_connect_options_init(&options);
    options.socket_path = socket.c_str();
    hearth_client* client = nullptr;
    EXPECT_EQ(hearth_connect(&options, &client), HEARTH_OK) << hearth_connect_error();
    return client;
  }
  // A turn of a session.
  static hearth_result run(hearth_client* client, const char* session, const std::string& prompt) {
    hearth_generate_options options;
    hearth_generate_options_init(&options);
    options.model = "ember";
    options.prompt = prompt.data();
    options.prompt_size = prompt.size();
    options.raw = 1;
    options.token_flags = HEARTH_PARSE_SPECIAL;
    options.max_tokens = 12;
    options.temperature = 0;
    options.ignore_eos = 1;
    options.session = session;
    hearth_result result;
    hearth_result_init(&result);
    EXPECT_EQ(hearth_generate_each(
                  client, &options, [](const hearth_event*, void*) { return 1; }, nullptr, &result),
              HEARTH_OK)
        << hearth_last_error(client);
    return result;
  }

  const TemporaryDirectory directory_;
  const std::string configuration_ = directory_.path() + "/hearthd.toml";
  const std::string text_ = directory_.path() + "/assistant.txt";
  std::unique_ptr<DaemonProcess> daemon_;
};

TEST_F(Published, is_computed_once_and_users_see_nothing_else_of_each_other) {
  start();
  const double whole = whole_pages();
  ASSERT_GE(whole, 4 * kPageTokens);
  EXPECT_EQ(prompt_rows(*daemon_), whole);
  const std::string prompt = kPrompt + kQuestion;
  const Answer roots = ask(0, prompt);
  EXPECT_EQ(roots.cached, whole);
  EXPECT_EQ(roots.published, whole);
  EXPECT_EQ(prompt_rows(*daemon_), whole + roots.computed);
  const Answer nobodys = ask(kNobody, prompt);
  EXPECT_EQ(nobodys.cached, whole) << "a hit tells what root asked";
  EXPECT_EQ(prompt_rows(*daemon_), whole + 2 * (roots.prompt - whole));
  EXPECT_EQ(ask(0, prompt).cached, roots.prompt - 1) << "each has their own";
  EXPECT_EQ(ask(kNobody, prompt).cached, roots.prompt - 1);
  EXPECT_EQ(nobodys.tokens, roots.tokens);

  // Alone, all computed by itself.
  configure(/*published=*/false);
  daemon_ = std::make_unique<DaemonProcess>(std::vector<std::string>{"--config", configuration_});
  const Answer cold = ask(0, prompt);
  EXPECT_EQ(cold.cached, 0);
  EXPECT_EQ(cold.tokens, roots.tokens);
}

TEST_F(Published, outlives_a_kill_and_is_not_computed_again) {
  start();
  const double whole = whole_pages();
  const std::string prompt = kPrompt + kQuestion;
  const Answer before = ask(kNobody, prompt);
  restart();
  wait_for_published(2);
  EXPECT_EQ(prompt_rows(*daemon_), 0);
  EXPECT_NE(daemon_->log().find(" 0 of them computed"), std::string::npos) << daemon_->log();
  const Answer after = ask(kNobody, prompt);
  EXPECT_EQ(after.cached, before.prompt - 1) << "what was built on it is there, too";
  EXPECT_EQ(after.published, whole);
  EXPECT_EQ(after.tokens, before.tokens);
  EXPECT_EQ(ask(0, prompt).cached, whole);
}

// A kill at any moment of it: the next daemon goes on with what is there.
TEST_F(Published, a_kill_while_it_is_computed_costs_the_rest_at_most) {
  std::ofstream(text_) << repeated(kPrompt, 6);
  std::ofstream(configuration_) << "ctx = 2048\n[[published]]\nmodel = \"ember\"\nfile = \""
                                << text_ << "\"\n";
  daemon_ = std::make_unique<DaemonProcess>(std::vector<std::string>{"--config", configuration_});
  for (int kills = 0; kills < 5; ++kills) {
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * kills));
    restart();
  }
  wait_for_published(1);
  const double whole = std::floor(count(repeated(kPrompt, 6)) / kPageTokens) * kPageTokens;
  const Answer answer = ask(0, repeated(kPrompt, 6) + kQuestion);
  EXPECT_EQ(answer.published, whole);
}

TEST_F(Published, a_full_cache_of_users_pages_leaves_it) {
  start("kv-bytes = \"3M\"");
  for (int i = 0; i < 40; ++i) {
    ask(i % 2 == 0 ? 0 : kNobody, std::to_string(i) + " " + kPrompt.substr(0, 700));
  }
  RawClient root(daemon_->socket());
  EXPECT_GT(stat_of(*daemon_, "evictions"), 100);
  EXPECT_EQ(ask(kNobody, kPrompt + kQuestion).published, whole_pages());
}

TEST_F(Published, removed_from_the_configuration_it_is_found_no_more_until_it_is_there_again) {
  start();
  const std::string prompt = kPrompt + kQuestion;
  const Answer before = ask(kNobody, prompt);
  configure(/*published=*/false);
  restart();
  Answer answer = ask(kNobody, prompt);
  EXPECT_EQ(answer.cached, 0);
  EXPECT_EQ(answer.tokens, before.tokens);
  EXPECT_EQ(ask(0, prompt).cached, 0);
  EXPECT_EQ(ask(kNobody, prompt).cached, before.prompt - 1) << "their own, as ever";

  configure(/*published=*/true);
  restart();
  wait_for_published(2);
  EXPECT_EQ(prompt_rows(*daemon_), 0) << "nobody needed its memory meanwhile";
  EXPECT_EQ(ask(kThird, prompt).published, whole_pages());
  // Nobody takes the longer way, which is their own.
  answer = ask(kNobody, prompt);
  EXPECT_EQ(answer.cached, before.prompt - 1);
  EXPECT_EQ(answer.tokens, before.tokens);
}

TEST_F(Published, users_neither_pay_for_it_nor_evict_it) {
  start("user-kv-bytes = \"200K\"");
  const double pages = whole_pages() / kPageTokens;
  ask(kNobody, kPrompt + kQuestion);
  const auto nobody = connect_as(kNobody, *daemon_);
  const Json stats = parse_json(nobody->ask(kStats).payload);
  const cJSON* models = cJSON_GetObjectItem(stats.get(), "models");
  const cJSON* users = cJSON_GetObjectItem(cJSON_GetArrayItem(models, 0), "users");
  ASSERT_EQ(cJSON_GetArraySize(users), 2);
  EXPECT_EQ(number_at(users, "0.uid"), kNobody);
  EXPECT_LE(number_at(users, "0.bytes"), 200 << 10);
  EXPECT_FALSE(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetArrayItem(users, 0), "published")));
  EXPECT_TRUE(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetArrayItem(users, 1), "published")));
  EXPECT_TRUE(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(users, 1), "quota_bytes")));
  EXPECT_EQ(number_at(users, "1.pages"), pages);
  EXPECT_EQ(number_at(users, "1.pages_in_use"), pages);

  const auto document = [](RawClient& client, const std::string& rest) {
    return parse_json(client.ask(kCache, R"({"model":"ember",)" + rest + "}").payload);
  };
  const Json listed = document(*nobody, R"("do":"ls")");
  EXPECT_EQ(cJSON_GetArraySize(cJSON_GetObjectItem(listed.get(), "prefixes")), 1);
  EXPECT_EQ(number_at(listed.get(), "prefixes.0.published_bytes"),
            pages * number_at(listed.get(), "page_bytes"));
  EXPECT_GT(number_at(document(*nobody, R"("do":"evict")").get(), "pages"), 0);
  RawClient root(daemon_->socket());
  const Json evicted = document(root, R"("do":"evict","all":true)");
  EXPECT_EQ(number_at(evicted.get(), "pages"), 0);
  EXPECT_EQ(number_at(evicted.get(), "pages_in_use"), pages);
  EXPECT_EQ(ask(kNobody, kPrompt + kQuestion).cached, whole_pages());
}

TEST_F(Published, a_page_of_it_that_was_damaged_is_computed_again) {
  start();
  damage_first_page(daemon_->pid());
  RawClient root(daemon_->socket());
  const std::string verify = R"({"model":"ember","do":"verify","all":true})";
  const Json verified = parse_json(root.ask(kCache, verify).payload);
  EXPECT_EQ(number_at(verified.get(), "damaged_in_use"), 1);
  wait_for_published(2);
  EXPECT_EQ(ask(kNobody, kPrompt + kQuestion).published, whole_pages());
  EXPECT_EQ(number_at(parse_json(root.ask(kCache, verify).payload).get(), "damaged"), 0);
}

// A session that begins with it is whole in an export, and warm where neither is cached.
TEST_F(Published, a_session_that_begins_with_it_is_exported_whole) {
  start();
  const std::string socket = daemon_->socket();
  hearth_client* client = connect(socket);
  ASSERT_EQ(hearth_session_open(client, "ember", "fox", HEARTH_SESSION_CREATE, nullptr), HEARTH_OK);
  hearth_result turn = run(client, "fox", kPrompt + kQuestion);
  EXPECT_EQ(turn.published_tokens, whole_pages());
  int fd = -1;
  hearth_session_info info;
  hearth_session_info_init(&info);
  ASSERT_EQ(hearth_session_export(client, "fox", &fd, &info), HEARTH_OK);
  const UniqueFd exported(fd);
  const std::int64_t pages = (info.tokens - 1) / 32;
  EXPECT_EQ(info.pages, pages);
  client = hearth_close(client);

  for (const bool published : {false, true}) {
    SCOPED_TRACE(published);
    configure(published);
    restart();
    if (published) wait_for_published(2);
    RawClient root(daemon_->socket());
    root.ask(kLoad, R"({"model":"ember"})");
    root.ask(kCache, R"({"model":"ember","do":"evict","all":true})");
    client = connect(socket);
    const char* name = published ? "b" : "a";
    ASSERT_EQ(lseek(exported.get(), 0, SEEK_SET), 0);
    ASSERT_EQ(hearth_session_import(client, "ember", exported.get(), name, &info), HEARTH_OK)
        << hearth_last_error(client);
    EXPECT_EQ(info.pages_cached, pages);
    turn = run(client, name, " Then");
    EXPECT_EQ(turn.cached_tokens, 32 * pages);
    EXPECT_EQ(turn.published_tokens, published ? whole_pages() : 0);
    client = hearth_close(client);
  }
}

TEST(published_texts, a_daemon_does_not_start_with_a_wrong_one) {
  DaemonProcess daemon({"--publish", "ember=/no/where"}, /*wait_until_it_serves=*/false);
  EXPECT_EQ(daemon.wait(), 2);
  EXPECT_NE(daemon.log().find("publish (from --publish)"), std::string::npos) << daemon.log();
  EXPECT_NE(daemon.log().find("/no/where"), std::string::npos);
}

// What only the model can tell is a warning, and the model is served.
TEST(published_texts, one_that_does_not_fit_its_model_is_logged_and_the_model_served) {
  const TemporaryDirectory directory;
  const auto file = [&](const std::string& name, const std::string& text) {
    std::ofstream(directory.path() + "/" + name) << text;
    return directory.path() + "/" + name;
  };
  std::string words;
  for (int i = 0; i < 400; ++i) words += " fox";
  const std::string small = file("small", "A fox.");
  const std::string large = file("large", words);
  const std::string much = file("much", words.substr(0, 200 * 4));
  const std::string qwen = "qwen=" HEARTH_TEST_DATA "/models/qwen3.gguf";
  const std::string ember = "ember=" HEARTH_MODELS_DIR "/ember-q8_0.gguf";
  DaemonProcess daemon({"--model", ember, "--model", qwen, "--ctx", "256", "--kv-bytes", "1400K",
                        "--publish", "ember=" + small, "--publish", "ember=" + large, "--publish",
                        "ember=" + much, "--publish", "qwen=" + small});
  const auto logs = [&](const std::string& what) {
    return eventually([&] { return daemon.log().find(what) != std::string::npos; });
  };
  EXPECT_TRUE(logs("model ember: " + small + " is not published: it has ")) << daemon.log();
  EXPECT_TRUE(logs(", less than a page of 32")) << daemon.log();
  EXPECT_TRUE(logs("model ember: " + large + " is not published: it has ")) << daemon.log();
  EXPECT_TRUE(logs(", the context is 256")) << daemon.log();
  EXPECT_TRUE(logs("model ember: " + much + " is not published: it needs ")) << daemon.log();
  EXPECT_TRUE(logs("raise kv-bytes")) << daemon.log();
  EXPECT_TRUE(logs("model qwen: " + small + " is not published: the model has no vocabulary"));
  RawClient client(daemon.socket());
  for (const char* model : {"ember", "qwen"}) {
    EXPECT_EQ(error_code(client.ask(kLoad, R"({"model":")" + std::string(model) + "\"}")), "");
  }
}

}  // namespace
}  // namespace hearth
