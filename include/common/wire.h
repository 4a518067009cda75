/* The wire: what a frame looks like and which verbs there are.  C11 and C++20; shared by daemon and
 * libhearth, never installed.  docs/wire.md is the full description, verb by verb.
 *
 *   offset  bytes  field       little-endian
 *        0      4  size        bytes after this header: json_size and the payload behind it
 *        4      2  verb        enum hearth_verb
 *        6      1  flags       HEARTH_FRAME_*; unknown bits are a broken frame
 *        7      1  fd_count    descriptors that travel with the header's first byte: 1 with
 *                            SESSION_IMPORT and the reply to SESSION_EXPORT, else 0
 *        8      4  request     chosen by the client, unique among its open requests; 0: HELLO
 *       12      4  json_size   leading bytes of the body that are JSON; the rest is the payload
 *
 * A stream of frames on a unix stream socket.  The first frame of a client is HELLO. */
#ifndef HEARTH_COMMON_WIRE_H
#define HEARTH_COMMON_WIRE_H

#include <assert.h>
#include <stdint.h>

#include "common/limits.h"

#define HEARTH_PROTOCOL_MIN 1
#define HEARTH_PROTOCOL_MAX 1

/* name, value, text.  Append only. */
#define HEARTH_VERB_MAP(X)                                          \
  X(HELLO, 1, "greet: protocol range, features")                    \
  X(MODELS, 2, "which models there are")                            \
  X(PS, 3, "what runs now")                                         \
  X(STATS, 4, "counters")                                           \
  X(TOKENIZE, 5, "text to ids")                                     \
  X(DETOKENIZE, 6, "ids to text")                                   \
  X(GENERATE, 7, "continue a prompt")                               \
  X(EVAL, 8, "logits and likelihood of given tokens")               \
  X(CREDIT, 9, "the client took in some tokens: send as many more") \
  X(CANCEL, 10, "stop a request")                                   \
  X(LOAD, 11, "have a model in memory")                             \
  X(UNLOAD, 12, "have a model out of memory")                       \
  X(SESSIONS, 13, "which sessions the user keeps")                  \
  X(SESSION_OPEN, 14, "make a session, or find one")                \
  X(SESSION_FORK, 15, "make a session that begins as another")      \
  X(SESSION_ROLLBACK, 16, "drop the last tokens of a session")      \
  X(SESSION_DESTROY, 17, "forget a session")                        \
  X(SESSION_EXPORT, 18, "a session and its pages as a descriptor")  \
  X(SESSION_IMPORT, 19, "make a session of such a descriptor")      \
  X(CACHE, 20, "look at, evict or check what is cached")            \
  X(RENDER, 21, "a conversation as a prompt")                       \
  X(TOKENS, 32, "from the daemon: generated ids and text")          \
  X(LOGITS, 33, "from the daemon: rows of logits")                  \
  X(PROGRESS, 34, "from the daemon: how far loading or prefill is") \
  X(PROBS, 35, "from the daemon: how likely tokens were")           \
  X(DELTA, 36, "from the daemon: more of a chat's message")

enum hearth_verb {
#define HEARTH_VERB_ENUM_(name, value, text) HEARTH_VERB_##name = value,
  HEARTH_VERB_MAP(HEARTH_VERB_ENUM_)
#undef HEARTH_VERB_ENUM_
};

enum hearth_frame_flags {
  HEARTH_FRAME_REPLY = 1, /* the answer that ends a request */
  HEARTH_FRAME_ERROR = 2  /* with REPLY: the body is {"error":{"code","message"}} */
};

struct hearth_frame_header {
  uint32_t size;      /* bytes after the header, at most HEARTH_FRAME_BYTES_MAX */
  uint16_t verb;      /* enum hearth_verb */
  uint8_t flags;      /* enum hearth_frame_flags */
  uint8_t fd_count;   /* 0 or 1 */
  uint32_t request;   /* chosen by the client */
  uint32_t json_size; /* bytes, at most HEARTH_JSON_BYTES_MAX and at most size */
};
static_assert(sizeof(struct hearth_frame_header) == 16, "the header is 16 bytes");

/* Head of a TOKENS payload; then int32_t ids[id_count], then text[text_size], no terminator. */
struct hearth_tokens_head {
  uint32_t id_count;
  uint32_t text_size; /* bytes */
};
static_assert(sizeof(struct hearth_tokens_head) == 8, "no padding");

/* Head of a LOGITS payload; then float rows[row_count][row_size]. */
struct hearth_logits_head {
  uint64_t position;  /* of the first row in the sequence */
  uint32_t row_count; /* rows */
  uint32_t row_size;  /* floats in a row: the vocabulary */
};
static_assert(sizeof(struct hearth_logits_head) == 16, "no padding");

/* Head of a PROBS payload; then struct hearth_probability[count]: the token that was drawn, then
 * the likeliest, best first. */
struct hearth_probs_head {
  uint64_t position; /* of the drawn token in the sequence */
  uint32_t count;
  uint32_t reserved; /* 0 */
};
static_assert(sizeof(struct hearth_probs_head) == 16, "no padding");

/* Head of a DELTA payload; then text[text_size], then id[id_size], no terminators. */
struct hearth_delta_head {
  uint32_t kind;      /* enum hearth_delta_kind */
  uint32_t call;      /* which call of the message, from 0; 0 for what is of none */
  uint32_t text_size; /* bytes */
  uint32_t id_size;   /* bytes */
};
static_assert(sizeof(struct hearth_delta_head) == 16, "no padding");

#endif
