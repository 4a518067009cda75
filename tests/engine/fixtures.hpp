// The fixtures of tests/data/models: tiny models, their tokens and the logits that transformers
// gives.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "engine/tokenizer/vocabulary.hpp"

namespace hearth {

struct Fixture {
  std::string path;  // of the GGUF file
  std::vector<TokenId> tokens;
  std::vector<float> logits;  // [tokens, vocab]

  std::size_t vocab() const { return logits.size() / tokens.size(); }
};

inline Fixture read_fixture(const std::string& stem) {
  Fixture fixture;
  fixture.path = stem + ".gguf";
  std::ifstream tokens(stem + ".tokens");
  for (std::string id; std::getline(tokens, id, ',');) fixture.tokens.push_back(std::stoi(id));
  std::ifstream logits(stem + ".f32", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(logits), {}};
  fixture.logits.resize(bytes.size() / sizeof(float));
  std::memcpy(fixture.logits.data(), bytes.data(), bytes.size());
  return fixture;
}

// Mean squared error over mean square, in double.
inline double nmse(const std::vector<float>& got, const std::vector<float>& wanted) {
  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double difference = static_cast<double>(got[i]) - static_cast<double>(wanted[i]);
    error += difference * difference;
    norm += static_cast<double>(wanted[i]) * static_cast<double>(wanted[i]);
  }
  return error / norm;
}

inline const char* const kFixtures[] = {
    "llama",
    "llama-tied-biases",
    "llama-mha",
    "llama-odd",
    "llama-rope-linear",
    "llama-rope-llama3",
    "llama-rope-yarn",
    "llama-f16",
    "llama-bf16",
    "llama-q8_0",
    "llama-q4_0",
    "qwen2",
    "qwen2-yarn",
    "qwen3",
    "qwen3-tied",
    "qwen3moe",
    "qwen3moe-unnormed",
    "qwen3moe-q8_0",
    "llama-experts",
    "qwen35",
    "qwen35-tied",
    "qwen3next",
    "jamba",
    "jamba-experts",
    "mamba",
    "mamba2",
    "lfm2",
    "gemma3",
    "gemma3-pattern",
};

}  // namespace hearth
