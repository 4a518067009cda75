// What daemon and engine say to each other: plain data over two bounded rings, so that the engine
// may be a thread here or a process elsewhere.  Times are nanoseconds of CLOCK_MONOTONIC.
#pragma once

#include <cassert>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "cache/checkpoint_policy.hpp"
#include "cache/recovery.hpp"
#include "cache/segment.hpp"
#include "common/limits.h"
#include "common/sampling_fields.h"
#include "hearth/hearth.h"

namespace hearth {

// A struct off the front of a message.  Messages come from our own process: their shape is
// asserted.
template <class T>
T take_head(std::span<const std::byte>& message) {
  static_assert(std::is_trivially_copyable_v<T>);
  assert(message.size() >= sizeof(T));
  T head;
  std::memcpy(&head, message.data(), sizeof(head));
  message = message.subspan(sizeof(head));
  return head;
}

using RequestId = std::uint64_t;  // given by the daemon, unique in its life

// From here on they are the engine's own, for texts that are published: the first text's, and on.
inline constexpr RequestId kPublishRequests = RequestId{1} << 63;

// Daemon to engine.
enum class Command : std::uint32_t {
  submit = 1,    // SubmitCommand, TokenId ids[prompt_count], LogitBias[bias_count],
                 // u32 marks[mark_count], then stop texts: u32 size, bytes, ...
  credit = 2,    // CreditCommand
  cancel = 3,    // CancelCommand
  transfer = 4,  // TransferCommand, TokenId ids[token_count]
  cache = 20,    // CacheCommand, TokenId prefix[prefix_count]
};

enum class RequestKind : std::uint32_t {
  generate = 0,
  evaluate = 1,  // logits and likelihood of the prompt, nothing generated
  publish = 2,   // the engine's own: pages for everybody, nothing else; scheduler_published.cpp
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
  std::uint8_t ignore_eos;     // 1: end tokens do not end it
  std::uint8_t want_logits;    // 1: logits of every generated (or evaluated) token
  Pooling pooling;             // evaluate: what vector of the last layer is wanted
  std::uint8_t spell_special;  // 1: its text has control tokens as they are spelled
  // Positions in the prompt where later texts may part from it, as where users' turns start:
  // rising, 1 .. prompt_count - 1.
  std::uint8_t mark_count;
  std::uint8_t marks_are_turns;  // 1: that is what they are; 0: the client wants all of them
  cache::CheckpointSettings checkpoints = {};  // of the states of recurrent layers

  static constexpr std::uint8_t kMarksMax = HEARTH_CHECKPOINTS_MAX;
  static constexpr std::uint8_t kDefaultSteps = 255;  // the order of SamplerStep
};
static_assert(sizeof(SubmitCommand) == 176 && std::is_trivially_copyable_v<SubmitCommand>);

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

// The checkpoints of a sequence in a file, one behind the other: of each its state, then the KV
// page that it lies in (cache/checkpoint_store.hpp), whose rows behind its position are zeros.
// It stands in exported files as it is: docs/cache-format.md.
struct FileCheckpoints {
  static constexpr std::uint32_t kCountMax = 8;  // what a text has, unless somebody sets more

  std::uint64_t state_bytes = 0;            // of each, where there are any
  std::uint32_t count = 0;                  // at most kCountMax
  std::uint32_t reserved = 0;               // 0
  std::uint32_t positions[kCountMax] = {};  // tokens before each, the last one first; then 0
};
static_assert(sizeof(FileCheckpoints) == 48 && std::is_trivially_copyable_v<FileCheckpoints>);

// Whole pages of a sequence, and the checkpoints of its state, into a file or from it:
// engine/page_transfer.hpp.
struct TransferCommand {
  RequestId request;
  std::uint64_t namespace_id;
  cache::SegmentGeometry geometry;   // import: of the pages; others than ours are left out
  std::uint64_t pages_offset;        // of the first page in the file
  std::uint64_t page_count;          // import: pages there
  std::uint64_t checkpoints_offset;  // import: of the first one in the file
  FileCheckpoints checkpoints;       // import: those there; of other states than ours: left out
  std::uint32_t max_checkpoints;     // import: on the path of a text; 0: none are taken in
  std::uint32_t token_count;
  std::int32_t fd;  // the engine's from now on
  bool import;      // else export
};

enum class CacheAction : std::uint32_t {
  list = HEARTH_CACHE_LS,
  evict = HEARTH_CACHE_EVICT,
  verify = HEARTH_CACHE_VERIFY,
};

struct CacheCommand {
  RequestId request;
  std::uint64_t namespace_id;  // whose pages
  std::uint64_t bytes_max;     // evict
  CacheAction action;
  std::uint32_t all;           // 1: of all namespaces
  std::uint32_t limit;         // list: texts
  std::uint32_t first_tokens;  // list: of each text, at most kFirstTokensMax
  std::uint32_t prefix_count;  // tokens; 0: all texts
  std::uint32_t reserved;      // 0

