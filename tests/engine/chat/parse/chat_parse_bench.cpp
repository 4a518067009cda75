// What parsing costs for each token, early and late in an output: nanoseconds, the best of the
// rounds.
//
//   build/release/chat_parse_bench
//
// Tokens are 4 to 5 bytes, fed one by one, as the daemon does.  Texts: plain content; content where
// every token may begin a marker; one long string and one long array as arguments.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/chat/parse/output_parser.hpp"

namespace hearth::chat {
namespace {

constexpr std::size_t kTokens = 10'000;
constexpr std::size_t kWindow = 100;
constexpr int kRounds = 30;

struct Text {
  const char* dialect;
  const char* what;
  std::string begin;
  std::vector<std::string> tokens;  // repeated
};

std::vector<Text> texts() {
  const std::vector<std::string> prose = {"some",  " text", " that", " goes",
                                          " on\n", " and ", "on, "};
  const std::vector<std::string> array = {"1, -2",  ".5, ", "\"te", "xt\", ",
                                          "{\"k\"", ": nu", "ll}, "};
  std::vector<Text> all;
  for (const char* dialect : {"hermes", "qwen3_coder", "gemma4", "deepseek_v32", "mistral_args"}) {
    all.push_back({dialect, "content", "", prose});
    all.push_back(
        {dialect, "content full of <", "", {"<", "<too", " <|t", "[TO", "<th ", "<\xEF\xBD\x9C"}});
  }
  all.push_back({"gpt_oss", "content", "<|channel|>final<|message|>", prose});
  all.push_back({"gpt_oss", "reasoning", "<|channel|>analysis<|message|>", prose});
  all.push_back({"hermes", "reasoning", "<think>", prose});
  all.push_back(
      {"hermes", "a string argument", R"(<tool_call>{"name":"f","arguments":{"s":")", prose});
  all.push_back(
      {"hermes", "an array argument", R"(<tool_call>{"name":"f","arguments":{"s":[)", array});
  all.push_back({"qwen3_coder", "a string argument", "<function=f><parameter=s>\n", prose});
  all.push_back({"qwen3_coder", "an array argument", "<function=f><parameter=a>\n[", array});
  all.push_back({"gemma4", "a string argument", "<|tool_call>call:f{s:<|\"|>", prose});
  all.push_back({"deepseek_v32", "a string argument",
                 "<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"s\" string=\"true\">",
                 prose});
  all.push_back({"lfm2", "a string argument", "<|tool_call_start|>[f(s=\"", prose});
  all.push_back({"hermes", "white space", "a", {"    ", "\n\n  "}});
  return all;
}

ParserOptions options_for(const Text& text) {
  ParserOptions options;
  for (const Dialect& dialect : dialects()) {
    if (dialect.name == text.dialect) options.dialect = &dialect;
  }
  options.tools = {{"f", {{"s", ParameterKind::string}, {"a", ParameterKind::json}}}};
  return options;
}

// Nanoseconds a token in the windows that begin at token 10, 1,000 and 9,900.
void measure(const Text& text) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kBegins[] = {10, 1000, kTokens - kWindow};
  double best[std::size(kBegins)] = {1e9, 1e9, 1e9};
  std::size_t deltas = 0;
  for (int round = 0; round < kRounds; ++round) {
    OutputParser parser(options_for(text));
    parser.feed(text.begin);
    std::size_t token = 0;
    for (std::size_t window = 0; window < std::size(kBegins); ++window) {
      const auto feed_to = [&](std::size_t end) {
        for (; token < end; ++token) {
          deltas += parser.feed(text.tokens[token % text.tokens.size()]).size();
        }
      };
      feed_to(kBegins[window]);
      const Clock::time_point begin = Clock::now();
      feed_to(kBegins[window] + kWindow);
      const std::chrono::duration<double, std::nano> spent = Clock::now() - begin;
      best[window] = std::min(best[window], spent.count() / kWindow);
    }
  }
  std::printf("%-14s %-20s %6.0f %6.0f %6.0f   %zu deltas\n", text.dialect, text.what, best[0],
              best[1], best[2], deltas / kRounds);
}

}  // namespace
}  // namespace hearth::chat

int main() {
  std::printf("%-14s %-20s %6s %6s %6s   ns a token\n", "dialect", "text", "10th", "1000th",
              "9900th");
  for (const hearth::chat::Text& text : hearth::chat::texts()) hearth::chat::measure(text);
}
