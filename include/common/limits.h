/* Limits that the daemon and the client library must agree on, or that the documents quote.
 * Limits that only one side needs stand beside the code they bound.  C11 and C++20. */
#ifndef HEARTH_COMMON_LIMITS_H
#define HEARTH_COMMON_LIMITS_H

/* Bytes.  JSON at the head of a frame: control bodies are small. */
#define HEARTH_JSON_BYTES_MAX (64u * 1024u)

/* Nesting of objects and arrays in a control body. */
#define HEARTH_JSON_DEPTH_MAX 16

/* Bytes.  The binary payload of a frame: a prompt of text or ids, a row of logits. */
#define HEARTH_PAYLOAD_BYTES_MAX (8u * 1024u * 1024u)

/* Bytes, both parts together. */
#define HEARTH_FRAME_BYTES_MAX (HEARTH_JSON_BYTES_MAX + HEARTH_PAYLOAD_BYTES_MAX)

/* Stop texts of one request, and the bytes of one. */
#define HEARTH_STOP_COUNT_MAX 16
#define HEARTH_STOP_BYTES_MAX 256

/* Tokens a client may ask to receive before it has read any. */
#define HEARTH_CREDIT_MAX 65536
#define HEARTH_CREDIT_DEFAULT 256

/* Tokens whose logits one request may bias; probabilities that it may ask for with every token. */
#define HEARTH_BIAS_COUNT_MAX 1024
#define HEARTH_PROBS_MAX 128

/* Positions of a prompt at which a request may ask for checkpoints. */
#define HEARTH_CHECKPOINTS_MAX 64

/* Characters of a model id: letters, digits and . _ - : / */
#define HEARTH_MODEL_ID_MAX 128

/* Characters of a session's name: letters, digits and . _ - */
#define HEARTH_SESSION_NAME_MAX 64

/* Seconds that an idle model may be kept in memory, but for "for ever". */
#define HEARTH_KEEP_ALIVE_MAX 2147483647

/* Requests of one connection that run or wait at the same time. */
#define HEARTH_CONNECTION_REQUESTS_MAX 64

#endif
