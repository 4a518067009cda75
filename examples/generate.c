/* Text to go on from a prompt, as it comes; C99.
 *
 *   generate MODEL PROMPT [MAX_TOKENS]
 *
 * The daemon is found as every client finds it: $HEARTH_SOCKET, else the user's, else the system's.
 * Ctrl-C ends the text, not the program: what was generated until then is counted and printed.
 *
 *   cc -std=c99 generate.c $(pkg-config --cflags --libs hearth) -o generate */
#define _POSIX_C_SOURCE 200809L

#include <hearth/hearth.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A signal arrives when it likes; so long may it go unnoticed while the daemon is silent. */
enum { LOOK_UP_MS = 200 };

static volatile sig_atomic_t interrupted = 0;

static void on_interrupt(int signal_number) {
  (void)signal_number;
  interrupted = 1;
}

static void print_event(const hearth_event* event) {
  if (event->kind == HEARTH_EVENT_TOKENS) {
    fwrite(event->text, 1, event->text_size, stdout);
    fflush(stdout);
  } else if (event->kind == HEARTH_EVENT_PROGRESS) {
    fprintf(stderr, "%s: %.0f %%\n", event->state, 100 * event->progress);
  }
}

/* Reads a stream to its end.  HEARTH_OK, or why it failed. */
static int follow(hearth_stream* stream) {
  hearth_event event;
  int code;
  hearth_event_init(&event);
  do {
    code = hearth_stream_read(stream, &event, LOOK_UP_MS);
    /* hearth_stream_cancel() is for any thread, but not for a signal handler. */
    if (interrupted) hearth_stream_cancel(stream);
    if (code == HEARTH_OK) print_event(&event);
  } while (code == HEARTH_EAGAIN || (code == HEARTH_OK && event.kind != HEARTH_EVENT_DONE));
  return code;
}

static void print_numbers(const hearth_stream* stream) {
  hearth_result result;
  hearth_result_init(&result);
  if (hearth_stream_result(stream, &result) != HEARTH_OK) return;
  fprintf(stderr,
          "\n%lld prompt tokens (%lld cached), %lld tokens, %.1f tokens/s, first after %.0f ms, "
          "stop: %s\n",
          (long long)result.prompt_tokens, (long long)result.cached_tokens,
          (long long)result.completion_tokens, result.decode_tps, result.ttft_ms,
          hearth_stop_reason_name(result.stop_reason));
}

static int generate(hearth_client* client, const char* model, const char* prompt, int max_tokens) {
  hearth_generate_options options;
  hearth_stream* stream = NULL;
  int code;
  hearth_generate_options_init(&options);
  options.model = model;
  options.prompt = prompt;
  options.prompt_size = strlen(prompt);
  options.raw = 1;
  options.temperature = 0;
  if (max_tokens > 0) options.max_tokens = max_tokens;
  code = hearth_generate(client, &options, &stream);
  if (code == HEARTH_OK) code = follow(stream);
  if (code == HEARTH_OK) print_numbers(stream);
  hearth_stream_close(stream);
  return code;
}

int main(int argc, char** argv) {
  struct sigaction action;
  hearth_client* client = NULL;
  int code;
  const int asks_for_help = argc == 2 && strcmp(argv[1], "--help") == 0;
  if (asks_for_help || argc < 3 || argc > 4) {
    fprintf(asks_for_help ? stdout : stderr, "usage: generate MODEL PROMPT [MAX_TOKENS]\n");
    return asks_for_help ? EXIT_SUCCESS : 2;
  }
  memset(&action, 0, sizeof(action));
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, NULL);

  code = hearth_connect(NULL, &client);
  if (code != HEARTH_OK) {
    fprintf(stderr, "generate: %s\n", hearth_connect_error());
    return EXIT_FAILURE;
  }
  code = generate(client, argv[1], argv[2], argc == 4 ? atoi(argv[3]) : 0);
  if (code != HEARTH_OK) fprintf(stderr, "generate: %s\n", hearth_last_error(client));
  hearth_close(client);
  return code == HEARTH_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
