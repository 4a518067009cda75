/* What the files of libhearth share.
 *
 *   connect.c  where the daemon is, connecting, the greeting
 *   client.c   the life of a connection: waiting, breaking, closing
 *   frame.c    bytes to frames and back
 *   stream.c   generation, evaluation, loading: a queue of events, and credit
 *   query.c    questions that block until they are answered
 *   session.c  sessions that the daemon keeps
 *   options.c  the struct_size rule, defaults, ranges
 *   json.c     every control body there is; the only file that sees cJSON
 *   error.c    codes, names, texts
 *
 * A client belongs to one thread at a time.  The exception is hearth_stream_cancel(): what it
 * touches is grouped below and guarded by hearth_client.mutex.
 *
 * Two rules keep the error paths few.  A daemon that contradicts docs/wire.md in any frame breaks
 * the connection, and so does an allocation that fails while frames are taken in: client_break()
 * is the one way down.  A request that cannot be encoded fails alone, before a byte is queued. */
#ifndef HEARTH_LIBCLIENT_CLIENT_H
#define HEARTH_LIBCLIENT_CLIENT_H

#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/wire.h"
#include "hearth/hearth.h"

enum {
  ERROR_TEXT_BYTES = 1024,        /* room for one error text and its NUL */
  RECEIVE_BYTES = 32 * 1024,      /* taken from the socket at once */
  CREDIT_LOGITS_MIN = 8,          /* rows: what the daemon may surely queue, 1 MiB each */
  CREDIT_LOGITS_MAX = 256,        /* rows */
  LOGITS_AHEAD_BYTES = 8 << 20,   /* of rows that wait to be read, where the rows are small */
  TOKENS_QUEUED_BYTES = 32 << 20, /* of TOKENS frames in one stream; beyond: a broken daemon */
};

/* One frame that has arrived, with its body.  Whoever holds the pointer frees it. */
struct frame {
  struct frame* next; /* in the queue of a stream */
  struct hearth_frame_header header;
  hearth_event event;         /* in the queue of a stream: points into body */
  alignas(16) uint8_t body[]; /* header.size bytes and a NUL */
};

/* A request that has no reply yet, in hearth_client.requests. */
struct request {
  struct request* next;
  uint32_t id;
  hearth_stream* stream; /* NULL: a question, whose asker waits for the reply */
  struct frame* reply;   /* of a question; the asker frees it */
};

struct hearth_stream {
  struct request request;
  hearth_client* client;
  uint16_t verb;   /* HEARTH_VERB_GENERATE, EVAL, LOAD, UNLOAD or CACHE */
  bool chat;       /* a GENERATE of a conversation: deltas come, and a document */
  bool logits;     /* rows were asked for */
  bool may_cancel; /* no CANCEL was sent and one makes sense; guarded by hearth_client.mutex */
  bool canceled;   /* a CANCEL was sent; guarded likewise */

  struct frame* first; /* events not read yet, in order */
  struct frame* last;
  struct frame* progress;     /* the newest, not read yet: takes no credit, so only one is kept */
  struct frame* current;      /* the event that was read last: the caller looks at it */
  size_t tokens_queued_bytes; /* of TOKENS frames in the queue */

  bool over;                   /* the reply has come */
  bool done;                   /* and the caller has read so */
  int code;                    /* HEARTH_OK or why the request failed */
  hearth_result result;        /* its pointers are to what follows */
  char* sampling;              /* json_free() */
  char* cache;                 /* json_free() */
  uint8_t* payload;            /* the reply's, and a NUL; free() */
  char text[ERROR_TEXT_BYTES]; /* when it failed */

  /* Credit.  Tokens of a generation, rows of an evaluation. */
  uint32_t window;        /* what may be on its way or unread */
  bool window_may_grow;   /* until the size of a row is known */
  uint32_t read_count;    /* read since credit was last given */
  uint64_t granted;       /* in all */
  uint64_t ids_arrived;   /* at most granted */
  uint64_t rows_arrived;  /* at most granted */
  uint64_t probs_arrived; /* frames; at most granted */
};

struct hearth_client {
  pid_t pid;          /* of the process that connected */
  size_t payload_max; /* bytes that both sides allow */
  struct request* requests;
  uint32_t last_request_id;
  char error[ERROR_TEXT_BYTES]; /* hearth_last_error() */
  char broken_text[ERROR_TEXT_BYTES];

