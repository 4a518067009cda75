/* The numbers that say where checkpoints of a recurrent model's state are taken: one list for the C
 * API's options, the wire's keys, the command line's flags, the configuration and the engine
 * (cache/checkpoint_policy.hpp).
 *
 * X(name, field, low, high, help): name in requests; field of CheckpointSettings, with - for _ in
 * the configuration; help ends up in hearth run --help.
 */
#ifndef HEARTH_COMMON_CHECKPOINT_FIELDS_H
#define HEARTH_COMMON_CHECKPOINT_FIELDS_H

#define HEARTH_CHECKPOINT_FIELDS(X)                                                      \
  X(max_checkpoints, max_checkpoints, 0, 1024, "checkpoints of a text's state; 0: none") \
  X(checkpoint_every, every_n_tokens, 0, 1048576,                                        \
    "tokens between those of a long prompt; 0: "                                         \
    "only near its end")                                                                 \
  X(checkpoint_min_tokens, min_tokens, 0, 1048576, "none before so many tokens")         \
  X(checkpoint_min_gap, min_gap, 0, 1048576, "tokens between those that nothing else asks for")

#endif
