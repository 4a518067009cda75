// What the cache did for one request, told with its numbers.
#pragma once

#include <string>

#include "hearth/hearth.h"

namespace hearth::cli {

// "cached 64 of 70 prompt tokens (3 copied): nothing that is cached goes on with these tokens"
std::string cache_use_text(const hearth_result& result);

// The daemon's own words, JSON; "null" where there are none.
std::string cache_use_json(const hearth_result& result);

}  // namespace hearth::cli
