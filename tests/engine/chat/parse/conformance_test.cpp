// Goal: what 54 models' outputs parse to is what ../shared/conformance/chat_cases.jsonl says.
// Method: each case as it is, then cut at every byte and into random pieces.  Arguments are
// compared as JSON.  White space at the ends of content and reasoning is compared too, and where
// only that differs the case is named in kSpaceDiffers: who made the cases compares without it.
#include <fmt/format.h>

#include <fstream>
#include <map>
#include <set>

#include "tests/daemon/daemon_process.hpp"
#include "tests/engine/chat/parse/parse_testing.hpp"

namespace hearth::chat {
namespace {

constexpr char kCases[] = HEARTH_SHARED_DIR "/conformance/chat_cases.jsonl";

// Lines, from 0.
const std::set<int> kSpaceDiffers = {
    14,   // white space behind the reasoning is kept only where the reasoning is "<think>"
    140,  // white space before the content is put behind the reasoning
};
struct Case {
  int line;
  std::string template_name;
  ParserOptions options;
  std::string input;
  Message want;
};

std::string text_of(const cJSON* object, const char* key) {
  const cJSON* value = cJSON_GetObjectItemCaseSensitive(object, key);
  return cJSON_IsString(value) ? value->valuestring : "";
}

// A string may be meant: the type says so, one of several does, or all values that are allowed are.
bool may_be_string(const cJSON* schema) {
  const cJSON* type = cJSON_GetObjectItemCaseSensitive(schema, "type");
  if (cJSON_IsString(type)) return std::string_view(type->valuestring) == "string";
  const cJSON* one = nullptr;
  cJSON_ArrayForEach(one, type) {
    if (std::string_view(one->valuestring) == "string") return true;
  }
  for (const char* key : {"anyOf", "oneOf"}) {
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(schema, key)) {
      if (may_be_string(one)) return true;
    }
  }
  cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(schema, "enum")) {
    if (cJSON_IsString(one)) return true;
  }
  return false;
}

ToolShape shape_of(const cJSON* tool) {
  const cJSON* function = cJSON_GetObjectItemCaseSensitive(tool, "function");
  ToolShape shape{text_of(function, "name"), {}};
  const cJSON* parameters = cJSON_GetObjectItemCaseSensitive(function, "parameters");
  const cJSON* property = nullptr;
  cJSON_ArrayForEach(property, cJSON_GetObjectItemCaseSensitive(parameters, "properties")) {
    shape.parameters.push_back(
        {property->string, may_be_string(property) ? ParameterKind::string : ParameterKind::json});
  }
  return shape;
}

std::string template_text(const std::string& name) {
  std::ifstream file(std::string(HEARTH_SHARED_DIR "/templates/") + name);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

Case read_case(int line, const cJSON* json) {
  const std::string path = text_of(json, "template");
  Case one{line, path.substr(path.rfind('/') + 1), {}, text_of(json, "input"), {}};
  const cJSON* params = cJSON_GetObjectItemCaseSensitive(json, "params");
  ParserOptions& options = one.options;
  options.dialect = &choose_dialect(template_text(one.template_name));
  options.generation_prompt =
      text_of(cJSON_GetObjectItemCaseSensitive(json, "ref"), "generation_prompt");
  options.split_reasoning = text_of(params, "reasoning_format") != "none";
  options.json_content = !text_of(params, "json_schema").empty();
  const cJSON* tool = nullptr;
  cJSON_ArrayForEach(tool, cJSON_GetObjectItemCaseSensitive(params, "tools")) {
    options.tools.push_back(shape_of(tool));
  }
  const cJSON* continued = cJSON_GetObjectItemCaseSensitive(params, "continue_final_message");
  if (continued->valueint != 0) {
    const cJSON* messages = cJSON_GetObjectItemCaseSensitive(params, "messages");
    const cJSON* last = cJSON_GetArrayItem(messages, cJSON_GetArraySize(messages) - 1);
    options.begun_reasoning = text_of(last, "reasoning_content");
    options.begun_content = text_of(last, "content");
    options.reasoning_begun = continued->valueint == 2;
  }
  const cJSON* expect = cJSON_GetObjectItemCaseSensitive(json, "expect");
  one.want.content = text_of(expect, "content");
  one.want.reasoning = text_of(expect, "reasoning_content");
  const cJSON* call = nullptr;
  cJSON_ArrayForEach(call, cJSON_GetObjectItemCaseSensitive(expect, "tool_calls")) {
    const cJSON* function = cJSON_GetObjectItemCaseSensitive(call, "function");
    one.want.calls.push_back(
        {text_of(function, "name"), text_of(function, "arguments"), text_of(call, "id")});
  }
  return one;
}

std::vector<Case> read_cases() {
  std::vector<Case> cases;
  std::ifstream file(kCases);
  for (std::string line; std::getline(file, line);) {
    const Json json = parse_json(line);
    if (json != nullptr) cases.push_back(read_case(static_cast<int>(cases.size()), json.get()));
  }
  return cases;
}

std::string without_space(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\n') out += c;
  }
  return out;
}

