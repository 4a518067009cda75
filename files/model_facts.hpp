// What a model file says of itself, without loading anything.
//
// Plain values: they outlive the file, and any thread may read them.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "files/gguf.hpp"

namespace hearth {

struct ModelFacts {
  std::string architecture;      // "llama"; empty: not said
  std::string name;              // empty: not said
  std::string tokenizer;         // "spm", "bpe", or the file's own word; empty: none
  std::string weights;           // format of most of the weights, "Q8_0"; empty: no tensors
  std::uint64_t parameters = 0;  // elements of all tensors
  std::uint64_t file_bytes = 0;
  std::uint64_t tensor_bytes = 0;
  std::uint64_t memory_bytes = 0;    // of the tensors, when loaded
  std::uint64_t vocab = 0;           // tokens; 0: not said
  std::uint64_t context_length = 0;  // tokens the model was trained for; 0: not said
  std::uint64_t kv_values = 0;       // numbers that one token keeps in the KV cache; 0: not known
  bool has_tensors = false;
  bool has_chat_template = false;

  // "tiny" below 10^9 parameters, "small" below 3 x 10^9, "medium" below 13 x 10^9, "large".
  const char* size_class() const;
  // Bytes of KV cache for a sequence, at so many bytes a number.
  std::uint64_t kv_bytes(std::uint64_t tokens, std::uint64_t value_bytes) const {
    return kv_values * tokens * value_bytes;
  }
};

// Errors: MODEL naming the key that is of a wrong type.
Result<ModelFacts> read_facts(const GgufFile& file);

}  // namespace hearth
