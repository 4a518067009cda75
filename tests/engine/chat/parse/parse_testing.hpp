// Running the parser of outputs in tests: in pieces, and what must hold however it is cut.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat/parse/output_parser.hpp"

namespace hearth::chat {

// Adds up deltas, as a client does.
struct Client {
  Message message;

  void take(std::span<const Delta> deltas) {
    for (const Delta& delta : deltas) {
      switch (delta.kind) {
        case Delta::Kind::reasoning: message.reasoning += delta.text; break;
        case Delta::Kind::content: message.content += delta.text; break;
        case Delta::Kind::call_begin:
          ASSERT_EQ(delta.call, message.calls.size());
          ASSERT_FALSE(delta.text.empty());
          message.calls.push_back({delta.text, "", delta.id});
          break;
        case Delta::Kind::call_id:
          ASSERT_LT(delta.call, message.calls.size());
          message.calls[delta.call].id = delta.id;
          break;
        case Delta::Kind::arguments:
          ASSERT_LT(delta.call, message.calls.size());
          message.calls[delta.call].arguments += delta.text;
          break;
      }
    }
  }
};

// The message as one text, to be compared and shown.
inline std::string shown(const Message& message, bool warnings = false) {
  std::string out = "reasoning: " + message.reasoning + "\ncontent: " + message.content;
  for (const ToolCall& call : message.calls) {
    out += "\ncall: ";
    out += call.name;
    out += ' ';
    out += call.arguments;
    out += " id ";
    out += call.id;
  }
  for (const std::string& warning : message.warnings) {
    if (warnings) out += "\nwarning: " + warning;
  }
  return out;
}

// The message, and that what was begun and its deltas add up to it.
inline Message parse_pieces(const ParserOptions& options, const std::vector<std::string>& pieces) {
  OutputParser parser(options);
  Client client;
  client.message = parser.message();  // what the client began itself
  for (const std::string& piece : pieces) client.take(parser.feed(piece));
  client.take(parser.finish());
  EXPECT_EQ(shown(client.message), shown(parser.message()));
  return parser.message();
}

inline Message parse(const ParserOptions& options, std::string_view text) {
  return parse_pieces(options, {std::string(text)});
}

// What parse() gives must come of every cut in two, of single bytes, and of random pieces.
inline void expect_cuts_change_nothing(const ParserOptions& options, const std::string& text,
                                       std::mt19937& random) {
  const std::string want = shown(parse(options, text), true);
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    ASSERT_EQ(shown(parse_pieces(options, {text.substr(0, cut), text.substr(cut)}), true), want)
        << "cut at " << cut;
  }
  for (int round = 0; round < 5; ++round) {
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = round == 0 ? 1 : random() % (round == 1 ? 4 : 20);
      pieces.push_back(text.substr(at, size));
      at += size;
    }
    ASSERT_EQ(shown(parse_pieces(options, pieces), true), want) << "round " << round;
  }
}

inline const Dialect* dialect_named(std::string_view name) {
  for (const Dialect& dialect : dialects()) {
    if (dialect.name == name) return &dialect;
  }
  return nullptr;
}

}  // namespace hearth::chat
