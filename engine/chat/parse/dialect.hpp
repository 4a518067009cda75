// How a family of models writes reasoning and tool calls: one row of a table for each.
//
// A row is data.  The parser (output_parser.hpp) knows the five styles of calls below and one way
// to mark reasoning; which texts they are made of stands in the row.  A new family is a new row,
// unless its calls are of a new style.
//
// THREAD: any; rows are constant.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace hearth::chat {

// What a model card may name as its outputParser.  generic covers every row that is not one of the
// other three.
enum class OutputFormat : std::uint8_t { generic, gemma4, gpt_oss, deepseek_v32 };

// `S`, `/S`: begin and end of a section; F: the name of a tool; V: a value.
enum class CallStyle : std::uint8_t {
  json,     // S {"name": "F", "arguments": {..}} /S, or an array of such objects; also with the
            // keys tool_name, parameters, id, tool_call_id
  keyed,    // S [{"F": {..}}, ..] /S
  named,    // call_open F name_end V call_close, in a section or not
  tagged,   // call_open F name_end { key_open key key_end value value_close } call_close
  python,   // S [F(a=V, b=V), G()] /S
  harmony,  // messages with a header that names channel and recipient; the body is V
};

struct Section {
  std::string_view open;
  std::string_view close;
};

// A text that is empty is one the family does not have.
struct Dialect {
  std::string_view name = {};  // unique; for logs and docs
  OutputFormat format = OutputFormat::generic;
  CallStyle style = CallStyle::json;
  // A template belongs to the first row all of whose needles it contains.
  std::array<std::string_view, 3> needles = {};

  std::string_view reasoning_open = "<think>";
  std::string_view reasoning_close = "</think>";
  bool reasoning_anywhere = false;   // else only where the message begins
  bool call_ends_reasoning = false;  // a call may begin in the reasoning; else it is text there
  // Markers around or in the content that mean nothing.
  std::array<std::string_view, 4> dropped = {};
  // Those of the reasoning where no reasoning begins or ends.
  std::array<std::string_view, 2> stray = {};

  std::array<Section, 2> sections = {};
  std::string_view call_open = {};
  std::string_view name_end = {};
  std::string_view id_end = {};  // named: F id_end the id name_end V; may be left out
  std::string_view key_open = {};
  std::string_view key_end = {};         // the type of the value is that of the tool's parameter
  std::string_view string_key_end = {};  // the value is a string
  std::string_view json_key_end = {};    // the value is JSON
  std::string_view value_open = {};      // behind key_end, where more stands between the two
  std::string_view value_close = {};
  std::string_view call_close = {};  // named, json: may be left out by the model

  bool gemma_values = false;         // ValueReader::Notation::gemma
  bool values_on_own_lines = false;  // the line breaks around a value are not the value's
  bool cdata = false;                // a value may be <![CDATA[..]]>
  // value_close is followed by the key and ">", and a value may be made of such tags.
  bool nested_tags = false;
  bool id_is_name = false;           // F is "functions.NAME:INDEX", and this is the call's id
  bool bare = false;                 // json: a message that begins with { may be a call
  bool content_keeps_space = false;  // white space before a call is content
};

// All of them, those tried first first; the last one fits every template.
std::span<const Dialect> dialects();

// The row for a chat template.  With a format that is not generic: the row of that format.
const Dialect& choose_dialect(std::string_view template_text);
const Dialect& choose_dialect(OutputFormat format, std::string_view template_text);

// What of the generation prompt (what the template puts behind the last message for the model to go
// on from) belongs to the message: a begin of reasoning that is not ended there, or the begin of a
// call; else nothing.  Only the template's own text may be given here, none of a user's.
std::string_view begun_markers(const Dialect& dialect, std::string_view generation_prompt);

// What a model of the dialect writes to begin its reasoning.
std::string_view reasoning_beginning(const Dialect& dialect);

}  // namespace hearth::chat
