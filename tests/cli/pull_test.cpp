// Goal: hearth pull brings a file whole and unchanged, whatever the server does, or leaves nothing
// that could be taken for it; the token goes to the hub alone.
// Method: tests/cli/hub_server.py on loopback, which drops, lies, redirects and refuses.
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>

#include "tests/cli/program.hpp"

namespace hearth {
namespace {

namespace fs = std::filesystem;

const std::string kNowhere = "/nonexistent/hearthd.sock";

class HubServer {
 public:
  explicit HubServer(const std::string& file) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      close(ends[1]);
      execlp("python3", "python3", HEARTH_SOURCE_DIR "/tests/cli/hub_server.py", file.c_str(),
             static_cast<char*>(nullptr));
      _exit(127);
    }
    close(ends[1]);
    for (char c = 0; read(ends[0], &c, 1) == 1 && c != '\n';) port_ += c;
    close(ends[0]);
    EXPECT_FALSE(port_.empty()) << "the server did not start";
  }
  ~HubServer() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;
  std::string url(const std::string& path = "") const { return "http://127.0.0.1:" + port_ + path; }

 private:
  pid_t pid_ = -1;
  std::string port_;
};

class cli_pull : public testing::Test {
 protected:
  cli_pull() {
    fs::copy_file(HEARTH_MODELS_DIR "/ember-q8_0.gguf", original_);
    fs::create_directory(out_);
    unsetenv("HF_TOKEN");
    unsetenv("HEARTH_HUB");
    hub_ = std::make_unique<HubServer>(original_);
  }
  ~cli_pull() override { unsetenv("HF_TOKEN"); }

  // hearth pull, the file named after what the server does.
  Ran pull(const std::string& behaviour, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {
        "--json", "pull", hub_->url("/" + behaviour + "/" + behaviour + ".gguf"),
        "--out",  out_,   "--retry-pause-ms",
        "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_hearth(kNowhere, arguments);
  }
  std::string path(const std::string& behaviour) const { return out_ + "/" + behaviour + ".gguf"; }
  bool is_whole(const std::string& file) const { return read_whole(file) == read_whole(original_); }
  std::string log() const { return read_whole(original_ + ".log"); }

  TemporaryDirectory directory_;
  const std::string original_ = directory_.path() + "/original.gguf";
  const std::string out_ = directory_.path() + "/out";
  std::unique_ptr<HubServer> hub_;
};

TEST_F(cli_pull, a_file_comes_whole_from_servers_good_and_bad) {
  for (const char* behaviour : {"ok", "plain", "drops", "no-ranges", "changes", "busy"}) {
    const Ran ran = pull(behaviour);
    EXPECT_EQ(ran.status, 0) << behaviour << ": " << ran.err;
    EXPECT_TRUE(is_whole(path(behaviour))) << behaviour;
    EXPECT_FALSE(fs::exists(path(behaviour) + ".part")) << behaviour;
    EXPECT_FALSE(fs::exists(path(behaviour) + ".part.from")) << behaviour;
  }
  // What was dropped was taken up where it ended.
  EXPECT_NE(log().find("GET /drops/drops.gguf bytes=1324000-"), std::string::npos) << log();
  EXPECT_NE(log().find("GET /drops/drops.gguf bytes=2648000-"), std::string::npos) << log();
}

TEST_F(cli_pull, what_cannot_be_right_is_refused_and_removed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"short", "broken"},          {"wrong", "SHA-256"},        {"other-size", "promises"},
      {"page", "no GGUF file"},     {"gated", "token"},          {"loop", "redirects"},
      {"to-file", "not supported"}, {"nothing", "no such file"},
  };
  for (const auto& [behaviour, why] : cases) {
    const Ran ran = pull(behaviour);
    EXPECT_EQ(ran.status, 1) << behaviour;
    EXPECT_NE(ran.err.find(why), std::string::npos) << ran.err;
  }
  EXPECT_TRUE(fs::is_empty(out_)) << "nothing is left";
  EXPECT_EQ(pull("ok", {"--sha256", std::string(64, '0')}).status, 1);
  EXPECT_TRUE(fs::is_empty(out_));
}

