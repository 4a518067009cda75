// What clients send: frames, and the JSON in them, read as every verb reads it.
#include <cstdlib>

#include "common/limits.h"
#include "daemon/frame.hpp"
#include "daemon/json.hpp"

using namespace hearth;

namespace {

void read_all(JsonReader json) {
  for (const char* key : {"model", "prompt", "a", ""}) {
    (void)json.string(key);
    (void)json.boolean(key);
    (void)json.integer(key, -5, 1000);
    (void)json.number(key, 0, 1);
    (void)json.strings(key, 16, 256);
    (void)json.biases(key, 16);
  }
  for (const char* key : {"stop", "samplers"}) (void)json.strings(key, 16, 256);
  (void)json.biases("logit_bias", HEARTH_BIAS_COUNT_MAX);
  (void)json.require_string("model");
  (void)json.done();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  if (auto json = JsonReader::parse(bytes)) read_all(*std::move(json));
  FrameReader reader;
  for (std::span<const std::byte> left = bytes; !left.empty();) {
    const auto used = reader.feed(left);
    if (!used || (*used == 0 && !reader.complete())) break;
    left = left.subspan(*used);
    if (!reader.complete()) continue;
    const Frame frame = reader.take();
    if (auto json = JsonReader::parse(frame.json)) read_all(*std::move(json));
  }
  return 0;
}
