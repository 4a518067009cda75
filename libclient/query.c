/* Questions: one request, one reply, and the caller waits.  Frames of streams that arrive
 * meanwhile go to their streams. */
#include <stdlib.h>
#include <string.h>

#include "client.h"

/* What a reply with HEARTH_FRAME_ERROR says. */
static int read_error(hearth_client* client, struct frame* frame) {
  int code = HEARTH_EPROTOCOL;
  const int read = json_read_error(frame, &code, client->error);
  if (read == HEARTH_OK) return code;
  client_break_body(client, read, "an error reply");
  return client_fail_broken(client);
}

int question_wait(hearth_client* client, struct request* request, int64_t deadline) {
  int waited = HEARTH_OK;
  while (request->reply == NULL) {
    if (client->broken != HEARTH_OK) return client_fail_broken(client);
    if (waited == HEARTH_EAGAIN && deadline_left_ms(deadline) == 0) return HEARTH_EAGAIN;
    waited = client_wait(client, deadline);
  }
  if ((request->reply->header.flags & HEARTH_FRAME_ERROR) == 0) return HEARTH_OK;
  return read_error(client, request->reply);
}

/* Asks and waits.  On HEARTH_OK the caller frees *ret_reply. */
static int ask_with(hearth_client* client, uint16_t verb, const char* json, const void* payload,
                    size_t payload_size, int fd, struct frame** ret_reply) {
  struct request request = {0};
  request_open(client, &request);
  int code = fd >= 0 ? frame_send_fd(client, verb, request.id, json, fd)
                     : frame_send(client, verb, request.id, json, payload, payload_size, 0);
  if (code == HEARTH_OK) {
    code = question_wait(client, &request, /* deadline= */ -1);
  } else {
    out_of_memory(client->error);
  }
  request_close(client, &request);
  if (code == HEARTH_OK) {
    *ret_reply = request.reply;
  } else {
    free(request.reply);
  }
  return code;
}

static int ask(hearth_client* client, uint16_t verb, const char* json, const void* payload,
               size_t payload_size, struct frame** ret_reply) {
  return ask_with(client, verb, json, payload, payload_size, /* fd= */ -1, ret_reply);
}

int question_ask(hearth_client* client, uint16_t verb, const char* json, int fd,
                 struct frame** ret_reply) {
  return ask_with(client, verb, json, /* payload= */ NULL, 0, fd, ret_reply);
}

int give_bytes(hearth_client* client, const void* bytes, size_t size, void** ret_copy) {
  char* copy = malloc(size + 1);
  if (copy == NULL) return out_of_memory(client->error);
  memcpy(copy, bytes, size);
  copy[size] = '\0';
  *ret_copy = copy;
  return HEARTH_OK;
}

/* A question whose answer is a document. */
static int ask_document(hearth_client* client, uint16_t verb, const char* json, const void* payload,
                        size_t payload_size, char** ret_json) {
  struct frame* reply = NULL;
  int code = ask(client, verb, json, payload, payload_size, &reply);
  if (code != HEARTH_OK) return code;
  const size_t size = frame_payload_size(reply);
  void* copy = NULL;
  if (size == 0 || memchr(frame_payload(reply), '\0', size) != NULL) {
    client_break_body(client, HEARTH_EPROTOCOL, "a document");
    code = client_fail_broken(client);
  } else {
    code = give_bytes(client, frame_payload(reply), size, &copy);
  }
  free(reply);
  if (code == HEARTH_OK) *ret_json = copy;
  return code;
}

int hearth_query(hearth_client* client, int kind, char** ret_json) {
  int code = client_enter_open(client);
  if (code != HEARTH_OK) return code;
  if (ret_json == NULL) return fail(client->error, HEARTH_EINVALID, "ret_json: NULL");
  uint16_t verb = 0;
  switch (kind) {
    case HEARTH_QUERY_MODELS: verb = HEARTH_VERB_MODELS; break;
    case HEARTH_QUERY_PS: verb = HEARTH_VERB_PS; break;
    case HEARTH_QUERY_STATS: verb = HEARTH_VERB_STATS; break;
    case HEARTH_QUERY_SESSIONS: verb = HEARTH_VERB_SESSIONS; break;
    default: return fail(client->error, HEARTH_EINVALID, "kind: %d is no question", kind);
  }
  return ask_document(client, verb, /* json= */ NULL, /* payload= */ NULL, 0, ret_json);
}

