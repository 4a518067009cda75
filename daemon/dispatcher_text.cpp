// The dispatcher's part about text: what text threads do for requests, and what becomes of the text
// that a model writes in a chat.
#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "daemon/dispatcher.hpp"
#include "daemon/session.hpp"

namespace hearth {

// What of it is for a text thread; nullopt: nothing.
std::optional<TextConversion::Kind> Dispatcher::conversion_of(const Request& request) {
  using enum TextConversion::Kind;
  switch (request.verb) {
    case HEARTH_VERB_TOKENIZE: return encode;
    case HEARTH_VERB_DETOKENIZE: return decode;
    case HEARTH_VERB_RENDER: return render;
    case HEARTH_VERB_GENERATE: break;
    default: return std::nullopt;
  }
  switch (request.prompt) {
    case PromptKind::tokens: return std::nullopt;
    case PromptKind::chat: return converse;
    case PromptKind::text: break;
  }
  const bool has_template = request.model->facts().has_chat_template;
  // A session's text goes on: there are no messages in it.
  return has_template && !request.raw && request.turn.empty() ? as_user : encode;
}

// Text to ids, or back, on a text thread.
void Dispatcher::convert(Request& request, TextConversion::Kind kind) {
  const ServedModel& model = *request.model;
  const auto conversion = std::make_shared<TextConversion>();  // shared by the job's two functions
  conversion->kind = kind;
  conversion->tokenizer = model.tokenizer();
  conversion->format = model.chat_format();
  if (conversion->tokenizer == nullptr) {
    return fail(request, {Code::TOKENIZATION, fmt::format("model {} has no vocabulary: give token "
                                                          "ids instead of text",
                                                          model.id())});
  }
  if (conversion->needs_format() && conversion->format == nullptr) {
    return fail(request, model.chat_error());
  }
  request.stage = RequestStage::on_text_thread;
  conversion->encode = request.encode;
  conversion->spell_special = request.spell_special;
  conversion->text = std::move(request.text);
  conversion->ids = std::move(request.ids);
  const auto status = std::make_shared<Status>();
  jobs_.run([conversion, status] { *status = conversion->run(); },
            [this, conversion, status, id = request.id, version = model.catalog_version()] {
              Request* found = on_job_done(id, *status);
              if (found != nullptr) take_conversion(*found, *conversion, version);
            });
}

void Dispatcher::take_conversion(Request& request, TextConversion& conversion,
                                 std::uint64_t catalog_version) {
  request.ids = std::move(conversion.ids);
  request.marks = std::move(conversion.turn_starts);
  request.submit.marks_are_turns = 1;
  if (request.verb != HEARTH_VERB_GENERATE) {
    request.text = std::move(conversion.text);
    return answer_conversion(request);
  }
  request.parser = std::move(conversion.parser);
  request.recomputed_for_template = conversion.recomputed;
  request.warnings = std::move(conversion.warnings);
  // Markers are often control tokens: the parser has to see them.
  request.submit.spell_special = request.parser != nullptr ? 1 : 0;
  request.catalog_version = catalog_version;
  request.stage = RequestStage::waits_for_engine;
  advance(request);
}

void Dispatcher::answer_conversion(Request& request) {
  const bool to_ids = request.verb == HEARTH_VERB_TOKENIZE;
  const auto payload =
      to_ids ? std::as_bytes(std::span(request.ids)) : std::as_bytes(std::span(request.text));
  if (payload.size() > HEARTH_PAYLOAD_BYTES_MAX) {
    return fail(request,
                {Code::LIMIT, fmt::format("the answer has {} bytes, at most {} are possible",
                                          payload.size(), HEARTH_PAYLOAD_BYTES_MAX)});
  }
  JsonWriter json;
  if (to_ids) json.add("count", std::uint64_t{request.ids.size()});
  request.session->reply(request.wire_request, request.verb, to_ids ? &json : nullptr, payload);
  close(request);
}

// The kinds of the wire are those of the parser, from 1.
void Dispatcher::send_deltas(const Request& request, std::span<const chat::Delta> deltas) {
  using Kind = chat::Delta::Kind;
  static_assert(static_cast<int>(Kind::reasoning) + 1 == HEARTH_DELTA_REASONING);
  static_assert(static_cast<int>(Kind::arguments) + 1 == HEARTH_DELTA_ARGUMENTS);
  for (const chat::Delta& delta : deltas) {
    const bool needs_id = delta.kind == Kind::call_begin && delta.id.empty();
    request.session->send_delta(request.wire_request, static_cast<std::uint32_t>(delta.kind) + 1,
                                delta.call, delta.text,
                                needs_id ? call_id(request, delta.call) : delta.id);
  }
}

// For a call whose syntax has none: clients tell by it which result is whose.
std::string Dispatcher::call_id(const Request& request, std::size_t call) {
  return fmt::format("call_{}_{}", request.id, call + 1);
}

// The last deltas, and the whole message as the reply's payload.  Errors: LIMIT.
Status Dispatcher::end_chat(Request& request) {
  send_deltas(request, request.parser->finish());
  chat::Message message = request.parser->message();
  for (std::size_t i = 0; i < message.calls.size(); ++i) {
    if (message.calls[i].id.empty()) message.calls[i].id = call_id(request, i);
  }
  JsonWriter warnings = JsonWriter::array();
  for (const auto* list : {&request.warnings, &message.warnings}) {
    for (const std::string& warning : *list) warnings.push(warning);
  }
  JsonWriter json;
  json.add("message", message_document(message))
      .add("warnings", std::move(warnings))
      .add("recomputed_for_template", request.recomputed_for_template);
  const std::string text = json.text();
  const auto bytes = std::as_bytes(std::span(text));
  if (bytes.size() > HEARTH_PAYLOAD_BYTES_MAX) {
    return Error{Code::LIMIT, fmt::format("the message has {} bytes, at most {} are possible",
                                          bytes.size(), HEARTH_PAYLOAD_BYTES_MAX)};
  }
  request.result.assign(bytes.begin(), bytes.end());
  return {};
}

}  // namespace hearth
