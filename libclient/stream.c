/* Generation, evaluation and loading: a request whose events are queued here until the caller reads
 * them.
 *
 * Credit.  The daemon may send `granted` tokens (rows, of an evaluation) in all.  The window is
 * what may be unread at a time; when half of it was read the daemon is granted as much again, so
 * that it does not park while the caller keeps up.  A daemon that sends more than it was granted
 * breaks the connection: so the queue is bounded whatever comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static const size_t cancel_bytes = sizeof(struct hearth_frame_header);

/* ---- opening ------------------------------------------------------------------------------ */

static hearth_stream* create_stream(hearth_client* client, uint16_t verb, bool logits,
                                    int32_t credit) {
  hearth_stream* stream = calloc(1, sizeof(*stream));
  if (stream == NULL) return NULL;
  stream->client = client;
  stream->request.stream = stream;
  stream->verb = verb;
  stream->logits = logits;
  stream->window_may_grow = logits && credit == HEARTH_UNSET_I32;
  if (credit != HEARTH_UNSET_I32) {
    stream->window = (uint32_t)credit;
  } else {
    stream->window = logits ? CREDIT_LOGITS_MIN : HEARTH_CREDIT_DEFAULT;
  }
  stream->granted = stream->window;
  return stream;
}

/* Sends the request; the stream is the caller's only on HEARTH_OK.  json may be NULL: no memory. */
static int start_stream(hearth_client* client, hearth_stream* stream, char* json,
                        const void* payload, size_t payload_size, hearth_stream** ret_stream) {
  int code = HEARTH_EOUT_OF_MEMORY;
  request_open(client, &stream->request);
  if (json != NULL) {
    stream->may_cancel = true;
    code = frame_send(client, stream->verb, stream->request.id, json, payload, payload_size,
                      cancel_bytes);
    json_free(json);
  }
  if (code == HEARTH_OK) {
    *ret_stream = stream;
    return HEARTH_OK;
  }
  request_close(client, &stream->request);
  stream_free(stream);
  return out_of_memory(client->error);
}

int hearth_generate(hearth_client* client, const hearth_generate_options* options,
                    hearth_stream** ret_stream) {
  hearth_generate_options ours;
  hearth_generate_options_init(&ours);
  int code = client_enter_open(client);
  if (code == HEARTH_OK) {
    code = options_take(client->error, "hearth_generate_options", options, &ours, sizeof(ours));
  }
  if (code == HEARTH_OK) code = check_generate_options(client->error, &ours);
  if (code == HEARTH_OK) code = check_prompt(client->error, &ours);
  if (code != HEARTH_OK) return code;
  if (ret_stream == NULL) return fail(client->error, HEARTH_EINVALID, "ret_stream: NULL");
  const bool is_text = ours.prompt != NULL;
  const size_t id_bytes = sizeof(*ours.prompt_ids);
  code = is_text ? check_payload(client, "prompt", ours.prompt_size, 1)
                 : check_payload(client, "prompt_ids", ours.prompt_id_count, id_bytes);
  if (code != HEARTH_OK) return code;
  hearth_stream* stream =
      create_stream(client, HEARTH_VERB_GENERATE, ours.want_logits == 1, ours.credit);
  if (stream == NULL) return out_of_memory(client->error);
  const void* payload = is_text ? (const void*)ours.prompt : ours.prompt_ids;
  const size_t payload_size = is_text ? ours.prompt_size : ours.prompt_id_count * id_bytes;
  return start_stream(client, stream,
                      json_generate(&ours, is_text ? "text" : "tokens", stream->window), payload,
                      payload_size, ret_stream);
}

