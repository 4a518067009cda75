/* SPDX-License-Identifier: Apache-2.0
 *
 * libhearth: the C interface to hearthd, the daemon that keeps language models warm for every
 * process on the host.  C99 and C++11; needs nothing but libc.
 *
 * Conventions, true of every function here:
 *
 *  1. A call returns an int: HEARTH_OK (0) or a positive count on success, a negative HEARTH_E*
 *     code on failure.  hearth_strerror() explains the code, hearth_last_error() the case.
 *  2. Outputs are named ret_* and are untouched on failure.
 *  3. Option and result structs begin with struct_size = sizeof(the struct).  hearth_X_init()
 *     sets it and marks every field "no opinion": the daemon's own default then holds.  A caller
 *     built against an older header keeps working; fields it does not know stay at "no opinion".
 *     Other languages call hearth_X_init_sized() with the size of the struct they declare.
 *  4. Strings are UTF-8.  Strings and arrays passed in are copied before the call returns.
 *  5. Destructors accept NULL and return NULL, so that p = hearth_close(p) is the whole idiom.
 *  6. A client and its streams belong to one thread at a time; only hearth_stream_cancel() may be
 *     called from any thread.  The library starts no thread, installs no signal handler, raises
 *     no SIGPIPE and never exits the process.
 *  7. After fork() only the parent may use a client; in the child every call returns
 *     HEARTH_EINVALID_OPERATION and hearth_close() only frees memory and closes the child's copy
 *     of the descriptor.
 */
#ifndef HEARTH_HEARTH_H
#define HEARTH_HEARTH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HEARTH_VERSION_MAJOR 0
#define HEARTH_VERSION_MINOR 1
#define HEARTH_VERSION_PATCH 0
#define HEARTH_VERSION_STRING "0.1.0"

/* The one list of errors: C name, value, name on the wire and in --json, text.
 * Append only: value and wire name are part of the ABI and of the protocol. */
#define HEARTH_ERROR_MAP(X)                                                              \
  X(INVALID, -1, "invalid", "an argument or a field is out of contract")                 \
  X(CONFIG, -2, "config", "the configuration is wrong")                                  \
  X(NOT_FOUND, -3, "not_found", "there is no such thing")                                \
  X(OUT_OF_MEMORY, -4, "out_of_memory", "memory is exhausted")                           \
  X(LIMIT, -5, "limit", "a limit was reached: ask for less, or later")                   \
  X(INVALID_OPERATION, -6, "invalid_operation", "not possible in this state")            \
  X(STORAGE, -7, "storage", "stored data could not be kept or read")                     \
  X(SESSION, -8, "session", "the session is gone or cannot do this")                     \
  X(KV_CACHE, -9, "kv_cache", "the KV cache failed")                                     \
  X(PAGED_ATTENTION, -10, "paged_attention", "attention over pages failed")              \
  X(ADAPTER, -11, "adapter", "the adapter cannot be used")                               \
  X(ADAPTATION, -12, "adaptation", "online adaptation failed")                           \
  X(BACKEND, -13, "backend", "the compute backend failed")                               \
  X(MODEL, -14, "model", "the model file cannot be used")                                \
  X(TOKENIZATION, -15, "tokenization", "text and tokens could not be converted")         \
  X(GENERATION, -16, "generation", "generation failed")                                  \
  X(IO, -17, "io", "the operating system reported an error")                             \
  X(PROTOCOL, -18, "protocol", "the peer broke the protocol")                            \
  X(UNAVAILABLE, -19, "unavailable", "the daemon cannot be reached or is shutting down") \
  X(AGAIN, -20, "again", "nothing new within the time given")                            \
  X(CANCELED, -21, "canceled", "stopped on request")                                     \
  X(INTERNAL, -22, "internal", "a bug in Hearth: please report it")

/* HEARTH_EINVALID = -1, HEARTH_ECONFIG = -2, ... */
#define HEARTH_ERROR_ENUM_(name, value, wire, text) HEARTH_E##name = value,
enum hearth_error { HEARTH_OK = 0, HEARTH_ERROR_MAP(HEARTH_ERROR_ENUM_) HEARTH_ERROR_END_ = -1000 };
#undef HEARTH_ERROR_ENUM_

/* "No opinion" in an option struct: the daemon's default holds. */
#define HEARTH_UNSET_I32 INT32_MIN
#define HEARTH_UNSET_I64 INT64_MIN
#define HEARTH_UNSET_F32 (-3.0e38f)

#if defined(__GNUC__)
#define HEARTH_API __attribute__((visibility("default")))
#else
#define HEARTH_API
#endif

typedef struct hearth_client hearth_client; /* one connection to the daemon */
typedef struct hearth_stream hearth_stream; /* one generation, evaluation or loading in flight */

/* ------------------------------------------------------------------------------------------- *
 * The library                                                                                 *
 * ------------------------------------------------------------------------------------------- */

/** The version of the library in use, "0.1.0".  Static memory. */
HEARTH_API const char* hearth_version(void);

/** What an error code means, one English phrase.  Static memory, never NULL. */
HEARTH_API const char* hearth_strerror(int code);

/** The name of an error code on the wire and in JSON, "not_found".  Static memory, never NULL. */
HEARTH_API const char* hearth_error_name(int code);

