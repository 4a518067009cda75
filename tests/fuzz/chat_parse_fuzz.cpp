// What models write, in every dialect: the deltas add up, it does not matter how the output is cut,
// arguments that are whole are JSON, and text is not lost.
//
// The first byte is the dialect, the second the options and how the text is cut; the rest is text.
#include <cjson/cJSON.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "engine/chat/parse/output_parser.hpp"

using namespace hearth::chat;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "chat_parse_fuzz: %s\n", what);
  std::abort();
}

bool same(const Message& a, const Message& b) {
  return a.content == b.content && a.reasoning == b.reasoning &&
         std::equal(a.calls.begin(), a.calls.end(), b.calls.begin(), b.calls.end(),
                    [](const ToolCall& x, const ToolCall& y) {
                      return x.name == y.name && x.arguments == y.arguments && x.id == y.id;
                    });
}

void take(Message& message, std::span<const Delta> deltas) {
  for (const Delta& delta : deltas) {
    switch (delta.kind) {
      case Delta::Kind::reasoning: message.reasoning += delta.text; break;
      case Delta::Kind::content: message.content += delta.text; break;
      case Delta::Kind::call_begin:
        require(delta.call == message.calls.size(), "calls begin in order");
        require(!delta.text.empty(), "a call has a name");
        message.calls.push_back({delta.text, "", delta.id});
        break;
      case Delta::Kind::call_id: message.calls.at(delta.call).id = delta.id; break;
      case Delta::Kind::arguments: message.calls.at(delta.call).arguments += delta.text; break;
    }
  }
}

Message parse(const ParserOptions& options, std::string_view text, std::size_t piece_max,
              std::mt19937& random) {
  OutputParser parser(options);
  Message added = parser.message();  // what was begun
  while (!text.empty()) {
    const std::size_t size = piece_max == 0 ? text.size() : 1 + random() % piece_max;
    take(added, parser.feed(text.substr(0, size)));
    text.remove_prefix(std::min(size, text.size()));
  }
  take(added, parser.finish());
  require(same(added, parser.message()), "the deltas add up to the message");
  return parser.message();
}

std::string visible(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') out += c;
  }
  return out;
}

// cJSON refuses halves of surrogate pairs, which are the model's to write.
void require_json(const std::string& text) {
  if (text.find("\\u") != std::string::npos || text.find('\0') != std::string::npos) return;
  cJSON* json = cJSON_ParseWithOpts(text.c_str(), nullptr, 1);
  require(json != nullptr, "whole arguments are JSON");
  cJSON_Delete(json);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Dialect& dialect = dialects()[data[0] % dialects().size()];
  const std::uint8_t flags = data[1];
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  ParserOptions options;
  options.dialect = &dialect;
  options.split_reasoning = (flags & 1) == 0;
  options.json_content = (flags & 2) != 0;
  if ((flags & 4) == 0) {
    options.tools = {{"f", {{"a", ParameterKind::json}, {"s", ParameterKind::string}}}, {"g", {}}};
  }
  if ((flags & 8) != 0) options.generation_prompt = dialect.reasoning_open;
  options.reasoning_begun = (flags & 16) != 0;

  std::mt19937 random(flags);
  const Message whole = parse(options, text, 0, random);
  require(same(whole, parse(options, text, 1, random)), "single bytes give the same");
  require(same(whole, parse(options, text, 1 + flags % 40, random)), "pieces give the same");
  if (whole.warnings.empty()) {
    for (const ToolCall& call : whole.calls) require_json(call.arguments);
  }
  // Where nothing is a marker of its own, and none was begun, what is no call is content.
  if (whole.calls.empty() && !options.split_reasoning && !options.json_content &&
      (flags & (8 | 16)) == 0 && dialect.style != CallStyle::harmony &&
      dialect.dropped[0].empty()) {
    require(visible(whole.content) == visible(text), "no text is lost");
  }
  return 0;
}
