// What rendering a chat costs: 200 messages of about 300 bytes, two tools; and compiling.  One
// thread.
//
//   build/release/jinja_bench [--benchmark_filter=gpt-oss]
//
// The templates are those of ../shared/templates, where it is there.
#include <benchmark/benchmark.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/chat/jinja/jinja.hpp"

namespace hearth::jinja {
namespace {

constexpr std::string_view kTools =
    R"([{"type": "function", "function": {"name": "get_weather", "description": "Get it",
        "parameters": {"type": "object", "required": ["city"], "properties": {
          "city": {"type": "string", "description": "Where"},
          "unit": {"type": "string", "enum": ["c", "f"]}}}}},
        {"type": "function", "function": {"name": "get_time", "description": "Get it",
        "parameters": {"type": "object", "properties": {"zone": {"type": "integer"}}}}}])";

InputDict make_chat(int messages) {
  InputList list = {InputDict{{"role", "system"}, {"content", "Be brief."}}};
  std::string text;
  for (int i = 0; i < 50; ++i) text += "six by ";
  for (int i = 1; i < messages; ++i) {
    list.push_back(InputDict{{"role", i % 2 == 1 ? "user" : "assistant"}, {"content", text}});
  }
  return {{"messages", std::move(list)},
          {"tools", *parse_json(kTools)},
          {"bos_token", "<s>"},
          {"eos_token", "</s>"},
          {"add_generation_prompt", true}};
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void render_chat(benchmark::State& state, const std::string& source) {
  const auto compiled = compile(source);
  if (!compiled) return state.SkipWithError(compiled.error().message.c_str());
  const InputDict chat = make_chat(200);
  RenderOptions options;
  options.now.tm_mday = 1;
  std::size_t bytes = 0;
  for (auto _ : state) {
    const auto rendered = render(*compiled, chat, options);
    if (!rendered) return state.SkipWithError(rendered.error().message.c_str());
    bytes += rendered->text.size();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}

void compile_source(benchmark::State& state, const std::string& source) {
  for (auto _ : state) benchmark::DoNotOptimize(compile(source));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(source.size()));
}

void add_all() {
  std::vector<std::pair<std::string, std::string>> sources = {
      {"small", "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"}};
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(HEARTH_TEMPLATES_DIR, missing)) {
    sources.emplace_back(entry.path().stem(), read_file(entry.path()));
  }
  for (const auto& [name, source] : sources) {
    benchmark::RegisterBenchmark(("render_200/" + name).c_str(), render_chat, source)
        ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(("compile/" + name).c_str(), compile_source, source)
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace
}  // namespace hearth::jinja

int main(int argc, char** argv) {
  hearth::jinja::add_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