/** Free memory that a call of this library handed over (ret_json, ret_ids, ret_text). */
HEARTH_API void hearth_free(void* memory);

/* ------------------------------------------------------------------------------------------- *
 * Connecting                                                                                  *
 * ------------------------------------------------------------------------------------------- */

typedef struct hearth_connect_options {
  size_t struct_size;
  const char* socket_path; /* NULL: $HEARTH_SOCKET, else $XDG_RUNTIME_DIR/hearth/hearthd.sock if it
                              exists, else /run/hearth/hearthd.sock */
  const char* client_name; /* shown by `hearth ps`; NULL: the program's name */
  int32_t timeout_ms;      /* for connecting and for the daemon's greeting; unset: 10000 */
} hearth_connect_options;

HEARTH_API void hearth_connect_options_init_sized(hearth_connect_options* options,
                                                  size_t struct_size);

static inline void hearth_connect_options_init(hearth_connect_options* options) {
  hearth_connect_options_init_sized(options, sizeof(*options));
}

/**
 * Connect to the daemon and exchange greetings.  Blocks at most timeout_ms.
 *
 * @param options     NULL: all defaults
 * @param ret_client  receives the client; close it with hearth_close()
 *
 * @return HEARTH_OK
 *         HEARTH_EUNAVAILABLE  nobody listens there, or the greeting did not come in time
 *         HEARTH_EPROTOCOL     the daemon speaks no protocol version that this library knows
 *         HEARTH_EINVALID      a path too long for a socket address, a bad struct_size
 *         HEARTH_EIO           the process may open no more descriptors
 *         HEARTH_EOUT_OF_MEMORY
 *         or the error that the daemon answered the greeting with
 *
 * There is no client to ask after a failure: the text is in hearth_connect_error().
 */
HEARTH_API int hearth_connect(const hearth_connect_options* options, hearth_client** ret_client);

/** What went wrong in this thread's last failed hearth_connect().  Never NULL. */
HEARTH_API const char* hearth_connect_error(void);

/** Close the connection and free it with all its streams; what ran for it in the daemon stops.
 *  NULL is a no-op.  Always returns NULL. */
HEARTH_API hearth_client* hearth_close(hearth_client* client);

/** The text of the last failure on this client, naming the field or the file.  Never NULL; valid
 *  until the next call on the client. */
HEARTH_API const char* hearth_last_error(const hearth_client* client);

/* ------------------------------------------------------------------------------------------- *
 * Event loops.  Every blocking call below can be avoided: poll hearth_fd() for hearth_events(), *
 * call hearth_process() when it is ready, then read every stream with a timeout of 0 until it  *
 * gives HEARTH_EAGAIN.  A blocking call takes in for all streams: read them before the next     *
 * poll.                                                                                        *
 * ------------------------------------------------------------------------------------------- */

/** The descriptor to poll; it stays the library's.  -1 after the connection broke. */
HEARTH_API int hearth_fd(const hearth_client* client);

/** The poll(2) events to wait for now: POLLIN, and POLLOUT while something is queued. */
HEARTH_API int hearth_events(const hearth_client* client);

/**
 * Send what is queued and take in what has arrived; never blocks.
 * @return HEARTH_OK, or the error that broke the connection (HEARTH_EUNAVAILABLE, HEARTH_EPROTOCOL,
 *         HEARTH_EOUT_OF_MEMORY); every later call then returns that error.
 */
HEARTH_API int hearth_process(hearth_client* client);

/* ------------------------------------------------------------------------------------------- *
 * Questions.  These block until the daemon has answered.                                       *
 * ------------------------------------------------------------------------------------------- */

enum hearth_query_kind {
  HEARTH_QUERY_MODELS = 1,  /* {"models":[{"id","state","architecture","parameters",...}]} */
  HEARTH_QUERY_PS = 2,      /* {"daemon":{...},"models":[...],"requests":[...]} */
  HEARTH_QUERY_STATS = 3,   /* {"daemon":{...},"models":[{"id","rows","pages",...}]} */
  HEARTH_QUERY_SESSIONS = 4 /* {"sessions":[{"session","model","tokens","busy",...}]}: one's own */
};

/**
 * Ask the daemon about itself.
 * @param ret_json  receives one JSON document, NUL-terminated; free it with hearth_free()
 * @return HEARTH_OK, HEARTH_EINVALID (kind), or a connection error
 */
HEARTH_API int hearth_query(hearth_client* client, int kind, char** ret_json);

enum hearth_token_flags {
  HEARTH_NO_SPECIAL = 1,   /* add no BOS and no EOS */
  HEARTH_PARSE_SPECIAL = 2 /* text that spells a special token becomes that token */
};

/**
 * Text to token ids, by the model's own tokenizer.
 *
 * @param text      [text_size] UTF-8; bytes that are not UTF-8 are encoded byte by byte
 * @param flags     0 or HEARTH_NO_SPECIAL | HEARTH_PARSE_SPECIAL
 * @param ret_ids   receives [*ret_count] ids; free with hearth_free(); never NULL on success
 *
 * @return HEARTH_OK
 *         HEARTH_ENOT_FOUND      no such model
 *         HEARTH_ETOKENIZATION   the model has no vocabulary
 *         HEARTH_ELIMIT          the text is longer than the daemon accepts
 *         HEARTH_EMODEL          the model could not be loaded
 */
