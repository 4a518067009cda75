/* Sessions that the daemon keeps: questions about them, and their exports.
 *
 * The daemon takes a sealed memfd only, for what it has checked must not change: what a caller has
 * in a file is copied into one here. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

static_assert(HEARTH_SESSION_NAME_SIZE == HEARTH_SESSION_NAME_MAX + 1, "room for every name");
static_assert(HEARTH_MODEL_ID_SIZE == HEARTH_MODEL_ID_MAX + 1, "room for every id");

enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };

/* What the functions below begin with.  name may be NULL where needs_name is false. */
static int check_call(hearth_client* client, const char* name, bool needs_name,
                      const hearth_session_info* ret_info) {
  int code = client_enter_open(client);
  if (code != HEARTH_OK) return code;
  if (name == NULL && needs_name) return fail(client->error, HEARTH_EINVALID, "name: NULL");
  code = check_session(client->error, "name", name);
  if (code == HEARTH_OK && ret_info != NULL) {
    code = output_check(client->error, "ret_info", ret_info);
  }
  return code;
}

/* Asks, and reads what the session is.  Frees json.  ret_reply: NULL, or receives the reply. */
static int ask_session(hearth_client* client, uint16_t verb, char* json, int fd,
                       hearth_session_info* ret_info, struct frame** ret_reply) {
  if (json == NULL) return out_of_memory(client->error);
  struct frame* reply = NULL;
  int code = question_ask(client, verb, json, fd, &reply);
  json_free(json);
  if (code != HEARTH_OK) return code;
  hearth_session_info info = {0};
  if (verb != HEARTH_VERB_SESSION_DESTROY) code = json_read_session(reply, &info);
  if (code != HEARTH_OK) {
    client_break_body(client, code, "a session");
    code = client_fail_broken(client);
  } else if (ret_info != NULL) {
    output_give(ret_info, &info, sizeof(info));
  }
  if (code == HEARTH_OK && ret_reply != NULL) {
    *ret_reply = reply;
  } else {
    free(reply);
  }
  return code;
}

int hearth_session_open(hearth_client* client, const char* model, const char* name, uint32_t flags,
                        hearth_session_info* ret_info) {
  int code = check_call(client, name, /* needs_name= */ flags == HEARTH_SESSION_ATTACH, ret_info);
  if (code != HEARTH_OK) return code;
  if (flags > HEARTH_SESSION_ATTACH) {
    return fail(client->error, HEARTH_EINVALID, "flags: 0x%x, one at most of two is possible",
                flags);
  }
  if (model != NULL || flags != HEARTH_SESSION_ATTACH) code = check_model(client->error, model);
  if (code != HEARTH_OK) return code;
  static const char* const modes[] = {NULL, "create", "attach"};
  char* json = json_session(model, name, NULL, modes[flags], false, HEARTH_UNSET_I64);
  return ask_session(client, HEARTH_VERB_SESSION_OPEN, json, -1, ret_info, NULL);
}

int hearth_session_tokens(hearth_client* client, const char* name, int32_t** ret_ids,
                          size_t* ret_count) {
  int code = check_call(client, name, /* needs_name= */ true, NULL);
  if (code != HEARTH_OK) return code;
  if (ret_ids == NULL) return fail(client->error, HEARTH_EINVALID, "ret_ids: NULL");
  if (ret_count == NULL) return fail(client->error, HEARTH_EINVALID, "ret_count: NULL");
  hearth_session_info info = {.struct_size = sizeof(info)};
  struct frame* reply = NULL;
  char* json = json_session(NULL, name, NULL, "attach", true, HEARTH_UNSET_I64);
  code = ask_session(client, HEARTH_VERB_SESSION_OPEN, json, -1, &info, &reply);
  if (code != HEARTH_OK) return code;
  const size_t size = frame_payload_size(reply);
  void* ids = NULL;
  if ((uint64_t)info.tokens * sizeof(int32_t) == size) {
    code = give_bytes(client, frame_payload(reply), size, &ids);
  } else {
    client_break_body(client, HEARTH_EPROTOCOL, "the tokens of a session");
    code = client_fail_broken(client);
  }
  free(reply);
  if (code != HEARTH_OK) return code;
  *ret_ids = ids;
  *ret_count = (size_t)info.tokens;
  return HEARTH_OK;
}

int hearth_session_fork(hearth_client* client, const char* name, const char* new_name,
                        hearth_session_info* ret_info) {
  int code = check_call(client, name, /* needs_name= */ true, ret_info);
  if (code == HEARTH_OK) code = check_session(client->error, "new_name", new_name);
  if (code != HEARTH_OK) return code;
  char* json = json_session(NULL, name, new_name, NULL, false, HEARTH_UNSET_I64);
  return ask_session(client, HEARTH_VERB_SESSION_FORK, json, -1, ret_info, NULL);
}

