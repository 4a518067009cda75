// Goal: whoever publishes a text wrongly is told at the start which setting and which file is
// wrong.
#include "daemon/published_text.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "daemon/config.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

class PublishedTexts : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(path(name)) << text;
    return path(name);
  }
  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }

  // The configuration that a file with this text gives.
  Result<Config> config_of(const std::string& text) {
    HEARTH_TRY(const RawSettings settings, settings_from_file(file("hearthd.toml", text)));
    return make_config({settings});
  }
  void expect_wrong(const std::string& text, const std::vector<std::string>& words) {
    const auto config = config_of(text);
    ASSERT_FALSE(config) << text;
    EXPECT_EQ(config.error().code, Code::CONFIG);
    for (const std::string& word : words) {
      EXPECT_NE(config.error().message.find(word), std::string::npos)
          << text << ": " << config.error().message;
    }
  }
  static std::string entry(const std::string& model, const std::string& file) {
    return fmt::format("[[published]]\nmodel = \"{}\"\nfile = \"{}\"\n", model, file);
  }

  const TemporaryDirectory directory_;
};

TEST_F(PublishedTexts, are_read_when_the_settings_are) {
  const std::string a = file("a", "A text.\n");
  const std::string b = file("b=b", std::string("b\0b", 3));
  const auto config = config_of(entry("m", a) + entry("m", b) + entry("n", a) +
                                "[models]\nm = \"/m.gguf\"\nn = \"/n.gguf\"\n");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->published.size(), 3u);
  EXPECT_EQ(config->published[0].model, "m");
  EXPECT_EQ(config->published[0].file, a);
  EXPECT_EQ(config->published[0].text, "A text.\n");
  EXPECT_EQ(config->published[1].text, std::string("b\0b", 3)) << "the name of a file may be odd";
  EXPECT_EQ(config->published[2].model, "n");
}

TEST_F(PublishedTexts, the_command_line_says_the_same_and_wins) {
  const std::string a = file("a", "A text.");
  RawSettings line;
  line["publish"] = {{"ember=" + a, "--publish"}};
  RawSettings other;
  other["publish"] = {{"ember=/nowhere", "file"}};
  const auto config = make_config({line, other});
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->published.size(), 1u) << "of the model that comes with Hearth";
  EXPECT_EQ(config->published[0].model, "ember");
  for (const ExplainedSetting& setting : explain_config({line, other})) {
    if (setting.name == "publish") {
      EXPECT_EQ(setting.value, "ember=" + a);
    }
  }
}

TEST_F(PublishedTexts, whatever_is_wrong_is_named_with_setting_and_file) {
  const std::string a = file("a", "A text.");
  const std::string empty = file("empty", "");
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  std::filesystem::resize_file(file("large", "x"), PublishedText::kBytesMax + 1);
  expect_wrong(entry("ember", path("nowhere")), {"publish", "line 1", path("nowhere"), "No such"});
  expect_wrong(entry("ember", path("large")), {"publish", path("large"), "8388608"});
  expect_wrong(entry("ember", empty), {"publish", empty, "is empty"});
  expect_wrong(entry("ember", path("fifo")), {"publish", path("fifo"), "no regular file"});
  expect_wrong(entry("ember", directory_.path()), {"publish", "no regular file"});
  expect_wrong(entry("other", a), {"publish", "no model \"other\"", a});
  expect_wrong(entry("ember", a) + "[models]\nm = \"/m.gguf\"\n", {"no model \"ember\"", a});
  expect_wrong(entry("ember", a) + entry("ember", a), {"line 4", a, "twice"});
  expect_wrong("[[published]]\nfile = \"" + a + "\"", {"line 1", "published.model is missing"});
  expect_wrong("[[published]]\nmodel = \"ember\"", {"line 1", "published.file is missing"});
  expect_wrong("[[published]]\nmodel = \"ember\"\nfile = 7", {"published.file is missing, or no"});
  expect_wrong("[[published]]\nmodel = \"ember\"\nfile = \"\"", {"published.file is missing"});
  expect_wrong("[[published]]\nmodel = \"a=b\"\nfile = \"c\"", {"published.model has a \"=\""});
  expect_wrong(entry("ember", a) + "files = 1", {"line 1", "published.files is unknown"});
  expect_wrong("published = \"a\"", {"line 1", "published is not a list of [[published]]"});
  expect_wrong("publish = \"ember\"", {"line 1", "is not MODEL=FILE"});
  expect_wrong("publish = \"ember=\"", {"line 1", "has no file"});
  std::string many;
  for (std::size_t i = 0; i <= PublishedText::kTextsMax; ++i)
    many += entry("ember", file(fmt::format("f{}", i), "x"));
  expect_wrong(many, {"one too many"});
}

}  // namespace
}  // namespace hearth
