// Messages with headers: CallStyle::harmony.
//
//   [<|start|>ROLE][ to=RECIPIENT]<|channel|>CHANNEL[ to=RECIPIENT][
//   <|constrain|>TYPE]<|message|>BODY
//
// and then <|end|>, <|return|> or <|call|>, or another header.  The channel "analysis" is
// reasoning, every other one content; a recipient "functions.F" makes it a call of F, whatever the
// channel.
#include <fmt/format.h>

#include <algorithm>

#include "engine/chat/parse/output_parser.hpp"

namespace hearth::chat {
namespace {

constexpr std::string_view kFunctions = "functions.";

}  // namespace

// One element of a header.
bool OutputParser::read_header() {
  if (held_ == kNothing) held_ = at_;
  if (!skip_space()) return false;
  for (const std::string_view end : {"<|end|>", "<|return|>", "<|call|>", "<|message|>"}) {
    const Match found = match(end);
    if (found == Match::wait) return false;
    if (found == Match::missing) continue;
    at_ += end.size();
    if (end == "<|message|>") {
      begin_body();
    } else {
      header_ = {};
      held_ = kNothing;
    }
    return true;
  }
  for (const std::string_view begin : {"<|start|>", "<|channel|>", "<|constrain|>", "to="}) {
    const Match found = match(begin);
    if (found == Match::wait) return false;
    if (found == Match::matched) return read_header_word(begin);
  }
  // "commentary json": a word without a marker.
  if (header_.begun && buffer_[at_] != '<') return read_header_word({});
  fail("a message has no header");
  return true;
}

// The word behind one of the texts that may begin an element.
bool OutputParser::read_header_word(std::string_view begin) {
  const std::string_view rest = rest_from(at_ + begin.size());
  const std::size_t size = std::min(rest.find_first_of(" \t\r\n<"), rest.size());
  if (size > kNameMax) {
    at_ += begin.size();  // else the text would begin with this marker, and so with a header
    fail("a word of a header is too long");
    return true;
  }
  if (size == rest.size() && !ended_) return false;
  const std::string_view word = rest.substr(0, size);
  if (begin == "<|channel|>") header_.channel = word;
  if (begin == "to=") header_.recipient = word;
  header_.begun = true;
  at_ += begin.size() + size;
  return true;
}

void OutputParser::begin_body() {
  const std::string_view recipient = header_.recipient;
  if (recipient.starts_with(kFunctions) && recipient.size() > kFunctions.size() &&
      !tools_.empty()) {
    open_call();
    call_.name = recipient.substr(kFunctions.size());
    state_ = State::arguments_begin;
    return;
  }
  held_ = kNothing;
  if (!recipient.empty() && recipient != "assistant") {
    scratch_.clear();
    state_ = State::foreign;
  } else if (header_.channel != "analysis") {
    if (split_reasoning_) builder_.begin_content();
    state_ = State::text;
  } else if (split_reasoning_) {
    open_reasoning();
  } else {
    builder_.content(reasoning_beginning(dialect_));
    header_.shown = true;
    state_ = State::text;
  }
}

bool OutputParser::read_foreign() {
  const MarkerSet::Found found = text_markers_.find(buffer_, at_, ended_);
  scratch_.append(buffer_, at_, found.at - at_);
  at_ = found.at + found.size;
  if (found.size == 0) return false;
  take_marker(static_cast<Action>(found.action), found.at);
  return true;
}

// The body has ended; a header may follow.
void OutputParser::end_message() {
  if (state_ == State::foreign) {
    builder_.warn(fmt::format("a message to {}, which is no tool of this request: {}",
                              header_.recipient, scratch_),
                  /*has_text=*/true);
  }
  if (state_ == State::reasoning) builder_.end_reasoning();
  if (header_.shown) builder_.content("<|end|>");
  header_ = {};
  state_ = State::header;
}

}  // namespace hearth::chat
