// Chat templates of strangers, with values of strangers: a template, a zero byte, JSON.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/chat/jinja/jinja.hpp"
#include "engine/tokenizer/utf8.hpp"

using namespace hearth;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// Small, so that a round takes milliseconds.
jinja::Limits small_limits() {
  jinja::Limits limits;
  limits.steps = 200'000;
  limits.memory_bytes = 16u << 20;
  limits.output_bytes = 1u << 20;
  limits.string_bytes = 1u << 20;
  limits.list_items = 100'000;
  return limits;
}

void check(const jinja::Rendered& rendered) {
  std::uint32_t at = 0;
  for (const jinja::Span& span : rendered.spans) {
    require(span.begin == at && span.end > at);
    require(span.input || span.message == -1);
    at = span.end;
  }
  require(at == rendered.text.size());
  require(utf8_valid_bytes(rendered.text) == rendered.text.size());
  for (const jinja::Turn& turn : rendered.turns) {
    require(turn.begin < turn.end && turn.end <= rendered.text.size() && turn.message >= 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(bytes.find('\0'), size);
  const std::string_view json = bytes.substr(std::min(zero + 1, size));
  jinja::RenderOptions options;
  options.limits = small_limits();
  const auto compiled = jinja::compile(bytes.substr(0, zero), options.limits);
  if (!compiled) {
    require(!compiled.error().message.empty());
    return 0;
  }
  const auto read = jinja::parse_json(json);
  const auto* context = read ? std::get_if<jinja::InputDict>(&read->held) : nullptr;
  const auto rendered =
      jinja::render(*compiled, context != nullptr ? *context : jinja::InputDict(), options);
  if (rendered) {
    check(*rendered);
  } else {
    require(!rendered.error().message.empty());
  }
  return 0;
}
