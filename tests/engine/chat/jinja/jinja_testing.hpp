// What the tests of templates share: rendering with JSON for the context, and files of cases.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <string>

#include "engine/chat/jinja/jinja.hpp"

namespace hearth::jinja {

// 2026-08-18, 09:05:07, a Tuesday: the date of the shared cases.
inline std::tm test_time() {
  std::tm time{};
  time.tm_year = 126;
  time.tm_mon = 7;
  time.tm_mday = 18;
  time.tm_hour = 9;
  time.tm_min = 5;
  time.tm_sec = 7;
  time.tm_wday = 2;
  time.tm_yday = 229;
  return time;
}

inline Input json_input(std::string_view json) {
  Result<Input> read = parse_json(json);
  EXPECT_TRUE(read) << (read ? "" : read.error().message) << " in: " << json;
  return read ? *std::move(read) : Input();
}

inline Result<Rendered> try_render(std::string_view source, const InputDict& context,
                                   RenderOptions options = {}) {
  options.now = test_time();
  Result<Template> compiled = compile(source, options.limits);
  if (!compiled) return compiled.error();
  return render(*compiled, context, options);
}

// The text, or "error: ..." .
inline std::string render_text(std::string_view source, std::string_view json = "{}",
                               const RenderOptions& options = {}) {
  const Input input = json_input(json);
  const auto rendered = try_render(source, std::get<InputDict>(input.held), options);
  return rendered ? rendered->text : "error: " + rendered.error().message;
}

// Every line of a file of JSON objects; false where there is no such file.
inline bool for_each_case(const std::string& path, const std::function<void(const Input&)>& visit) {
  std::ifstream file(path);
  if (!file) return false;
  for (std::string line; std::getline(file, line);) visit(json_input(line));
  return true;
}

inline std::string text_of(const Input& object, std::string_view key) {
  const Input* found = object.find(key);
  const auto* text = found == nullptr ? nullptr : std::get_if<std::string>(&found->held);
  return text == nullptr ? std::string() : *text;
}

inline const InputDict& dict_of(const Input& object, std::string_view key) {
  return std::get<InputDict>(object.find(key)->held);
}

// The spans of a prompt, checked to cover it, as "template|<input:0>|template"; see Span.
inline std::string show_spans(const Rendered& rendered) {
  std::string shown;
  std::uint32_t at = 0;
  for (const Span& span : rendered.spans) {
    EXPECT_EQ(span.begin, at);
    EXPECT_LT(span.begin, span.end);
    at = span.end;
    const std::string piece = rendered.text.substr(span.begin, span.end - span.begin);
    if (!shown.empty()) shown += '|';
    shown += span.input ? "<" + piece + ":" + std::to_string(span.message) + ">" : piece;
  }
  EXPECT_EQ(at, rendered.text.size());
  return shown;
}

}  // namespace hearth::jinja
