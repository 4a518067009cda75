// What the daemon knows of a model file without loading its weights: facts to show, and the
// tokenizer.
//
// THREAD: read_catalog() runs on a text thread; its result is handed to the loop whole.
#pragma once

#include <memory>
#include <string>

#include "common/result.hpp"
#include "engine/tokenizer/tokenizer.hpp"
#include "files/model_facts.hpp"

namespace hearth {

struct Catalog {
  ModelFacts facts;
  std::unique_ptr<Tokenizer> tokenizer;  // null: token ids are the only interface
};

// Errors: IO, MODEL.
Result<Catalog> read_catalog(const std::string& path);

}  // namespace hearth
