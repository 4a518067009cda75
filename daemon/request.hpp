// One request that a client waits for: GENERATE, EVAL, TOKENIZE, DETOKENIZE, RENDER, LOAD, UNLOAD
// or CACHE, from its frame to its reply.
//
// THREAD: loop.  OWNER: the Server's table of requests, by id.  A session that goes takes its
// requests with it; what engines and text threads still say about them then falls on deaf ears.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/wire.h"
#include "daemon/session_transfer.hpp"
#include "engine/chat/parse/output_parser.hpp"
#include "engine/messages.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth {

class ServedModel;
class Session;

enum class RequestStage : std::uint8_t {
  waits_for_catalog,  // the model file is not read yet
  on_text_thread,     // text and ids are being converted
  waits_for_engine,   // for its model's term, its weights, or room in the engine's ring
  in_engine,
  is_answered,  // an export whose descriptor is still to be sent
};

// What GENERATE continues.
enum class PromptKind : std::uint8_t { text, tokens, chat };

struct Request {
  RequestId id = 0;
  Session* session = nullptr;
  std::uint32_t wire_request = 0;  // the client's number
  hearth_verb verb = HEARTH_VERB_GENERATE;
  uid_t uid = 0;  // whose it is
  ServedModel* model = nullptr;
  RequestStage stage = RequestStage::waits_for_catalog;
  std::int64_t received_ns = 0;
  std::uint64_t term = 0;                    // of its model, see Residency; 0: it needs no weights
  std::optional<std::int64_t> keep_alive_s;  // LOAD

  // Input
  PromptKind prompt = PromptKind::text;
  bool raw = false;          // no chat template wanted
  std::string text;          // of a text prompt, or to tokenize; a conversation: JSON
  std::vector<TokenId> ids;  // the prompt, or to detokenize
  std::uint64_t catalog_version =
      0;  // of the model when its tokenizer made them; 0: the client did
  EncodeOptions encode;
  bool spell_special = false;  // DETOKENIZE
  SubmitCommand submit = {};   // GENERATE, EVAL: what the engine will be told
  CacheCommand cache = {};     // CACHE: likewise; ids: the prefix
  std::vector<std::string> stops;
  std::vector<LogitBias> biases;
  std::vector<std::uint32_t> marks;  // in ids: where texts that begin alike part, see SubmitCommand
  std::vector<std::byte> result;  // what the reply brings: a vector, float[]; of a chat its message
  std::unique_ptr<chat::OutputParser> parser;  // of a conversation: makes its message
  std::uint64_t recomputed_for_template = 0;   // likewise, see TextConversion
  std::vector<std::string> warnings;           // likewise

  // Sessions
  std::string turn;               // GENERATE: the kept session that this extends; empty: none
  bool has_history = false;       // ids begin with what the session has
  std::vector<TokenId> turn_ids;  // what it will be then, as far as the client was sent it
  std::unique_ptr<SessionTransfer> transfer;  // SESSION_EXPORT, SESSION_IMPORT

  // Flow control, in tokens or rows of logits
  std::uint64_t credit_total = 0;   // that the client has given
  std::uint64_t credit_passed = 0;  // of these, that the engine was given
  std::uint64_t rows_sent = 0;      // rows of logits handed to the kernel
  std::uint64_t rows_computed = 0;  // rows of logits that the engine has given
  std::uint32_t completion_tokens = 0;
  std::uint32_t times_parked = 0;  // seen waiting for its client while others waited for its model
  bool cancel_wanted = false;      // by the client, or because it is gone
  bool cancel_passed = false;      // to the engine
};

}  // namespace hearth
