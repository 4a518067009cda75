// How the parts of this directory give up: an exception that compile() and render() catch and
// return as an Error, so that nothing is thrown beyond them.  A template may fail at every step of
// every expression, and what a render made lies in its Heap, which needs no unwinding.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>

#include "common/result.hpp"

namespace hearth::jinja {

// A place in the template, both from 1; columns count characters.  Line 0: not known.
struct Where {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

struct Failure {
  Code code;
  std::string message;
  Where where;
};

[[noreturn]] inline void fail(std::string message, Where where = {}, Code code = Code::INVALID) {
  throw Failure{code, std::move(message), where};
}

[[noreturn]] inline void fail_limit(std::string message, Where where = {}) {
  fail(std::move(message), where, Code::LIMIT);
}

// "line 3, column 14: 'x' is undefined".  here: where the failure does not know itself.
inline Error to_error(const Failure& failure, Where here) {
  const Where where = failure.where.line != 0 ? failure.where : here;
  if (where.line == 0) return Error{failure.code, failure.message};
  return Error{failure.code,
               fmt::format("line {}, column {}: {}", where.line, where.column, failure.message)};
}

}  // namespace hearth::jinja