HEARTH_API int hearth_tokenize(hearth_client* client, const char* model, const char* text,
                               size_t text_size, uint32_t flags, int32_t** ret_ids,
                               size_t* ret_count);

/**
 * Token ids to text.  With HEARTH_PARSE_SPECIAL in flags special tokens are spelled out, otherwise
 * they give no text.  The text may hold invalid UTF-8 where the ids do.
 *
 * @param ret_text  receives [*ret_size] bytes and a NUL; free with hearth_free()
 * @return as hearth_tokenize(); HEARTH_EINVALID for an id outside the vocabulary
 */
HEARTH_API int hearth_detokenize(hearth_client* client, const char* model, const int32_t* ids,
                                 size_t id_count, uint32_t flags, char** ret_text,
                                 size_t* ret_size);

/* ------------------------------------------------------------------------------------------- *
 * Generation                                                                                   *
 * ------------------------------------------------------------------------------------------- */

typedef struct hearth_logit_bias {
  int32_t id; /* a token; beyond the vocabulary: no effect */
  float bias; /* added to its logit, within +-1e6; -INFINITY rules it out */
} hearth_logit_bias;

typedef struct hearth_probability {
  int32_t id;            /* a token */
  float log_probability; /* natural logarithm, by the model alone: before any sampler */
} hearth_probability;

typedef struct hearth_generate_options {
  size_t struct_size;
  const char* model;         /* required: an id of hearth_query(HEARTH_QUERY_MODELS) */
  const char* prompt;        /* [prompt_size] text; or NULL, and prompt_ids */
  size_t prompt_size;        /* bytes */
  const int32_t* prompt_ids; /* [prompt_id_count] used as given, nothing is added */
  size_t prompt_id_count;    /* tokens */
  uint32_t token_flags;      /* how text becomes ids: HEARTH_NO_SPECIAL, HEARTH_PARSE_SPECIAL */
  int32_t raw;               /* 1: no chat template; 0: the model's template where it has one */
  int32_t max_tokens;        /* >= 1; unset: 256 */
  float temperature;         /* >= 0; 0: greedy; unset: 0.7 */
  int32_t top_k;             /* >= 0; 0: off; unset: 0 */
  float top_p;               /* 0 .. 1; 1: off; unset: 0.9 */
  int64_t seed;              /* 0 .. 2^32-1; unset: a random one, reported in the result */
  const char* const* stop;   /* [stop_count] texts that end generation; not part of the output */
  size_t stop_count;         /* at most 16 */
  int32_t ignore_eos;        /* 1: an end-of-text token does not end generation */
  int32_t want_logits;       /* 1: HEARTH_EVENT_LOGITS with the row each token was drawn from */
  int32_t credit;            /* tokens the daemon may send before they are read; unset: 256, with
                                want_logits 8 or as many rows as 8 MiB hold */
  /* More samplers; their order is that of `samplers` below.  Mirostat takes the place of all but
     temperature. */
  float min_p;                /* 0 .. 1; 0: off; unset: 0 */
  float typical_p;            /* 0 .. 1; 1: off; unset: 1 */
  float top_n_sigma;          /* 0 .. 100; 0: off; unset: 0 */
  float xtc_probability;      /* 0 .. 1; 0: off; unset: 0 */
  float xtc_threshold;        /* 0 .. 1; above 0.5: off; unset: 0.1 */
  float dynamic_range;        /* of the temperature, 0 .. 100; unset: 0, off */
  float dynamic_exponent;     /* 0 .. 100; unset: 1 */
  float repeat_penalty;       /* 0.125 .. 100; 1: off; unset: 1.1, greedy 1 */
  float frequency_penalty;    /* -100 .. 100; unset: 0 */
  float presence_penalty;     /* -100 .. 100; unset: 0 */
  int32_t penalty_last_n;     /* tokens looked back, -1: all; unset: 64 */
  float dry_multiplier;       /* 0 .. 100; 0: off; unset: 0 */
  float dry_base;             /* 1 .. 100; unset: 1.75 */
  int32_t dry_allowed_length; /* >= 1 tokens; unset: 2 */
  int32_t dry_last_n;         /* tokens looked back, -1: all; unset: -1 */
  int32_t mirostat;           /* 0: off, 1, 2; unset: 0 */
  float mirostat_tau;         /* bits; unset: 5 */
  float mirostat_eta;         /* 0 .. 1; unset: 0.1 */
  int32_t n_probs;            /* 0 .. 128; HEARTH_EVENT_PROBS with so many of the likeliest tokens
                                 before every HEARTH_EVENT_TOKENS; unset: none */
  const hearth_logit_bias* logit_bias; /* [logit_bias_count] added before the samplers */
  size_t logit_bias_count;             /* at most 1024 */
  const char* const*
      samplers; /* [sampler_count] the steps that run, in this order, of:
                   "penalties",         "dry", "top_n_sigma", "top_k", "typical_p", "top_p",
                   "min_p",         "xtc", "temperature"; NULL: all of them, in this order */
  size_t sampler_count;
  const char* session; /* NULL, or a session of this model: the prompt goes on where it ends, and
                          it then has the prompt and what was generated too */
  const int32_t* checkpoints;    /* [checkpoint_count] of prompt_ids: positions where later prompts
                                    may part from this one, rising, 1 .. prompt_id_count - 1: a
                                    model with recurrent layers can go on from there.  None for
                                    hearth_chat(): it has one at each of the user's messages */
  size_t checkpoint_count;       /* at most 64 */
  int32_t max_checkpoints;       /* of a text's state, 0 .. 1024; 0: none.  This and what follows:
                                    HEARTH_UNSET_I32: as the model is configured */
  int32_t checkpoint_every;      /* tokens between those of a long prompt; 0: only near its end */
  int32_t checkpoint_min_tokens; /* none before so many tokens */
  int32_t checkpoint_min_gap;    /* tokens between those that nothing else asks for */
} hearth_generate_options;

