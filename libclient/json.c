/* The door to cJSON: every control body that is written and read.
 *
 * Writing leaves out what the caller has no opinion on.  Reading believes nothing: a body is one
 * whole object, a value has the type and range it should have, keys of a later version are passed
 * over. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "common/checkpoint_fields.h"
#include "common/sampling_fields.h"

/* ---- writing ------------------------------------------------------------------------------ */

/* An object being built; after a failed allocation the rest is skipped. */
struct writer {
  cJSON* root;
  bool ok;
};

static struct writer begin(void) {
  cJSON* root = cJSON_CreateObject();
  return (struct writer){root, root != NULL};
}

static void add_string(struct writer* w, const char* key, const char* value) {
  w->ok = w->ok && cJSON_AddStringToObject(w->root, key, value) != NULL;
}

static void add_number(struct writer* w, const char* key, double value) {
  w->ok = w->ok && cJSON_AddNumberToObject(w->root, key, value) != NULL;
}

static void add_bool(struct writer* w, const char* key, bool value) {
  w->ok = w->ok && cJSON_AddBoolToObject(w->root, key, value) != NULL;
}

static void add_i32(struct writer* w, const char* key, int32_t value) {
  if (value != HEARTH_UNSET_I32) add_number(w, key, value);
}

static void add_f32(struct writer* w, const char* key, float value) {
  if (value != HEARTH_UNSET_F32) add_number(w, key, (double)value);
}

static void add_flag(struct writer* w, const char* key, int32_t value) {
  if (value != HEARTH_UNSET_I32) add_bool(w, key, value == 1);
}

static void add_strings(struct writer* w, const char* key, const char* const* strings,
                        size_t count) {
  cJSON* array = w->ok ? cJSON_AddArrayToObject(w->root, key) : NULL;
  w->ok = array != NULL;
  for (size_t i = 0; i < count && w->ok; ++i) {
    cJSON* item = cJSON_CreateString(strings[i]);
    w->ok = item != NULL;
    cJSON_AddItemToArray(array, item); /* does nothing for NULL, cannot fail otherwise */
  }
}

static void add_biases(struct writer* w, const hearth_logit_bias* biases, size_t count) {
  if (count == 0) return;
  cJSON* array = w->ok ? cJSON_AddArrayToObject(w->root, "logit_bias") : NULL;
  w->ok = array != NULL;
  for (size_t i = 0; i < count && w->ok; ++i) {
    const double bias = (double)biases[i].bias;
    cJSON* pair = cJSON_CreateArray();
    cJSON* id = cJSON_CreateNumber(biases[i].id);
    cJSON* value = isinf(bias) ? cJSON_CreateFalse() : cJSON_CreateNumber(bias);
    w->ok = pair != NULL && id != NULL && value != NULL;
    if (w->ok) {
      cJSON_AddItemToArray(pair, id);
      cJSON_AddItemToArray(pair, value);
      cJSON_AddItemToArray(array, pair);
    } else {
      cJSON_Delete(pair);
      cJSON_Delete(id);
      cJSON_Delete(value);
    }
  }
}

static void add_i32s(struct writer* w, const char* key, const int32_t* numbers, size_t count) {
  if (count == 0) return;
  cJSON* array = w->ok ? cJSON_CreateIntArray(numbers, (int)count) : NULL;
  w->ok = array != NULL && cJSON_AddItemToObject(w->root, key, array);
  if (!w->ok) cJSON_Delete(array);
}

static void add_token_flags(struct writer* w, uint32_t flags) {
  if (flags & HEARTH_NO_SPECIAL) add_bool(w, "add_special", false);
  if (flags & HEARTH_PARSE_SPECIAL) add_bool(w, "parse_special", true);
}

static char* finish(struct writer* w) {
  char* json = w->ok ? cJSON_PrintUnformatted(w->root) : NULL;
  cJSON_Delete(w->root);
  return json;
}

char* json_hello(const char* client_name) {
  struct writer w = begin();
  add_number(&w, "protocol_min", HEARTH_PROTOCOL_MIN);
  add_number(&w, "protocol_max", HEARTH_PROTOCOL_MAX);
  add_string(&w, "client", client_name);
  return finish(&w);
}

char* json_text_verb(const char* model, uint32_t token_flags) {
  struct writer w = begin();
  add_string(&w, "model", model);
  add_token_flags(&w, token_flags);
  return finish(&w);
}

