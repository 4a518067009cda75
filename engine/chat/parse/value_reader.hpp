// Reads one value of a call's arguments as it grows, and writes it as JSON.
//
// What models write is JSON, Python literals, or Gemma's notation; one reader takes all:
//   JSON     {"a": [1, true, null, "text"]}      copied byte for byte, white space too
//   Python   {'a': [1, True, None, "text"]}      is written as JSON
//   Gemma    {a:[1,true,null,<|"|>text<|"|>]}     keys bare, strings raw between <|"|>
// A control character inside a string is escaped, and so is a backslash that escapes nothing, since
// models forget it.
//
// Iterative, kDepthMax deep; at most kLiteralMax bytes are held (a literal, a bare key).
//
// THREAD: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hearth::chat {

class ValueReader {
 public:
  static constexpr int kDepthMax = 64;
  static constexpr std::size_t kLiteralMax = 1024;

  enum class Notation : std::uint8_t { json, gemma };
  enum class Progress : std::uint8_t { more, done, bad };

  // Begin a value.
  void start(Notation notation);
  // Read on in text; `used` bytes of it need not be shown again, the rest must be.  `ended`: no
  // more text comes.  JSON is appended to out.
  //   more  everything was read but what needs its successor
  //   done  the value ends where `used` points
  //   bad   the byte at `used` fits nowhere, or the value is nested too deep; what was written to
  //          out is a prefix of JSON
  Progress read(std::string_view text, bool ended, std::size_t& used, std::string& out);
  // What is held, raw: for a value that does not go on.
  std::string take_held();

 private:
  enum class State : std::uint8_t {
    value,         // a value
    value_or_end,  // behind [
    key,           // behind , in an object
    key_or_end,    // behind {
    colon,         // behind a key
    next,          // behind a value
    string,        // in a string
    literal,       // in a number, a word, or a bare string of Gemma's
    bare_key,      // in a key without quotes
    done,
    bad,
  };
  using Bytes = std::string_view;

  bool step(Bytes text, bool ended, std::size_t& at, std::string& out);
  bool begin_value(Bytes text, bool ended, std::size_t& at, std::string& out);
  bool begin_key(Bytes text, bool ended, std::size_t& at, std::string& out);
  // What opens a string at `at`: true when decided (state_ is then string where one does).
  bool open_string(Bytes text, bool ended, std::size_t& at, std::string& out);
  bool read_string(Bytes text, std::size_t& at, std::string& out);
  bool read_escape(Bytes text, std::size_t& at, std::string& out);
  bool read_literal(Bytes text, bool ended, std::size_t& at, std::string& out);
  bool read_bare_key(Bytes text, std::size_t& at, std::string& out);
  void open(bool object, std::string& out);
  void close(std::string& out);
  void end_value();

  Notation notation_ = Notation::json;
  State state_ = State::done;
  bool string_is_key_ = false;
  char quote_ = '"';  // what ends the string: '"', '\'', or '<' for Gemma's <|"|>
  int depth_ = 0;
  std::uint64_t objects_ = 0;  // bit i: the container at depth i + 1 is an object
  std::string held_;           // the literal or bare key so far
};

// The text as a JSON string, without the quotes, appended to out.
void append_escaped(std::string_view text, std::string& out);
// The text of a JSON string (with its quotes), appended to out.  Invalid escapes stay as they are.
void append_unescaped(std::string_view json, std::string& out);
// The whole text as JSON; empty when it is not one value.
std::string whole_value(std::string_view text);

}  // namespace hearth::chat