HEARTH_API void hearth_generate_options_init_sized(hearth_generate_options* options,
                                                   size_t struct_size);

static inline void hearth_generate_options_init(hearth_generate_options* options) {
  hearth_generate_options_init_sized(options, sizeof(*options));
}

enum hearth_stop_reason {
  HEARTH_STOP_NONE = 0,
  HEARTH_STOP_END = 1,      /* the model ended its text */
  HEARTH_STOP_SEQUENCE = 2, /* one of the stop texts appeared */
  HEARTH_STOP_LENGTH = 3,   /* max_tokens were generated */
  HEARTH_STOP_CONTEXT = 4,  /* the context is full */
  HEARTH_STOP_CANCELED = 5  /* hearth_stream_cancel(), or a callback that returned 0; when it came
                               before the first step all numbers are 0 */
};

/** The name of a stop reason, as in --json: "end", "stop", "length", "context", "canceled". */
HEARTH_API const char* hearth_stop_reason_name(int stop_reason);

/* Why the part of a prompt that came from the cache ends where it does: C name, value, name on the
 * wire and in --json, text.  Append only. */
#define HEARTH_MATCH_END_MAP(X)                                                                \
  X(NONE, 0, "none", "it ended before its place in the cache was found")                       \
  X(LAST_TOKEN, 1, "last_token", "all is cached but the last token, which is always computed") \
  X(NEVER_SEEN, 2, "never_seen", "nothing that is cached goes on with these tokens")           \
  X(COLD, 3, "cold", "nothing is cached for this user and model")                              \
  X(DAMAGED, 4, "damaged", "the page that goes on had changed and was dropped")                \
  X(IN_PROGRESS, 5, "in_progress", "another request is just computing what follows")           \
  X(NO_ROOM, 6, "no_room", "no page was free to copy the rest to")                             \
  X(EVALUATION, 7, "evaluation", "an evaluation computes every token")                         \
  X(NO_CHECKPOINT, 8, "no_checkpoint", "behind it no state of the recurrent layers was kept")

#define HEARTH_MATCH_END_ENUM_(name, value, wire, text) HEARTH_MATCH_END_##name = value,
enum hearth_match_end { HEARTH_MATCH_END_MAP(HEARTH_MATCH_END_ENUM_) HEARTH_MATCH_END_END_ = 1000 };
#undef HEARTH_MATCH_END_ENUM_

/** The name of an enum hearth_match_end, "never_seen", and one English phrase that explains it.
 *  Static memory, never NULL. */
HEARTH_API const char* hearth_match_end_name(int match_end);
HEARTH_API const char* hearth_match_end_text(int match_end);

/* Where cached tokens lay. */
enum hearth_cache_tier {
  HEARTH_CACHE_TIER_NONE = 0, /* there are none, or they lay in a tier of a later version */
  HEARTH_CACHE_TIER_HOST = 1  /* the host's memory */
};