// As JSON; what is only a prefix of JSON as text.
bool same_arguments(const std::string& want, const std::string& got) {
  const Json a = parse_json(want);
  const Json b = parse_json(got);
  if (a == nullptr || b == nullptr) return without_space(want) == without_space(got);
  return cJSON_Compare(a.get(), b.get(), true) != 0;
}

bool same_calls(const Message& want, const Message& got) {
  return std::ranges::equal(want.calls, got.calls, [](const ToolCall& a, const ToolCall& b) {
    return a.name == b.name && a.id == b.id && same_arguments(a.arguments, b.arguments);
  });
}

std::string stripped(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \n\t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \n\t") - begin + 1);
}

TEST(chat_conformance, messages_are_those_of_the_peer) {
  const std::vector<Case> cases = read_cases();
  if (cases.empty()) GTEST_SKIP() << "no " << kCases;
  std::map<std::string, std::pair<int, int>> counts;  // template: equal, all
  std::set<int> space, differ;
  for (const Case& one : cases) {
    const Message got = parse(one.options, one.input);
    const bool calls = same_calls(one.want, got);
    const bool exact =
        calls && got.content == one.want.content && got.reasoning == one.want.reasoning;
    const bool alike = calls && stripped(got.content) == stripped(one.want.content) &&
                       stripped(got.reasoning) == stripped(one.want.reasoning);
    auto& [equal, all] =
        counts[fmt::format("{} ({})", one.template_name, one.options.dialect->name)];
    ++all;
    equal += alike ? 1 : 0;
    if (exact) {
      EXPECT_TRUE(got.warnings.empty() || one.want.calls.empty() ||
                  got.warnings[0].starts_with("the output ends"))
          << one.line << shown(got, true);
      continue;
    }
    (alike ? space : differ).insert(one.line);
    if (!alike) {
      ADD_FAILURE() << "line " << one.line << ", " << one.template_name << ": " << one.input
                    << "\nwant " << shown(one.want) << "\ngot " << shown(got, true);
    }
  }
  for (const auto& [name, count] : counts) {
    std::printf("%3d of %3d  %s\n", count.first, count.second, name.c_str());
  }
  std::printf("%zu of %zu equal, %zu of them but for white space at the ends\n",
              cases.size() - differ.size(), cases.size(), space.size());
  EXPECT_EQ(space, kSpaceDiffers);
  EXPECT_TRUE(differ.empty());
}

TEST(chat_conformance, cuts_change_nothing) {
  const std::vector<Case> cases = read_cases();
  if (cases.empty()) GTEST_SKIP() << "no " << kCases;
  std::mt19937 random(1);
  for (const Case& one : cases) {
    SCOPED_TRACE(fmt::format("line {}: {}", one.line, one.input));
    expect_cuts_change_nothing(one.options, one.input, random);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace hearth::chat