  static constexpr std::uint32_t kTextsMax = 1000;
  static constexpr std::uint32_t kFirstTokensMax = 64;
};
static_assert(sizeof(CacheCommand) == 48 && std::is_trivially_copyable_v<CacheCommand>);

// Engine to daemon.
enum class Notice : std::uint32_t {
  loading = 1,          // LoadingNotice
  loaded = 2,           // LoadedNotice, u64 bytes[node_count], then text: see there
  load_failed = 3,      // FailedNotice (request 0), then the text
  prefill = 4,          // PrefillNotice
  tokens = 5,           // TokensNotice, ids, text
  logits = 6,           // LogitsNotice, rows
  done = 7,             // DoneNotice: the request is over
  failed = 8,           // FailedNotice, then the text: the request is over
  probs = 9,            // ProbsNotice, TokenProbability[count]
  embedding = 10,       // EmbeddingNotice, float[size]
  transferred = 11,     // TransferredNotice: the request is over
  cache_progress = 20,  // CacheProgressNotice
  cache_done = 21,      // CacheDoneNotice, then text_count times CachedTextHead and its ids
  published = 30,       // PublishedNotice
  publish_failed = 31,  // FailedNotice (request: kPublishRequests + the text), then why
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
  // How many bytes of the weights lie on each of the workers' NUMA nodes; 0: they were not placed.
  // The text behind them is why the system would not place memory, if so.
  std::uint32_t node_count;
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
  FileCheckpoints checkpoints;      // export: behind the pages; import: count of these, there now
};

// What the cache did for a request, before its first row was computed.
struct CacheUse {
  std::uint32_t copied_tokens;      // of its cached tokens, from a part of a page
  std::uint32_t waited_tokens;      // of its cached tokens, there after waiting for another request
  std::uint32_t restored_tokens;    // of pages of an earlier daemon, used for the first time
  std::uint32_t restored_pages;     // those
  std::uint32_t computed_tokens;    // of the prompt
  std::uint32_t recomputed_tokens;  // of prompt and completion, once more after a preemption
  std::uint32_t match_end;          // enum hearth_match_end
  std::uint32_t tier;               // enum hearth_cache_tier
  std::uint32_t was_empty;  // cold: 1 when it never had anything since the model's cache was opened
  std::uint32_t published_tokens;  // of its cached tokens, of pages that are everybody's
  std::uint32_t state_tokens;      // recurrent layers: of its cached tokens, before a checkpoint
  std::uint32_t lost_tokens;       // of pages that are there, behind the deepest checkpoint
  std::int64_t restore_ns;         // checking restored pages, damaged ones too
};

struct CacheProgressNotice {
  RequestId request;
  double fraction;  // 0 .. 1
};

struct CacheDoneNotice {
  RequestId request;
  std::uint32_t canceled;        // 1: it is the state at that time
  std::uint32_t text_count;      // list
  std::uint64_t left_out;        // list: texts beyond the limit
  std::uint64_t page_bytes;      // payload of one page
  std::uint64_t pages;           // list: meant; evict: evicted; verify: checked
  std::uint64_t pages_in_use;    // list, evict: meant, and in use
  std::uint64_t tokens;          // list: in pages; evict: evicted
  std::uint64_t damaged;         // verify: pages
  std::uint64_t damaged_in_use;  // verify: of these, those that go with their users
  std::uint64_t dropped;         // verify: damaged pages, and what continued them
  std::int64_t ns;               // from its turn to its end
  // Of states beside the pages: what pages are for these; damaged and dropped have both.
  std::uint64_t checkpoints;
  std::uint64_t checkpoint_bytes;  // payload of one; 0: the model has none
};

struct CachedTextHead {
  std::uint64_t namespace_id;
  std::uint64_t tokens;
  std::uint32_t pages;
  std::uint32_t published_pages;  // of these, those that are everybody's; the others:
  std::uint32_t own_pages;        // that no other text has
  std::uint32_t pages_in_use;
  std::uint32_t id_count;  // of its first tokens
  std::uint32_t reserved;  // 0
};

// A text that the administrator publishes is there for everybody.
struct PublishedNotice {
  std::uint32_t text;      // its place in EngineOptions::published
  std::uint32_t tokens;    // in whole pages
  std::uint32_t computed;  // of these, those that no earlier engine had left
  std::uint32_t reserved;  // 0
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
  CacheUse cache;
};

// With the text behind it: error_of().
struct FailedNotice {
  RequestId request;
  std::int32_t code;        // hearth::Code
  std::uint32_t text_size;  // bytes
};

}  // namespace hearth
