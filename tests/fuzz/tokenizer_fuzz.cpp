// Texts, by every kind of tokenizer: the first byte chooses it and the options.
//
// Beyond memory errors, a text must come back from the tokenizers that lose nothing.
#include <algorithm>
#include <array>
#include <cstdio>

#include "engine/tokenizer/tokenizer.hpp"

using namespace hearth;

namespace {

struct Entry {
  std::unique_ptr<Tokenizer> tokenizer;
  bool lossless;
};

Entry open_entry(const std::string& path, bool lossless) {
  const auto file = GgufFile::open(path);
  if (!file) std::abort();
  auto vocabulary = read_vocabulary(*file);
  if (!vocabulary) std::abort();
  auto tokenizer = Tokenizer::create(*std::move(vocabulary));
  if (!tokenizer) std::abort();
  return {*std::move(tokenizer), lossless};
}

const std::array<Entry, 6>& entries() {
  static const std::string folder = HEARTH_TEST_DATA "/tokenizers/";
  static const std::array<Entry, 6> all = {
      open_entry(HEARTH_MODELS_DIR "/ember-q8_0.gguf", true),
      open_entry(folder + "unigram-bytes.gguf", true),
      open_entry(folder + "unigram.gguf", false),
      open_entry(folder + "spm.gguf", false),
      open_entry(folder + "wordpiece.gguf", false),
      open_entry(folder + "wordpiece-cased.gguf", false),
  };
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Entry& entry = entries()[data[0] % entries().size()];
  const EncodeOptions options = {(data[0] & 64) != 0, (data[0] & 128) != 0};
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto ids = entry.tokenizer->encode(text, options);
  if (!ids) std::abort();
  const std::string back = entry.tokenizer->decode(*ids, options.parse_special);
  // A mark in the text is a space to SentencePiece.
  const bool has_mark = text.find("\xE2\x96\x81") != std::string_view::npos;
  // Behind a spelled <unk> a space is put as behind any special token; but decode() cannot know
  // whether it was spelled or stands for a character, behind which there is none.
  const bool has_unknown = std::ranges::count(*ids, entry.tokenizer->vocabulary().unknown) != 0;
  if (entry.lossless && !options.add_special && !has_mark && !has_unknown && back != text) {
    std::fprintf(stderr, "%zu bytes came back as %zu\n", text.size(), back.size());
    std::abort();
  }
  StreamDecoder decoder(entry.tokenizer.get(), /*spell_special=*/false);
  std::string streamed;
  for (const TokenId id : *ids) decoder.push(id, streamed);
  decoder.finish(streamed);
  return 0;
}
