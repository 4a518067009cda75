// Goal: every setting from every source, the best one first; errors name both.
#include "daemon/config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "kernels/kernels.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

RawSettings one(const std::string& name, const std::string& value,
                const std::string& origin = "--x") {
  RawSettings raw;
  raw[name].push_back({value, origin});
  return raw;
}

TEST(config, defaults_are_complete_and_right) {
  const auto config = make_config({});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->threads, 0u);
  EXPECT_EQ(config->socket_mode, 0660u);
  EXPECT_GE(config->kv_bytes, 256u << 20);
  EXPECT_FALSE(config->socket.empty());
  EXPECT_EQ(config->kv_type, "auto");
  EXPECT_EQ(config->drain_seconds, 30u);
}

TEST(config, the_first_source_that_speaks_of_a_setting_decides) {
  const auto config = make_config(
      {one("ctx", "100", "--ctx"), one("ctx", "200", "HEARTH_CTX"), one("threads", "3", "file")});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->ctx, 100u);
  EXPECT_EQ(config->threads, 3u);
}

TEST(config, drop_ins_win_over_the_main_file_in_the_order_of_their_names) {
  const TemporaryDirectory directory;
  const std::string main_file = directory.path() + "/hearthd.toml";
  std::ofstream(main_file) << "ctx = 1\nthreads = 1\ndrain-seconds = 1\n[models]\na = \"/a\"\n";
  std::filesystem::create_directory(directory.path() + "/conf.d");
  std::ofstream(directory.path() + "/conf.d/10-a.toml") << "ctx = 10\nthreads = 10\n";
  std::ofstream(directory.path() + "/conf.d/20-b.toml") << "ctx = 20\n";
  std::ofstream(directory.path() + "/conf.d/30-c.toml.bak") << "ctx = 30\n";
  const auto sources = settings_from_files(main_file);
  ASSERT_TRUE(sources) << sources.error().message;
  const auto config = make_config(*sources);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->ctx, 20u);
  EXPECT_EQ(config->threads, 10u);
  EXPECT_EQ(config->drain_seconds, 1u);
  ASSERT_EQ(config->models.size(), 1u);
  for (const ExplainedSetting& setting : explain_config(*sources)) {
    if (setting.name == "ctx") {
      EXPECT_EQ(setting.value, "20");
      EXPECT_NE(setting.origin.find("20-b.toml"), std::string::npos) << setting.origin;
    }
    if (setting.name == "kv-type") {
      EXPECT_EQ(setting.origin, "default");
    }
  }
  std::ofstream(directory.path() + "/conf.d/20-b.toml") << "ctx = [";
  const auto broken = settings_from_files(main_file);
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("20-b.toml"), std::string::npos);
}

TEST(config, sizes_have_units) {
  EXPECT_EQ(make_config({one("kv-bytes", "512M")})->kv_bytes, 512u << 20);
  EXPECT_EQ(make_config({one("kv-bytes", "4GiB")})->kv_bytes, 4ull << 30);
  EXPECT_EQ(make_config({one("kv-bytes", "1000")})->kv_bytes, 1000u);
  EXPECT_EQ(make_config({one("kv-bytes", "2KB")})->kv_bytes, 2048u);
  for (const char* bad :
       {"", "0", "-1", "4X", "G", "4GG", "99999999999999999999", "16777216T", "1.5G"}) {
    EXPECT_FALSE(make_config({one("kv-bytes", bad)})) << bad;
  }
}

TEST(config, times_have_units) {
  for (const auto& [text, seconds] : {std::pair("0", 0),
                                      {"90", 90},
                                      {"90s", 90},
                                      {"3m", 180},
                                      {"2h", 7200},
                                      {"forever", -1},
                                      {"2147483647", 2147483647}}) {
    EXPECT_EQ(make_config({one("keep-alive", text)})->keep_alive_s, seconds) << text;
  }
}

