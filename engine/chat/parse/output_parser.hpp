// Reads what a model writes, piece by piece: reasoning, content and tool calls.
//
// A machine over bytes.  Every byte is looked at once, but for a tail that may begin a marker, a
// name, or a literal; so the cost of a piece does not depend on what came before.  How the output
// is cut into pieces changes nothing but where deltas end.
//
// What is held back: a tail that may begin a marker; white space that may belong to one; the begin
// of a call until its name is known, kHeldMax bytes at most; and a number, word or bare text as an
// argument until its end says what it is.
//
// When is it a call?
//   * Only with `tools` in the options, and only what the model writes: the prompt, and with it
//     everything a user wrote, is not read here.
//   * It is announced (call_begin) when its name is complete, and not before.
//   * What begins like a call and goes on otherwise before that comes back as content, with a
//     warning.
//   * What was announced is not taken back.  When its arguments go wrong, the call keeps what it
//     had of them, a prefix of JSON; what stands behind that place is content, with a warning.
//   * Where the output ends within an announced call, it keeps what it had as well, and the warning
//     holds what could not be decided any more.  Nothing is made up to close it.
//   * A name that none of the tools has is a call with a warning: the model meant one, and whoever
//     executes it can tell the model.
// A message to somebody who is no tool (harmony's `to=python`) is in a warning, whole.
//
// The text that is fed has special tokens spelled out, since markers are such tokens in many
// families; the token that ended the generation may be left out or not where it is a marker
// (`<|call|>`), and must be left out elsewhere.
//
// THREAD: one at a time.  OWNER: the request.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat/parse/dialect.hpp"
#include "engine/chat/parse/marker_set.hpp"
#include "engine/chat/parse/message.hpp"
#include "engine/chat/parse/message_builder.hpp"
#include "engine/chat/parse/value_reader.hpp"

namespace hearth::chat {

struct ParserOptions {
  const Dialect* dialect = nullptr;  // see choose_dialect(); never null, outlives the parser
  // Those of the request.  Without any, calls are text.
  std::vector<ToolShape> tools;
  // What the template put behind the last message, see begun_markers().
  std::string generation_prompt;
  // Where the model goes on with a message that the client began: what it begins with, as it is,
  // without markers.  The message begins with them, deltas are what is new; the generation prompt
  // is then not looked at.  Without split_reasoning, begun_reasoning is left out, or begins the
  // content if it goes on.
  std::string begun_reasoning;
  std::string begun_content;
  bool reasoning_begun = false;  // it goes on in the reasoning
  // Reasoning apart from the content; else it is content, with its markers.
  bool split_reasoning = true;
  // The content is JSON: a Markdown fence around it is dropped.
  bool json_content = false;
};

class OutputParser {
 public:
  // Bytes of a call that is not announced yet.
  static constexpr std::size_t kHeldMax = 65'536;
  // Bytes of a name, of a tool, a parameter or a channel.
  static constexpr std::size_t kNameMax = 256;

  explicit OutputParser(ParserOptions options);

  // More of the output.  The deltas are valid until the next call.
  std::span<const Delta> feed(std::string_view piece);
  // The output has ended; nothing may be fed afterwards.
  std::span<const Delta> finish();
  // What is known of the message; whole after finish().
  const Message& message() const { return builder_.message(); }

 private:
  enum class State : std::uint8_t {
    start,  // where reasoning may begin, or a fence or a bare call
    text,   // content
    reasoning,
    section,  // in a section, before, between or behind calls
    // JSON objects as calls
    objects,       // where an object of an array, or the only one, may begin
    member,        // before a key
    member_colon,  // behind it
    member_value,  // in the value of a key that is not the arguments
    arguments,     // in the arguments of a call, whatever its style
    // a name, then arguments
    name,
    arguments_begin,  // announce the call if arguments do follow
    after_call,       // behind the arguments: call_close may follow
    // tagged parameters
    tag_name,
    tag_parameters,
    tag_key,
    tag_value_open,
    tag_value_begin,
    tag_text,      // a string
    tag_json,      // an array or object
    tag_end,       // behind it
    tag_typed,     // a number or word, whole
    nested,        // a value made of tags
    nested_value,  // behind one of them
    // Python's calls
    python_calls,
    python_argument,
    python_value,
    python_next,
    // harmony
    header,
    foreign,  // to somebody who is no tool
  };
  // missing: it is not there.  wait: more text decides.
  enum class Match : std::uint8_t { matched, missing, wait };
  enum class Action : std::uint8_t {
    open_reasoning,
    close_reasoning,
    drop,
    fence,
    section0,
    section1,
    call,
    end_message,    // harmony
    begin_message,  // harmony
    key_by_type,
    key_string,
    key_json,
  };
  struct Call {
    bool announced = false;
    bool arguments_read = false;  // all of them
    std::string name;
    std::string id;
    std::string early;  // arguments that came before the name
  };

