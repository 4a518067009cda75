/* Option and result structs: defaults, the struct_size rule, ranges.
 *
 * The rule is that of the kernel's extensible structs.  A caller with an older header passes a
 * shorter struct: the fields it lacks stay at "no opinion".  A caller with a newer one passes a
 * longer struct: fine while the fields we do not know are 0, which is what our own init made them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "common/checkpoint_fields.h"
#include "common/sampling_fields.h"

/* Beyond this a struct_size is what happened to be in memory. */
enum { STRUCT_SIZE_MAX = 4096 };

static const hearth_connect_options connect_defaults = {
    .struct_size = sizeof(hearth_connect_options),
    .timeout_ms = HEARTH_UNSET_I32,
};

static const hearth_generate_options generate_defaults = {
    .struct_size = sizeof(hearth_generate_options),
    .raw = HEARTH_UNSET_I32,
    .max_tokens = HEARTH_UNSET_I32,
    .temperature = HEARTH_UNSET_F32,
    .top_k = HEARTH_UNSET_I32,
    .top_p = HEARTH_UNSET_F32,
    .seed = HEARTH_UNSET_I64,
    .ignore_eos = HEARTH_UNSET_I32,
    .want_logits = HEARTH_UNSET_I32,
    .credit = HEARTH_UNSET_I32,
    .n_probs = HEARTH_UNSET_I32,
#define DEFAULT_(type, name, low, high, fallback, help) .name = HEARTH_FIELD_UNSET_##type,
    HEARTH_SAMPLING_FIELDS(DEFAULT_)
#undef DEFAULT_
#define DEFAULT_(name, field, low, high, help) .name = HEARTH_UNSET_I32,
        HEARTH_CHECKPOINT_FIELDS(DEFAULT_)
#undef DEFAULT_
};

static const hearth_eval_options eval_defaults = {
    .struct_size = sizeof(hearth_eval_options),
    .want_logits = HEARTH_UNSET_I32,
};

static const hearth_conversation conversation_defaults = {
    .struct_size = sizeof(hearth_conversation),
    .reasoning = HEARTH_UNSET_I32,
    .continues = HEARTH_UNSET_I32,
    .split_reasoning = HEARTH_UNSET_I32,
};

static const hearth_cache_options cache_defaults = {
    .struct_size = sizeof(hearth_cache_options),
    .all = HEARTH_UNSET_I32,
    .uid = HEARTH_UNSET_I64,
    .max_bytes = HEARTH_UNSET_I64,
    .limit = HEARTH_UNSET_I32,
    .first_tokens = HEARTH_UNSET_I32,
};

/* Sets what the caller's struct has room for: an older header's is shorter than ours. */
static void init(void* ret, size_t struct_size, const void* ours, size_t ours_size) {
  if (ret == NULL || struct_size < sizeof(size_t)) return;
  memset(ret, 0, struct_size);
  memcpy(ret, ours, struct_size < ours_size ? struct_size : ours_size);
  memcpy(ret, &struct_size, sizeof(struct_size));
}

void hearth_connect_options_init_sized(hearth_connect_options* options, size_t struct_size) {
  init(options, struct_size, &connect_defaults, sizeof(connect_defaults));
}

void hearth_generate_options_init_sized(hearth_generate_options* options, size_t struct_size) {
  init(options, struct_size, &generate_defaults, sizeof(generate_defaults));
}

void hearth_eval_options_init_sized(hearth_eval_options* options, size_t struct_size) {
  init(options, struct_size, &eval_defaults, sizeof(eval_defaults));
}

void hearth_conversation_init_sized(hearth_conversation* conversation, size_t struct_size) {
  init(conversation, struct_size, &conversation_defaults, sizeof(conversation_defaults));
}

void hearth_session_info_init_sized(hearth_session_info* info, size_t struct_size) {
  init(info, struct_size, &(hearth_session_info){0}, sizeof(hearth_session_info));
}

void hearth_cache_options_init_sized(hearth_cache_options* options, size_t struct_size) {
  init(options, struct_size, &cache_defaults, sizeof(cache_defaults));
}

void hearth_result_init_sized(hearth_result* result, size_t struct_size) {
  init(result, struct_size, &(hearth_result){0}, sizeof(hearth_result));
}

void hearth_event_init_sized(hearth_event* event, size_t struct_size) {
  init(event, struct_size, &(hearth_event){0}, sizeof(hearth_event));
}