int hearth_chat(hearth_client* client, const hearth_generate_options* options,
                const hearth_conversation* conversation, hearth_stream** ret_stream) {
  hearth_generate_options ours;
  hearth_generate_options_init(&ours);
  hearth_conversation ours_too;
  hearth_conversation_init(&ours_too);
  int code = client_enter_open(client);
  if (code == HEARTH_OK) {
    code = options_take(client->error, "hearth_generate_options", options, &ours, sizeof(ours));
  }
  if (code == HEARTH_OK) code = check_generate_options(client->error, &ours);
  if (code == HEARTH_OK) code = conversation_take(client->error, conversation, &ours_too);
  if (code != HEARTH_OK) return code;
  if (ret_stream == NULL) return fail(client->error, HEARTH_EINVALID, "ret_stream: NULL");
  if (ours.prompt != NULL || ours.prompt_ids != NULL) {
    return fail(client->error, HEARTH_EINVALID, "prompt: a conversation takes its place");
  }
  char* payload = NULL;
  code = json_conversation(client->error, &ours_too, &payload);
  if (code != HEARTH_OK) return code;
  const size_t size = strlen(payload);
  code = check_payload(client, "conversation", size, 1);
  if (code == HEARTH_OK) {
    hearth_stream* stream =
        create_stream(client, HEARTH_VERB_GENERATE, ours.want_logits == 1, ours.credit);
    if (stream == NULL) {
      code = out_of_memory(client->error);
    } else {
      stream->chat = true;
      code = start_stream(client, stream, json_generate(&ours, "chat", stream->window), payload,
                          size, ret_stream);
    }
  }
  json_free(payload);
  return code;
}

int hearth_eval(hearth_client* client, const hearth_eval_options* options,
                hearth_stream** ret_stream) {
  hearth_eval_options ours;
  hearth_eval_options_init(&ours);
  int code = client_enter_open(client);
  if (code == HEARTH_OK) {
    code = options_take(client->error, "hearth_eval_options", options, &ours, sizeof(ours));
  }
  if (code == HEARTH_OK) code = check_eval_options(client->error, &ours);
  if (code != HEARTH_OK) return code;
  if (ret_stream == NULL) return fail(client->error, HEARTH_EINVALID, "ret_stream: NULL");
  code = check_payload(client, "ids", ours.id_count, sizeof(*ours.ids));
  if (code != HEARTH_OK) return code;
  hearth_stream* stream =
      create_stream(client, HEARTH_VERB_EVAL, ours.want_logits == 1, HEARTH_UNSET_I32);
  if (stream == NULL) return out_of_memory(client->error);
  return start_stream(client, stream, json_eval(&ours, stream->window), ours.ids,
                      ours.id_count * sizeof(*ours.ids), ret_stream);
}

static int open_load(hearth_client* client, uint16_t verb, const char* model, int64_t keep_alive_s,
                     hearth_stream** ret_stream) {
  int code = client_enter_open(client);
  if (code == HEARTH_OK) code = check_model(client->error, model);
  if (code != HEARTH_OK) return code;
  if (ret_stream == NULL) return fail(client->error, HEARTH_EINVALID, "ret_stream: NULL");
  const bool possible = keep_alive_s == HEARTH_UNSET_I64 || keep_alive_s == HEARTH_FOREVER ||
                        (keep_alive_s >= 0 && keep_alive_s <= HEARTH_KEEP_ALIVE_MAX);
  if (!possible) {
    return fail(client->error, HEARTH_EINVALID, "keep_alive_s: %lld", (long long)keep_alive_s);
  }
  hearth_stream* stream = create_stream(client, verb, /* logits= */ false, HEARTH_UNSET_I32);
  if (stream == NULL) return out_of_memory(client->error);
  return start_stream(client, stream, json_load(model, keep_alive_s), NULL, 0, ret_stream);
}

int hearth_load(hearth_client* client, const char* model, int64_t keep_alive_s,
                hearth_stream** ret_stream) {
  return open_load(client, HEARTH_VERB_LOAD, model, keep_alive_s, ret_stream);
}

int hearth_unload(hearth_client* client, const char* model, hearth_stream** ret_stream) {
  return open_load(client, HEARTH_VERB_UNLOAD, model, HEARTH_UNSET_I64, ret_stream);
}

int hearth_cache(hearth_client* client, const hearth_cache_options* options,
                 hearth_stream** ret_stream) {
  hearth_cache_options ours;
  hearth_cache_options_init(&ours);
  int code = client_enter_open(client);
  if (code == HEARTH_OK) {
    code = options_take(client->error, "hearth_cache_options", options, &ours, sizeof(ours));
  }
  if (code == HEARTH_OK) code = check_cache_options(client->error, &ours);
  if (code != HEARTH_OK) return code;
  if (ret_stream == NULL) return fail(client->error, HEARTH_EINVALID, "ret_stream: NULL");
  code = check_payload(client, "prefix_ids", ours.prefix_id_count, sizeof(*ours.prefix_ids));
  if (code != HEARTH_OK) return code;
  hearth_stream* stream =
      create_stream(client, HEARTH_VERB_CACHE, /* logits= */ false, HEARTH_UNSET_I32);
  if (stream == NULL) return out_of_memory(client->error);
  return start_stream(client, stream, json_cache(&ours), ours.prefix_ids,
                      ours.prefix_id_count * sizeof(*ours.prefix_ids), ret_stream);
}

