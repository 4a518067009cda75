// What the user asked for on the command line.
//
// Fields that a command does not use stay as they are here; what is unset is left to the daemon.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/checkpoint_fields.h"
#include "common/sampling_fields.h"
#include "hearth/hearth.h"

namespace hearth::cli {

enum class Command {
  run,
  chat,
  render,
  models,
  ps,
  stats,
  tokenize,
  detokenize,
  eval,
  embed,
  load,
  unload,
  sessions,
  cache_stats,
  cache_ls,
  cache_evict,
  cache_verify,
  info,
  pull,
  quantize,
  card,
  config
};

// Text or token ids: exactly one of these is given.
struct Input {
  std::optional<std::string> text;         // an argument: PROMPT or TEXT
  std::optional<std::string> file;         // --file: text, byte for byte
  std::optional<std::string> tokens;       // --tokens: ids
  std::optional<std::string> tokens_file;  // --tokens-file: ids
  std::vector<std::string> ids;            // arguments: ids
};

// hearth sessions ...
enum class SessionAction { list, create, show, fork, roll_back, remove, to_file, from_file };

struct Options {
  Command command = Command::ps;
  std::string socket;  // empty: libhearth's default
  bool json = false;
  std::string model;
  Input input;

  // run
  std::int32_t max_tokens = HEARTH_UNSET_I32;
  float temperature = HEARTH_UNSET_F32;
  std::int32_t top_k = HEARTH_UNSET_I32;
  float top_p = HEARTH_UNSET_F32;
  std::int64_t seed = HEARTH_UNSET_I64;
#define HEARTH_OPTION_(type, name, low, high, fallback, help) \
  hearth_field_##type name = HEARTH_FIELD_UNSET_##type;
  HEARTH_SAMPLING_FIELDS(HEARTH_OPTION_)
#undef HEARTH_OPTION_
#define HEARTH_OPTION_(name, field, low, high, help) std::int32_t name = HEARTH_UNSET_I32;
  HEARTH_CHECKPOINT_FIELDS(HEARTH_OPTION_)
#undef HEARTH_OPTION_
  std::vector<std::string> logit_bias;  // "ID=NUMBER" or "ID=off"
  std::optional<std::string> samplers;  // "top_k,temperature"
  std::int32_t n_probs = HEARTH_UNSET_I32;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool raw = false;

  std::string session;  // run: extend this one; sessions: which; may be empty

  SessionAction session_action = SessionAction::list;
  std::string new_session;          // sessions fork, new, import; empty: the daemon chooses
  std::int64_t session_tokens = 0;  // sessions rollback
  std::string session_file;         // sessions export, import; "-": standard output or input

  std::string system;              // chat: the first message; empty: none
  bool keeps_history = true;       // chat: lines typed are kept for the next one
  std::string reasoning;           // chat, render: "on", "off", an effort; empty: no opinion
  std::string messages_file;       // render
  std::string tools_file;          // render; empty: none
  std::string template_arguments;  // render: JSON; empty: none

  bool no_special = false;  // tokenize: add no BOS and no EOS
  bool special = false;     // tokenize, detokenize: text that spells special tokens

  std::string logits_out;  // eval; empty: none

  std::string pooling = "mean";  // embed: "mean", "last"
  bool no_normalize = false;     // embed

  std::int64_t keep_alive_s = HEARTH_UNSET_I64;  // load

  std::optional<std::string> prefix;          // cache ls, evict: of texts that begin so
  bool all = false;                           // cache ls, evict, verify: of all users
  std::int64_t uid = HEARTH_UNSET_I64;        // likewise: of another user
  std::int64_t max_bytes = HEARTH_UNSET_I64;  // cache evict
  std::int32_t limit = HEARTH_UNSET_I32;      // cache ls

  std::string config_file;  // config; empty: hearthd's own

  std::string ref;                             // pull
  std::string hub = "https://huggingface.co";  // pull
  std::string token_file;                      // pull; empty: the environment
  std::string sha256;                          // pull; empty: what the server says
  bool force = false;                          // pull
  std::int32_t retry_pause_ms = 1000;          // pull

  std::string in_file;        // info, quantize, card
  std::string out_file;       // quantize; pull, empty: the user's own directory
  std::string type;           // quantize: the name of a mix
  std::int32_t threads = 0;   // quantize; 0: one per core
  std::int32_t context = 0;   // info: tokens to count memory for; 0: what the model was trained for
  bool show_tensors = false;  // info
  bool show_metadata = false;  // info
};

// The options, or nullopt when there is nothing to do: then ret_exit_code is 0 (help was shown) or
// 2 (an error was).
std::optional<Options> parse_options(int argc, char** argv, int& ret_exit_code);

}  // namespace hearth::cli
