// See chat_format.hpp.
#include "engine/chat/chat_format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/chat/builtin_templates.hpp"

namespace hearth::chat {
namespace {

using jinja::Input;
using jinja::InputDict;

// What a family's name says: of the model's id or of its file.
struct Family {
  std::string_view name;  // lower case, without separators
  PromptRenderer renderer;
  OutputFormat format;
};
constexpr Family kFamilies[] = {
    {"gemma4", PromptRenderer::gemma4, OutputFormat::gemma4},
    {"deepseekv3.2", PromptRenderer::dsml, OutputFormat::deepseek_v32},
    {"deepseekv4", PromptRenderer::dsml, OutputFormat::deepseek_v32},
    {"gptoss", PromptRenderer::tokenizer, OutputFormat::gpt_oss},
};

// "DeepSeek-V3.2 Exp" is "deepseekv3.2exp".
std::string plain_name(std::string_view id, std::string_view name) {
  std::string plain;
  for (const std::string_view text : {id, name}) {
    for (const char c : text) {
      if (c >= 'A' && c <= 'Z') {
        plain += static_cast<char>(c - 'A' + 'a');
      } else if (std::string_view("-_ /:").find(c) == std::string_view::npos) {
        plain += c;
      }
    }
    plain += '|';
  }
  return plain;
}

const Family* family_of(std::string_view plain) {
  const auto* found = std::ranges::find_if(
      kFamilies, [&](const Family& family) { return plain.find(family.name) != plain.npos; });
  return found == std::end(kFamilies) ? nullptr : found;
}

std::string spelled(const Tokenizer& tokenizer, TokenId id) {
  return id == kNoToken ? std::string() : std::string(tokenizer.piece(id, true));
}

bool has_token(const Tokenizer& tokenizer, std::string_view text) {
  return std::ranges::find(tokenizer.vocabulary().tokens, text) !=
         tokenizer.vocabulary().tokens.end();
}

struct Chosen {
  ChatChoice renderer, source;
  std::string_view text;
  std::string warning;
};

Chosen builtin(std::string_view renderer, std::string_view name, std::string_view from) {
  return {{std::string(renderer), from},
          {std::string(name), from},
          find_builtin_template(name)->source,
          {}};
}

Chosen native(PromptRenderer renderer, std::string_view plain, std::string_view from) {
  if (renderer == PromptRenderer::gemma4) return builtin("gemma4", "gemma4", from);
  const bool is_v4 = plain.find("deepseekv4") != plain.npos;
  return builtin("dsml", is_v4 ? "dsml-v4" : "dsml-v3.2", from);
}

// The template in the model's file: Jinja, or the name of one that we have.
Chosen own(const ChatModel& model, std::string_view from) {
  if (find_builtin_template(model.own_template) != nullptr) {
    return builtin("tokenizer", model.own_template, from);
  }
  return {{"tokenizer", from}, {"own", "template"}, model.own_template, {}};
}

Result<Chosen> choose(const ChatModel& model, std::string_view plain, const Family* family) {
  if (!model.wished.empty()) {
    if (find_builtin_template(model.wished) != nullptr) {
      return builtin("tokenizer", model.wished, "configuration");
    }
    std::string names;
    for (const BuiltinTemplate& one : builtin_templates()) names += fmt::format(" {}", one.name);
    return Error{Code::CONFIG, fmt::format("chat template \"{}\": there is none of this name; "
                                           "there are{}",
                                           model.wished, names)};
  }
  const bool by_card = model.card != nullptr && model.card->prompt_renderer.has_value();
  const bool has_own = !model.own_template.empty();
  if (by_card && *model.card->prompt_renderer != PromptRenderer::tokenizer) {
    return native(*model.card->prompt_renderer, plain, "card");
  }
  // What a family's file says itself is the family's best word.
  if (has_own) return own(model, by_card ? "card" : family != nullptr ? "family" : "template");
  if (!by_card && family != nullptr && family->renderer != PromptRenderer::tokenizer) {
    return native(family->renderer, plain, "family");
  }
  const BuiltinTemplate* known = builtin_template_for(
      [&](std::string_view token) { return has_token(*model.tokenizer, token); });
  if (known != nullptr) return builtin("tokenizer", known->name, "vocabulary");
  Chosen last = builtin("tokenizer", "chatml", "generic");
  last.warning =
      "the model has no chat template, and none is known for its vocabulary: ChatML is "
      "used, which it may not understand";
  return last;
}

std::string_view name_of_format(const Dialect& dialect) {
  return name_of(dialect.format);
}

// The user-defined tokens that a template or its parser has markers of.
std::vector<TokenId> structure_of(const Tokenizer& tokenizer, std::string_view source,
                                  const Dialect& dialect) {
  std::string text(source);
  const auto add = [&](std::string_view marker) { text.append(" ").append(marker); };
  for (const std::string_view marker :
       {dialect.reasoning_open, dialect.reasoning_close, dialect.call_open, dialect.call_close}) {
    add(marker);
  }
  for (const Section& section : dialect.sections) {
    add(section.open);
    add(section.close);
  }
  return tokenizer.structure_of(text);
}

std::size_t end_of_input(const std::vector<jinja::Span>& spans) {
  std::size_t end = 0;
  for (const jinja::Span& span : spans) {
    if (span.input) end = span.end;
  }
  return end;
}

// What belongs to the message that is continued ends the prompt: what the template puts behind it
// goes.
void cut_behind_input(std::int32_t message, jinja::Rendered& rendered) {
  const std::vector<jinja::Span>& spans = rendered.spans;
  const auto last = std::find_if(spans.rbegin(), spans.rend(), [&](const jinja::Span& span) {
    return span.input && span.message == message;
  });
  if (last == spans.rend()) return;
  const std::uint32_t end = last->end;
  rendered.text.resize(end);
  std::erase_if(rendered.spans, [&](const jinja::Span& span) { return span.begin >= end; });
}

std::string_view text_at(const InputDict& message, std::string_view key) {
  for (const auto& [name, value] : message) {
    const auto* text = std::get_if<std::string>(&value.held);
    if (name == key && text != nullptr) return *text;
  }
  return {};
}

// Templates strip what they show: the white space that the client's text ends with is part of it.
void restore_space(std::string_view begun, std::int32_t message, jinja::Rendered& rendered) {
  const std::string_view shown = begun.substr(0, begun.find_last_not_of(" \t\r\n") + 1);
  if (rendered.text.ends_with(begun) || !rendered.text.ends_with(shown)) return;
  const auto size = static_cast<std::uint32_t>(rendered.text.size());
  rendered.text += begun.substr(shown.size());
  rendered.spans.push_back(
      {size, static_cast<std::uint32_t>(rendered.text.size()), /*input=*/true, message});
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == text.npos;
}

bool is_user(const Input& message) {
  return text_at(std::get<InputDict>(message.held), "role") == "user";
}

// Each once, for a template may loop over the messages several times.
std::vector<std::size_t> find_turn_starts(const jinja::InputList& messages,
                                          const jinja::Rendered& rendered) {
  std::vector<std::size_t> starts;
  for (const jinja::Turn& turn : rendered.turns) {
    const bool is_shown = turn.begin < rendered.text.size();
    if (is_shown && is_user(messages[static_cast<std::size_t>(turn.message)]))
      starts.push_back(turn.begin);
  }
  std::ranges::sort(starts);
  const auto repeated = std::ranges::unique(starts);
  starts.erase(repeated.begin(), repeated.end());
  return starts;
}

// Between the last two messages of a user: the prompt before this one had no later message of the
// user than the first of them, and templates that drop reasoning do so before a user's last
// message.
RenderedText::Range find_left_out(const jinja::InputList& messages,
                                  const jinja::Rendered& rendered) {
  std::size_t last = messages.size();
  while (last > 0 && !is_user(messages[last - 1])) --last;
  if (last == 0) return {};
  --last;
  std::size_t first = last;
  while (first > 0 && !is_user(messages[first - 1])) --first;
  const auto shown = [&](std::size_t message, std::string_view text) {
    return std::ranges::any_of(rendered.spans, [&](const jinja::Span& span) {
      const bool of_message = span.input && span.message == static_cast<std::int32_t>(message);
      const auto piece = std::string_view(rendered.text).substr(span.begin, span.end - span.begin);
      return of_message && piece.find(text) != piece.npos;
    });
  };
  const auto begin_of = [&](std::size_t message) {
    const auto found = std::ranges::find(rendered.spans, static_cast<std::int32_t>(message),
                                         &jinja::Span::message);
    return found == rendered.spans.end() ? rendered.text.size() : std::size_t{found->begin};
  };
  for (std::size_t i = first; i < last; ++i) {
    const std::string_view reasoning =
        text_at(std::get<InputDict>(messages[i].held), "reasoning_content");
    const std::size_t blank = reasoning.find_first_not_of(" \t\r\n");
    if (blank == reasoning.npos) continue;
    const std::size_t end = reasoning.find_last_not_of(" \t\r\n") + 1;
    if (shown(i, reasoning.substr(blank, end - blank))) continue;
    const std::size_t begin = begin_of(i);
    return {begin, std::max(begin, begin_of(last))};
  }
  return {};
}

}  // namespace

Result<ChatFormat> ChatFormat::create(const ChatModel& model) {
  const std::string plain = plain_name(model.id, model.name);
  const Family* family = family_of(plain);
  HEARTH_TRY(Chosen chosen, choose(model, plain, family));
  auto compiled = jinja::compile(chosen.text);
  if (!compiled) {
    return Error{Code::MODEL, fmt::format("the chat template of model {}: {}", model.id,
                                          compiled.error().message)};
  }
  ChatFormat format(*std::move(compiled));
  format.traits_ = find_traits(format.compiled_, chosen.text);
  format.renderer_ = std::move(chosen.renderer);
  format.source_ = std::move(chosen.source);
  format.warning_ = std::move(chosen.warning);
  if (model.card != nullptr && model.card->output_parser) {
    format.dialect_ = &choose_dialect(*model.card->output_parser, chosen.text);
    format.parser_.from = "card";
  } else if (family != nullptr) {
    format.dialect_ = &choose_dialect(family->format, chosen.text);
    format.parser_.from = "family";
  } else {
    format.dialect_ = &choose_dialect(chosen.text);
    format.parser_.from = "template";
  }
  format.parser_.value = name_of_format(*format.dialect_);
  const Vocabulary& vocabulary = model.tokenizer->vocabulary();
  format.bos_ = spelled(*model.tokenizer, vocabulary.bos);
  format.eos_ = spelled(*model.tokenizer, vocabulary.eos);
  format.is_flash_ = plain.find("v4flash") != plain.npos;
  format.structure_ = structure_of(*model.tokenizer, chosen.text, *format.dialect_);
  return format;
}

InputDict ChatFormat::context_of(const Conversation& conversation, const std::tm& now) const {
  char date[64];
  const auto shown = [&](const char* how) {
    return std::string(date, std::strftime(date, sizeof(date), how, &now));
  };
  const bool has_tools = !conversation.tools.empty();
  InputDict context = {{"messages", conversation.messages},
                       {"tools", has_tools || traits_.tools_list ? conversation.tools : Input()},
                       {"add_generation_prompt", conversation.generation_prompt},
                       {"bos_token", bos_},
                       {"eos_token", eos_},
                       {"datetime", shown("%b %d %Y")},
                       {"date_string", shown("%d %b %Y")}};
  if (is_flash_) context.emplace_back("is_flash", true);
  if (conversation.reasoning) {
    context.emplace_back("enable_thinking", *conversation.reasoning);
    context.emplace_back("thinking", *conversation.reasoning);
  }
  if (!conversation.effort.empty()) context.emplace_back("reasoning_effort", conversation.effort);
  for (const auto& [name, value] : conversation.arguments) {
    if (Input* known = find(context, name)) {
      *known = value;
    } else {
      context.emplace_back(name, value);
    }
  }
  return context;
}

// A message whose reasoning has not ended: few templates can write that.  What they put before any
// message of the model's does it, and the begin of reasoning where that has none.
Result<ChatPrompt> ChatFormat::continue_reasoning(Conversation conversation,
                                                  const std::tm& now) const {
  const auto refused = [](std::string_view why) {
    return Error{Code::INVALID,
                 fmt::format("continue: the last message is reasoning alone, {}", why)};
  };
  const std::string begun(
      text_at(std::get<InputDict>(conversation.messages.back().held), "reasoning_content"));
  conversation.messages.pop_back();
  if (conversation.messages.empty()) return refused("and no message stands before it");
  if (!conversation.reasoning.value_or(true)) return refused("but reasoning is off");
  conversation.reasoning = true;
  conversation.continues = false;
  conversation.generation_prompt = true;
  HEARTH_TRY(ChatPrompt prompt, render(std::move(conversation), now));
  const std::string_view open = dialect_->reasoning_open;
  const std::string_view markers = begun_markers(*dialect_, prompt.generation_prompt);
  if (open.empty() || !markers.starts_with(open)) {
    const std::string_view close = dialect_->reasoning_close;
    const std::string_view beginning = reasoning_beginning(*dialect_);
    const bool ended = !close.empty() && prompt.generation_prompt.find(close) != std::string::npos;
    if (beginning.empty() || ended) return refused("which the model's template does not begin");
    prompt.text += beginning;
  }
  const std::size_t begin = prompt.text.size();
  prompt.text += begun;
  prompt.input.push_back({begin, prompt.text.size()});
  prompt.generation_prompt.clear();
  prompt.begun_reasoning = begun;
  prompt.reasoning_begun = true;
  return prompt;
}

Result<ChatPrompt> ChatFormat::render(Conversation conversation, const std::tm& now) const {
  for (const auto& [name, value] : conversation.arguments) {
    constexpr std::string_view kOurs[] = {"messages", "tools", "bos_token", "eos_token",
                                          "add_generation_prompt"};
    if (std::ranges::find(kOurs, name) == std::end(kOurs)) continue;
    return Error{Code::INVALID, fmt::format("template_arguments.{}: it is not an argument", name)};
  }
  const auto& last_message = std::get<InputDict>(conversation.messages.back().held);
  std::string begun(text_at(last_message, "content"));
  std::string begun_reasoning(text_at(last_message, "reasoning_content"));
  if (conversation.continues && is_blank(begun) && !is_blank(begun_reasoning))
    return continue_reasoning(std::move(conversation), now);
  HEARTH_CHECK(adapt(traits_, conversation.messages));
  const auto last = static_cast<std::int32_t>(conversation.messages.size()) - 1;
  jinja::RenderOptions options;
  options.now = now;
  InputDict context = context_of(conversation, now);
  HEARTH_TRY(jinja::Rendered rendered, jinja::render(compiled_, context, options));
  ChatPrompt prompt;
  if (conversation.continues) {
    cut_behind_input(last, rendered);
    restore_space(begun, last, rendered);
    prompt.begun_reasoning = std::move(begun_reasoning);
    prompt.begun_content = std::move(begun);
  }
  prompt.behind_left_out = find_left_out(conversation.messages, rendered);
  prompt.turn_starts = find_turn_starts(conversation.messages, rendered);
  if (conversation.generation_prompt) {
    *find(context, "add_generation_prompt") = false;
    const auto without = jinja::render(compiled_, context, options);
    // The template's own words only: what a client wrote opens no reasoning.
    const bool extends = without && rendered.text.starts_with(without->text);
    const std::size_t input_end = end_of_input(rendered.spans);
    if (extends && input_end <= without->text.size()) {
      prompt.generation_prompt = rendered.text.substr(without->text.size());
    }
  }
  for (const jinja::Span& span : rendered.spans) {
    const std::size_t end = std::min<std::size_t>(span.end, rendered.text.size());
    if (!span.input || span.begin >= end) continue;
    if (!prompt.input.empty() && prompt.input.back().end == span.begin) {
      prompt.input.back().end = end;
    } else {
      prompt.input.push_back({span.begin, end});
    }
  }
  prompt.text = std::move(rendered.text);
  return prompt;
}

Result<ChatTokens> ChatFormat::encode(const Tokenizer& tokenizer, const ChatPrompt& prompt) const {
  ChatTokens tokens;
  const RenderedText rendered = {prompt.text, prompt.input, structure_, prompt.turn_starts};
  HEARTH_TRY(tokens.ids, tokenizer.encode(rendered, /*add_special=*/false, &tokens.turn_starts));
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  const bool has_bos = !tokens.ids.empty() && tokens.ids.front() == vocabulary.bos;
  if (vocabulary.add_bos && !has_bos) {
    tokens.ids.insert(tokens.ids.begin(), vocabulary.bos);
    for (std::uint32_t& start : tokens.turn_starts) ++start;
  }
  std::vector<std::uint32_t>& starts = tokens.turn_starts;
  const auto repeated = std::ranges::unique(starts);  // two within one token
  starts.erase(repeated.begin(), repeated.end());
  std::erase_if(starts, [&](auto start) { return start == 0 || start >= tokens.ids.size(); });
  if (starts.size() > ChatTokens::kTurnStartsMax) {
    starts.erase(starts.begin(), starts.end() - std::ptrdiff_t{ChatTokens::kTurnStartsMax});
  }
  return tokens;
}

ParserOptions ChatFormat::parser_options(const Conversation& conversation,
                                         const ChatPrompt& prompt) const {
  ParserOptions options;
  options.dialect = dialect_;
  options.tools = tool_shapes(conversation.tools);
  options.generation_prompt = prompt.generation_prompt;
  options.begun_reasoning = prompt.begun_reasoning;
  options.begun_content = prompt.begun_content;
  options.reasoning_begun = prompt.reasoning_begun;
  options.split_reasoning = conversation.split_reasoning;
  return options;
}

}  // namespace hearth::chat
