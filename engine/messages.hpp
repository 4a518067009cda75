// What daemon and engine say to each other: plain data over two bounded rings, so that the engine
// may be a thread here or a process elsewhere.  Times are nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cache/recovery.hpp"
#include "cache/segment.hpp"
#include "common/sampling_fields.h"

namespace hearth {

using RequestId = std::uint64_t;  // given by the daemon, unique in its life

// Daemon to engine.
enum class Command : std::uint32_t {
  submit = 1,    // SubmitCommand, TokenId ids[prompt_count], LogitBias[bias_count], then
                 // stop texts: u32 size, bytes, ...
  credit = 2,    // CreditCommand
  cancel = 3,    // CancelCommand
  transfer = 4,  // TransferCommand, TokenId ids[token_count]
};

enum class RequestKind : std::uint32_t {
  generate = 0,
  evaluate = 1,  // logits and likelihood of the prompt, nothing generated
};

// The vector that stands for a whole text: of the last layer, normed, before the head.
enum class Pooling : std::uint8_t {
  none = 0,
  last = 1,  // of the last token
  mean = 2,  // the mean over all tokens
};

// The steps of a sampler that may be put in order; drawing comes last.
enum class SamplerStep : std::uint8_t {
  penalties,
  dry,
  top_n_sigma,
  top_k,
  typical_p,
  top_p,
  min_p,
  xtc,
  temperature,
};
inline constexpr int kSamplerStepCount = 9;

struct SubmitCommand {
  RequestId request;
  std::uint64_t namespace_id;  // whose cache it may use
  std::int64_t received_ns;    // when the daemon had the whole request
  RequestKind kind;
  std::uint32_t prompt_count;  // tokens, >= 1
  std::uint32_t max_tokens;    // >= 1 for generate
  std::uint32_t stop_count;
  std::uint32_t credit;  // tokens that may be sent before more is granted
  std::uint32_t seed;
  std::int32_t top_k;
  float temperature;
  float top_p;
#define HEARTH_FIELD_(type, name, low, high, fallback, help) \
  hearth_field_##type name = static_cast<hearth_field_##type>(fallback);
  HEARTH_SAMPLING_FIELDS(HEARTH_FIELD_)
#undef HEARTH_FIELD_
  std::uint32_t bias_count;  // tokens whose logits are biased
  std::uint32_t n_probs;     // so many of the likeliest tokens are told with every token
  std::uint8_t step_count = kDefaultSteps;  // the sampler's steps, in order; see SamplerStep
  std::uint8_t steps[kSamplerStepCount] = {};
  std::uint8_t ignore_eos;   // 1: end tokens do not end it
  std::uint8_t want_logits;  // 1: logits of every generated (or evaluated) token
  Pooling pooling;           // evaluate: what vector of the last layer is wanted
  std::uint8_t reserved[3];  // 0

  static constexpr std::uint8_t kDefaultSteps = 255;  // the order of SamplerStep
};
static_assert(sizeof(SubmitCommand) == 160 && std::is_trivially_copyable_v<SubmitCommand>);

struct LogitBias {
  std::int32_t id;  // beyond the vocabulary: no effect
  float bias;       // added; -infinity rules the token out
};

struct CreditCommand {
  RequestId request;
  std::uint32_t tokens;
  std::uint32_t reserved;  // 0
};

struct CancelCommand {
  RequestId request;
};

// Whole pages of a sequence into a file, or from it: engine/page_transfer.hpp.
struct TransferCommand {
  RequestId request;
  std::uint64_t namespace_id;
  cache::SegmentGeometry geometry;  // import: of the pages; others than ours are left out
  std::uint64_t pages_offset;       // of the first page in the file
  std::uint64_t page_count;         // import: pages there
  std::uint32_t token_count;
  std::int32_t fd;  // the engine's from now on
  bool import;      // else export
};

// Engine to daemon.
enum class Notice : std::uint32_t {
  loading = 1,       // LoadingNotice
  loaded = 2,        // LoadedNotice
  load_failed = 3,   // FailedNotice (request 0), then the text
  prefill = 4,       // PrefillNotice
  tokens = 5,        // TokensNotice, ids, text
  logits = 6,        // LogitsNotice, rows
  done = 7,          // DoneNotice: the request is over
  failed = 8,        // FailedNotice, then the text: the request is over
  probs = 9,         // ProbsNotice, TokenProbability[count]
  embedding = 10,    // EmbeddingNotice, float[size]
  transferred = 11,  // TransferredNotice: the request is over
};

struct LoadingNotice {
  double fraction;  // 0 .. 1
};

struct LoadedNotice {
  std::uint64_t weight_bytes;  // memory of the tensors
  std::uint64_t buffer_bytes;  // memory of activations
  std::uint64_t page_bytes;    // of one KV page
  std::uint32_t page_tokens;
  std::uint32_t context;    // longest sequence, tokens
  std::uint32_t vocab;      // length of a row of logits
  std::uint32_t kv_format;  // kernels::KvFormat
  std::int64_t load_ns;     // how long loading took
  char tier[16];            // of the kernels
  bool cache_opened;        // now, and not by an earlier engine of this daemon
  cache::Recovery cache_start;
};

struct PrefillNotice {
  RequestId request;
  std::uint32_t done;  // prompt tokens, cached ones included
  std::uint32_t total;
};

struct TokensNotice {
  RequestId request;
  std::uint32_t id_count;
  std::uint32_t text_size;  // bytes
};

struct LogitsNotice {
  RequestId request;
  std::uint64_t position;  // of the first row in its sequence
  std::uint32_t row_count;
  std::uint32_t row_size;  // floats
};

struct ProbsNotice {
  RequestId request;
  std::uint64_t position;  // of the drawn token in its sequence
  std::uint32_t count;     // the drawn token, then the likeliest, best first
  std::uint32_t reserved;  // 0
};
struct TokenProbability {
  std::int32_t id;
  float log_probability;  // by the model alone: before the sampler
};

struct EmbeddingNotice {
  RequestId request;
  std::uint32_t size;
  std::uint32_t reserved;  // 0
};

struct TransferredNotice {
  RequestId request;
  std::uint64_t page_count;         // export: in the file; import: of these, in the cache now
  cache::SegmentGeometry geometry;  // of this model's pages
};

struct DoneNotice {
  RequestId request;
  std::uint32_t stop_reason;  // enum hearth_stop_reason
  std::uint32_t prompt_tokens;
  std::uint32_t cached_tokens;  // of the prompt
  std::uint32_t completion_tokens;
  std::int64_t ttft_ns;     // received_ns to the first token; to the end where there is none
  std::int64_t prefill_ns;  // from the first computed row of the prompt to the first token
  std::int64_t decode_ns;   // from the first token to the last
  double mean_nll;          // evaluate: nats per token
};

// With the text behind it: error_of().
struct FailedNotice {
  RequestId request;
  std::int32_t code;        // hearth::Code
  std::uint32_t text_size;  // bytes
};

}  // namespace hearth
