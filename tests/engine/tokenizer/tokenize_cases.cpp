// Tokenises texts without a daemon, for tools/fixtures/check_tokenizers.py.
//
//   tokenize_cases MODEL.gguf CASES > IDS
//
// CASES: for each text its bytes as a little-endian u32, then the text.  IDS: a line for each, ids
// separated by spaces, then "|" and the text they decode to, in hex.  No BOS and EOS are added, and
// special tokens are not parsed.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {
namespace {

int tokenize(const char* model, const char* cases) {
  const auto file = GgufFile::open(model);
  auto vocabulary = file ? read_vocabulary(*file) : Result<Vocabulary>(file.error());
  const auto tokenizer = vocabulary ? Tokenizer::create(*std::move(vocabulary))
                                    : Result<std::unique_ptr<Tokenizer>>(vocabulary.error());
  if (!tokenizer) {
    std::fprintf(stderr, "tokenize_cases: %s\n", tokenizer.error().message.c_str());
    return 1;
  }
  std::ifstream stream(cases, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(stream), {}};
  std::uint32_t size = 0;
  for (std::size_t at = 0; at + sizeof(size) <= all.size(); at += size) {
    std::memcpy(&size, all.data() + at, sizeof(size));
    at += sizeof(size);
    const auto ids = (*tokenizer)
                         ->encode(std::string_view(all).substr(at, size),
                                  {.add_special = false, .parse_special = false});
    if (!ids) {
      std::printf("%s\n", ids.error().message.c_str());
      continue;
    }
    for (const TokenId id : *ids) std::printf("%d ", id);
    std::printf("|");
    for (const char c : (*tokenizer)->decode(*ids, false)) {
      std::printf("%02x", static_cast<unsigned char>(c));
    }
    std::printf("\n");
  }
  return 0;
}

}  // namespace
}  // namespace hearth

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: tokenize_cases MODEL.gguf CASES > IDS\n");
    return 2;
  }
  return hearth::tokenize(argv[1], argv[2]);
}