TEST(config, an_error_names_the_setting_the_source_and_the_value) {
  for (const auto& [name, value] : {std::pair("ctx", "-5"),
                                    {"threads", "many"},
                                    {"socket-mode", "9"},
                                    {"kv-type", "q8"},
                                    {"device", "cuda:0"},
                                    {"keep-alive", "1d"},
                                    {"keep-alive", "-1"},
                                    {"keep-alive", "99999999999"},
                                    {"keep-alive", ""},
                                    {"model-bytes", "much"},
                                    {"preload", "some"},
                                    {"cpu-tier", "sse"},
                                    {"log-level", "loud"},
                                    {"model", "nopath"},
                                    {"model", "bad id=x"},
                                    {"model", "=x"},
                                    {"model", "a="},
                                    {"socket", ""},
                                    {"nonsense", "1"}}) {
    const auto config = make_config({one(name, value, "HEARTH_TEST")});
    ASSERT_FALSE(config) << name << "=" << value;
    EXPECT_EQ(config.error().code, Code::CONFIG);
    EXPECT_NE(config.error().message.find(name), std::string::npos) << config.error().message;
    EXPECT_NE(config.error().message.find("HEARTH_TEST"), std::string::npos);
  }
}

TEST(config, a_tier_that_this_system_lacks_is_an_error_that_names_those_it_has) {
  for (const kernels::Tier& tier : kernels::tiers()) {
    const auto config = make_config({one("cpu-tier", tier.name, "HEARTH_TEST")});
    if ((tier.needs & kernels::cpu_features()) == tier.needs) {
      ASSERT_TRUE(config) << tier.name;
      EXPECT_EQ(config->cpu_features, tier.needs) << "and no more, or a better tier would run";
    } else {
      ASSERT_FALSE(config) << tier.name;
      EXPECT_EQ(config.error().code, Code::CONFIG);
      const std::string has = kernels::select_kernels(kernels::cpu_features()).tier;
      EXPECT_NE(config.error().message.find("only " + has), std::string::npos)
          << config.error().message;
      EXPECT_NE(config.error().message.find("HEARTH_TEST"), std::string::npos);
    }
  }
  EXPECT_EQ(make_config({})->cpu_features, kernels::cpu_features());
}

TEST(config, what_a_user_may_keep_is_a_size_or_a_part_of_the_whole) {
  const auto quota = [](const char* value) {
    RawSettings raw = one("user-kv-bytes", value);
    raw["kv-bytes"] = {{"4G", "--kv-bytes"}};
    const auto config = make_config({raw});
    return config ? config->user_kv_bytes : 0;
  };
  EXPECT_EQ(make_config({})->user_kv_bytes, make_config({})->kv_bytes);
  EXPECT_EQ(quota("100%"), 4ull << 30);
  EXPECT_EQ(quota("25%"), 1ull << 30);
  EXPECT_EQ(quota("1%"), (4ull << 30) / 100);
  EXPECT_EQ(quota("512M"), 512u << 20);
  for (const char* bad : {"", "%", "0%", "101%", "-1%", "2.5%", "1%%", "1 %", "%1", "0", "x"}) {
    EXPECT_EQ(quota(bad), 0u) << bad;
  }
  const auto refused = make_config({one("user-kv-bytes", "200%", "HEARTH_TEST")});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("user-kv-bytes (from HEARTH_TEST): \"200%\""),
            std::string::npos)
      << refused.error().message;
}

TEST(config, models_are_listed_once_each) {
  RawSettings raw;
  raw["model"] = {{"a=/x/a.gguf", "--model"}, {"b=/x=y/b.gguf", "--model"}};
  const auto config = make_config({raw});
  ASSERT_TRUE(config);
  ASSERT_EQ(config->models.size(), 2u);
  EXPECT_EQ(config->models[1].path, "/x=y/b.gguf");
  raw["model"].push_back({"a=/z", "--model"});
  EXPECT_FALSE(make_config({raw}));
}

TEST(config, a_file_that_cannot_be_read_is_named_with_the_reason) {
  const TemporaryDirectory directory;
  for (const auto& [path, reason] : {std::pair{directory.path() + "/none.toml", "No such file"},
                                     std::pair{directory.path(), "Is a directory"}}) {
    const auto settings = settings_from_file(path);
    ASSERT_FALSE(settings) << path;
    EXPECT_NE(settings.error().message.find(path), std::string::npos) << settings.error().message;
    EXPECT_NE(settings.error().message.find(reason), std::string::npos) << settings.error().message;
  }
  std::ofstream(directory.path() + "/empty.toml");
  EXPECT_TRUE(settings_from_file(directory.path() + "/empty.toml"));
}

