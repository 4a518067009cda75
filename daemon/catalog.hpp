// What the daemon knows of a model file without loading its weights: facts to show, and the
// tokenizer.
//
// THREAD: read_catalog() runs on a text thread; its result is handed to the loop whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "engine/tokenizer.hpp"

namespace hearth {

struct ModelFacts {
  std::string architecture;
  std::string tokenizer;         // "spm", "bpe"; empty: none
  std::string weights;           // format of most of the weights, "Q8_0"; empty: no tensors
  std::uint64_t parameters = 0;  // elements of all tensors
  std::uint64_t file_bytes = 0;
  std::uint64_t vocab = 0;           // tokens; 0: not known before the weights are loaded
  std::uint64_t context_length = 0;  // what the model was trained for; 0: not said
  bool has_tensors = false;
  bool has_chat_template = false;
};

struct Catalog {
  ModelFacts facts;
  std::unique_ptr<Tokenizer> tokenizer;  // null: token ids are the only interface
};

// Errors: IO, MODEL.
Result<Catalog> read_catalog(const std::string& path);

}  // namespace hearth