typedef struct hearth_result {
  size_t struct_size;
  int64_t prompt_tokens;     /* tokens of the prompt, BOS included */
  int64_t cached_tokens;     /* of these, taken from the cache instead of being computed */
  int64_t completion_tokens; /* tokens generated; an end-of-text token counts */
  double ttft_ms;            /* from the daemon's receipt of the request to the first token */
  double prefill_ms;         /* of this, computing the prompt; waiting in the queue is not in it */
  double decode_ms;          /* from the first token to the last */
  double prefill_tps;        /* computed prompt tokens per second; 0 when none was computed */
  double decode_tps;         /* generated tokens per second after the first; 0 when there was one */
  int64_t seed;              /* the seed that was used */
  int32_t stop_reason;       /* enum hearth_stop_reason */
  int32_t reserved;          /* 0 */
  double mean_nll;           /* evaluation only: mean negative log-likelihood, nats per token */
  const char* sampling;   /* generation only: which samplers ran, in which order, with which values:
                             {"samplers":["top_p","temperature"],"top_p":0.9,...}; NULL from
                             hearth_generate_each() */
  const float* embedding; /* evaluation with pooling: [embedding_size], else NULL */
  size_t embedding_size;  /* floats */
  int64_t session_tokens; /* generation in a session: tokens that the session has now; else 0 */
  /* More of the cache, docs/cache.md: what was there before the first token was computed. */
  int64_t copied_tokens;     /* of cached_tokens, copied from a part of a page; the others are
                                whole pages, shared */
  int64_t waited_tokens;     /* of cached_tokens, there after waiting for another request that was
                                computing them */
  int64_t restored_tokens;   /* of pages that an earlier daemon had left, used first by this one */
  int64_t restored_pages;    /* those pages */
  double restore_ms;         /* checking them; damaged ones too */
  int64_t computed_tokens;   /* prompt tokens computed; fewer than the rest when it was stopped */
  int64_t recomputed_tokens; /* of prompt and completion, computed once more: it had given way to
                                others for want of pages */
  int32_t match_end;         /* enum hearth_match_end */
  int32_t cache_tier;        /* enum hearth_cache_tier, of cached_tokens */
  const char* cache;         /* all of this as the daemon sent it, JSON; NULL from
                                hearth_generate_each() and where there is none */
  const char* document;      /* hearth_cache(): the answer, JSON; hearth_chat(): {"message":{"role",
                                "content","reasoning_content","tool_calls"},"warnings":[...],
                                "recomputed_for_template"}; NULL
                                from hearth_generate_each() */
  size_t document_size;      /* bytes, without the NUL behind them */
  int64_t published_tokens;  /* of cached_tokens, of a text that the administrator has published */
  int64_t state_hit;         /* a model with recurrent layers: of cached_tokens, before the
                                checkpoint that it went on from */
  int64_t lost_no_checkpoint; /* and behind it, cached but of no use for want of a checkpoint */
} hearth_result;

HEARTH_API void hearth_result_init_sized(hearth_result* result, size_t struct_size);

static inline void hearth_result_init(hearth_result* result) {
  hearth_result_init_sized(result, sizeof(*result));
}

enum hearth_event_kind {
  HEARTH_EVENT_PROGRESS = 1, /* state, progress: the model loads, or the prompt is being read */
  HEARTH_EVENT_TOKENS = 2,   /* ids, text */
  HEARTH_EVENT_LOGITS = 3,   /* logits */
  HEARTH_EVENT_DONE = 4,     /* nothing follows; hearth_stream_result() has the numbers */
  HEARTH_EVENT_PROBS = 5,    /* probs: of the token that the next HEARTH_EVENT_TOKENS brings */
  HEARTH_EVENT_DELTA = 6     /* of hearth_chat(): more of the message, see enum hearth_delta_kind */
};

/* What a HEARTH_EVENT_DELTA adds to the message.  All deltas add up to it, or
 * to what is new of it where it is continued. */
enum hearth_delta_kind {
  HEARTH_DELTA_REASONING = 1, /* text: more of the reasoning */
  HEARTH_DELTA_CONTENT = 2,   /* text: more of the content */
  HEARTH_DELTA_CALL = 3,      /* a call of a tool begins: text is its name, call_id its id or "" */
  HEARTH_DELTA_CALL_ID = 4,   /* call_id: the id of a call that began without one */
  HEARTH_DELTA_ARGUMENTS = 5  /* text: more of a call's arguments, JSON text in the end */
};

typedef struct hearth_event {
  size_t struct_size;
  int32_t kind;            /* enum hearth_event_kind */
  int32_t reserved;        /* 0 */
  const char* state;       /* PROGRESS: "loading" or "prefill" */
  double progress;         /* PROGRESS: 0 .. 1 */
  const int32_t* ids;      /* TOKENS: [id_count] */
  size_t id_count;         /* may be 0 when only held-back text follows */
  const char* text;        /* TOKENS: [text_size] and a NUL; whole UTF-8 characters; "" for models
                              without a vocabulary */
  size_t text_size;        /* bytes */
  const float* logits;     /* LOGITS: [logits_rows, logits_cols] */
  size_t logits_rows;      /* tokens */
  size_t logits_cols;      /* vocabulary */
  int64_t logits_position; /* position in the sequence of the first row */
  const hearth_probability* probs; /* PROBS: [prob_count] the drawn token, then the likeliest, best
                                      first */
  size_t prob_count;               /* tokens */
  int32_t delta_kind;              /* DELTA: enum hearth_delta_kind; text is its text */
  int32_t delta_call;              /* DELTA: which call it is of, from 0 */
  const char* call_id;             /* DELTA: CALL, CALL_ID; else "" */
} hearth_event;

HEARTH_API void hearth_event_init_sized(hearth_event* event, size_t struct_size);

static inline void hearth_event_init(hearth_event* event) {
  hearth_event_init_sized(event, sizeof(*event));
}

/**
 * Start generating.  Returns as soon as the request is queued; errors that the daemon finds
 * (no such model, a prompt longer than the context) come from hearth_stream_read().
 *
 * @param ret_stream  receives the stream; close it with hearth_stream_close()
 *
 * @return HEARTH_OK
 *         HEARTH_EINVALID  no model, no prompt or both kinds of prompt, a bad struct_size
 *         HEARTH_ELIMIT    the prompt does not fit a frame
 *         or a connection error
 */
HEARTH_API int hearth_generate(hearth_client* client, const hearth_generate_options* options,
                               hearth_stream** ret_stream);

