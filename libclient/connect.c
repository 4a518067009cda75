/* Where the daemon is, connecting, and the greeting.
 *
 * The address cannot be looked up in a settings file and nothing is started: a daemon that is not
 * there is an error whose text names the socket that was tried. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

enum {
  CONNECT_TIMEOUT_MS = 10000,
  CONNECT_RETRY_MS = 10,  /* while the daemon's queue of new connections is full */
  CLIENT_NAME_BYTES = 256 /* more is no name */
};

#define SYSTEM_SOCKET "/run/hearth/hearthd.sock"
#define USER_SOCKET "/hearth/hearthd.sock" /* under $XDG_RUNTIME_DIR */

static _Thread_local char connect_error[ERROR_TEXT_BYTES];

const char* hearth_connect_error(void) {
  return connect_error;
}

static const char* environment(const char* name) {
  const char* value =
      secure_getenv(name); /* a setuid program does not let its caller redirect it */
  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* A program may be called anything; that must not keep it from connecting. */
static const char* program_name(void) {
  const char* name = program_invocation_short_name;
  return strlen(name) <= CLIENT_NAME_BYTES ? name : "a program with a long name";
}

static int set_path(struct sockaddr_un* address, const char* directory, const char* path) {
  const size_t room = sizeof(address->sun_path);
  const int size = snprintf(address->sun_path, room, "%s%s", directory, path);
  if (size > 0 && (size_t)size < room) return HEARTH_OK;
  return fail(connect_error, HEARTH_EINVALID, "socket_path: %d bytes, 1 .. %zu are possible: %s%s",
              size, room - 1, directory, path);
}

static int find_socket(const char* given, struct sockaddr_un* address) {
  if (given == NULL) given = environment("HEARTH_SOCKET");
  if (given != NULL) return set_path(address, "", given);
  const char* directory = environment("XDG_RUNTIME_DIR");
  if (directory != NULL && set_path(address, directory, USER_SOCKET) == HEARTH_OK &&
      access(address->sun_path, F_OK) == 0) {
    return HEARTH_OK;
  }
  return set_path(address, "", SYSTEM_SOCKET);
}

static int open_socket(const struct sockaddr_un* address, int64_t deadline, int* ret_fd) {
  char buffer[128];
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return fail(connect_error, HEARTH_EIO, "no socket: %s",
                errno_text(errno, buffer, sizeof(buffer)));
  }
  while (connect(fd, (const struct sockaddr*)address, sizeof(*address)) != 0) {
    const int error = errno;
    if ((error == EAGAIN || error == EINTR) && deadline_left_ms(deadline) != 0) {
      poll(NULL, 0, CONNECT_RETRY_MS);
      continue;
    }
    close(fd);
    return fail(connect_error, HEARTH_EUNAVAILABLE, "cannot connect to %s: %s", address->sun_path,
                error == EAGAIN ? "the daemon accepts no connection"
                                : errno_text(error, buffer, sizeof(buffer)));
  }
  *ret_fd = fd;
  return HEARTH_OK;
}

static hearth_client* create_client(int fd) {
  hearth_client* client = calloc(1, sizeof(*client));
  if (client == NULL) return NULL;
  client->pid = getpid();
  client->fd = fd;
  client->out_fd = -1;
  client->received_fd = -1;
  client->exported_fd = -1;
  pthread_mutex_init(&client->mutex, NULL);
  return client;
}

static int read_greeting(hearth_client* client, struct frame* frame) {
  int64_t protocol = 0;
  int64_t payload_max = HEARTH_PAYLOAD_BYTES_MAX;
  const int code = json_read_hello(frame, &protocol, &payload_max);
  if (code == HEARTH_EOUT_OF_MEMORY) return out_of_memory(client->error);
  if (code != HEARTH_OK) return fail(client->error, code, "a greeting that cannot be read");
  if (protocol < HEARTH_PROTOCOL_MIN || protocol > HEARTH_PROTOCOL_MAX) {
    return fail(client->error, HEARTH_EPROTOCOL,
                "the daemon chose protocol %lld, this library speaks %d .. %d", (long long)protocol,
                HEARTH_PROTOCOL_MIN, HEARTH_PROTOCOL_MAX);
  }
  client->payload_max = payload_max < (int64_t)HEARTH_PAYLOAD_BYTES_MAX ? (size_t)payload_max
                                                                        : HEARTH_PAYLOAD_BYTES_MAX;
  return HEARTH_OK;
}

static int greet(hearth_client* client, const char* name, int64_t deadline) {
  char* json = json_hello(name);
  if (json == NULL) return out_of_memory(client->error);
  struct request request = {.id = 0};
  client->requests = &request;
  int code = frame_send(client, HEARTH_VERB_HELLO, /* request= */ 0, json, NULL, 0, 0);
  json_free(json);
  if (code == HEARTH_OK) {
    code = question_wait(client, &request, deadline);
  } else {
    out_of_memory(client->error);
  }
  if (code == HEARTH_OK) code = read_greeting(client, request.reply);
  if (code == HEARTH_EAGAIN) {
    code = fail(client->error, HEARTH_EUNAVAILABLE, "the daemon sent no greeting in time");
  }
  request_close(client, &request);
  free(request.reply);
  return code;
}

int hearth_connect(const hearth_connect_options* options, hearth_client** ret_client) {
  hearth_connect_options ours;
  hearth_connect_options_init(&ours);
  if (ret_client == NULL) return fail(connect_error, HEARTH_EINVALID, "ret_client: NULL");
  int code = HEARTH_OK;
  if (options != NULL) {
    code = options_take(connect_error, "hearth_connect_options", options, &ours, sizeof(ours));
  }
  if (code != HEARTH_OK) return code;
  if (ours.timeout_ms == HEARTH_UNSET_I32) ours.timeout_ms = CONNECT_TIMEOUT_MS;
  if (ours.timeout_ms < 0) {
    return fail(connect_error, HEARTH_EINVALID, "timeout_ms: %d is negative", ours.timeout_ms);
  }
  const char* name = ours.client_name != NULL ? ours.client_name : program_name();
  if (strlen(name) > CLIENT_NAME_BYTES) {
    return fail(connect_error, HEARTH_EINVALID, "client_name: %zu bytes, at most %d are possible",
                strlen(name), CLIENT_NAME_BYTES);
  }
  const int64_t deadline = deadline_after(ours.timeout_ms);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = -1;
  code = find_socket(ours.socket_path, &address);
  if (code == HEARTH_OK) code = open_socket(&address, deadline, &fd);
  if (code != HEARTH_OK) return code;
  hearth_client* client = create_client(fd);
  if (client == NULL) {
    close(fd);
    return out_of_memory(connect_error);
  }
  code = greet(client, name, deadline);
  if (code != HEARTH_OK) {
    fail(connect_error, code, "%s: %s", address.sun_path, client->error);
    hearth_close(client);
    return code;
  }
  *ret_client = client;
  return HEARTH_OK;
}
