// Calls with a tag for every parameter: CallStyle::tagged.
#include <fmt/format.h>

#include <algorithm>

#include "engine/chat/parse/output_parser.hpp"

namespace hearth::chat {
namespace {

// Bytes of a number or word; of JSON whose parameter is not declared.  What is longer is a string.
constexpr std::size_t kWordMax = 1024;
constexpr std::size_t kTypedMax = OutputParser::kHeldMax / 2;
constexpr std::size_t kSpaceLooked = 16;
constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kCdata = "<![CDATA[";

}  // namespace

bool OutputParser::read_tag_name() {
  if (!skip_space()) return false;
  std::size_t size = 0;
  const Match name = identifier(size);
  if (name == Match::wait) return false;
  const std::size_t begin = at_;
  if (name == Match::matched) {
    at_ += size;
    const Match end = dialect_.name_end.empty() ? Match::matched : match(dialect_.name_end);
    at_ += end == Match::matched ? dialect_.name_end.size() : 0;
    if (end == Match::matched) {
      call_.name.assign(buffer_, begin, size);
      state_ = State::tag_parameters;
      return true;
    }
    at_ = begin;
    if (end == Match::wait) return false;
  }
  fail("what began as a call has no name");
  return true;
}

// A parameter, or the end of the call.  The call is announced here: before, it may be a text that
// mentions the marker.
bool OutputParser::read_tag_parameters() {
  if (!skip_space()) return false;
  const Match close = match(dialect_.call_close);
  if (close == Match::wait) return false;
  Match section = Match::missing;  // models forget the call's own end
  if (section_ >= 0) section = match(dialect_.sections[static_cast<std::size_t>(section_)].close);
  if (close == Match::matched || section == Match::matched) {
    if (!call_.announced) announce();
    write_arguments(first_parameter_ ? "{}" : "}");
    if (close == Match::matched) at_ += dialect_.call_close.size();
    close_call();
    state_ = State::section;
    return true;
  }
  const Match key = match(dialect_.key_open);
  if (key == Match::wait || section == Match::wait) return false;
  if (key == Match::missing) {
    fail("a parameter or its end was expected");
    return true;
  }
  if (!call_.announced) announce();
  held_ = at_;
  at_ += dialect_.key_open.size();
  state_ = State::tag_key;
  return true;
}

bool OutputParser::read_tag_key() {
  const MarkerSet::Found end = key_markers_.find(buffer_, at_, ended_);
  if (end.at - at_ > kNameMax) {
    fail("the name of a parameter is too long");
    return true;
  }
  if (end.size == 0) return false;
  key_.assign(buffer_, at_, end.at - at_);
  at_ = end.at + end.size;
  switch (static_cast<Action>(end.action)) {
    case Action::key_string: kind_ = ParameterKind::string; break;
    case Action::key_json: kind_ = ParameterKind::json; break;
    default: kind_ = kind_of(key_); break;
  }
  state_ = dialect_.value_open.empty() ? State::tag_value_begin : State::tag_value_open;
  return true;
}

bool OutputParser::read_tag_value_open() {
  if (!skip_space()) return false;
  const Match open = match(dialect_.value_open);
  if (open == Match::wait) return false;
  if (open == Match::missing) {
    fail("the value of a parameter was expected");
    return true;
  }
  at_ += dialect_.value_open.size();
  state_ = State::tag_value_begin;
  return true;
}

// Which way the value is read, and what ends it.
bool OutputParser::read_tag_value_begin() {
  const std::size_t begin = at_;
  if (dialect_.values_on_own_lines) {
    if (at_ == buffer_.size()) return false;
    if (buffer_[at_] == '\n') ++at_;
  }
  const bool cdata = dialect_.cdata && rest_from(at_).starts_with(kCdata);
  const bool may_be_cdata = dialect_.cdata && !cdata && kCdata.starts_with(rest_from(at_));
  const std::string_view rest = rest_from(at_).substr(0, kSpaceLooked);
  const std::size_t first = std::min(rest.find_first_not_of(kSpace), rest.size());
  const bool undecided = first == rest.size() && rest.size() < kSpaceLooked && !ended_;
  if (may_be_cdata || (undecided && kind_ != ParameterKind::string)) {
    at_ = begin;
    return false;
  }
  const bool nested = dialect_.nested_tags && kind_ != ParameterKind::string;
  const Match tag = nested ? opens_tag(at_) : Match::missing;
  if (tag == Match::wait) {
    at_ = begin;
    return false;
  }
  if (tag == Match::matched) {
    write_key(key_);
    nests_ = {{key_}};
    state_ = State::nested;
    return true;
  }
  std::string close = value_close();
  if (cdata) {
    at_ += kCdata.size();
    close.insert(0, "]]>");
    kind_ = ParameterKind::string;
  }
  value_markers_ = {};
  value_markers_.add(close, 0);
  if (dialect_.values_on_own_lines) value_markers_.add("\n" + close, 0);
  scratch_.clear();
  const bool container = first < rest.size() && (rest[first] == '{' || rest[first] == '[');
  if (kind_ == ParameterKind::string) {
    write_key(key_);
    write_arguments("\"");
    state_ = State::tag_text;
  } else if (kind_ == ParameterKind::json && container) {
    write_key(key_);
    value_.start(ValueReader::Notation::json);
    state_ = State::tag_json;
  } else {
    word_ = !container && !(first < rest.size() && rest[first] == '"');
    state_ = State::tag_typed;
  }
  return true;
}

// Where the output ends, a tail that may begin the end of the value is none of the value.
bool OutputParser::read_tag_text() {
  const MarkerSet::Found end = value_markers_.find(buffer_, at_, false);
  std::string json;
  append_escaped(std::string_view(buffer_).substr(at_, end.at - at_), json);
  at_ = end.at + end.size;
  if (end.size > 0) json += '"';
  write_arguments(json);
  if (end.size == 0) return false;
  state_ = nests_.empty() ? State::tag_parameters : State::nested;
  return true;
}

bool OutputParser::read_tag_json() {
  std::string json;
  const ValueReader::Progress progress = read_value(json);
  write_arguments(json);
  if (progress == ValueReader::Progress::more) return false;
  if (progress == ValueReader::Progress::bad) {
    fail(fmt::format("the value of {} is no JSON", key_));
  } else {
    state_ = State::tag_end;
  }
  return true;
}

bool OutputParser::read_tag_end() {
  if (!skip_space()) return false;
  const MarkerSet::Found end = value_markers_.match(buffer_, at_, ended_);
  if (end.size == 0 && end.at == at_) return false;
  if (end.size == 0) {
    fail(fmt::format("the value of {} does not end", key_));
    return true;
  }
  at_ += end.size;
  state_ = State::tag_parameters;
  return true;
}

// What is JSON only if all of it is.
bool OutputParser::read_tag_typed() {
  const MarkerSet::Found end = value_markers_.find(buffer_, at_, ended_);
  const std::size_t room = (word_ ? kWordMax : kTypedMax) - scratch_.size();
  const std::size_t size = end.at - at_;
  scratch_.append(buffer_, at_, std::min(size, room));
  at_ += std::min(size, room);
  if (size >= room) {
    begin_typed();
    write_arguments("\"");
    std::string json;
    append_escaped(scratch_, json);
    write_arguments(json);
    state_ = State::tag_text;
    return true;
  }
  if (end.size == 0) return false;
  at_ += end.size;
  std::string json = whole_value(scratch_);
  if (json.empty()) {
    json = '"';
    append_escaped(scratch_, json);
    json += '"';
  }
  begin_typed();
  write_arguments(json);
  state_ = nests_.empty() ? State::tag_parameters : State::nested;
  return true;
}

// What was held to its end is written: within tags the key is there already.
void OutputParser::begin_typed() {
  if (nests_.empty()) write_key(key_);
  held_ = kNothing;
}

// What ends the value of key_.
std::string OutputParser::value_close() const {
  std::string close(dialect_.value_close);
  if (dialect_.nested_tags) close += key_ + ">";
  return close;
}

// The arguments go on with this key; its text is no longer held.
void OutputParser::write_key(std::string_view key) {
  std::string json = first_parameter_ ? "{\"" : ", \"";
  append_escaped(key, json);
  json += "\": ";
  write_arguments(json);
  first_parameter_ = false;
  held_ = kNothing;
}

ParameterKind OutputParser::kind_of(std::string_view key) const {
  const ToolShape* shape = tool(call_.name);
  if (shape == nullptr) return ParameterKind::unknown;
  const auto found = std::ranges::find(shape->parameters, key, &ToolParameter::name);
  return found == shape->parameters.end() ? ParameterKind::unknown : found->kind;
}

}  // namespace hearth::chat