/* ---- what arrives ------------------------------------------------------------------------- */

/* The payload at the front of the body, where it is aligned for ids and floats. */
static size_t settle_payload(struct frame* frame) {
  const size_t size = frame_payload_size(frame);
  if (frame->header.json_size > 0) memmove(frame->body, frame_payload(frame), size + 1);
  return size;
}

static int read_tokens(hearth_stream* stream, struct frame* frame) {
  struct hearth_tokens_head head;
  const size_t size = settle_payload(frame);
  if (stream->verb != HEARTH_VERB_GENERATE || size < sizeof(head)) return HEARTH_EPROTOCOL;
  memcpy(&head, frame->body, sizeof(head));
  const uint64_t text_at = sizeof(head) + (uint64_t)head.id_count * sizeof(int32_t);
  if (text_at + head.text_size != size) return HEARTH_EPROTOCOL;
  stream->ids_arrived += head.id_count;
  stream->tokens_queued_bytes += sizeof(*frame) + size;
  if (stream->ids_arrived > stream->granted) return HEARTH_EPROTOCOL;
  if (stream->tokens_queued_bytes > TOKENS_QUEUED_BYTES) return HEARTH_EPROTOCOL;
  frame->event.kind = HEARTH_EVENT_TOKENS;
  frame->event.ids = (const int32_t*)(const void*)(frame->body + sizeof(head));
  frame->event.id_count = head.id_count;
  frame->event.text = (const char*)frame->body + text_at;
  frame->event.text_size = head.text_size;
  return HEARTH_OK;
}

static int read_logits(hearth_stream* stream, struct frame* frame) {
  struct hearth_logits_head head;
  const size_t size = settle_payload(frame);
  if (!stream->logits || size < sizeof(head)) return HEARTH_EPROTOCOL;
  memcpy(&head, frame->body, sizeof(head));
  const uint64_t floats = (uint64_t)head.row_count * head.row_size; /* no overflow: 32 x 32 bits */
  if (floats == 0 || floats != (size - sizeof(head)) / sizeof(float)) return HEARTH_EPROTOCOL;
  if ((size - sizeof(head)) % sizeof(float) != 0) return HEARTH_EPROTOCOL;
  if (head.position > (uint64_t)INT64_MAX - head.row_count) return HEARTH_EPROTOCOL;
  stream->rows_arrived += head.row_count;
  if (stream->rows_arrived > stream->granted) return HEARTH_EPROTOCOL;
  frame->event.kind = HEARTH_EVENT_LOGITS;
  frame->event.logits = (const float*)(const void*)(frame->body + sizeof(head));
  frame->event.logits_rows = head.row_count;
  frame->event.logits_cols = head.row_size;
  frame->event.logits_position = (int64_t)head.position;
  return HEARTH_OK;
}

static int read_probs(hearth_stream* stream, struct frame* frame) {
  struct hearth_probs_head head;
  const size_t size = settle_payload(frame);
  if (stream->verb != HEARTH_VERB_GENERATE || size < sizeof(head)) return HEARTH_EPROTOCOL;
  memcpy(&head, frame->body, sizeof(head));
  if (head.count == 0 || head.count > HEARTH_PROBS_MAX + 1) return HEARTH_EPROTOCOL;
  if (size != sizeof(head) + head.count * sizeof(hearth_probability)) return HEARTH_EPROTOCOL;
  if (++stream->probs_arrived > stream->granted) return HEARTH_EPROTOCOL;
  frame->event.kind = HEARTH_EVENT_PROBS;
  frame->event.probs = (const hearth_probability*)(const void*)(frame->body + sizeof(head));
  frame->event.prob_count = head.count;
  return HEARTH_OK;
}