/**
 * The next event of a stream.
 *
 * @param ret_event   its pointers are valid until the next read of this stream
 * @param timeout_ms  0: only what hearth_process() or a blocking call has taken in; -1: no limit
 *
 * @return HEARTH_OK       *ret_event is set; after HEARTH_EVENT_DONE every read gives it again
 *         HEARTH_EAGAIN   timeout_ms passed, or a signal was handled, with nothing new; call again
 *         other HEARTH_E* the request failed and is over; hearth_last_error() says why
 *
 * Reading gives the daemon new credit: a client that stops reading stops its stream.
 */
HEARTH_API int hearth_stream_read(hearth_stream* stream, hearth_event* ret_event, int timeout_ms);

/**
 * Ask the daemon to stop; never blocks; may be called from any thread while the stream is open.
 * The stream then ends as usual, with stop_reason HEARTH_STOP_CANCELED unless it was over already.
 * @return HEARTH_OK, or the error that broke the connection; sets no hearth_last_error()
 */
HEARTH_API int hearth_stream_cancel(hearth_stream* stream);

/** The numbers of a stream that was read to HEARTH_EVENT_DONE; its pointers are valid until the
 *  stream is closed.
 *  @return HEARTH_OK, HEARTH_EINVALID_OPERATION before that, HEARTH_EINVALID */
HEARTH_API int hearth_stream_result(const hearth_stream* stream, hearth_result* ret_result);

/* Messages in, a message out.  The daemon renders them with the model's chat template; what is
 * written in messages and tools never becomes a marker of the template (docs/chat.md). */
typedef struct hearth_conversation {
  size_t struct_size;
  const char* messages; /* JSON: [{"role":"user","content":"Hello"}, ...]; roles are system,
                           developer, user, assistant, tool */
  const char* tools; /* JSON: [{"type":"function","function":{"name","description","parameters"}},
                        ...]; NULL: none */
  int32_t reasoning; /* 1: the model should reason first, 0: not; unset: as its template likes */
  const char*
      effort; /* how much, for models that know: "low", "medium", "high"; NULL: no opinion */
  const char* template_arguments; /* JSON: an object of variables for the template; NULL: none */
  int32_t continues;              /* 1: the last message is the assistant's, who goes on with it: in
                                     its reasoning where it has no content.  The message of the
                                     result begins with it, deltas are what is new */
  int32_t split_reasoning;        /* 0: reasoning stays in the content, with its markers */
} hearth_conversation;

HEARTH_API void hearth_conversation_init_sized(hearth_conversation* conversation,
                                               size_t struct_size);

static inline void hearth_conversation_init(hearth_conversation* conversation) {
  hearth_conversation_init_sized(conversation, sizeof(*conversation));
}

/**
 * Ask for the next message of a conversation.  options has the model and how to sample; its prompt
 * stays unset.  Events are DELTA, beside TOKENS (ids without text) and PROGRESS; the whole message
 * is in hearth_result.document.
 *
 * @return as hearth_generate(); HEARTH_EINVALID also for what is no JSON
 */
HEARTH_API int hearth_chat(hearth_client* client, const hearth_generate_options* options,
                           const hearth_conversation* conversation, hearth_stream** ret_stream);

/**
 * The prompt that hearth_chat() would make, without computing it.  Blocks until it is there.
 *
 * @param ret_json  receives {"prompt","tokens","generation_prompt","input":[[begin,end],...]},
 *                  where input are the bytes of the prompt that came from the conversation; free it
 *                  with hearth_free()
 * @return as hearth_chat(), and the errors of hearth_stream_read()
 */
HEARTH_API int hearth_render(hearth_client* client, const char* model,
                             const hearth_conversation* conversation, char** ret_json);

/** keep_alive_s of a model that stays loaded however long it is idle. */
#define HEARTH_FOREVER (-1)

/**
 * Have a model in memory.  Generations and evaluations load their model by themselves: this is for
 * doing it before, and for trying one again that has failed.  Models that nobody uses go when their
 * memory is needed, the least recently used first.
 *
 * @param keep_alive_s  seconds that the model stays when nobody uses it, until it is unloaded;
 *                      HEARTH_FOREVER; or HEARTH_UNSET_I64: what the daemon is set to.  Only root
 *                      and the daemon's own user may say so
 * @param ret_stream    receives a stream of HEARTH_EVENT_PROGRESS, then HEARTH_EVENT_DONE: it is
 *                      loaded, or stop_reason is HEARTH_STOP_CANCELED; the other numbers of its
 *                      result are 0.  Closing it early changes nothing
 *
 * @return as hearth_generate().  From hearth_stream_read() also
 *         HEARTH_ELIMIT              the model is larger than the daemon's model-bytes
 *         HEARTH_EINVALID_OPERATION  keep_alive_s from a user who may not decide it
 */
HEARTH_API int hearth_load(hearth_client* client, const char* model, int64_t keep_alive_s,
                           hearth_stream** ret_stream);

/**
 * Have a model out of memory, as soon as the requests that are open for it are over; its KV cache
 * stays.  Requests that come later load it again.  Only for root and the daemon's own user.
 *
 * @param ret_stream  receives a stream of HEARTH_EVENT_DONE: it is unloaded, or was not loaded
 * @return as hearth_load()
 */
HEARTH_API int hearth_unload(hearth_client* client, const char* model, hearth_stream** ret_stream);

