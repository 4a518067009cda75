/* Frames: the queue of bytes towards the daemon, and bytes from the daemon cut into frames.
 *
 * The queue is one buffer that is sent from its front.  It is the only thing that two threads
 * touch, so every function here that does holds hearth_client.mutex or says that the caller does.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "client.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "headers are copied as they are");

enum {
  OUT_KEEP_BYTES = 64 * 1024, /* of an empty queue; a large prompt gives its memory back */
  RECEIVE_ROUNDS = 64 /* at most 2 MiB in one call: a fast daemon must not hold it for ever */
};

/* ---- sending ------------------------------------------------------------------------------ */

static void out_compact(hearth_client* client) {
  if (client->out_begin > 0) {
    memmove(client->out, client->out + client->out_begin, client->out_end - client->out_begin);
  }
  client->out_end -= client->out_begin;
  client->out_fd_at -=
      client->out_begin < client->out_fd_at ? client->out_begin : client->out_fd_at;
  client->out_begin = 0;
}

/* Room for size bytes behind what is queued, and for what is reserved behind that. */
static bool out_grow(hearth_client* client, size_t size) {
  const size_t wanted = size + client->out_reserved;
  if (client->out_capacity - client->out_end >= wanted) return true;
  out_compact(client);
  if (client->out_capacity - client->out_end >= wanted) return true;
  const size_t doubled = 2 * client->out_capacity;
  const size_t needed = client->out_end + wanted;
  const size_t capacity = needed > doubled ? needed : doubled;
  uint8_t* larger = realloc(client->out, capacity);
  if (larger == NULL) return false;
  client->out = larger;
  client->out_capacity = capacity;
  return true;
}

static void out_append(hearth_client* client, const void* bytes, size_t size) {
  if (size > 0) memcpy(client->out + client->out_end, bytes, size);
  client->out_end += size;
}

static void out_clear(hearth_client* client) {
  client->out_begin = client->out_end = 0;
  client->out_fd = -1;
  if (client->out_capacity <= OUT_KEEP_BYTES || client->out_reserved > OUT_KEEP_BYTES) return;
  uint8_t* smaller = realloc(client->out, OUT_KEEP_BYTES);
  if (smaller == NULL) return;
  client->out = smaller;
  client->out_capacity = OUT_KEEP_BYTES;
}

/* Sends from the front of the queue, a descriptor with the byte that it belongs to. */
static ssize_t send_front(hearth_client* client) {
  size_t end = client->out_end;
  char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(16))) = {0};
  struct msghdr message = {0};
  if (client->out_fd >= 0 && client->out_begin < client->out_fd_at) {
    end = client->out_fd_at;
  } else if (client->out_fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    struct cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &client->out_fd, sizeof(int));
  }
  struct iovec part = {client->out + client->out_begin, end - client->out_begin};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent > 0 && message.msg_controllen > 0) client->out_fd = -1;
  return sent;
}

void frame_flush(hearth_client* client) {
  while (client->out_begin < client->out_end) {
    const ssize_t sent = send_front(client);
    if (sent >= 0) {
      client->out_begin += (size_t)sent;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } else if (errno != EINTR) {
      client->send_errno = errno; /* frame_receive() breaks the connection after the last frame */
      break;
    }
  }
  out_clear(client);
}

static int send_frame(hearth_client* client, uint16_t verb, uint32_t request, const char* json,
                      const void* payload, size_t payload_size, size_t reserve, int fd) {
  const size_t json_size = json == NULL ? 0 : strlen(json);
  const struct hearth_frame_header header = {
      .size = (uint32_t)(json_size + payload_size),
      .verb = verb,
      .fd_count = fd >= 0 ? 1 : 0,
      .request = request,
      .json_size = (uint32_t)json_size,
  };
  int code = HEARTH_OK;
  pthread_mutex_lock(&client->mutex);
  const bool dropped = client->fd < 0 || client->send_errno != 0;
  if (!dropped && !out_grow(client, sizeof(header) + header.size + reserve)) {
    code = HEARTH_EOUT_OF_MEMORY;
  } else {
    client->out_reserved += reserve; /* dropped or not: who reserves gives it back */
  }
  if (!dropped && code == HEARTH_OK) {
    if (fd >= 0) {
      client->out_fd = fd;
      client->out_fd_at = client->out_end;
    }
    out_append(client, &header, sizeof(header));
    out_append(client, json, json_size);
    out_append(client, payload, payload_size);
    frame_flush(client);
  }
  pthread_mutex_unlock(&client->mutex);
  return code;
}

int frame_send(hearth_client* client, uint16_t verb, uint32_t request, const char* json,
               const void* payload, size_t payload_size, size_t reserve) {
  return send_frame(client, verb, request, json, payload, payload_size, reserve, /* fd= */ -1);
}

int frame_send_fd(hearth_client* client, uint16_t verb, uint32_t request, const char* json,
                  int fd) {
  return send_frame(client, verb, request, json, /* payload= */ NULL, 0, /* reserve= */ 0, fd);
}

