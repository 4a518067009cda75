/* The life of a connection once it stands: waiting on it, handing frames out, breaking, closing. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

/* hearth_stream_cancel() in another thread may leave bytes behind that the socket did not take
 * while the owner sleeps in poll(2) without POLLOUT.  It looks again after this long. */
enum { POLL_SLICE_MS = 1000 };

const char* hearth_last_error(const hearth_client* client) {
  return client == NULL ? "there is no client" : client->error;
}

int client_enter(hearth_client* client) {
  if (client == NULL) return HEARTH_EINVALID;
  if (client->pid == getpid()) return HEARTH_OK;
  return fail(client->error, HEARTH_EINVALID_OPERATION,
              "the client belongs to process %ld: after fork() only that one may use it",
              (long)client->pid);
}

int client_fail_broken(hearth_client* client) {
  return fail(client->error, client->broken, "%s", client->broken_text);
}

int client_enter_open(hearth_client* client) {
  const int code = client_enter(client);
  if (code != HEARTH_OK || client->broken == HEARTH_OK) return code;
  return client_fail_broken(client);
}

void client_break(hearth_client* client, int code, const char* format, ...) {
  if (client->broken != HEARTH_OK) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(client->broken_text, sizeof(client->broken_text), format, arguments);
  va_end(arguments);
  pthread_mutex_lock(&client->mutex);
  client->broken = code;
  close(client->fd);
  client->fd = -1;
  client->out_begin = client->out_end = 0;
  pthread_mutex_unlock(&client->mutex);
  free(client->partial);
  client->partial = NULL;
}

void client_break_body(hearth_client* client, int code, const char* what) {
  if (code == HEARTH_EOUT_OF_MEMORY) {
    client_break(client, code, "no memory to read %s", what);
  } else {
    client_break(client, code, "the daemon sent %s that docs/wire.md does not allow", what);
  }
}

/* ---- waiting ------------------------------------------------------------------------------ */

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_after(int timeout_ms) {
  return timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

int deadline_left_ms(int64_t deadline) {
  if (deadline < 0) return -1;
  const int64_t left = deadline - now_ms();
  return left > 0 ? (int)left : 0;
}

int hearth_fd(const hearth_client* client) {
  return client == NULL ? -1 : client->fd;
}

int hearth_events(const hearth_client* client) {
  if (client == NULL || client->fd < 0 || client->pid != getpid()) return 0;
  pthread_mutex_t* mutex = (pthread_mutex_t*)&client->mutex; /* the one thing that changes */
  pthread_mutex_lock(mutex);
  const bool queued = client->out_begin < client->out_end;
  pthread_mutex_unlock(mutex);
  return queued ? POLLIN | POLLOUT : POLLIN;
}

static void process(hearth_client* client) {
  pthread_mutex_lock(&client->mutex);
  frame_flush(client);
  pthread_mutex_unlock(&client->mutex);
  frame_receive(client);
}

int hearth_process(hearth_client* client) {
  const int code = client_enter_open(client);
  if (code != HEARTH_OK) return code;
  process(client);
  return client->broken == HEARTH_OK ? HEARTH_OK : client_fail_broken(client);
}

int client_wait(hearth_client* client, int64_t deadline) {
  struct pollfd pollfd = {.fd = client->fd, .events = (short)hearth_events(client)};
  const int left = deadline_left_ms(deadline);
  const int slice = left < 0 || left > POLL_SLICE_MS ? POLL_SLICE_MS : left;
  const int error = poll(&pollfd, 1, slice) < 0 ? errno : 0;
  if (error != 0 && error != EINTR) {
    char buffer[128];
    client_break(client, HEARTH_EIO, "poll: %s", errno_text(error, buffer, sizeof(buffer)));
    return HEARTH_OK;
  }
  process(client);
  return error == EINTR || deadline_left_ms(deadline) == 0 ? HEARTH_EAGAIN : HEARTH_OK;
}

/* ---- requests ----------------------------------------------------------------------------- */

static struct request** find_request(hearth_client* client, uint32_t id) {
  struct request** at = &client->requests;
  while (*at != NULL && (*at)->id != id) at = &(*at)->next;
  return at;
}

void request_open(hearth_client* client, struct request* request) {
  do {
    ++client->last_request_id; /* 0 is the greeting's; a stream may be open for 2^32 others */
  } while (client->last_request_id == 0 || *find_request(client, client->last_request_id) != NULL);
  request->id = client->last_request_id;
  request->next = client->requests;
  client->requests = request;
}

void request_close(hearth_client* client, struct request* request) {
  struct request** at = &client->requests;
  while (*at != NULL && *at != request) at = &(*at)->next;
  if (*at != NULL) *at = request->next;
}

void client_dispatch(hearth_client* client, struct frame* frame) {
  struct request* request = *find_request(client, frame->header.request);
  const bool is_reply = (frame->header.flags & HEARTH_FRAME_REPLY) != 0;
  if (request != NULL && request->stream != NULL) {
    stream_take_frame(request->stream, frame);
  } else if (request != NULL && is_reply && request->reply == NULL) {
    request->reply = frame;
  } else {
    free(frame); /* of a stream that was closed, or of a later protocol */
  }
}

/* ---- closing ------------------------------------------------------------------------------ */

hearth_client* hearth_close(hearth_client* client) {
  if (client == NULL) return NULL;
  /* After fork() this closes the child's copy of the descriptor: else the daemon would see the
   * parent's end only with the child's. */
  if (client->fd >= 0) close(client->fd);
  struct request* request = client->requests;
  while (request != NULL) {
    struct request* next = request->next;
    if (request->stream != NULL) stream_free(request->stream);
    request = next;
  }
  drop_fd(&client->received_fd);
  drop_fd(&client->exported_fd);
  if (client->pid == getpid()) pthread_mutex_destroy(&client->mutex);
  free(client->partial);
  free(client->out);
  free(client);
  return NULL;
}