  /* Receiving: a header, then a frame that grows until it is whole. */
  uint8_t header[sizeof(struct hearth_frame_header)];
  size_t header_size;
  struct frame* partial;
  size_t partial_size; /* bytes of its body that are there */
  uint8_t received[RECEIVE_BYTES];
  int received_fd; /* of the frame whose header arrives; -1: none */
  int exported_fd; /* of the reply to SESSION_EXPORT, which its asker takes; -1: none */

  /* Shared with hearth_stream_cancel().  The owner's thread may read fd and broken without the
   * mutex, for only it writes them. */
  pthread_mutex_t mutex;
  int fd;         /* -1 once broken */
  int broken;     /* HEARTH_OK or the error that broke the connection */
  int send_errno; /* the daemon takes nothing any more: what it had sent is still read */
  uint8_t* out;   /* [out_capacity]; queued are the bytes out_begin .. out_end */
  size_t out_begin;
  size_t out_end;
  size_t out_capacity;
  size_t out_reserved; /* room kept free for the CANCEL of every open stream, so it cannot fail */
  int out_fd;          /* goes with the byte at out_fd_at, of SESSION_IMPORT; -1: none */
  size_t out_fd_at;
};

/* error.c ------------------------------------------------------------------------------------- */

/* Writes a text, cut at a whole character, and returns code: return fail(text, CODE, ...). */
int fail(char text[ERROR_TEXT_BYTES], int code, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
int out_of_memory(char text[ERROR_TEXT_BYTES]);
/* The code with that name on the wire; HEARTH_EINTERNAL for names of a later version. */
int error_from_name(const char* name);
int stop_reason_from_name(const char* name);
int match_end_from_name(const char* name); /* -1 for names of a later version */
/* What strerror() says, in a buffer of the caller: strerror() itself is not for threads. */
const char* errno_text(int error, char* buffer, size_t size);

/* options.c ----------------------------------------------------------------------------------- */

/* Lays the caller's struct over ours, which holds the defaults; HEARTH_EINVALID for a struct_size
 * of 0 and for fields of a later version that are set. */
int options_take(char text[ERROR_TEXT_BYTES], const char* name, const void* options, void* ours,
                 size_t ours_size);
/* HEARTH_EINVALID when the caller's struct is none. */
int output_check(char text[ERROR_TEXT_BYTES], const char* name, const void* ret);
/* Copies into the caller's struct, which was checked, as much as it has room for. */
void output_give(void* ret, const void* ours, size_t ours_size);
int check_model(char text[ERROR_TEXT_BYTES], const char* model);
int check_token_flags(char text[ERROR_TEXT_BYTES], uint32_t flags, uint32_t known);
int check_prompt(char text[ERROR_TEXT_BYTES], const hearth_generate_options* options);
/* All but the prompt. */
int check_generate_options(char text[ERROR_TEXT_BYTES], const hearth_generate_options* options);
int check_cache_options(char text[ERROR_TEXT_BYTES], const hearth_cache_options* options);
/* Lays the caller's conversation over ours and checks it. */
int conversation_take(char text[ERROR_TEXT_BYTES], const hearth_conversation* conversation,
                      hearth_conversation* ours);
/* HEARTH_ELIMIT when count items, bytes or ids, do not fit a request. */
int check_payload(hearth_client* client, const char* name, size_t count, size_t item_size);
/* name: NULL is the caller's to judge. */
int check_session(char text[ERROR_TEXT_BYTES], const char* field, const char* name);
int check_eval_options(char text[ERROR_TEXT_BYTES], const hearth_eval_options* options);

/* json.c -------------------------------------------------------------------------------------- */

/* Control bodies of the client; NULL: memory is exhausted.  Free with json_free(). */
char* json_hello(const char* client_name);
char* json_text_verb(const char* model, uint32_t token_flags);
char* json_generate(const hearth_generate_options* options, const char* prompt_kind,
                    uint32_t credit);
/* Of a conversation that was checked; *ret_json: json_free().  HEARTH_EINVALID: what is no JSON. */
int json_conversation(char text[ERROR_TEXT_BYTES], const hearth_conversation* conversation,
                      char** ret_json);
char* json_eval(const hearth_eval_options* options, uint32_t credit);
/* keep_alive_s: HEARTH_UNSET_I64: no opinion */
char* json_load(const char* model, int64_t keep_alive_s);
/* Of the verbs about sessions; what is NULL or HEARTH_UNSET_I64 is left out. */
char* json_session(const char* model, const char* name, const char* as, const char* mode, bool ids,
                   int64_t tokens);
char* json_cache(const hearth_cache_options* options);
void json_free(char* json);

/* Control bodies of the daemon.  HEARTH_OK, HEARTH_EPROTOCOL or HEARTH_EOUT_OF_MEMORY; keys of a
 * later version are ignored and absent keys leave the output as it was. */
int json_read_hello(struct frame* frame, int64_t* protocol, int64_t* payload_max);
int json_read_error(struct frame* frame, int* ret_code, char text[ERROR_TEXT_BYTES]);
int json_read_count(struct frame* frame, int64_t* count);
int json_read_progress(struct frame* frame, hearth_event* event);
int json_read_session(struct frame* frame, hearth_session_info* info);
int json_read_result(struct frame* frame, hearth_result* result, char** ret_sampling,
                     char** ret_cache);

/* frame.c ------------------------------------------------------------------------------------- */

/* Queues one frame and sends what can be sent.  reserve: bytes to keep free for later frames that
 * must not fail.  HEARTH_OK, HEARTH_EOUT_OF_MEMORY; a connection that broke takes and drops it. */
int frame_send(hearth_client* client, uint16_t verb, uint32_t request, const char* json,
               const void* payload, size_t payload_size, size_t reserve);
/* The same with a descriptor, which stays the caller's and which nothing but a question that its
 * caller waits for has: there is one at a time. */
int frame_send_fd(hearth_client* client, uint16_t verb, uint32_t request, const char* json, int fd);
/* The same for a caller that holds the mutex and needs no memory: see out_reserved. */
void frame_send_reserved(hearth_client* client, uint16_t verb, uint32_t request);
/* Sends what is queued, as far as the socket takes it.  The caller holds the mutex. */
void frame_flush(hearth_client* client);
/* Takes in what has arrived; breaks the connection when that cannot go on. */
void frame_receive(hearth_client* client);
/* Closes a descriptor if there is one; -1 from then on. */
void drop_fd(int* fd);
const uint8_t* frame_payload(const struct frame* frame);
size_t frame_payload_size(const struct frame* frame);

/* client.c ------------------------------------------------------------------------------------ */

/* What every public call begins with: HEARTH_EINVALID, HEARTH_EINVALID_OPERATION after a fork. */
int client_enter(hearth_client* client);
/* The same, and the error that broke the connection if it did. */
int client_enter_open(hearth_client* client);
int client_fail_broken(hearth_client* client);
void client_break(hearth_client* client, int code, const char* format, ...)
    __attribute__((format(printf, 3, 4)));
/* Breaks it for what json_read_X() returned. */
void client_break_body(hearth_client* client, int code, const char* what);

int64_t deadline_after(int timeout_ms); /* -1: never */
int deadline_left_ms(int64_t deadline); /* for poll(2) */
/* Waits for the daemon, sends, takes in.  HEARTH_EAGAIN: the deadline passed or a signal came. */
int client_wait(hearth_client* client, int64_t deadline);

void request_open(hearth_client* client, struct request* request);
void request_close(hearth_client* client, struct request* request);
/* Gives a frame to the request it belongs to, or frees it. */
void client_dispatch(hearth_client* client, struct frame* frame);

/* query.c ------------------------------------------------------------------------------------- */

/* Waits for the reply of a request that was sent.  HEARTH_OK: request->reply is there and no error;
 * HEARTH_EAGAIN: the deadline passed; else why it failed. */
int question_wait(hearth_client* client, struct request* request, int64_t deadline);
/* A question without a payload, with fd where it is not -1; waits.  On HEARTH_OK the caller frees
 * *ret_reply. */
int question_ask(hearth_client* client, uint16_t verb, const char* json, int fd,
                 struct frame** ret_reply);
/* Memory of its own for the caller, with a NUL behind it: hearth_free() is free(). */
int give_bytes(hearth_client* client, const void* bytes, size_t size, void** ret_copy);

/* stream.c ------------------------------------------------------------------------------------ */

/* Takes over a frame that arrived for the stream. */
void stream_take_frame(hearth_stream* stream, struct frame* frame);
void stream_free(hearth_stream* stream);

#endif
