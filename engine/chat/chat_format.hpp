// How one model chats: its template, what turns its output into a message, and who decided.
//
//   card > family > the model's own template > its vocabulary > ChatML, as a last resort
//
// The renderers `gemma4` and `dsml` and the templates of models that have none are Jinja templates
// as well (templates/): there is one way from messages to a prompt.
//
// Immutable once made: any thread.
#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "engine/chat/card.hpp"
#include "engine/chat/conversation.hpp"
#include "engine/chat/jinja/jinja.hpp"
#include "engine/chat/parse/dialect.hpp"
#include "engine/chat/parse/output_parser.hpp"
#include "engine/chat/template_traits.hpp"
#include "engine/tokenizer/tokenizer.hpp"

namespace hearth::chat {

// What is known of a model.
struct ChatModel {
  std::string_view id = {};    // in the configuration
  std::string_view name = {};  // general.name of its file
  std::string_view own_template =
      {};                           // of its file: Jinja, or the name of a builtin one; empty: none
  std::string_view wished = {};     // by the configuration: the name of a builtin one; empty: none
  const ModelCard* card = nullptr;  // null: there is none
  const Tokenizer* tokenizer = nullptr;  // not null
};

// What was chosen, and who chose it.
struct ChatChoice {
  std::string value;
  std::string_view from;  // "card", "configuration", "family", "template", "vocabulary", "generic"
};

// A conversation as a prompt.
struct ChatPrompt {
  std::string text;
  std::vector<RenderedText::Range> input;  // what the client wrote
  std::string generation_prompt;           // the end of text that begins the model's turn
  // Of the message that is continued; with reasoning_begun it goes on in its reasoning.
  std::string begun_reasoning, begun_content;
  bool reasoning_begun = false;
  // Where what the template writes for a message of the user begins, rising.
  std::vector<std::size_t> turn_starts;
  // Where the template leaves out reasoning that the prompt before this one had: what follows it
  // there, up to the new message, is computed again.  Empty: nothing is.
  RenderedText::Range behind_left_out;
};

struct ChatTokens {
  static constexpr std::size_t kTurnStartsMax = 64;
  std::vector<TokenId> ids;
  // The first token of what the template writes for each message of the user: rising, none is 0.
  // Of more than kTurnStartsMax the last ones.
  std::vector<std::uint32_t> turn_starts;
};

class ChatFormat {
 public:
  // Errors: MODEL for a template that is none, with line and column; CONFIG for a wished one that
  // there is not.
  static Result<ChatFormat> create(const ChatModel& model);

  // now: local time, for templates that tell the date.  Errors: INVALID for what the template
  // refuses, LIMIT for what takes too long.
  Result<ChatPrompt> render(Conversation conversation, const std::tm& now) const;

  // The prompt's ids.  BOS stands first where the vocabulary wants one, once.
  Result<ChatTokens> encode(const Tokenizer& tokenizer, const ChatPrompt& prompt) const;

  // How the model's answer is to be read.
  ParserOptions parser_options(const Conversation& conversation, const ChatPrompt& prompt) const;

  const ChatChoice& renderer() const { return renderer_; }  // "tokenizer", "gemma4", "dsml"
  const ChatChoice& source() const { return source_; }      // "own", or a builtin template's name
  const ChatChoice& parser() const { return parser_; }      // "generic", "gemma4" ...
  const Dialect& dialect() const { return *dialect_; }
  const std::string& warning() const { return warning_; }  // empty: nothing to say

 private:
  explicit ChatFormat(jinja::Template compiled) : compiled_(std::move(compiled)) {}
  Result<ChatPrompt> continue_reasoning(Conversation conversation, const std::tm& now) const;
  jinja::InputDict context_of(const Conversation& conversation, const std::tm& now) const;

  jinja::Template compiled_;
  TemplateTraits traits_;
  ChatChoice renderer_, source_, parser_;
  const Dialect* dialect_ = nullptr;  // static
  std::string warning_;
  std::string bos_, eos_;           // as they are spelled; empty: none
  bool is_flash_ = false;           // DeepSeek V4 Flash: other words for the effort
  std::vector<TokenId> structure_;  // user-defined tokens that are markers, sorted
};

}  // namespace hearth::chat
