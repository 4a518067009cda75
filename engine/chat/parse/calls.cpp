// What calls of every style share: see output_parser.hpp for when something is a call.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/chat/parse/output_parser.hpp"

namespace hearth::chat {
namespace {

// Names of tools and parameters: all but white space, control characters and what may stand behind.
bool is_name(char c) {
  constexpr std::string_view kBehind = "<>{}[]()\"'`=,;\\";
  return static_cast<unsigned char>(c) > ' ' && kBehind.find(c) == std::string_view::npos;
}

}  // namespace

// Its marker was read; held_ is where it began.
void OutputParser::open_call() {
  call_ = {};
  first_parameter_ = true;
  switch (dialect_.style) {
    case CallStyle::tagged: state_ = State::tag_name; break;
    case CallStyle::named: state_ = State::name; break;
    default: break;  // the others set theirs
  }
}

void OutputParser::announce() {
  if (call_in_reasoning_) builder_.end_reasoning();
  call_in_reasoning_ = false;
  builder_.before_call(dialect_.content_keeps_space);
  if (tool(call_.name) == nullptr) {
    builder_.warn(fmt::format("none of the tools is named {}", call_.name));
  }
  builder_.begin_call(call_.name, call_.id);
  call_.announced = true;
  held_ = kNothing;
  builder_.arguments(call_.early);
  call_.early.clear();
}

void OutputParser::write_arguments(std::string_view json) {
  if (call_.announced) {
    builder_.arguments(json);
  } else {
    call_.early += json;
  }
}

void OutputParser::close_call() {
  builder_.after_call();
  call_ = {};
  held_ = kNothing;
}

// The text at at_ does not go on the call.
void OutputParser::fail(std::string_view why) {
  if (call_.announced) {
    builder_.warn(fmt::format("the call of {} breaks off: {}", call_.name, why));
  } else if (!bare_) {
    builder_.warn(why);
  }
  give_up();
}

// What is held becomes text again.
void OutputParser::give_up() {
  const std::string literal = value_.take_held();
  const std::size_t held = std::exchange(held_, kNothing);
  state_ = call_in_reasoning_ ? State::reasoning : State::text;
  call_in_reasoning_ = in_array_ = bare_ = colon_read_ = false;
  section_ = -1;
  nests_.clear();
  call_ = {};
  if (held == kNothing) {
    put_text(literal);
  } else {
    put_text(std::string_view(buffer_).substr(held, at_ - held));
  }
}

bool OutputParser::read_arguments() {
  std::string json;
  const ValueReader::Progress progress = read_value(json);
  write_arguments(json);
  if (progress == ValueReader::Progress::more) return false;
  if (progress == ValueReader::Progress::bad) {
    fail("its arguments are no JSON");
    return true;
  }
  call_.arguments_read = true;
  const bool member = dialect_.style == CallStyle::json || dialect_.style == CallStyle::keyed;
  state_ = member ? State::member : State::after_call;
  return true;
}

bool OutputParser::read_after_call() {
  if (!skip_space() && !ended_) return false;
  const Match close = match(dialect_.call_close);
  if (close == Match::wait) return false;
  if (close == Match::matched) at_ += dialect_.call_close.size();
  close_call();
  state_ = dialect_.style == CallStyle::harmony ? State::text : State::section;
  return true;
}

// Goes on with value_, within what may be held.
ValueReader::Progress OutputParser::read_value(std::string& out) {
  const std::string_view text = readable();
  const bool limited = at_ + text.size() < buffer_.size();
  std::size_t used = 0;
  const ValueReader::Progress progress = value_.read(text, ended_ && !limited, used, out);
  at_ += used;
  return limited && progress == ValueReader::Progress::more ? ValueReader::Progress::bad : progress;
}

// A name at at_ and its size; it ends where something else begins.
OutputParser::Match OutputParser::identifier(std::size_t& size) const {
  const std::string_view rest = rest_from(at_).substr(0, kNameMax + 1);
  size = static_cast<std::size_t>(std::ranges::find_if_not(rest, is_name) - rest.begin());
  if (size > kNameMax) return Match::missing;
  if (size == rest.size()) return ended_ ? Match::missing : Match::wait;
  return size == 0 ? Match::missing : Match::matched;
}

const ToolShape* OutputParser::tool(std::string_view name) const {
  const auto found = std::ranges::find(tools_, name, &ToolShape::name);
  return found == tools_.end() ? nullptr : &*found;
}

}  // namespace hearth::chat
