// What the daemon knows of a model file without loading its weights: facts to show, and the
// tokenizer.
//
// THREAD: read_catalog() runs on a text thread; its result is handed to the loop whole.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/config.hpp"
#include "engine/chat/chat_format.hpp"
#include "engine/tokenizer/tokenizer.hpp"
#include "files/model_facts.hpp"

namespace hearth {

struct Catalog {
  ModelFacts facts;
  std::shared_ptr<const Tokenizer> tokenizer;    // null: token ids are the only interface
  std::shared_ptr<const chat::ChatFormat> chat;  // null: it cannot chat, because of chat_error
  Error chat_error{Code::TOKENIZATION, ""};
  std::vector<std::string> paths;  // of the model's files
  std::string identity;            // GgufFile::identity() when they were read

  // False when a file is another one now.  Asks the file system, reads nothing.
  bool is_current() const;
};

// Errors: IO, MODEL.  A chat template or a card that cannot be used is none of them: see
// chat_error.
Result<Catalog> read_catalog(const ModelConfig& config);

}  // namespace hearth
