// Runs a fuzz target without libFuzzer: every file of its corpus as it is, then changed at random,
// the same way each time.  What the tests do; scripts/fuzz.sh searches for more.
//
//   fuzz_TARGET CORPUS [ROUNDS]
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

// Bytes that parsers trip over: ends of ranges, and what nests.
constexpr std::uint8_t kEdges[] = {0, 1, 0x7F, 0x80, 0xFF, '"', '[', '{', '\\', '\n', ' ', '<'};

void change(Bytes& input, const std::vector<Bytes>& corpus, std::mt19937& random) {
  const auto place = [&] { return input.empty() ? 0 : random() % input.size(); };
  for (unsigned times = 1 + random() % 4; times-- > 0;) {
    const std::size_t at = place();
    switch (random() % 6) {
      case 0:
        if (!input.empty()) input[at] ^= static_cast<std::uint8_t>(1u << random() % 8);
        break;
      case 1:
        if (!input.empty()) input[at] = kEdges[random() % std::size(kEdges)];
        break;
      case 2:
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), 1 + random() % 9,
                     kEdges[random() % std::size(kEdges)]);
        break;
      case 3: input.resize(at); break;
      case 4:  // a number of 8 bytes
        for (std::size_t i = at; i < std::min(input.size(), at + 8); ++i) {
          input[i] = random() % 2 == 0 ? 0xFF : static_cast<std::uint8_t>(random());
        }
        break;
      default: {  // the end of another one
        const Bytes& other = corpus[random() % corpus.size()];
        input.resize(at);
        const std::size_t from = other.empty() ? 0 : random() % other.size();
        input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS [ROUNDS]\n", argv[0]);
    return 2;
  }
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<Bytes> corpus;
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    LLVMFuzzerTestOneInput(corpus.back().data(), corpus.back().size());
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no corpus\n", argv[1]);
    return 1;
  }
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 2000;
  std::mt19937 random(20261121);
  for (int round = 0; round < rounds; ++round) {
    Bytes input = corpus[random() % corpus.size()];
    change(input, corpus, random);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("%zu inputs of the corpus, %d changed ones\n", corpus.size(), rounds);
}
