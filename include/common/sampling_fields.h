/* The numbers that shape sampling beyond temperature, top_k, top_p and seed: one list for the C
 * API's options, the wire's keys, the command line's flags and the engine.
 *
 * X(type, name, low, high, fallback, help): type is i32 or f32; help ends up in hearth run --help.
 */
#ifndef HEARTH_COMMON_SAMPLING_FIELDS_H
#define HEARTH_COMMON_SAMPLING_FIELDS_H

#include <stdint.h>

#define HEARTH_SAMPLING_FIELDS(X)                                                              \
  X(f32, min_p, 0, 1, 0, "keep tokens P times as likely as the likeliest; 0: off")             \
  X(f32, typical_p, 0, 1, 1, "draw from this share, nearest to the expected surprise; 1: off") \
  X(f32, top_n_sigma, 0, 100, 0, "keep what is N standard deviations from the best; 0: off")   \
  X(f32, xtc_probability, 0, 1, 0, "how often to exclude the top choices; 0: off")             \
  X(f32, xtc_threshold, 0, 1, 0.1, "what a top choice is for that; above 0.5: off")            \
  X(f32, dynamic_range, 0, 100, 0, "vary the temperature by so much with the entropy; 0: off") \
  X(f32, dynamic_exponent, 0, 100, 1, "the power of the entropy in that")                      \
  X(f32, repeat_penalty, 0.125, 100, 1, "divide the logits of tokens said before; 1: off")     \
  X(f32, frequency_penalty, -100, 100, 0, "take this off for every time a token was said")     \
  X(f32, presence_penalty, -100, 100, 0, "take this off once a token was said")                \
  X(i32, penalty_last_n, -1, 1048576, 64, "tokens that these penalties look back; -1: all")    \
  X(f32, dry_multiplier, 0, 100, 0, "what continuing a repetition costs; 0: off")              \
  X(f32, dry_base, 1, 100, 1.75, "how that cost grows with its length")                        \
  X(i32, dry_allowed_length, 1, 1048576, 2, "tokens that may repeat")                          \
  X(i32, dry_last_n, -1, 1048576, -1, "tokens that this looks back; -1: all")                  \
  X(i32, mirostat, 0, 2, 0, "1, 2: aim at a surprise instead of the steps above; 0: off")      \
  X(f32, mirostat_tau, 0, 100, 5, "the surprise aimed at, bits")                               \
  X(f32, mirostat_eta, 0, 1, 0.1, "how fast")

/* The C type of a field, and what an option that is not set holds (hearth/hearth.h). */
typedef int32_t hearth_field_i32;
typedef float hearth_field_f32;
#define HEARTH_FIELD_UNSET_i32 HEARTH_UNSET_I32
#define HEARTH_FIELD_UNSET_f32 HEARTH_UNSET_F32

#endif
