// Errors as values: Error, Result<T>, Status and HEARTH_TRY.
//
// An operating error (a file, a peer, a limit) is returned, never thrown; a programmer's error is
// an assert.  The codes are those of hearth.h, so that one list serves C, C++, the wire and the
// docs. A message names the field, the file or the offset; it is built only when something went
// wrong.
#pragma once

#include <cassert>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "hearth/hearth.h"

namespace hearth {

enum class Code : int {
#define HEARTH_CODE_(name, value, wire, text) name = value,
  HEARTH_ERROR_MAP(HEARTH_CODE_)
#undef HEARTH_CODE_
};

// "not_found": the name that travels on the wire.
inline const char* code_name(Code code) {
  switch (code) {
#define HEARTH_CODE_(name, value, wire, text) \
  case Code::name: return wire;
    HEARTH_ERROR_MAP(HEARTH_CODE_)
#undef HEARTH_CODE_
  }
  return "internal";
}

struct [[nodiscard]] Error {
  Code code;
  std::string message;  // one sentence for a person: what, where, and what to do if we know
};

// An Error of code IO from errno: "open /x/y: No such file or directory".
inline Error from_errno(std::string what, int os_error = errno) {
  return Error{Code::IO, std::move(what) + ": " + std::strerror(os_error)};
}

// A value or an Error; never both, never empty.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : held_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return held_.index() == 0; }
  T& operator*() & { return value(); }
  const T& operator*() const& { return const_cast<Result*>(this)->value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &const_cast<Result*>(this)->value(); }
  const Error& error() const {
    assert(held_.index() == 1);
    return *std::get_if<1>(&held_);
  }

 private:
  T& value() {
    assert(held_.index() == 0);
    return *std::get_if<0>(&held_);
  }
  std::variant<T, Error> held_;
};

// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_; }
  const Error& error() const {
    assert(error_);
    return *error_;
  }

 private:
  std::optional<Error> error_;
};
using Status = Result<void>;

}  // namespace hearth

// HEARTH_TRY(auto file, open_file(path));   declares file, or returns the error to the caller.
// HEARTH_CHECK(write_all(fd, bytes));       goes on, or returns the error to the caller.
#define HEARTH_CONCAT_(a, b) a##b
#define HEARTH_CONCAT(a, b) HEARTH_CONCAT_(a, b)
#define HEARTH_TRY(declaration, expression) \
  HEARTH_TRY_(HEARTH_CONCAT(hearth_try_, __LINE__), declaration, expression)
#define HEARTH_TRY_(temporary, declaration, expression) \
  auto temporary = (expression);                        \
  if (!temporary) return temporary.error();             \
  declaration = *std::move(temporary)
#define HEARTH_CHECK(expression)                                                         \
  do {                                                                                   \
    if (auto hearth_check_ = (expression); !hearth_check_) return hearth_check_.error(); \
  } while (false)