TEST_F(cli_pull, what_arrived_is_kept_and_taken_up_by_the_next_attempt) {
  for (const char* behaviour : {"dead", "dies"}) {
    const Ran ran = pull(behaviour);
    EXPECT_EQ(ran.status, 1);
    EXPECT_NE(ran.err.find("1324000 bytes are kept"), std::string::npos) << ran.err;
    EXPECT_FALSE(fs::exists(path(behaviour)));
    EXPECT_EQ(fs::file_size(path(behaviour) + ".part"), 1324000u);
  }
  // A server that says more than it has is asked a few times, and no more.
  EXPECT_EQ(pull("long").status, 1);
  EXPECT_FALSE(fs::exists(path("long")));
  // The same file elsewhere is another file: begun anew.
  const std::string kept = read_whole(path("dead") + ".part");
  std::ofstream(path("ok") + ".part", std::ios::binary) << kept;
  std::ofstream(path("ok") + ".part.from") << "http://elsewhere/ok.gguf\nx\n";
  Ran ran = pull("ok");
  EXPECT_EQ(number_at(parse_json(ran.out).get(), "resumed_bytes"), 0) << ran.err;
  fs::remove(path("ok"));
  // The same URL and version: only the rest is asked for; what is damaged meanwhile is found.
  const std::string version = string_at(parse_json(pull("plain").out).get(), "sha256");
  const auto leave = [&](const std::string& part) {
    std::ofstream(path("ok") + ".part", std::ios::binary) << part;
    std::ofstream(path("ok") + ".part.from") << hub_->url("/ok/ok.gguf") << '\n' << version << '\n';
  };
  leave(kept);
  ran = pull("ok");
  EXPECT_EQ(number_at(parse_json(ran.out).get(), "resumed_bytes"), 1324000) << ran.err;
  EXPECT_EQ(string_at(parse_json(ran.out).get(), "sha256"), version);
  EXPECT_TRUE(is_whole(path("ok")));
  fs::remove(path("ok"));
  std::string damaged = kept;
  damaged[1000] ^= 1;
  leave(damaged);
  EXPECT_EQ(pull("ok", {"--sha256", version}).status, 1);
  EXPECT_TRUE(!fs::exists(path("ok")) && !fs::exists(path("ok") + ".part"));
}

TEST_F(cli_pull, a_hub_is_asked_with_a_token_that_nobody_else_hears) {
  setenv("HF_TOKEN", "secret", 1);
  const Ran ran = run_hearth(
      kNowhere, {"--json", "pull", "owner/repo:model.gguf", "--hub", hub_->url(), "--out", out_});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_TRUE(is_whole(out_ + "/model.gguf"));
  const Json json = parse_json(ran.out);
  EXPECT_TRUE(cJSON_IsTrue(cJSON_GetObjectItem(json.get(), "checked"))) << "the hub's checksum";
  EXPECT_NE(log().find("GET /owner/repo/resolve/main/model.gguf - secret"), std::string::npos);
  EXPECT_NE(log().find("GET /ok/model.gguf - -"), std::string::npos) << "the store is another host";
  // A URL of another server than the hub gets none; as a hub it does.
  EXPECT_EQ(pull("gated").status, 1);
  EXPECT_EQ(pull("gated", {"--hub", hub_->url() + "/"}).status, 0);
  // A token may stand in a file.
  unsetenv("HF_TOKEN");
  std::ofstream(directory_.path() + "/token") << "secret\n";
  EXPECT_EQ(
      pull("gated", {"--hub", hub_->url(), "--force", "--token-file", directory_.path() + "/token"})
          .status,
      0);
}

TEST_F(cli_pull, a_file_that_is_there_is_not_replaced_unasked) {
  EXPECT_EQ(pull("ok").status, 0);
  const Ran again = pull("ok");
  EXPECT_EQ(again.status, 1);
  EXPECT_NE(again.err.find("--force"), std::string::npos) << again.err;
  EXPECT_EQ(pull("ok", {"--force"}).status, 0);
  setenv("XDG_DATA_HOME", directory_.path().c_str(), 1);
  EXPECT_EQ(run_hearth(kNowhere, {"pull", hub_->url("/ok/a.gguf")}).status, 0);
  unsetenv("XDG_DATA_HOME");
  EXPECT_TRUE(is_whole(directory_.path() + "/hearth/models/a.gguf"));
}

TEST_F(cli_pull, references_that_are_none_are_refused) {
  for (const char* ref : {"model", "owner/repo", "owner:file", "a/b/c:file", "owner/repo:", "/r:f",
                          "owner/repo:/etc/x", "http://127.0.0.1:1/a b", "owner/repo@:f"}) {
    const Ran ran = run_hearth(kNowhere, {"pull", ref});
    EXPECT_EQ(ran.status, 2) << ref << ": " << ran.err;
    EXPECT_NE(ran.err.find("REF"), std::string::npos) << ran.err;
  }
}

}  // namespace
}  // namespace hearth