static int read_delta(hearth_stream* stream, struct frame* frame) {
  struct hearth_delta_head head;
  const size_t size = settle_payload(frame);
  if (!stream->chat || size < sizeof(head)) return HEARTH_EPROTOCOL;
  memcpy(&head, frame->body, sizeof(head));
  if ((uint64_t)head.text_size + head.id_size != size - sizeof(head)) return HEARTH_EPROTOCOL;
  if (head.call > INT32_MAX) return HEARTH_EPROTOCOL;
  stream->tokens_queued_bytes += sizeof(*frame) + size;
  if (stream->tokens_queued_bytes > TOKENS_QUEUED_BYTES) return HEARTH_EPROTOCOL;
  /* The head makes room for a NUL behind the text, which the id would follow at once. */
  char* text = (char*)frame->body;
  memmove(text, text + sizeof(head), head.text_size);
  text[head.text_size] = '\0';
  frame->event.kind = HEARTH_EVENT_DELTA;
  frame->event.delta_kind = (int32_t)head.kind;
  frame->event.delta_call = (int32_t)head.call;
  frame->event.text = text;
  frame->event.text_size = head.text_size;
  frame->event.call_id = text + sizeof(head) + head.text_size;
  return HEARTH_OK;
}

static struct frame* pop(hearth_stream* stream) {
  struct frame* frame = stream->progress;
  if (frame != NULL) {
    stream->progress = NULL;
    return frame;
  }
  frame = stream->first;
  if (frame == NULL) return NULL;
  stream->first = frame->next;
  if (stream->first == NULL) stream->last = NULL;
  const int32_t kind = frame->event.kind;
  if (kind == HEARTH_EVENT_TOKENS || kind == HEARTH_EVENT_DELTA) {
    stream->tokens_queued_bytes -= sizeof(*frame) + frame_payload_size(frame);
  }
  return frame;
}

static void push(hearth_stream* stream, struct frame* frame) {
  if (frame->event.kind == HEARTH_EVENT_PROGRESS) {
    free(stream->progress);
    stream->progress = frame;
  } else if (stream->last == NULL) {
    stream->first = stream->last = frame;
  } else {
    stream->last->next = frame;
    stream->last = frame;
  }
}

static void take_event(hearth_stream* stream, struct frame* frame) {
  int code;
  const char* what;
  switch (frame->header.verb) {
    case HEARTH_VERB_TOKENS:
      what = "a TOKENS frame";
      code = read_tokens(stream, frame);
      break;
    case HEARTH_VERB_LOGITS:
      what = "a LOGITS frame";
      code = read_logits(stream, frame);
      break;
    case HEARTH_VERB_PROBS:
      what = "a PROBS frame";
      code = read_probs(stream, frame);
      break;
    case HEARTH_VERB_DELTA:
      what = "a DELTA frame";
      code = read_delta(stream, frame);
      break;
    case HEARTH_VERB_PROGRESS:
      what = "a PROGRESS frame";
      code = json_read_progress(frame, &frame->event);
      frame->event.kind = HEARTH_EVENT_PROGRESS;
      break;
    default: free(frame); return; /* of a later version */
  }
  if (code == HEARTH_OK) {
    push(stream, frame);
  } else {
    free(frame);
    client_break_body(stream->client, code, what);
  }
}

/* No CANCEL will be sent any more; true when one was. */
static bool retire_cancel(hearth_stream* stream) {
  pthread_mutex_lock(&stream->client->mutex);
  if (stream->may_cancel) stream->client->out_reserved -= cancel_bytes;
  stream->may_cancel = false;
  const bool canceled = stream->canceled;
  pthread_mutex_unlock(&stream->client->mutex);
  return canceled;
}

/* The payload of a reply: a vector, or a document. */
static int take_payload(hearth_stream* stream, struct frame* frame) {
  const size_t size = frame_payload_size(frame);
  const bool is_document = stream->verb == HEARTH_VERB_CACHE || stream->chat;
  if (size == 0 && !is_document) return HEARTH_OK;
  if (is_document) {
    if (size == 0 || memchr(frame_payload(frame), '\0', size) != NULL) return HEARTH_EPROTOCOL;
  } else if (stream->verb != HEARTH_VERB_EVAL || size % sizeof(float) != 0) {
    return HEARTH_EPROTOCOL;
  }
  stream->payload = malloc(size + 1);
  if (stream->payload == NULL) return HEARTH_EOUT_OF_MEMORY;
  memcpy(stream->payload, frame_payload(frame), size);
  stream->payload[size] = '\0';
  if (is_document) {
    stream->result.document = (const char*)stream->payload;
    stream->result.document_size = size;
  } else {
    stream->result.embedding = (const float*)(const void*)stream->payload;
    stream->result.embedding_size = size / sizeof(float);
  }
  return HEARTH_OK;
}