void frame_send_reserved(hearth_client* client, uint16_t verb, uint32_t request) {
  const struct hearth_frame_header header = {.verb = verb, .request = request};
  client->out_reserved -= sizeof(header);
  if (client->fd < 0 || client->send_errno != 0) return;
  assert(client->out_capacity - client->out_end >= sizeof(header));
  out_append(client, &header, sizeof(header));
  frame_flush(client);
}

/* ---- receiving ---------------------------------------------------------------------------- */

const uint8_t* frame_payload(const struct frame* frame) {
  return frame->body + frame->header.json_size;
}

size_t frame_payload_size(const struct frame* frame) {
  return frame->header.size - frame->header.json_size;
}

/* NULL, or what is wrong with a header. */
static const char* header_fault(const struct hearth_frame_header* header) {
  const uint8_t known = HEARTH_FRAME_REPLY | HEARTH_FRAME_ERROR;
  if (header->size > HEARTH_FRAME_BYTES_MAX) return "its size is over the limit";
  if (header->json_size > header->size) return "its JSON is larger than its body";
  if (header->json_size > HEARTH_JSON_BYTES_MAX) return "its JSON is over the limit";
  if (header->size - header->json_size > HEARTH_PAYLOAD_BYTES_MAX) {
    return "its payload is over the limit";
  }
  if ((header->flags & ~known) != 0) return "its flags are unknown";
  if (header->flags == HEARTH_FRAME_ERROR) return "it is an error and no reply";
  if (header->fd_count > 1) return "it comes with descriptors";
  return NULL;
}

void drop_fd(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void begin_frame(hearth_client* client) {
  struct hearth_frame_header header;
  memcpy(&header, client->header, sizeof(header));
  client->header_size = 0;
  const char* fault = header_fault(&header);
  if (fault == NULL && header.fd_count == 1 && client->received_fd < 0) {
    fault = "its descriptor is missing";
  }
  if (fault != NULL) {
    client_break(client, HEARTH_EPROTOCOL, "a broken frame from the daemon: %s (size %u, JSON %u)",
                 fault, header.size, header.json_size);
    return;
  }
  struct frame* frame = malloc(sizeof(*frame) + header.size + 1);
  if (frame == NULL) {
    client_break(client, HEARTH_EOUT_OF_MEMORY, "no memory for a frame of %u bytes", header.size);
    return;
  }
  memset(frame, 0, sizeof(*frame));
  if (header.fd_count == 1) {
    drop_fd(&client->exported_fd);
    client->exported_fd = client->received_fd;
    client->received_fd = -1;
  }
  frame->header = header;
  frame->body[header.size] = '\0';
  client->partial = frame;
  client->partial_size = 0;
}

/* Moves what of the chunk belongs at to[have], up to want bytes; the number of bytes moved. */
static size_t fill(uint8_t* to, size_t have, size_t want, const uint8_t* chunk, size_t size) {
  const size_t moved = size < want - have ? size : want - have;
  memcpy(to + have, chunk, moved);
  return moved;
}

static void feed(hearth_client* client, const uint8_t* chunk, size_t size) {
  while (size > 0 && client->broken == HEARTH_OK) {
    size_t moved;
    if (client->partial == NULL) {
      moved = fill(client->header, client->header_size, sizeof(client->header), chunk, size);
      client->header_size += moved;
      if (client->header_size == sizeof(client->header)) begin_frame(client);
    } else {
      moved = fill(client->partial->body, client->partial_size, client->partial->header.size, chunk,
                   size);
      client->partial_size += moved;
    }
    chunk += moved;
    size -= moved;
    if (client->partial != NULL && client->partial_size == client->partial->header.size) {
      struct frame* frame = client->partial;
      client->partial = NULL;
      client_dispatch(client, frame);
    }
  }
}

/* Keeps the descriptor that came with a message, until its frame's header is whole. */
static void keep_fd(hearth_client* client, struct msghdr* message) {
  for (struct cmsghdr* at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    drop_fd(&client->received_fd);
    memcpy(&client->received_fd, CMSG_DATA(at), sizeof(int)); /* there was room for one */
  }
}

static ssize_t receive(hearth_client* client) {
  char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(16)));
  struct iovec part = {client->received, RECEIVE_BYTES};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  const ssize_t size = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size >= 0) keep_fd(client, &message);
  return size;
}

void frame_receive(hearth_client* client) {
  for (int round = 0; round < RECEIVE_ROUNDS && client->broken == HEARTH_OK; ++round) {
    const ssize_t size = receive(client);
    if (size > 0) {
      feed(client, client->received, (size_t)size);
      if (client->header_size == 0) drop_fd(&client->received_fd); /* of no frame that we know */
    } else if (size == 0) {
      client_break(client, HEARTH_EUNAVAILABLE, "the daemon closed the connection%s",
                   client->partial != NULL || client->header_size > 0 ? " within a frame" : "");
    } else if (errno == EINTR) {
      continue;
    } else {
      const bool empty = errno == EAGAIN || errno == EWOULDBLOCK;
      pthread_mutex_lock(&client->mutex);
      const int error = empty ? client->send_errno : errno;
      pthread_mutex_unlock(&client->mutex);
      if (empty && error == 0) return;
      char buffer[128];
      client_break(client, HEARTH_EUNAVAILABLE, "the connection to the daemon broke: %s",
                   errno_text(error, buffer, sizeof(buffer)));
    }
  }
}