  // One step forward; false when more text is needed.
  bool step();
  void run();
  void add_markers();
  void begin_with(const ParserOptions& options);

  // Text and sections (output_parser.cpp).
  bool read_start();
  bool read_text(const MarkerSet& markers);
  void take_marker(Action action, std::size_t begin);
  void put_text(std::string_view text);
  void open_reasoning();
  void begin_section(int index, std::size_t begin);
  bool read_section();

  // Calls of every style (calls.cpp).
  void open_call();
  void announce();
  void write_arguments(std::string_view json);
  void close_call();
  void fail(std::string_view why);
  void give_up();
  bool read_arguments();
  bool read_after_call();
  ValueReader::Progress read_value(std::string& out);
  Match identifier(std::size_t& size) const;
  const ToolShape* tool(std::string_view name) const;

  // What stands at at_ (output_parser.cpp).
  std::string_view rest_from(std::size_t at) const;
  std::string_view readable() const;
  bool skip_space();  // false: more text is needed
  Match match(std::string_view text) const;

  // JSON objects (json_calls.cpp).
  bool read_objects();
  bool read_member();
  bool read_member_colon();
  bool read_member_value();
  void take_member();
  void take_arguments(std::string_view json);
  void end_object();

  // A name, then arguments (named_calls.cpp).
  bool read_name();
  bool read_arguments_begin();

  // Tagged parameters (tagged_calls.cpp).
  bool read_tag_name();
  bool read_tag_parameters();
  bool read_tag_key();
  bool read_tag_value_open();
  bool read_tag_value_begin();
  bool read_tag_text();
  bool read_tag_json();
  bool read_tag_end();
  bool read_tag_typed();
  void write_key(std::string_view key);
  void begin_typed();
  std::string value_close() const;
  ParameterKind kind_of(std::string_view key) const;

  // Values made of tags (nested_tags.cpp).
  Match opens_tag(std::size_t at) const;
  bool read_nested();
  bool read_nested_value();

  // Python's calls (python_calls.cpp).
  bool read_python_calls();
  bool read_python_argument();
  bool read_python_value();
  bool read_python_next();

  // harmony (harmony.cpp).
  bool read_header();
  bool read_header_word(std::string_view begin);
  void begin_body();
  bool read_foreign();
  void end_message();

  const Dialect& dialect_;
  const std::vector<ToolShape> tools_;
  const bool split_reasoning_;
  const bool json_content_;

  MessageBuilder builder_;
  ValueReader value_;
  MarkerSet start_markers_;
  MarkerSet text_markers_;
  MarkerSet reasoning_markers_;
  MarkerSet value_markers_;  // what ends the value of this tag
  MarkerSet key_markers_;

  std::string buffer_;           // text that is not done with
  std::size_t at_ = 0;           // in buffer_: what is before it was read
  std::size_t held_ = kNothing;  // in buffer_: begin of the call that is not announced
  bool ended_ = false;
  bool deltas_given_ = false;
  static constexpr std::size_t kNothing = static_cast<std::size_t>(-1);

  State state_ = State::start;
  int section_ = -1;                // index in dialect_.sections, -1 outside
  bool in_array_ = false;           // json, keyed, python
  bool bare_ = false;               // the call has no marker
  bool call_in_reasoning_ = false;  // it began there, and is not announced
  bool colon_read_ = false;         // of the member
  bool word_ = false;               // the value begins like a number or word
  Call call_;
  std::string key_;      // of the member or parameter being read
  std::string scratch_;  // its value, where that is not written at once
  ParameterKind kind_ = ParameterKind::unknown;
  bool first_parameter_ = true;
  struct Nest {
    std::string tag;
    bool array = false;  // decided with the first tag inside
    bool first = true;   // no tag was inside yet
  };
  std::vector<Nest> nests_;  // the tags that are open within the parameter's

  struct Header {
    bool begun = false;
    std::string channel;
    std::string recipient;
    bool shown = false;  // its markers were written to the content
  };
  Header header_;
};

}  // namespace hearth::chat