static int take_size(char text[ERROR_TEXT_BYTES], const char* name, const void* theirs,
                     size_t* ret_size) {
  if (theirs == NULL) return fail(text, HEARTH_EINVALID, "%s: NULL", name);
  memcpy(ret_size, theirs, sizeof(*ret_size));
  if (*ret_size >= sizeof(size_t) && *ret_size <= STRUCT_SIZE_MAX) return HEARTH_OK;
  return fail(text, HEARTH_EINVALID, "%s.struct_size: %zu; call the struct's init first", name,
              *ret_size);
}

int options_take(char text[ERROR_TEXT_BYTES], const char* name, const void* options, void* ours,
                 size_t ours_size) {
  size_t size = 0;
  const int code = take_size(text, name, options, &size);
  if (code != HEARTH_OK) return code;
  const uint8_t* bytes = options;
  for (size_t i = ours_size; i < size; ++i) {
    if (bytes[i] == 0) continue;
    return fail(text, HEARTH_EINVALID,
                "%s.struct_size: %zu, and a field beyond the %zu bytes that libhearth %s knows is "
                "set",
                name, size, ours_size, HEARTH_VERSION_STRING);
  }
  memcpy(ours, options, size < ours_size ? size : ours_size);
  return HEARTH_OK;
}

int output_check(char text[ERROR_TEXT_BYTES], const char* name, const void* ret) {
  size_t size = 0;
  return take_size(text, name, ret, &size);
}

void output_give(void* ret, const void* ours, size_t ours_size) {
  size_t size = 0;
  memcpy(&size, ret, sizeof(size));
  init(ret, size, ours, ours_size);
}

int check_payload(hearth_client* client, const char* name, size_t count, size_t item_size) {
  const size_t count_max = client->payload_max / item_size;
  if (count <= count_max) return HEARTH_OK;
  return fail(client->error, HEARTH_ELIMIT, "%s: %zu %s, a request may have %zu", name, count,
              item_size == 1 ? "bytes" : "ids", count_max);
}

int check_model(char text[ERROR_TEXT_BYTES], const char* model) {
  if (model == NULL || model[0] == '\0') return fail(text, HEARTH_EINVALID, "model: missing");
  const size_t size = strlen(model);
  if (size <= HEARTH_MODEL_ID_MAX) return HEARTH_OK;
  return fail(text, HEARTH_EINVALID, "model: %zu characters, an id has at most %d", size,
              HEARTH_MODEL_ID_MAX);
}

int check_token_flags(char text[ERROR_TEXT_BYTES], uint32_t flags, uint32_t known) {
  if ((flags & ~known) == 0) return HEARTH_OK;
  return fail(text, HEARTH_EINVALID, "flags: 0x%x has bits that mean nothing here", flags);
}

static int check_i32(char text[ERROR_TEXT_BYTES], const char* name, int32_t value, int32_t min,
                     int32_t max) {
  if (value == HEARTH_UNSET_I32 || (value >= min && value <= max)) return HEARTH_OK;
  return fail(text, HEARTH_EINVALID, "%s: %d is not within %d .. %d", name, value, min, max);
}

static int check_f32(char text[ERROR_TEXT_BYTES], const char* name, float value, float min,
                     float max) {
  /* Written so that a NaN fails. */
  if (value == HEARTH_UNSET_F32 || (value >= min && value <= max)) return HEARTH_OK;
  return fail(text, HEARTH_EINVALID, "%s: %g is not within %g .. %g", name, (double)value,
              (double)min, (double)max);
}

int check_prompt(char text[ERROR_TEXT_BYTES], const hearth_generate_options* options) {
  if (options->prompt != NULL && options->prompt_ids != NULL) {
    return fail(text, HEARTH_EINVALID, "prompt, prompt_ids: both are set");
  }
  if (options->prompt == NULL && options->prompt_ids == NULL) {
    return fail(text, HEARTH_EINVALID, "prompt: missing");
  }
  if (options->prompt_ids != NULL && options->prompt_id_count == 0 && options->session == NULL) {
    return fail(text, HEARTH_EINVALID, "prompt_id_count: 0");
  }
  return check_token_flags(text, options->token_flags, HEARTH_NO_SPECIAL | HEARTH_PARSE_SPECIAL);
}

static int check_stop(char text[ERROR_TEXT_BYTES], const hearth_generate_options* options) {
  if (options->stop_count > HEARTH_STOP_COUNT_MAX) {
    return fail(text, HEARTH_EINVALID, "stop_count: %zu, at most %d", options->stop_count,
                HEARTH_STOP_COUNT_MAX);
  }
  if (options->stop_count > 0 && options->stop == NULL) {
    return fail(text, HEARTH_EINVALID, "stop: NULL with a stop_count of %zu", options->stop_count);
  }
  for (size_t i = 0; i < options->stop_count; ++i) {
    if (options->stop[i] == NULL) return fail(text, HEARTH_EINVALID, "stop[%zu]: NULL", i);
    const size_t size = strlen(options->stop[i]);
    if (size >= 1 && size <= HEARTH_STOP_BYTES_MAX) continue;
    return fail(text, HEARTH_EINVALID, "stop[%zu]: %zu bytes, 1 .. %d are allowed", i, size,
                HEARTH_STOP_BYTES_MAX);
  }
  return HEARTH_OK;
}

