// What Python's Jinja2 3.1 gives: the shared cases and real chat templates, where they are there.
#include <iterator>
#include <map>

#include "jinja_testing.hpp"

namespace hearth::jinja {
namespace {

const std::string kShared = HEARTH_SHARED_DIR;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(jinja_conformance, shared_cases) {
  int count = 0;
  const bool there = for_each_case(kShared + "/conformance/jinja_cases.jsonl", [&](const Input& c) {
    ++count;
    const auto rendered = try_render(text_of(c, "tmpl"), dict_of(c, "vars"));
    EXPECT_EQ(rendered ? rendered->text : rendered.error().message, text_of(c, "expect"))
        << text_of(c, "tmpl");
  });
  if (!there) GTEST_SKIP() << "no shared/conformance here";
  EXPECT_EQ(count, 278);
}

// A template raises what Python raises, at a line and column of ours.
TEST(jinja_conformance, renders_of_real_templates) {
  std::map<std::string, std::string> sources;
  int count = 0;
  const auto check = [&](const Input& c) {
    ++count;
    const std::string name = text_of(c, "template");
    std::string& source = sources[name];
    if (source.empty()) source = read_file(kShared + "/templates/" + name);
    const auto rendered = try_render(source, dict_of(c, "context"));
    const std::string label = name + " " + text_of(c, "case");
    const std::string error = text_of(c, "error");
    if (error.empty()) {
      EXPECT_EQ(rendered ? rendered->text : rendered.error().message, text_of(c, "expect"))
          << label;
      if (rendered) show_spans(*rendered);
      return;
    }
    ASSERT_FALSE(rendered) << label << " wants: " << error;
    const std::string message = rendered.error().message;
    EXPECT_TRUE(message.starts_with("line ")) << label << ": " << message;
    const std::string wanted = error.substr(error.find(": ") + 2);
    EXPECT_TRUE(message.ends_with(wanted)) << label << ": " << message << "\nwants: " << wanted;
  };
  if (!for_each_case(kShared + "/conformance/template_goldens.jsonl", check)) {
    GTEST_SKIP() << "no shared/conformance here";
  }
  EXPECT_EQ(count, 1300);
}

}  // namespace
}  // namespace hearth::jinja