static void take_reply(hearth_stream* stream, struct frame* frame) {
  hearth_client* client = stream->client;
  int code;
  if ((frame->header.flags & HEARTH_FRAME_ERROR) != 0) {
    code = json_read_error(frame, &stream->code, stream->text);
  } else {
    code = json_read_result(frame, &stream->result, &stream->sampling, &stream->cache);
    stream->result.sampling = stream->sampling;
    stream->result.cache = stream->cache;
    if (code == HEARTH_OK) code = take_payload(stream, frame);
  }
  free(frame);
  if (code != HEARTH_OK) {
    client_break_body(client, code, "a reply");
    return;
  }
  stream->over = true;
  const bool canceled = retire_cancel(stream);
  if (canceled && stream->code == HEARTH_ECANCELED) {
    /* It had not begun.  For the caller, who asked for it, that is an end like the others. */
    stream->code = HEARTH_OK;
    stream->result.stop_reason = HEARTH_STOP_CANCELED;
  }
}

void stream_take_frame(hearth_stream* stream, struct frame* frame) {
  if (stream->over) {
    free(frame);
  } else if ((frame->header.flags & HEARTH_FRAME_REPLY) != 0) {
    take_reply(stream, frame);
  } else {
    take_event(stream, frame);
  }
}

/* ---- reading ------------------------------------------------------------------------------ */

/* Counts what the caller takes, and gives the daemon new credit when half of the window is read. */
static void give_credit(hearth_stream* stream, const hearth_event* event) {
  if (event->kind == HEARTH_EVENT_LOGITS && stream->window_may_grow) {
    /* Now the size of a row is known.  Small ones need not wait for each other. */
    const size_t rows = LOGITS_AHEAD_BYTES / sizeof(float) / event->logits_cols;
    const size_t window = rows < CREDIT_LOGITS_MAX ? rows : CREDIT_LOGITS_MAX;
    stream->window_may_grow = false;
    if (window > stream->window) {
      stream->read_count += (uint32_t)window - stream->window;
      stream->window = (uint32_t)window;
    }
  }
  stream->read_count +=
      (uint32_t)(stream->verb == HEARTH_VERB_EVAL ? event->logits_rows : event->id_count);
  if (stream->over || 2 * (uint64_t)stream->read_count < stream->window) return;
  hearth_client* client = stream->client;
  if (client->broken != HEARTH_OK) return;
  char json[32];
  snprintf(json, sizeof(json), "{\"tokens\":%u}", stream->read_count);
  if (frame_send(client, HEARTH_VERB_CREDIT, stream->request.id, json, NULL, 0, 0) != HEARTH_OK) {
    client_break(client, HEARTH_EOUT_OF_MEMORY, "no memory for a frame of credit");
  }
  stream->granted += stream->read_count;
  stream->read_count = 0;
}

/* HEARTH_EAGAIN when there is nothing yet. */
static int next_event(hearth_stream* stream, hearth_event* event) {
  hearth_client* client = stream->client;
  struct frame* frame = pop(stream);
  if (frame != NULL) {
    free(stream->current);
    stream->current = frame;
    give_credit(stream, &frame->event);
    *event = frame->event;
    return HEARTH_OK;
  }
  if (stream->over && stream->code != HEARTH_OK) {
    return fail(client->error, stream->code, "%s", stream->text);
  }
  if (stream->over) {
    stream->done = true;
    *event = (hearth_event){.kind = HEARTH_EVENT_DONE};
    return HEARTH_OK;
  }
  return client->broken != HEARTH_OK ? client_fail_broken(client) : HEARTH_EAGAIN;
}

static int enter_stream(const hearth_stream* stream) {
  return stream == NULL ? HEARTH_EINVALID : client_enter(stream->client);
}