TEST(config, a_file_gives_settings_and_models_and_says_where) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/h.toml";
  std::ofstream(path) << "ctx = 512\nkv-bytes = \"1G\"\n[models]\nstories = \"/m/s.gguf\"\n";
  const auto raw = settings_from_file(path);
  ASSERT_TRUE(raw) << raw.error().message;
  const auto config = make_config({*raw});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->ctx, 512u);
  EXPECT_EQ(config->models[0].id, "stories");

  std::ofstream(path) << "ctx = 512\nctx2 = 1\n";
  const auto unknown = make_config({*settings_from_file(path)});
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("line 2"), std::string::npos) << unknown.error().message;
  std::ofstream(path) << "ctx = = 1\n";
  EXPECT_FALSE(settings_from_file(path));
  std::ofstream(path) << "ctx = [1]\n";
  EXPECT_FALSE(settings_from_file(path));
  EXPECT_FALSE(settings_from_file(directory.path() + "/absent.toml"));
}

TEST(config, settings_of_the_cache_may_stand_in_a_table) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/h.toml";
  EXPECT_EQ(make_config({})->cache_backend, cache::StoreBackend::automatic);
  for (const char* text : {"[cache]\nbackend = \"fdstore\"\n", "cache-backend = \"fdstore\"\n"}) {
    std::ofstream(path) << text;
    const auto raw = settings_from_file(path);
    ASSERT_TRUE(raw) << raw.error().message;
    EXPECT_EQ(make_config({*raw})->cache_backend, cache::StoreBackend::fdstore) << text;
  }
  EXPECT_EQ(make_config({one("cache-backend", "shm")})->cache_backend, cache::StoreBackend::shm);
  for (const auto& [text, word] : {std::pair("[cache]\nbackend = \"disk\"\n", "auto, shm, fdstore"),
                                   {"[cache]\nfrontend = 1\n", "cache-frontend"},
                                   {"[cache]\nfrontend = 1\n", "line 2"}}) {
    std::ofstream(path) << text;
    const auto config = make_config({*settings_from_file(path)});
    ASSERT_FALSE(config) << text;
    EXPECT_NE(config.error().message.find(word), std::string::npos) << config.error().message;
  }
  for (const char* text : {"[cache]\nbackend = [1]\n", "cache = 1\n"}) {
    std::ofstream(path) << text;
    const auto raw = settings_from_file(path);
    EXPECT_FALSE(raw && make_config({*raw})) << text;
  }
}

TEST(config, a_units_state_directory_is_the_default) {
  setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two", 1);
  EXPECT_EQ(make_config({})->state_dir, "/var/lib/one");
  EXPECT_EQ(make_config({one("state-dir", "/x")})->state_dir, "/x");
  unsetenv("STATE_DIRECTORY");
  EXPECT_NE(make_config({})->state_dir, "/var/lib/one");
}

TEST(config, positions_of_a_model_can_be_scaled) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/hearthd.toml";
  std::ofstream(file)
      << "[models]\na = \"/a.gguf\"\nb = \"/b.gguf\"\n[rope]\nb = \"yarn,factor=2\"\n";
  const auto settings = settings_from_file(file);
  ASSERT_TRUE(settings) << settings.error().message;
  const auto config = make_config({*settings});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->models[0].rope.text, "");
  EXPECT_EQ(config->models[1].rope.scaling, RopeScaling::yarn);
  for (const char* wrong : {"c=yarn", "a=spiral", "a"}) {
    RawSettings raw = *settings;
    raw["rope"] = {{wrong, "--rope"}};
    const auto refused = make_config({raw});
    ASSERT_FALSE(refused) << wrong;
    EXPECT_NE(refused.error().message.find("rope"), std::string::npos) << refused.error().message;
  }
}

}  // namespace
}  // namespace hearth
