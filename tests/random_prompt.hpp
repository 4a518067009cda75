// Prompts that no cache has seen, the same at every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace hearth {

// Ids below 64, which every test model has.
inline std::vector<std::int32_t> random_prompt(unsigned seed, std::size_t size) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> prompt;
  for (std::size_t i = 0; i < size; ++i) prompt.push_back(static_cast<std::int32_t>(random() % 64));
  return prompt;
}

}  // namespace hearth