int hearth_render(hearth_client* client, const char* model, const hearth_conversation* conversation,
                  char** ret_json) {
  hearth_conversation ours;
  hearth_conversation_init(&ours);
  int code = client_enter_open(client);
  if (code == HEARTH_OK) code = check_model(client->error, model);
  if (code == HEARTH_OK) code = conversation_take(client->error, conversation, &ours);
  if (code != HEARTH_OK) return code;
  if (ret_json == NULL) return fail(client->error, HEARTH_EINVALID, "ret_json: NULL");
  char* payload = NULL;
  code = json_conversation(client->error, &ours, &payload);
  if (code != HEARTH_OK) return code;
  const size_t size = strlen(payload);
  char* json = json_text_verb(model, /* token_flags= */ 0);
  code =
      json == NULL ? out_of_memory(client->error) : check_payload(client, "conversation", size, 1);
  if (code == HEARTH_OK)
    code = ask_document(client, HEARTH_VERB_RENDER, json, payload, size, ret_json);
  json_free(json);
  json_free(payload);
  return code;
}

/* TOKENIZE and DETOKENIZE: a model, flags, a payload. */
static int ask_text_verb(hearth_client* client, uint16_t verb, const char* model, uint32_t flags,
                         const void* payload, size_t payload_size, struct frame** ret_reply) {
  char* json = json_text_verb(model, flags);
  if (json == NULL) return out_of_memory(client->error);
  const int code = ask(client, verb, json, payload, payload_size, ret_reply);
  json_free(json);
  return code;
}

int hearth_tokenize(hearth_client* client, const char* model, const char* text, size_t text_size,
                    uint32_t flags, int32_t** ret_ids, size_t* ret_count) {
  int code = client_enter_open(client);
  if (code == HEARTH_OK) code = check_model(client->error, model);
  if (code == HEARTH_OK) {
    code = check_token_flags(client->error, flags, HEARTH_NO_SPECIAL | HEARTH_PARSE_SPECIAL);
  }
  if (code != HEARTH_OK) return code;
  if (text == NULL && text_size > 0) return fail(client->error, HEARTH_EINVALID, "text: NULL");
  if (ret_ids == NULL) return fail(client->error, HEARTH_EINVALID, "ret_ids: NULL");
  if (ret_count == NULL) return fail(client->error, HEARTH_EINVALID, "ret_count: NULL");
  code = check_payload(client, "text", text_size, 1);
  if (code != HEARTH_OK) return code;
  struct frame* reply = NULL;
  code = ask_text_verb(client, HEARTH_VERB_TOKENIZE, model, flags, text, text_size, &reply);
  if (code != HEARTH_OK) return code;
  int64_t count = 0;
  const size_t size = frame_payload_size(reply);
  void* ids = NULL;
  code = json_read_count(reply, &count);
  if (code == HEARTH_OK && (uint64_t)count * sizeof(int32_t) != size) code = HEARTH_EPROTOCOL;
  if (code == HEARTH_OK) {
    code = give_bytes(client, frame_payload(reply), size, &ids);
  } else {
    client_break_body(client, code, "token ids");
    code = client_fail_broken(client);
  }
  free(reply);
  if (code != HEARTH_OK) return code;
  *ret_ids = ids;
  *ret_count = (size_t)count;
  return HEARTH_OK;
}

int hearth_detokenize(hearth_client* client, const char* model, const int32_t* ids, size_t id_count,
                      uint32_t flags, char** ret_text, size_t* ret_size) {
  int code = client_enter_open(client);
  if (code == HEARTH_OK) code = check_model(client->error, model);
  if (code == HEARTH_OK) code = check_token_flags(client->error, flags, HEARTH_PARSE_SPECIAL);
  if (code != HEARTH_OK) return code;
  if (ids == NULL && id_count > 0) return fail(client->error, HEARTH_EINVALID, "ids: NULL");
  if (ret_text == NULL) return fail(client->error, HEARTH_EINVALID, "ret_text: NULL");
  if (ret_size == NULL) return fail(client->error, HEARTH_EINVALID, "ret_size: NULL");
  code = check_payload(client, "ids", id_count, sizeof(*ids));
  if (code != HEARTH_OK) return code;
  struct frame* reply = NULL;
  code = ask_text_verb(client, HEARTH_VERB_DETOKENIZE, model, flags, ids, id_count * sizeof(*ids),
                       &reply);
  if (code != HEARTH_OK) return code;
  const size_t size = frame_payload_size(reply);
  void* text = NULL;
  code = give_bytes(client, frame_payload(reply), size, &text);
  free(reply);
  if (code != HEARTH_OK) return code;
  *ret_text = text;
  *ret_size = size;
  return HEARTH_OK;
}
