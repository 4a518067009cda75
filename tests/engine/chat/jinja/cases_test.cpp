// Every construct, compared with what Python's Jinja2 rendered: tools/fixtures/make_jinja_cases.py.
#include "jinja_testing.hpp"

namespace hearth::jinja {
namespace {

TEST(jinja_cases, render_as_jinja2_does) {
  int count = 0;
  const auto check = [&](const Input& c) {
    ++count;
    const std::string source = text_of(c, "template");
    const auto rendered = try_render(source, dict_of(c, "context"));
    if (c.find("error") != nullptr) {
      const std::string wanted = text_of(c, "error");
      ASSERT_FALSE(rendered) << source << "\ngives: " << rendered->text << "\nwants: " << wanted;
      EXPECT_TRUE(rendered.error().message.starts_with("line ")) << source;
      return;
    }
    EXPECT_EQ(rendered ? rendered->text : rendered.error().message, text_of(c, "expect")) << source;
    if (rendered) show_spans(*rendered);
  };
  ASSERT_TRUE(for_each_case(HEARTH_TEST_DATA "/jinja_cases.jsonl", check));
  EXPECT_GT(count, 400);
}

}  // namespace
}  // namespace hearth::jinja