char* json_generate(const hearth_generate_options* options, const char* prompt_kind,
                    uint32_t credit) {
  struct writer w = begin();
  add_string(&w, "model", options->model);
  add_string(&w, "prompt_kind", prompt_kind);
  add_token_flags(&w, options->token_flags);
  add_flag(&w, "raw", options->raw);
  add_i32(&w, "max_tokens", options->max_tokens);
  add_f32(&w, "temperature", options->temperature);
  add_i32(&w, "top_k", options->top_k);
  add_f32(&w, "top_p", options->top_p);
#define ADD_(type, name, low, high, fallback, help) add_##type(&w, #name, options->name);
  HEARTH_SAMPLING_FIELDS(ADD_)
#undef ADD_
  if (options->seed != HEARTH_UNSET_I64) add_number(&w, "seed", (double)options->seed);
  if (options->stop_count > 0) add_strings(&w, "stop", options->stop, options->stop_count);
  if (options->samplers != NULL)
    add_strings(&w, "samplers", options->samplers, options->sampler_count);
  add_biases(&w, options->logit_bias, options->logit_bias_count);
  add_i32(&w, "n_probs", options->n_probs);
  add_flag(&w, "ignore_eos", options->ignore_eos);
  add_flag(&w, "logits", options->want_logits);
  add_number(&w, "credit", credit);
#define ADD_(name, field, low, high, help) add_i32(&w, #name, options->name);
  HEARTH_CHECKPOINT_FIELDS(ADD_)
#undef ADD_
  add_i32s(&w, "checkpoints", options->checkpoints, options->checkpoint_count);
  if (options->session != NULL) add_string(&w, "session", options->session);
  return finish(&w);
}

/* JSON of the caller's, as it is, so that numbers keep their digits.  False: it is none. */
static bool add_document(struct writer* w, const char* key, const char* document) {
  if (document == NULL) return true;
  const char* end = NULL;
  cJSON* parsed = cJSON_ParseWithOpts(document, &end, /* require_null_terminated= */ 1);
  if (parsed == NULL) return false;
  cJSON_Delete(parsed);
  w->ok = w->ok && cJSON_AddRawToObject(w->root, key, document) != NULL;
  return true;
}

int json_conversation(char text[ERROR_TEXT_BYTES], const hearth_conversation* conversation,
                      char** ret_json) {
  struct writer w = begin();
  const char* wrong = NULL;
  if (!add_document(&w, "messages", conversation->messages)) wrong = "messages";
  if (!add_document(&w, "tools", conversation->tools)) wrong = "tools";
  if (!add_document(&w, "template_arguments", conversation->template_arguments)) {
    wrong = "template_arguments";
  }
  if (conversation->effort != NULL) {
    add_string(&w, "reasoning", conversation->effort);
  } else {
    add_flag(&w, "reasoning", conversation->reasoning);
  }
  add_flag(&w, "continue", conversation->continues);
  add_flag(&w, "split_reasoning", conversation->split_reasoning);
  char* json = finish(&w);
  if (json == NULL) return out_of_memory(text);
  if (wrong != NULL) {
    json_free(json);
    return fail(text, HEARTH_EINVALID, "%s: not JSON", wrong);
  }
  *ret_json = json;
  return HEARTH_OK;
}

char* json_eval(const hearth_eval_options* options, uint32_t credit) {
  struct writer w = begin();
  add_string(&w, "model", options->model);
  add_flag(&w, "logits", options->want_logits);
  static const char* const poolings[] = {"none", "last", "mean"};
  if (options->pooling != HEARTH_POOLING_NONE)
    add_string(&w, "pooling", poolings[options->pooling]);
  add_number(&w, "credit", credit);
  return finish(&w);
}

char* json_load(const char* model, int64_t keep_alive_s) {
  struct writer w = begin();
  add_string(&w, "model", model);
  if (keep_alive_s != HEARTH_UNSET_I64) add_number(&w, "keep_alive", (double)keep_alive_s);
  return finish(&w);
}

char* json_session(const char* model, const char* name, const char* as, const char* mode, bool ids,
                   int64_t tokens) {
  struct writer w = begin();
  if (model != NULL) add_string(&w, "model", model);
  if (name != NULL) add_string(&w, "session", name);
  if (as != NULL) add_string(&w, "as", as);
  if (mode != NULL) add_string(&w, "mode", mode);
  if (ids) add_bool(&w, "ids", true);
  if (tokens != HEARTH_UNSET_I64) add_number(&w, "tokens", (double)tokens);
  return finish(&w);
}

char* json_cache(const hearth_cache_options* options) {
  static const char* const actions[] = {"", "ls", "evict", "verify"};
  struct writer w = begin();
  add_string(&w, "model", options->model);
  add_string(&w, "do", actions[options->action]);
  add_flag(&w, "all", options->all);
  if (options->uid != HEARTH_UNSET_I64) add_number(&w, "uid", (double)options->uid);
  if (options->max_bytes != HEARTH_UNSET_I64)
    add_number(&w, "max_bytes", (double)options->max_bytes);
  add_i32(&w, "limit", options->limit);
  add_i32(&w, "first_tokens", options->first_tokens);
  return finish(&w);
}