int hearth_session_rollback(hearth_client* client, const char* name, int64_t tokens,
                            hearth_session_info* ret_info) {
  const int code = check_call(client, name, /* needs_name= */ true, ret_info);
  if (code != HEARTH_OK) return code;
  if (tokens < 0) {
    return fail(client->error, HEARTH_EINVALID, "tokens: %lld", (long long)tokens);
  }
  char* json = json_session(NULL, name, NULL, NULL, false, tokens);
  return ask_session(client, HEARTH_VERB_SESSION_ROLLBACK, json, -1, ret_info, NULL);
}

int hearth_session_destroy(hearth_client* client, const char* name) {
  const int code = check_call(client, name, /* needs_name= */ true, NULL);
  if (code != HEARTH_OK) return code;
  char* json = json_session(NULL, name, NULL, NULL, false, HEARTH_UNSET_I64);
  return ask_session(client, HEARTH_VERB_SESSION_DESTROY, json, -1, NULL, NULL);
}

int hearth_session_export(hearth_client* client, const char* name, int* ret_fd,
                          hearth_session_info* ret_info) {
  int code = check_call(client, name, /* needs_name= */ true, ret_info);
  if (code != HEARTH_OK) return code;
  if (ret_fd == NULL) return fail(client->error, HEARTH_EINVALID, "ret_fd: NULL");
  char* json = json_session(NULL, name, NULL, NULL, false, HEARTH_UNSET_I64);
  code = ask_session(client, HEARTH_VERB_SESSION_EXPORT, json, -1, ret_info, NULL);
  if (code != HEARTH_OK) return code;
  if (client->exported_fd < 0) {
    client_break_body(client, HEARTH_EPROTOCOL, "an export without a descriptor");
    return client_fail_broken(client);
  }
  *ret_fd = client->exported_fd;
  client->exported_fd = -1;
  return HEARTH_OK;
}

static int io_error(hearth_client* client, const char* what) {
  char buffer[128];
  return fail(client->error, HEARTH_EIO, "%s: %s", what, errno_text(errno, buffer, sizeof(buffer)));
}

/* Copies from the position of one descriptor to its end. */
static int copy_to(hearth_client* client, int from, int to) {
  enum { CHUNK = 1 << 16 };
  char* chunk = malloc(CHUNK);
  if (chunk == NULL) return out_of_memory(client->error);
  int code = HEARTH_OK;
  while (code == HEARTH_OK) {
    const ssize_t size = read(from, chunk, CHUNK);
    if (size == 0) break;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) code = io_error(client, "read an exported session");
    for (ssize_t done = 0; done < size && code == HEARTH_OK;) {
      const ssize_t written = write(to, chunk + done, (size_t)(size - done));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) code = io_error(client, "copy an exported session");
      done += written;
    }
  }
  free(chunk);
  return code;
}

/* A sealed memfd with what can be read from fd.  On HEARTH_OK the caller closes *ret_fd. */
static int seal_copy(hearth_client* client, int fd, int* ret_fd) {
  const int copy = memfd_create("hearth-session", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (copy < 0) return io_error(client, "make a memfd");
  int code = copy_to(client, fd, copy);
  if (code == HEARTH_OK && fcntl(copy, F_ADD_SEALS, SEALS) != 0) {
    code = io_error(client, "seal a memfd");
  }
  if (code == HEARTH_OK) {
    *ret_fd = copy;
  } else {
    close(copy);
  }
  return code;
}

int hearth_session_import(hearth_client* client, const char* model, int fd, const char* name,
                          hearth_session_info* ret_info) {
  int code = check_call(client, name, /* needs_name= */ false, ret_info);
  if (code == HEARTH_OK) code = check_model(client->error, model);
  if (code != HEARTH_OK) return code;
  if (fd < 0) return fail(client->error, HEARTH_EINVALID, "fd: %d", fd);
  const int seals = fcntl(fd, F_GET_SEALS);
  const bool sealed = seals >= 0 && (seals & SEALS) == SEALS;
  int sent = fd;
  if (!sealed) code = seal_copy(client, fd, &sent);
  if (code != HEARTH_OK) return code;
  char* json = json_session(model, name, NULL, NULL, false, HEARTH_UNSET_I64);
  code = ask_session(client, HEARTH_VERB_SESSION_IMPORT, json, sent, ret_info, NULL);
  if (!sealed) close(sent);
  return code;
}
