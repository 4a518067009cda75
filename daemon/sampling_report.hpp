// What a request's report says of its sampling: which steps ran, in which order, with which values.
//
// THREAD: loop.
#pragma once

#include "daemon/json.hpp"
#include "engine/messages.hpp"

namespace hearth {

// {"samplers":["penalties","top_p","temperature"],"repeat_penalty":1.1,...}; samplers is ["greedy"]
// where the likeliest token was taken; a step with mirostat is told as "mirostat".
JsonWriter sampling_document(const SubmitCommand& submit);

}  // namespace hearth