void json_free(char* json) {
  cJSON_free(json);
}

/* ---- reading ------------------------------------------------------------------------------ */

/* An object being read; code stays at the first thing that was wrong. */
struct reader {
  cJSON* root;
  int code;
};

static struct reader open_body(struct frame* frame) {
  struct reader r = {NULL, HEARTH_EPROTOCOL};
  const size_t size = frame->header.json_size;
  if (size == 0) return r;
  /* cJSON releases before 1.7.18 may read past a length that they were given, so it gets a NUL:
   * in place of the payload's first byte, which comes back. */
  const uint8_t kept = frame->body[size];
  frame->body[size] = '\0';
  const char* end = NULL;
  /* cJSON says NULL for bad text and for exhausted memory alike; malloc() tells them apart. */
  errno = 0;
  r.root = cJSON_ParseWithOpts((const char*)frame->body, &end, /* require_null_terminated= */ 1);
  const bool exhausted = r.root == NULL && errno == ENOMEM;
  frame->body[size] = kept;
  if (exhausted) {
    r.code = HEARTH_EOUT_OF_MEMORY;
  } else if (cJSON_IsObject(r.root) && end == (const char*)frame->body + size) {
    r.code = HEARTH_OK;
  }
  return r;
}

static int close_body(struct reader* r) {
  cJSON_Delete(r->root);
  return r->code;
}

/* The value of a key of the right type; NULL when there is none, or null; else an error. */
static const cJSON* get(struct reader* r, const cJSON* object, const char* key,
                        cJSON_bool (*is_type)(const cJSON*)) {
  const cJSON* item = cJSON_GetObjectItemCaseSensitive(object, key);
  if (item == NULL || cJSON_IsNull(item)) return NULL;
  if (is_type(item)) return item;
  r->code = HEARTH_EPROTOCOL;
  return NULL;
}

static void get_number(struct reader* r, const cJSON* object, const char* key, double* value) {
  const cJSON* item = get(r, object, key, cJSON_IsNumber);
  if (item == NULL) return;
  if (!isfinite(item->valuedouble)) {
    r->code = HEARTH_EPROTOCOL;
    return;
  }
  *value = item->valuedouble;
}

/* Whole, not negative, and exact as a double. */
static void get_count(struct reader* r, const cJSON* object, const char* key, int64_t* value) {
  double number = (double)*value;
  get_number(r, object, key, &number);
  if (number >= 0 && number <= 9007199254740992.0 && number == floor(number)) {
    *value = (int64_t)number;
  } else {
    r->code = HEARTH_EPROTOCOL;
  }
}

int json_read_hello(struct frame* frame, int64_t* protocol, int64_t* payload_max) {
  struct reader r = open_body(frame);
  get_count(&r, r.root, "protocol", protocol);
  const cJSON* limits = get(&r, r.root, "limits", cJSON_IsObject);
  get_count(&r, limits, "payload_bytes", payload_max);
  return close_body(&r);
}

int json_read_error(struct frame* frame, int* ret_code, char text[ERROR_TEXT_BYTES]) {
  struct reader r = open_body(frame);
  const cJSON* error = get(&r, r.root, "error", cJSON_IsObject);
  const cJSON* code = get(&r, error, "code", cJSON_IsString);
  const cJSON* message = get(&r, error, "message", cJSON_IsString);
  if (code == NULL && r.code == HEARTH_OK) r.code = HEARTH_EPROTOCOL;
  const int named = r.code == HEARTH_OK ? error_from_name(code->valuestring) : HEARTH_OK;
  /* Our own word for "nothing yet": a request that ended with it would be waited for for ever. */
  if (named == HEARTH_EAGAIN) r.code = HEARTH_EPROTOCOL;
  if (r.code == HEARTH_OK) {
    *ret_code = named;
    fail(text, named, "%s", message != NULL ? message->valuestring : code->valuestring);
  }
  return close_body(&r);
}

int json_read_count(struct frame* frame, int64_t* count) {
  struct reader r = open_body(frame);
  get_count(&r, r.root, "count", count);
  return close_body(&r);
}

int json_read_progress(struct frame* frame, hearth_event* event) {
  struct reader r = open_body(frame);
  const cJSON* state = get(&r, r.root, "state", cJSON_IsString);
  get_number(&r, r.root, "progress", &event->progress);
  if (state == NULL && r.code == HEARTH_OK) r.code = HEARTH_EPROTOCOL;
  if (event->progress < 0 || event->progress > 1) r.code = HEARTH_EPROTOCOL;
  if (r.code == HEARTH_OK) {
    /* The text is no longer than the JSON that spelled it: the frame's body can hold it. */
    memcpy(frame->body, state->valuestring, strlen(state->valuestring) + 1);
    event->state = (const char*)frame->body;
  }
  return close_body(&r);
}

