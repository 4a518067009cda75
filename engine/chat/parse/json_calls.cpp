// Calls as JSON objects: CallStyle::json and keyed.
#include <fmt/format.h>

#include "engine/chat/parse/output_parser.hpp"

namespace hearth::chat {
namespace {

bool is_name_key(std::string_view key) {
  return key == "name" || key == "tool_name";
}
bool is_id_key(std::string_view key) {
  return key == "id" || key == "tool_call_id";
}
bool is_arguments_key(std::string_view key) {
  return key == "arguments" || key == "parameters";
}

}  // namespace

// An object, or what stands between those of an array.
bool OutputParser::read_objects() {
  if (!skip_space()) return false;
  const char c = buffer_[at_];
  const bool first = held_ != kNothing;  // no call was announced yet
  if (c == '{') {
    if (!first) held_ = at_;
    ++at_;
    open_call();
    state_ = State::member;
    return true;
  }
  if (c == '[' && first && !in_array_) {
    in_array_ = true;
    ++at_;
    return true;
  }
  if (c == ',' && in_array_ && !first) {
    ++at_;
    return true;
  }
  if (c == ']' && in_array_ && !first) {
    ++at_;
    in_array_ = false;
    state_ = State::section;
    return true;
  }
  if (first) {
    fail("what began as a call is no JSON object");
  } else {
    builder_.warn("a list of calls does not end");
    state_ = State::section;
  }
  return true;
}

// The key of a member, or the end of the object.
bool OutputParser::read_member() {
  if (!skip_space()) return false;
  const char c = buffer_[at_];
  if (c == '}') {
    ++at_;
    end_object();
    return true;
  }
  if (c == ',') {
    ++at_;
    return true;
  }
  if (c != '"') {
    fail("a call's JSON object is broken");
    return true;
  }
  const std::size_t end = rest_from(at_ + 1).substr(0, kNameMax + 1).find('"');
  if (end == std::string_view::npos) {
    if (buffer_.size() - at_ - 1 <= kNameMax) return false;
    fail("a key of a call is too long");
    return true;
  }
  key_.assign(buffer_, at_ + 1, end);
  if (held_ == kNothing) held_ = at_;
  at_ += end + 2;
  state_ = State::member_colon;
  return true;
}

bool OutputParser::read_member_colon() {
  if (!skip_space()) return false;
  if (!colon_read_) {
    if (buffer_[at_] != ':') {
      fail("a call's JSON object is broken");
      return true;
    }
    ++at_;
    colon_read_ = true;
    return true;
  }
  colon_read_ = false;
  if (bare_ && !call_.announced && !is_name_key(key_) && !is_arguments_key(key_) &&
      key_ != "type") {
    give_up();  // JSON as content: nobody began a call
    return true;
  }
  value_.start(ValueReader::Notation::json);
  scratch_.clear();
  state_ = State::member_value;
  if (dialect_.style == CallStyle::keyed && !call_.announced) {
    if (key_.empty()) {
      fail("a call has no name");
      return true;
    }
    call_.name = key_;
    announce();
  } else if (!is_arguments_key(key_)) {
    return true;
  }
  // Anything but an object is looked at whole.
  if (buffer_[at_] == '{' && !call_.arguments_read) {
    if (call_.announced) held_ = kNothing;
    state_ = State::arguments;
  }
  return true;
}

bool OutputParser::read_member_value() {
  const ValueReader::Progress progress = read_value(scratch_);
  if (progress == ValueReader::Progress::more) return false;
  if (progress == ValueReader::Progress::bad) {
    fail("a call's JSON object is broken");
    return true;
  }
  state_ = State::member;
  take_member();
  if (call_.announced) held_ = kNothing;
  return true;
}

// The member key_ has the value scratch_.
void OutputParser::take_member() {
  std::string text;
  const bool is_string = scratch_.starts_with('"');
  if (is_string) append_unescaped(scratch_, text);
  if (is_name_key(key_) && !call_.announced && dialect_.style == CallStyle::json) {
    if (!is_string || text.empty() || text.size() > kNameMax) {
      fail("a call has no name");
      return;
    }
    if (bare_ && tool(text) == nullptr) {
      give_up();
      return;
    }
    call_.name = text;
    announce();
  } else if (is_id_key(key_) && dialect_.style == CallStyle::json) {
    call_.id = is_string ? text : scratch_;
    if (call_.announced) builder_.call_id(call_.id);
  } else if ((is_arguments_key(key_) || dialect_.style == CallStyle::keyed) &&
             !call_.arguments_read) {
    take_arguments(is_string ? whole_value(text) : scratch_);
  } else if (key_ != "type") {
    builder_.warn(fmt::format("a call has a key that means nothing: \"{}\": {}", key_, scratch_),
                  /*has_text=*/true);
  }
}

// The arguments were not written as an object: some write it as a string, or null for none.
void OutputParser::take_arguments(std::string_view json) {
  call_.arguments_read = true;
  if (json == "null" || scratch_ == "\"\"") {
    write_arguments("{}");
  } else if (json.starts_with('{')) {
    write_arguments(json);
  } else {
    builder_.warn("the arguments of a call are no JSON object");
    write_arguments(scratch_);
  }
}

void OutputParser::end_object() {
  if (!call_.announced) {
    fail("a call has no name");
    return;
  }
  if (!call_.arguments_read) write_arguments("{}");
  close_call();
  state_ = in_array_ ? State::objects : State::section;
}

}  // namespace hearth::chat
