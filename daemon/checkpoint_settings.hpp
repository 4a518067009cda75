// What a configuration says of a model's checkpoints: "max-checkpoints=4,every-n-tokens=2048".
//
// Pure functions: any thread.
#pragma once

#include <string>

#include "cache/checkpoint_policy.hpp"
#include "common/result.hpp"

namespace hearth {

// Any of the fields of common/checkpoint_fields.h, with their defaults for the others.  Errors:
// CONFIG naming the part that is wrong and what is possible.
Result<cache::CheckpointSettings> parse_checkpoint_settings(const std::string& text);

}  // namespace hearth