/* The text of an object of the body; *ret_text stays where there is none. */
static void get_text(struct reader* r, const cJSON* object, char** ret_text) {
  if (object == NULL || r->code != HEARTH_OK) return;
  *ret_text = cJSON_PrintUnformatted(object);
  if (*ret_text == NULL) r->code = HEARTH_EOUT_OF_MEMORY;
}

static void read_cache(struct reader* r, hearth_result* result, char** ret_cache) {
  const cJSON* cache = get(r, r->root, "cache", cJSON_IsObject);
  get_count(r, cache, "published_tokens", &result->published_tokens);
  get_count(r, cache, "copied_tokens", &result->copied_tokens);
  get_count(r, cache, "waited_tokens", &result->waited_tokens);
  get_count(r, cache, "restored_tokens", &result->restored_tokens);
  get_count(r, cache, "restored_pages", &result->restored_pages);
  get_number(r, cache, "restore_ms", &result->restore_ms);
  get_count(r, cache, "computed_tokens", &result->computed_tokens);
  get_count(r, cache, "recomputed_tokens", &result->recomputed_tokens);
  get_count(r, cache, "state_hit", &result->state_hit);
  get_count(r, cache, "lost_no_checkpoint", &result->lost_no_checkpoint);
  const cJSON* end = get(r, cache, "match_end", cJSON_IsString);
  if (end != NULL) result->match_end = match_end_from_name(end->valuestring);
  const cJSON* tier = get(r, cache, "tier", cJSON_IsString);
  if (tier != NULL && strcmp(tier->valuestring, "host") == 0)
    result->cache_tier = HEARTH_CACHE_TIER_HOST;
  get_text(r, cache, ret_cache);
}

int json_read_result(struct frame* frame, hearth_result* result, char** ret_sampling,
                     char** ret_cache) {
  struct reader r = open_body(frame);
  const cJSON* usage = get(&r, r.root, "usage", cJSON_IsObject);
  get_count(&r, usage, "prompt_tokens", &result->prompt_tokens);
  get_count(&r, usage, "cached_tokens", &result->cached_tokens);
  get_count(&r, usage, "completion_tokens", &result->completion_tokens);
  const cJSON* timings = get(&r, r.root, "timings", cJSON_IsObject);
  get_number(&r, timings, "ttft_ms", &result->ttft_ms);
  get_number(&r, timings, "prefill_ms", &result->prefill_ms);
  get_number(&r, timings, "decode_ms", &result->decode_ms);
  get_number(&r, timings, "prefill_tps", &result->prefill_tps);
  get_number(&r, timings, "decode_tps", &result->decode_tps);
  get_count(&r, r.root, "seed", &result->seed);
  get_number(&r, r.root, "mean_nll", &result->mean_nll);
  get_count(&r, r.root, "session_tokens", &result->session_tokens);
  const cJSON* reason = get(&r, r.root, "stop_reason", cJSON_IsString);
  if (reason != NULL) result->stop_reason = stop_reason_from_name(reason->valuestring);
  get_text(&r, get(&r, r.root, "sampling", cJSON_IsObject), ret_sampling);
  read_cache(&r, result, ret_cache);
  return close_body(&r);
}

/* A string that must be there and fit. */
static void get_string(struct reader* r, const char* key, char* to, size_t capacity) {
  const cJSON* item = get(r, r->root, key, cJSON_IsString);
  const size_t size = item == NULL ? capacity : strlen(item->valuestring);
  if (size >= capacity) {
    r->code = HEARTH_EPROTOCOL;
  } else {
    memcpy(to, item->valuestring, size + 1);
  }
}

static int32_t get_flag(struct reader* r, const char* key) {
  return cJSON_IsTrue(get(r, r->root, key, cJSON_IsBool)) ? 1 : 0;
}

int json_read_session(struct frame* frame, hearth_session_info* info) {
  struct reader r = open_body(frame);
  get_string(&r, "session", info->name, sizeof(info->name));
  get_string(&r, "model", info->model, sizeof(info->model));
  get_count(&r, r.root, "tokens", &info->tokens);
  info->anonymous = get_flag(&r, "anonymous");
  info->created = get_flag(&r, "created");
  get_count(&r, r.root, "pages", &info->pages);
  get_count(&r, r.root, "pages_cached", &info->pages_cached);
  get_count(&r, r.root, "checkpoints", &info->checkpoints);
  get_count(&r, r.root, "checkpoints_cached", &info->checkpoints_cached);
  return close_body(&r);
}
