// The parser's machine: text and sections.  What calls of every style share is in calls.cpp.
#include "engine/chat/parse/output_parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace hearth::chat {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

OutputParser::OutputParser(ParserOptions options)
    : dialect_(*options.dialect),
      tools_(std::move(options.tools)),
      split_reasoning_(options.split_reasoning),
      json_content_(options.json_content) {
  add_markers();
  begin_with(options);
}

void OutputParser::add_markers() {
  const auto add = [](MarkerSet& set, std::string_view text, Action action) {
    set.add(text, static_cast<std::uint8_t>(action));
  };
  for (const std::string_view text : dialect_.dropped) add(text_markers_, text, Action::drop);
  if (!tools_.empty()) {
    MarkerSet* const both[] = {&text_markers_, &reasoning_markers_};
    for (MarkerSet* set : std::span(both, dialect_.call_ends_reasoning ? 2 : 1)) {
      add(*set, dialect_.sections[0].open, Action::section0);
      add(*set, dialect_.sections[1].open, Action::section1);
      add(*set, dialect_.call_open, Action::call);
    }
  }
  if (split_reasoning_) {
    add(start_markers_, dialect_.reasoning_open, Action::open_reasoning);
    add(start_markers_, dialect_.reasoning_close, Action::close_reasoning);
    add(reasoning_markers_, dialect_.reasoning_close, Action::close_reasoning);
    if (dialect_.reasoning_anywhere) {
      add(text_markers_, dialect_.reasoning_open, Action::open_reasoning);
    }
    for (const std::string_view text : dialect_.stray) add(text_markers_, text, Action::drop);
  }
  if (json_content_) {
    add(start_markers_, "```json", Action::fence);
    add(start_markers_, "```", Action::fence);
    builder_.set_json_content();
  }
  if (dialect_.style == CallStyle::harmony) {
    for (MarkerSet* set : {&text_markers_, &reasoning_markers_}) {
      for (const std::string_view end : {"<|end|>", "<|return|>", "<|call|>"}) {
        add(*set, end, Action::end_message);
      }
      add(*set, "<|start|>", Action::begin_message);
      add(*set, "<|channel|>", Action::begin_message);
    }
  }
  add(key_markers_, dialect_.key_end, Action::key_by_type);
  add(key_markers_, dialect_.string_key_end, Action::key_string);
  add(key_markers_, dialect_.json_key_end, Action::key_json);
}

void OutputParser::begin_with(const ParserOptions& options) {
  if (dialect_.style == CallStyle::harmony) state_ = State::header;
  if (!options.reasoning_begun && options.begun_reasoning.empty() &&
      options.begun_content.empty()) {
    buffer_ = begun_markers(dialect_, options.generation_prompt);
    return;
  }
  if (split_reasoning_) {
    builder_.go_on(options.begun_reasoning, options.begun_content);
    state_ = options.reasoning_begun ? State::reasoning : State::text;
    return;
  }
  std::string content = options.begun_content;
  if (options.reasoning_begun) {
    content.append(reasoning_beginning(dialect_)).append(options.begun_reasoning);
    header_.shown = dialect_.style == CallStyle::harmony;
  }
  builder_.go_on({}, std::move(content));
  state_ = State::text;
}

std::span<const Delta> OutputParser::feed(std::string_view piece) {
  if (deltas_given_) builder_.clear_deltas();
  deltas_given_ = true;
  buffer_ += piece;
  run();
  return builder_.deltas();
}

void OutputParser::run() {
  while (step()) {
  }
  const std::size_t done = std::min(held_, at_);
  buffer_.erase(0, done);
  at_ -= done;
  if (held_ != kNothing) held_ -= done;
}

std::span<const Delta> OutputParser::finish() {
  ended_ = true;
  feed({});
  // A literal that is held stands in what is held of the buffer, if anything is.
  const std::string literal = value_.take_held();
  const std::string rest =
      held_ == kNothing ? literal + buffer_.substr(at_) : buffer_.substr(held_);
  if (state_ == State::foreign) {
    end_message();
  } else if (state_ == State::header) {
    if (header_.begun)
      builder_.warn(fmt::format("the output ends in a header: {}", rest), /*has_text=*/true);
  } else if (call_.announced) {
    builder_.warn(fmt::format("the output ends within the call of {}{}{}", call_.name,
                              rest.empty() ? "" : ", behind: ", rest),
                  /*has_text=*/true);
  } else if (held_ != kNothing) {
    at_ = buffer_.size();
    fail("the output ends within what began as a call");
  }
  builder_.finish();
  return builder_.deltas();
}

