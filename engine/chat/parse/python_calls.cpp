// Calls as Python writes them, F(a=1, b="x"): CallStyle::python.
#include <fmt/format.h>

#include "engine/chat/parse/output_parser.hpp"

namespace hearth::chat {

// The list of calls: its begin, a name, a comma, its end.
bool OutputParser::read_python_calls() {
  if (!skip_space()) return false;
  const char c = buffer_[at_];
  const bool first = held_ != kNothing;  // no call was announced yet
  if (!in_array_ && first && c == '[') {
    in_array_ = true;
    ++at_;
    return true;
  }
  if (in_array_ && !first && c == ',') {
    ++at_;
    return true;
  }
  if (in_array_ && !first && c == ']') {
    ++at_;
    in_array_ = false;
    state_ = State::section;
    return true;
  }
  std::size_t size = 0;
  const Match name = in_array_ ? identifier(size) : Match::missing;
  if (name == Match::wait) return false;
  if (name == Match::matched && buffer_[at_ + size] == '(') {
    open_call();
    call_.name.assign(buffer_, at_, size);
    at_ += size + 1;
    announce();
    state_ = State::python_argument;
  } else if (first) {
    fail("what began as calls is no list of them");
  } else {
    builder_.warn("a list of calls does not end");
    state_ = State::section;
  }
  return true;
}

// A name and "=", or the end of the call.
bool OutputParser::read_python_argument() {
  if (!skip_space()) return false;
  if (buffer_[at_] == ')') {
    ++at_;
    write_arguments(first_parameter_ ? "{}" : "}");
    close_call();
    state_ = State::python_calls;
    return true;
  }
  std::size_t size = 0;
  const Match name = identifier(size);
  if (name == Match::wait) return false;
  const std::size_t equals =
      name == Match::matched ? buffer_.find_first_not_of(' ', at_ + size) : std::string::npos;
  if (name == Match::matched && equals == std::string::npos && !ended_ &&
      buffer_.size() - at_ <= kNameMax) {
    return false;
  }
  if (equals == std::string::npos || buffer_[equals] != '=') {
    fail("an argument has no name");
    return true;
  }
  write_key(std::string_view(buffer_).substr(at_, size));
  at_ = equals + 1;
  value_.start(ValueReader::Notation::json);
  state_ = State::python_value;
  return true;
}

bool OutputParser::read_python_value() {
  std::string json;
  const ValueReader::Progress progress = read_value(json);
  write_arguments(json);
  if (progress == ValueReader::Progress::more) return false;
  if (progress == ValueReader::Progress::bad) {
    fail("the value of an argument is no literal");
  } else {
    state_ = State::python_next;
  }
  return true;
}

bool OutputParser::read_python_next() {
  if (!skip_space()) return false;
  if (buffer_[at_] != ',' && buffer_[at_] != ')') {
    fail("an argument does not end");
    return true;
  }
  if (buffer_[at_] == ',') ++at_;
  state_ = State::python_argument;
  return true;
}

}  // namespace hearth::chat