enum hearth_cache_action {
  HEARTH_CACHE_LS = 1,    /* what is cached, the last used first */
  HEARTH_CACHE_EVICT = 2, /* drop what nobody uses, the longest unused first */
  HEARTH_CACHE_VERIFY = 3 /* hold every page to its checksum; drop what has changed */
};

typedef struct hearth_cache_options {
  size_t struct_size;
  const char* model;         /* required; it must be loaded */
  int32_t action;            /* required: enum hearth_cache_action */
  int32_t all;               /* 1: every user's pages; only for root and the daemon's own user */
  int64_t uid;               /* another user's pages, likewise; unset: one's own */
  const int32_t* prefix_ids; /* [prefix_id_count] only pages of texts that begin with these tokens;
                                not for verify.  NULL: all */
  size_t prefix_id_count;    /* tokens */
  int64_t max_bytes;         /* evict: at most so many, >= 1; unset: all */
  int32_t limit;             /* ls: at most so many texts, 1 .. 1000; unset: 100 */
  int32_t first_tokens;      /* ls: ids of each text's beginning, 0 .. 64; unset: 16 */
} hearth_cache_options;

HEARTH_API void hearth_cache_options_init_sized(hearth_cache_options* options, size_t struct_size);

static inline void hearth_cache_options_init(hearth_cache_options* options) {
  hearth_cache_options_init_sized(options, sizeof(*options));
}

/**
 * Look at, evict or check what the cache of a loaded model holds for a user.  Pages in use stay.
 *
 * @param ret_stream  receives a stream of HEARTH_EVENT_PROGRESS (verify: state "verify"), then
 *                    HEARTH_EVENT_DONE; its result has the answer in `document`: docs/wire.md
 *
 * @return as hearth_generate().  From hearth_stream_read() also
 *         HEARTH_EINVALID_OPERATION  the model is not loaded: hearth_load() it first; or another
 *                                    user's pages, asked for by one who may not
 */
HEARTH_API int hearth_cache(hearth_client* client, const hearth_cache_options* options,
                            hearth_stream** ret_stream);

/** Close and free; a stream still running is cancelled.  NULL is a no-op.  Returns NULL. */
HEARTH_API hearth_stream* hearth_stream_close(hearth_stream* stream);

/**
 * Called for every event but HEARTH_EVENT_DONE, in the calling thread.
 * @return nonzero to go on, 0 to stop: generation ends with HEARTH_STOP_CANCELED
 */
typedef int (*hearth_event_fn)(const hearth_event* event, void* user);

/**
 * Generate, blocking: hearth_generate(), a read for every event, hearth_stream_close().
 *
 * @param on_event    NULL: only the numbers are wanted
 * @param ret_result  NULL, or receives the numbers
 * @return HEARTH_OK also when the callback stopped it; else as hearth_stream_read(), which a signal
 *         does not end
 */
HEARTH_API int hearth_generate_each(hearth_client* client, const hearth_generate_options* options,
                                    hearth_event_fn on_event, void* user,
                                    hearth_result* ret_result);

/* ------------------------------------------------------------------------------------------- *
 * Sessions: sequences of tokens that the daemon keeps for a user.                              *
 *                                                                                              *
 * A session outlives its client and the daemon.  Its tokens are kept; their keys and values     *
 * stay in the cache as everything does, and what was evicted is computed again.  Users have     *
 * their own, by uid.  A generation in a session (hearth_generate_options.session) extends it    *
 * when it ends, also one that was canceled; one whose client goes away changes nothing.  All of  *
 * these calls block until the daemon has answered.                                              *
 * ------------------------------------------------------------------------------------------- */

#define HEARTH_SESSION_NAME_SIZE 65 /* bytes of a name and its NUL */
#define HEARTH_MODEL_ID_SIZE 129    /* bytes of a model's id and its NUL */

typedef struct hearth_session_info {
  size_t struct_size;
  char name[HEARTH_SESSION_NAME_SIZE]; /* letters, digits and . _ -; begins with ~ if the daemon
                                          chose it */
  char model[HEARTH_MODEL_ID_SIZE];
  int32_t anonymous;    /* 1: the daemon chose the name; such sessions go first when a user has too
                           many */
  int32_t created;      /* hearth_session_open(): 1: it is new */
  int64_t tokens;       /* that it has */
  int64_t pages;        /* export, import: whole pages of the cache in the exported file */
  int64_t pages_cached; /* import: of these, in the cache now; the rest will be computed */
  int64_t checkpoints;  /* export, import: of a model with recurrent layers, in the exported file */
  int64_t checkpoints_cached; /* import: of these, in the cache now */
} hearth_session_info;

HEARTH_API void hearth_session_info_init_sized(hearth_session_info* info, size_t struct_size);

static inline void hearth_session_info_init(hearth_session_info* info) {
  hearth_session_info_init_sized(info, sizeof(*info));
}

enum hearth_session_flags {
  HEARTH_SESSION_CREATE = 1, /* it must not be there yet */
  HEARTH_SESSION_ATTACH = 2  /* it must be there */
};