static int check_biases(char text[ERROR_TEXT_BYTES], const hearth_generate_options* options) {
  const size_t count = options->logit_bias_count;
  if (count > HEARTH_BIAS_COUNT_MAX) {
    return fail(text, HEARTH_EINVALID, "logit_bias_count: %zu, at most %d", count,
                HEARTH_BIAS_COUNT_MAX);
  }
  if (count > 0 && options->logit_bias == NULL) {
    return fail(text, HEARTH_EINVALID, "logit_bias: NULL with a logit_bias_count of %zu", count);
  }
  for (size_t i = 0; i < count; ++i) {
    const hearth_logit_bias* one = &options->logit_bias[i];
    if (one->id < 0) return fail(text, HEARTH_EINVALID, "logit_bias[%zu].id: %d", i, one->id);
    const bool ruled_out = isinf(one->bias) && one->bias < 0;
    if (ruled_out || (one->bias >= -1e6F && one->bias <= 1e6F)) continue;
    return fail(text, HEARTH_EINVALID, "logit_bias[%zu].bias: %g is not within -1e6 .. 1e6", i,
                (double)one->bias);
  }
  return HEARTH_OK;
}

static int check_samplers(char text[ERROR_TEXT_BYTES], const hearth_generate_options* options) {
  if (options->samplers == NULL && options->sampler_count == 0) return HEARTH_OK;
  if (options->samplers == NULL) {
    return fail(text, HEARTH_EINVALID, "samplers: NULL with a sampler_count of %zu",
                options->sampler_count);
  }
  enum { STEPS_MAX = 64 }; /* the daemon knows which there are */
  if (options->sampler_count > STEPS_MAX) {
    return fail(text, HEARTH_EINVALID, "sampler_count: %zu", options->sampler_count);
  }
  for (size_t i = 0; i < options->sampler_count; ++i) {
    if (options->samplers[i] == NULL || strlen(options->samplers[i]) > HEARTH_STOP_BYTES_MAX) {
      return fail(text, HEARTH_EINVALID, "samplers[%zu]: no name of a sampler", i);
    }
  }
  return HEARTH_OK;
}

/* Which positions they are is the daemon's to check. */
static int check_checkpoints(char text[ERROR_TEXT_BYTES], const hearth_generate_options* options) {
  const size_t count = options->checkpoint_count;
  if (count > HEARTH_CHECKPOINTS_MAX) {
    return fail(text, HEARTH_EINVALID, "checkpoint_count: %zu, at most %d", count,
                HEARTH_CHECKPOINTS_MAX);
  }
  if ((options->checkpoints == NULL) != (count == 0)) {
    return fail(text, HEARTH_EINVALID, "checkpoints, checkpoint_count: one without the other");
  }
  return HEARTH_OK;
}

int check_generate_options(char text[ERROR_TEXT_BYTES], const hearth_generate_options* options) {
  const struct {
    const char* name;
    int32_t value, min, max;
  } ranges[] = {{"raw", options->raw, 0, 1},
                {"max_tokens", options->max_tokens, 1, INT32_MAX},
                {"top_k", options->top_k, 0, INT32_MAX},
                {"ignore_eos", options->ignore_eos, 0, 1},
                {"want_logits", options->want_logits, 0, 1},
                {"credit", options->credit, 1, HEARTH_CREDIT_MAX},
                {"n_probs", options->n_probs, 0, HEARTH_PROBS_MAX},
#define RANGE_(name, field, low, high, help) {#name, options->name, low, high},
                HEARTH_CHECKPOINT_FIELDS(RANGE_)
#undef RANGE_
  };
  int code = check_model(text, options->model);
  if (code == HEARTH_OK) code = check_session(text, "session", options->session);
  for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && code == HEARTH_OK; ++i) {
    code = check_i32(text, ranges[i].name, ranges[i].value, ranges[i].min, ranges[i].max);
  }
  if (code == HEARTH_OK) code = check_f32(text, "temperature", options->temperature, 0, 100);
  if (code == HEARTH_OK) code = check_f32(text, "top_p", options->top_p, 0, 1);
