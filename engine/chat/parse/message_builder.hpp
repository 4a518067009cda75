// Collects a message and the deltas that add up to it, and decides about white space.
//
// White space behind the begin of the reasoning, before and behind its end, and behind a call
// belongs to the markers.  Before a call it belongs to the content where more content follows, or
// where the dialect says so.  Everything else is text.  White space whose place is not decided
// waits, kSpaceMax bytes of it at most.
//
// THREAD: one at a time.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat/parse/message.hpp"

namespace hearth::chat {

class MessageBuilder {
 public:
  // Bytes of white space that wait for what follows; a longer run is text.
  static constexpr std::size_t kSpaceMax = 4096;

  // The message begins with these, as they are.  First of all; there are no deltas of it.
  void go_on(std::string reasoning, std::string content);
  void reasoning(std::string_view text);
  void content(std::string_view text);
  // Reasoning begins (or goes on after content), ends.
  void begin_reasoning();
  void end_reasoning();
  // Another part of the content, in dialects whose messages have parts: on a line of its own.
  void begin_content();
  // A call's markers were seen: what white space waits becomes content if `keep_space`.
  void before_call(bool keep_space);
  void after_call() { content_.skip_space = true; }
  // The content is JSON that somebody asked for: white space at its ends and, once a fence was
  // seen, the closing fence are no text.
  void set_json_content() { json_content_ = content_.skip_space = true; }
  void open_fence() { fenced_ = content_.skip_space = true; }

  // Return the number of the new call.
  std::uint32_t begin_call(std::string name, std::string id);
  void call_id(std::string id);           // of the last call
  void arguments(std::string_view json);  // of the last call
  // `has_text`: it holds text of the model's that stands nowhere else, and so is never left out.
  void warn(std::string_view text, bool has_text = false);
  void finish();

  const Message& message() const { return message_; }
  std::span<const Delta> deltas() const { return deltas_; }
  void clear_deltas() { deltas_.clear(); }
  bool content_is_empty() const { return message_.content.empty(); }

 private:
  // One of the two texts of a message.
  struct Channel {
    Delta::Kind kind;
    std::string Message::*text;
    std::string space;        // white space that waits
    bool skip_space = false;  // until other text comes
    bool gap = false;         // other text begins a line of its own
  };
  void put(Channel& channel, std::string_view text);
  void emit(Channel& channel, std::string_view text);
  Delta& delta(Delta::Kind kind);

  Message message_;
  std::vector<Delta> deltas_;
  Channel reasoning_{Delta::Kind::reasoning, &Message::reasoning, {}, true, false};
  Channel content_{Delta::Kind::content, &Message::content, {}, false, false};
  bool json_content_ = false;
  bool fenced_ = false;
};

}  // namespace hearth::chat