int hearth_stream_read(hearth_stream* stream, hearth_event* ret_event, int timeout_ms) {
  int code = enter_stream(stream);
  if (code != HEARTH_OK) return code;
  char* error = stream->client->error;
  hearth_event event;
  hearth_event_init(&event);
  if (timeout_ms < -1) return fail(error, HEARTH_EINVALID, "timeout_ms: %d", timeout_ms);
  /* Before an event is taken: one must not be lost for want of a place to put it. */
  code = output_check(error, "hearth_event", ret_event);
  if (code != HEARTH_OK) return code;
  const int64_t deadline = deadline_after(timeout_ms);
  int waited = HEARTH_OK;
  for (;;) {
    code = next_event(stream, &event);
    if (code != HEARTH_EAGAIN) break;
    /* With 0 nothing is taken in here: it might be for another stream, whose reader has looked
     * already and is about to poll a descriptor that has nothing left to say. */
    if (timeout_ms == 0 || waited == HEARTH_EAGAIN) return fail(error, code, "nothing new yet");
    waited = client_wait(stream->client, deadline);
  }
  if (code == HEARTH_OK) output_give(ret_event, &event, sizeof(event));
  return code;
}

int hearth_stream_result(const hearth_stream* stream, hearth_result* ret_result) {
  int code = enter_stream(stream);
  if (code != HEARTH_OK) return code;
  char* error = stream->client->error;
  code = output_check(error, "hearth_result", ret_result);
  if (code != HEARTH_OK) return code;
  if (!stream->done) {
    return fail(error, HEARTH_EINVALID_OPERATION, "the stream has no result: it %s",
                stream->code != HEARTH_OK ? "failed" : "was not read to its end");
  }
  output_give(ret_result, &stream->result, sizeof(stream->result));
  return HEARTH_OK;
}

/* ---- the end ------------------------------------------------------------------------------ */

int hearth_stream_cancel(hearth_stream* stream) {
  if (stream == NULL) return HEARTH_EINVALID;
  hearth_client* client = stream->client;
  /* No client_enter(): its text belongs to the owner's thread. */
  if (client->pid != getpid()) return HEARTH_EINVALID_OPERATION;
  pthread_mutex_lock(&client->mutex);
  const int code = client->broken;
  if (stream->may_cancel && code == HEARTH_OK) {
    stream->may_cancel = false;
    stream->canceled = true;
    frame_send_reserved(client, HEARTH_VERB_CANCEL, stream->request.id);
  }
  pthread_mutex_unlock(&client->mutex);
  return code;
}

void stream_free(hearth_stream* stream) {
  free(stream->current);
  json_free(stream->sampling);
  json_free(stream->cache);
  free(stream->payload);
  for (struct frame* frame = pop(stream); frame != NULL; frame = pop(stream)) free(frame);
  free(stream);
}

hearth_stream* hearth_stream_close(hearth_stream* stream) {
  if (stream == NULL) return NULL;
  hearth_client* client = stream->client;
  if (client->pid == getpid()) {
    hearth_stream_cancel(stream);
    retire_cancel(stream);
  }
  request_close(client, &stream->request);
  stream_free(stream);
  return NULL;
}

int hearth_generate_each(hearth_client* client, const hearth_generate_options* options,
                         hearth_event_fn on_event, void* user, hearth_result* ret_result) {
  int code = client_enter_open(client);
  if (code == HEARTH_OK && ret_result != NULL) {
    code = output_check(client->error, "hearth_result", ret_result);
  }
  if (code != HEARTH_OK) return code;
  hearth_stream* stream = NULL;
  code = hearth_generate(client, options, &stream);
  if (code != HEARTH_OK) return code;
  hearth_event event;
  hearth_event_init(&event);
  bool wanted = on_event != NULL;
  do {
    code = hearth_stream_read(stream, &event, /* timeout_ms= */ -1);
    if (code != HEARTH_OK || event.kind == HEARTH_EVENT_DONE || !wanted) continue;
    wanted = on_event(&event, user) != 0;
    if (!wanted) hearth_stream_cancel(stream);
  } while (code == HEARTH_EAGAIN || (code == HEARTH_OK && event.kind != HEARTH_EVENT_DONE));
  stream->result.sampling = stream->result.cache = NULL; /* the stream goes */
  stream->result.document = NULL;
  if (code == HEARTH_OK && ret_result != NULL) code = hearth_stream_result(stream, ret_result);
  hearth_stream_close(stream);
  return code;
}