#define CHECK_(type, name, low, high, fallback, help) \
  if (code == HEARTH_OK) code = check_##type(text, #name, options->name, low, high);
  HEARTH_SAMPLING_FIELDS(CHECK_)
#undef CHECK_
  if (code == HEARTH_OK) code = check_stop(text, options);
  if (code == HEARTH_OK) code = check_biases(text, options);
  if (code == HEARTH_OK) code = check_samplers(text, options);
  if (code == HEARTH_OK) code = check_checkpoints(text, options);
  if (code != HEARTH_OK) return code;
  const int64_t seed = options->seed;
  if (seed == HEARTH_UNSET_I64 || (seed >= 0 && seed <= UINT32_MAX)) return HEARTH_OK;
  return fail(text, HEARTH_EINVALID, "seed: %lld is not within 0 .. 4294967295", (long long)seed);
}

int conversation_take(char text[ERROR_TEXT_BYTES], const hearth_conversation* conversation,
                      hearth_conversation* ours) {
  int code = options_take(text, "hearth_conversation", conversation, ours, sizeof(*ours));
  if (code == HEARTH_OK && ours->messages == NULL) {
    code = fail(text, HEARTH_EINVALID, "messages: missing");
  }
  if (code == HEARTH_OK) code = check_i32(text, "reasoning", ours->reasoning, 0, 1);
  if (code == HEARTH_OK) code = check_i32(text, "continues", ours->continues, 0, 1);
  if (code == HEARTH_OK) code = check_i32(text, "split_reasoning", ours->split_reasoning, 0, 1);
  if (code == HEARTH_OK && ours->effort != NULL && ours->reasoning == 0) {
    code = fail(text, HEARTH_EINVALID, "effort: \"%.32s\", but reasoning is 0", ours->effort);
  }
  return code;
}

int check_session(char text[ERROR_TEXT_BYTES], const char* field, const char* name) {
  if (name == NULL) return HEARTH_OK;
  const size_t size = strlen(name);
  if (size >= 1 && size <= HEARTH_SESSION_NAME_MAX) return HEARTH_OK;
  return fail(text, HEARTH_EINVALID, "%s: %zu characters, a name has 1 .. %d", field, size,
              HEARTH_SESSION_NAME_MAX);
}

int check_eval_options(char text[ERROR_TEXT_BYTES], const hearth_eval_options* options) {
  const int code = check_model(text, options->model);
  if (code != HEARTH_OK) return code;
  if (options->ids == NULL) return fail(text, HEARTH_EINVALID, "ids: missing");
  if (options->id_count == 0) return fail(text, HEARTH_EINVALID, "id_count: 0");
  const int32_t pooling = options->pooling;
  if (pooling < HEARTH_POOLING_NONE || pooling > HEARTH_POOLING_MEAN) {
    return fail(text, HEARTH_EINVALID, "pooling: %d is no enum hearth_pooling", pooling);
  }
  if (pooling != HEARTH_POOLING_NONE && options->want_logits == 1) {
    return fail(text, HEARTH_EINVALID, "pooling, want_logits: one or the other");
  }
  return check_i32(text, "want_logits", options->want_logits, 0, 1);
}

/* What belongs to another action is the daemon's to refuse. */
int check_cache_options(char text[ERROR_TEXT_BYTES], const hearth_cache_options* options) {
  int code = check_model(text, options->model);
  if (code != HEARTH_OK) return code;
  if (options->action < HEARTH_CACHE_LS || options->action > HEARTH_CACHE_VERIFY) {
    return fail(text, HEARTH_EINVALID, "action: %d is no enum hearth_cache_action",
                options->action);
  }
  if ((options->prefix_ids == NULL) != (options->prefix_id_count == 0)) {
    return fail(text, HEARTH_EINVALID, "prefix_ids, prefix_id_count: one without the other");
  }
  const int64_t uid = options->uid;
  if (uid != HEARTH_UNSET_I64 && (uid < 0 || uid >= UINT32_MAX)) {
    return fail(text, HEARTH_EINVALID, "uid: %lld is no user", (long long)uid);
  }
  const int64_t max_bytes = options->max_bytes;
  if (max_bytes != HEARTH_UNSET_I64 && (max_bytes < 1 || max_bytes > INT64_C(1) << 53)) {
    return fail(text, HEARTH_EINVALID, "max_bytes: %lld is not within 1 .. 2^53",
                (long long)max_bytes);
  }
  code = check_i32(text, "all", options->all, 0, 1);
  if (code == HEARTH_OK) code = check_i32(text, "limit", options->limit, 1, 1000);
  if (code == HEARTH_OK) code = check_i32(text, "first_tokens", options->first_tokens, 0, 64);
  return code;
}