/**
 * Make a session, or find the one of this name.
 *
 * @param model     of a new one, and what an old one must be of; NULL only to attach
 * @param name      NULL: a new one, whose name the daemon chooses: see ret_info->name
 * @param flags     0: whichever of both; else one of enum hearth_session_flags
 * @param ret_info  NULL, or receives what it is now
 *
 * @return HEARTH_OK
 *         HEARTH_ENOT_FOUND  no such model; with HEARTH_SESSION_ATTACH no such session
 *         HEARTH_ESESSION    there is one already (CREATE), or it is of another model
 *         HEARTH_ELIMIT      the user has 1024 that have names
 *         HEARTH_EINVALID    name, flags; HEARTH_ESTORAGE  it could not be kept
 *         or a connection error
 */
HEARTH_API int hearth_session_open(hearth_client* client, const char* model, const char* name,
                                   uint32_t flags, hearth_session_info* ret_info);

/**
 * The tokens of a session.
 * @param ret_ids  receives [*ret_count] ids; free with hearth_free()
 * @return HEARTH_OK, HEARTH_ENOT_FOUND, HEARTH_EINVALID, or a connection error
 */
HEARTH_API int hearth_session_tokens(hearth_client* client, const char* name, int32_t** ret_ids,
                                     size_t* ret_count);

/**
 * Make a session that begins as another one is now.  Copies no keys and values: both use the same.
 * @param new_name  NULL: the daemon chooses
 * @param ret_info  NULL, or receives what the new one is
 * @return as hearth_session_open(); HEARTH_ESESSION: new_name is there already
 */
HEARTH_API int hearth_session_fork(hearth_client* client, const char* name, const char* new_name,
                                   hearth_session_info* ret_info);

/**
 * Drop the last tokens of a session.
 * @param tokens  how many, 0 .. all it has
 * @return HEARTH_OK, HEARTH_ENOT_FOUND, HEARTH_EINVALID, HEARTH_ESESSION (a generation in it is
 *         under way), HEARTH_ESTORAGE, or a connection error
 */
HEARTH_API int hearth_session_rollback(hearth_client* client, const char* name, int64_t tokens,
                                       hearth_session_info* ret_info);

/** Forget a session.  What the cache holds of it stays until its memory is needed.
 *  @return as hearth_session_rollback() */
HEARTH_API int hearth_session_destroy(hearth_client* client, const char* name);

/**
 * A copy of a session with the whole pages of it that are in the cache, and checkpoints of its
 * state where the model has recurrent layers, for hearth_session_import() on this host and by this
 * user, at any later time.
 *
 * @param ret_fd    receives a sealed memfd, which is the caller's to close; it can be copied to a
 *                  file and imported from there
 * @param ret_info  NULL, or receives what it has: see pages and checkpoints
 * @return HEARTH_OK, HEARTH_ENOT_FOUND, HEARTH_EIO, the errors of loading its model, or a
 *         connection error
 */
HEARTH_API int hearth_session_export(hearth_client* client, const char* name, int* ret_fd,
                                     hearth_session_info* ret_info);

/**
 * Make a session of what hearth_session_export() gave.  The daemon believes nothing of it: what was
 * changed by a byte, or comes from another daemon or user, is refused.
 *
 * @param model     its model
 * @param fd        a sealed memfd, or anything that can be read from its current position to its
 *                  end; stays the caller's
 * @param name      NULL: the daemon chooses
 * @param ret_info  NULL, or receives what the new one is
 * @return as hearth_session_open(); HEARTH_ESTORAGE: it is not what an export gave
 */
HEARTH_API int hearth_session_import(hearth_client* client, const char* model, int fd,
                                     const char* name, hearth_session_info* ret_info);

/* ------------------------------------------------------------------------------------------- *
 * Evaluation: logits and likelihood of given tokens                                            *
 * ------------------------------------------------------------------------------------------- */

/** A vector that stands for the whole text: of the last layer, normed, before the head. */
enum hearth_pooling {
  HEARTH_POOLING_NONE = 0,
  HEARTH_POOLING_LAST = 1, /* that of the last token */
  HEARTH_POOLING_MEAN = 2  /* the mean over all tokens */
};

typedef struct hearth_eval_options {
  size_t struct_size;
  const char* model;   /* required */
  const int32_t* ids;  /* [id_count] used as given; at least 1, at most the context */
  size_t id_count;     /* tokens */
  int32_t want_logits; /* 1: HEARTH_EVENT_LOGITS for every position, in order; 0: only mean_nll */
  int32_t
      pooling; /* enum hearth_pooling: hearth_result.embedding, instead of logits and mean_nll */
} hearth_eval_options;

HEARTH_API void hearth_eval_options_init_sized(hearth_eval_options* options, size_t struct_size);

static inline void hearth_eval_options_init(hearth_eval_options* options) {
  hearth_eval_options_init_sized(options, sizeof(*options));
}

/**
 * Compute the logits of every position; nothing is generated.  The stream is read and closed like
 * that of hearth_generate(); its result has prompt_tokens and mean_nll (over id_count - 1
 * predictions; 0 for a single token).
 * @return as hearth_generate()
 */
HEARTH_API int hearth_eval(hearth_client* client, const hearth_eval_options* options,
                           hearth_stream** ret_stream);

#ifdef __cplusplus
}
#endif
#endif
