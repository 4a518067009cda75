// What operators do, as in Python; whole numbers that leave 64 bits are an error.
#pragma once

#include "engine/chat/jinja/ast.hpp"
#include "engine/chat/jinja/run.hpp"

namespace hearth::jinja {

Value calculate(Run& run, Operator operation, const Value& left, const Value& right);
Value with_sign(const Value& value, bool negative);
bool holds(Run& run, Relation relation, const Value& left, const Value& right);
// object[begin:end:step]; none for a part that is not there.
Value get_slice(Run& run, const Value& object, const Value& begin, const Value& end,
                const Value& step);

}  // namespace hearth::jinja
