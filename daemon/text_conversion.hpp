// What text threads do for requests: text to ids, ids to text, a conversation to a prompt.
//
// THREAD: made on the loop, run() on a text thread, read on the loop again.  It shares nothing that
// changes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/json.hpp"
#include "engine/chat/chat_format.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

struct TextConversion {
  enum class Kind : std::uint8_t {
    encode,    // text -> ids
    decode,    // ids -> text
    as_user,   // text, the only message of a conversation -> ids
    converse,  // text, a conversation as JSON -> ids and parser
    render,    // text, a conversation as JSON -> text, a document about the prompt
  };

  Kind kind = Kind::encode;
  std::shared_ptr<const Tokenizer> tokenizer;      // not null
  std::shared_ptr<const chat::ChatFormat> format;  // not null for the last three
  EncodeOptions encode;                            // encode
  bool spell_special = false;                      // decode

  std::string text;
  std::vector<TokenId> ids;
  std::vector<std::uint32_t> turn_starts;  // in ids: see chat::ChatTokens
  std::unique_ptr<chat::OutputParser> parser;
  std::vector<std::string> warnings;  // converse: what the prompt does not say
  std::uint64_t recomputed = 0;  // converse: tokens behind reasoning that the template leaves out

  bool needs_format() const { return kind >= Kind::as_user; }

  // Errors: INVALID, TOKENIZATION, LIMIT.  What it was given is used up.
  Status run();

 private:
  Status decode_ids();
  Status make_prompt(chat::Conversation conversation);
};

// A message as the API gives it: {"role","content","reasoning_content","tool_calls"}.
JsonWriter message_document(const chat::Message& message);

}  // namespace hearth