bool OutputParser::step() {
  if (held_ != kNothing && at_ - held_ >= kHeldMax) {
    fail("what began as a call is too long");
    return true;
  }
  switch (state_) {
    case State::start: return read_start();
    case State::text: return read_text(text_markers_);
    case State::reasoning: return read_text(reasoning_markers_);
    case State::section: return read_section();
    case State::arguments: return read_arguments();
    case State::after_call: return read_after_call();
    case State::objects: return read_objects();
    case State::member: return read_member();
    case State::member_colon: return read_member_colon();
    case State::member_value: return read_member_value();
    case State::name: return read_name();
    case State::arguments_begin: return read_arguments_begin();
    case State::tag_name: return read_tag_name();
    case State::tag_parameters: return read_tag_parameters();
    case State::tag_key: return read_tag_key();
    case State::tag_value_open: return read_tag_value_open();
    case State::tag_value_begin: return read_tag_value_begin();
    case State::tag_text: return read_tag_text();
    case State::tag_json: return read_tag_json();
    case State::tag_end: return read_tag_end();
    case State::tag_typed: return read_tag_typed();
    case State::nested: return read_nested();
    case State::nested_value: return read_nested_value();
    case State::python_calls: return read_python_calls();
    case State::python_argument: return read_python_argument();
    case State::python_value: return read_python_value();
    case State::python_next: return read_python_next();
    case State::header: return read_header();
    case State::foreign: return read_foreign();
  }
  return false;
}

bool OutputParser::read_start() {
  // White space here is content only if content follows: the builder knows.
  const std::size_t begin = at_;
  if (!skip_space()) {
    builder_.content(rest_from(begin));
    return false;
  }
  builder_.content(std::string_view(buffer_).substr(begin, at_ - begin));
  const MarkerSet::Found found = start_markers_.match(buffer_, at_, ended_);
  if (found.size > 0) {
    at_ += found.size;
    take_marker(static_cast<Action>(found.action), found.at);
    return true;
  }
  if (found.at == at_) return false;
  state_ = State::text;
  if (dialect_.bare && !tools_.empty() && buffer_[at_] == '{') {
    held_ = at_;
    bare_ = true;
    state_ = State::objects;
  }
  return true;
}

bool OutputParser::read_text(const MarkerSet& markers) {
  const MarkerSet::Found found = markers.find(buffer_, at_, ended_);
  put_text(std::string_view(buffer_).substr(at_, found.at - at_));
  at_ = found.at + found.size;
  if (found.size == 0) return false;
  take_marker(static_cast<Action>(found.action), found.at);
  return true;
}

// The marker at `begin` was read.
void OutputParser::take_marker(Action action, std::size_t begin) {
  switch (action) {
    case Action::open_reasoning: open_reasoning(); break;
    case Action::close_reasoning:
      builder_.end_reasoning();
      state_ = State::start;
      break;
    case Action::fence: builder_.open_fence(); break;
    case Action::section0:
    case Action::section1: begin_section(action == Action::section0 ? 0 : 1, begin); break;
    case Action::call:
      call_in_reasoning_ = state_ == State::reasoning;
      held_ = begin;
      open_call();
      break;
    case Action::end_message: end_message(); break;
    case Action::begin_message:
      end_message();
      at_ = begin;
      break;
    default: break;  // drop
  }
}

void OutputParser::put_text(std::string_view text) {
  if (state_ == State::reasoning) {
    builder_.reasoning(text);
  } else {
    builder_.content(text);
  }
}

void OutputParser::open_reasoning() {
  builder_.begin_reasoning();
  state_ = State::reasoning;
}

void OutputParser::begin_section(int index, std::size_t begin) {
  call_in_reasoning_ = state_ == State::reasoning;
  section_ = index;
  held_ = begin;
  // "functools[": the marker has opened the array.
  in_array_ = dialect_.sections[static_cast<std::size_t>(index)].open.ends_with('[');
  switch (dialect_.style) {
    case CallStyle::json:
    case CallStyle::keyed: state_ = State::objects; break;
    case CallStyle::python: state_ = State::python_calls; break;
    default: state_ = State::section; break;
  }
}

// Before, between or behind calls: another call, the end of the section, or neither.
bool OutputParser::read_section() {
  if (!skip_space() && !ended_) return false;
  const Match call = match(dialect_.call_open);
  if (call == Match::matched) {
    if (held_ == kNothing) held_ = at_;
    at_ += dialect_.call_open.size();
    open_call();
    return true;
  }
  bool wait = call == Match::wait;
  for (const Section& section : dialect_.sections) {
    const Match close = match(section.close);
    wait = wait || close == Match::wait;
    if (close != Match::matched) continue;
    at_ += section.close.size();
    wait = false;
    break;
  }
  if (wait) return false;
  if (held_ != kNothing) {
    fail("there is no call in what began as calls");
    return true;
  }
  section_ = -1;
  in_array_ = bare_ = false;
  state_ = State::text;
  return true;
}

std::string_view OutputParser::rest_from(std::size_t at) const {
  return std::string_view(buffer_).substr(at);
}

std::string_view OutputParser::readable() const {
  const std::size_t end =
      held_ == kNothing ? buffer_.size() : std::min(buffer_.size(), held_ + kHeldMax);
  return std::string_view(buffer_).substr(at_, end - std::min(at_, end));
}

bool OutputParser::skip_space() {
  const std::string_view text = readable();
  const std::size_t size =
      static_cast<std::size_t>(std::ranges::find_if_not(text, is_space) - text.begin());
  at_ += size;
  return at_ < buffer_.size();
}

// Whether the text stands at at_; one that is empty never does.
OutputParser::Match OutputParser::match(std::string_view text) const {
  const std::string_view rest = rest_from(at_);
  if (text.empty()) return Match::missing;
  if (rest.starts_with(text)) return Match::matched;
  return !ended_ && text.starts_with(rest) ? Match::wait : Match::missing;
}

}  // namespace hearth::chat
