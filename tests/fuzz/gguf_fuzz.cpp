// Model files: everything that is done with one before a token is computed.
#include "engine/layer_table.hpp"
#include "engine/tokenizer/tokenizer.hpp"
#include "engine/weights.hpp"
#include "files/model_facts.hpp"
#include "files/quantizer.hpp"
#include "tests/fuzz/memory_file.hpp"

using namespace hearth;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile bytes(data, size);
  const auto file = GgufFile::open(bytes.path());
  if (!file) return 0;
  for (const std::string_view key : file->keys_with_prefix("")) {
    (void)file->uint_value(key);
    (void)file->real_value(key);
    (void)file->string_array(key);
    (void)file->real_array(key);
    (void)file->byte_array(key);
  }
  if (const auto facts = read_facts(*file)) (void)facts->kv_bytes(1 << 20, 2);
  if (auto vocabulary = read_vocabulary(*file)) {
    const auto tokenizer = Tokenizer::create(*std::move(vocabulary));
    if (tokenizer) (void)(*tokenizer)->encode("Hello <s> \xC3\xA9\xFF 123", {true, true});
  }
  std::uint64_t written = 0;
  QuantizeCallbacks callbacks;
  callbacks.write = [&](std::span<const std::byte> part) {
    written += part.size();
    return Status();
  };
  (void)quantize_file(*file, *QuantizeMix::find("Q4_K_M"), /*threads=*/1, callbacks);
  const auto architecture = find_architecture(*file);
  if (!architecture) return 0;
  auto loader = WeightLoader::create(*file, [](std::uint64_t, std::uint64_t) {});
  if (!loader) return 0;
  if ((*architecture)->build(*loader, {})) (void)loader->finish();
  return 0;
}
