/* Codes, names and texts of errors, all from the one list in hearth.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

const char* hearth_version(void) {
  return HEARTH_VERSION_STRING;
}

const char* hearth_strerror(int code) {
  switch (code) {
#define CASE(name, value, wire, text) \
  case value: return text;
    HEARTH_ERROR_MAP(CASE)
#undef CASE
    default: return code >= HEARTH_OK ? "success" : "an error of a later version";
  }
}

const char* hearth_error_name(int code) {
  switch (code) {
#define CASE(name, value, wire, text) \
  case value: return wire;
    HEARTH_ERROR_MAP(CASE)
#undef CASE
    default: return code >= HEARTH_OK ? "ok" : "unknown";
  }
}

int error_from_name(const char* name) {
#define MATCH(error, value, wire, text) \
  if (strcmp(name, wire) == 0) return value;
  HEARTH_ERROR_MAP(MATCH)
#undef MATCH
  return HEARTH_EINTERNAL;
}

static const char* const stop_reason_names[] = {"none",   "end",     "stop",
                                                "length", "context", "canceled"};
enum { STOP_REASON_COUNT = sizeof(stop_reason_names) / sizeof(stop_reason_names[0]) };

const char* hearth_stop_reason_name(int stop_reason) {
  if (stop_reason < 0 || stop_reason >= STOP_REASON_COUNT) return "unknown";
  return stop_reason_names[stop_reason];
}

int stop_reason_from_name(const char* name) {
  for (int i = 0; i < STOP_REASON_COUNT; ++i) {
    if (strcmp(name, stop_reason_names[i]) == 0) return i;
  }
  return HEARTH_STOP_NONE;
}

const char* hearth_match_end_name(int match_end) {
  switch (match_end) {
#define CASE(name, value, wire, text) \
  case value: return wire;
    HEARTH_MATCH_END_MAP(CASE)
#undef CASE
    default: return "unknown";
  }
}

const char* hearth_match_end_text(int match_end) {
  switch (match_end) {
#define CASE(name, value, wire, text) \
  case value: return text;
    HEARTH_MATCH_END_MAP(CASE)
#undef CASE
    default: return "a reason of a later version";
  }
}

int match_end_from_name(const char* name) {
#define MATCH(end, value, wire, text) \
  if (strcmp(name, wire) == 0) return value;
  HEARTH_MATCH_END_MAP(MATCH)
#undef MATCH
  return -1;
}

void hearth_free(void* memory) {
  free(memory);
}

int fail(char text[ERROR_TEXT_BYTES], int code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int wanted = vsnprintf(text, ERROR_TEXT_BYTES, format, arguments);
  va_end(arguments);
  if (wanted >= ERROR_TEXT_BYTES) {
    size_t end = ERROR_TEXT_BYTES - 1;
    /* Bytes 10xxxxxx go on a character: what was cut within it loses its beginning too. */
    while (end > 0 && ((unsigned char)text[end - 1] & 0xc0) == 0x80) --end;
    if (end > 0 && (unsigned char)text[end - 1] >= 0xc0) --end;
    text[end] = '\0';
  }
  return code;
}

int out_of_memory(char text[ERROR_TEXT_BYTES]) {
  return fail(text, HEARTH_EOUT_OF_MEMORY, "%s", hearth_strerror(HEARTH_EOUT_OF_MEMORY));
}

const char* errno_text(int error, char* buffer, size_t size) {
  return strerror_r(error, buffer, size); /* the GNU one: may return static text */
}
