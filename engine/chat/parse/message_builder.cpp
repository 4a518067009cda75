// See message_builder.hpp.
#include "engine/chat/parse/message_builder.hpp"

#include <utility>

namespace hearth::chat {
namespace {

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kSpaceAndFence = " \t\r\n`";

}  // namespace

Delta& MessageBuilder::delta(Delta::Kind kind) {
  const auto call =
      static_cast<std::uint32_t>(message_.calls.empty() ? 0 : message_.calls.size() - 1);
  const bool of_call = kind != Delta::Kind::reasoning && kind != Delta::Kind::content;
  const std::uint32_t index = of_call ? call : 0;
  if (!deltas_.empty() && deltas_.back().kind == kind && deltas_.back().call == index &&
      (!of_call || kind == Delta::Kind::arguments)) {
    return deltas_.back();
  }
  return deltas_.emplace_back(Delta{kind, index, {}, {}});
}

void MessageBuilder::emit(Channel& channel, std::string_view text) {
  if (text.empty()) return;
  (message_.*channel.text) += text;
  delta(channel.kind).text += text;
}

void MessageBuilder::put(Channel& channel, std::string_view text) {
  if (channel.skip_space) {
    const std::size_t begin = text.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return;
    text.remove_prefix(begin);
    channel.skip_space = false;
  }
  const bool fence = fenced_ && channel.kind == Delta::Kind::content;
  const std::size_t last = text.find_last_not_of(fence ? kSpaceAndFence : kSpace);
  if (last != std::string_view::npos) {
    if (channel.gap && !(message_.*channel.text).empty()) emit(channel, "\n");
    channel.gap = false;
    emit(channel, channel.space);
    channel.space.clear();
    emit(channel, text.substr(0, last + 1));
    text.remove_prefix(last + 1);
  }
  channel.space += text;
  // In steps of one size, so that it does not matter how the run was cut.
  for (; channel.space.size() > kSpaceMax; channel.space.erase(0, kSpaceMax + 1)) {
    emit(channel, std::string_view(channel.space).substr(0, kSpaceMax + 1));
  }
}

void MessageBuilder::go_on(std::string reasoning, std::string content) {
  reasoning_.skip_space = reasoning.empty();
  if (!content.empty()) content_.skip_space = false;
  message_.reasoning = std::move(reasoning);
  message_.content = std::move(content);
}

void MessageBuilder::reasoning(std::string_view text) {
  put(reasoning_, text);
}

void MessageBuilder::content(std::string_view text) {
  put(content_, text);
}

void MessageBuilder::begin_reasoning() {
  reasoning_.skip_space = reasoning_.gap = true;
  reasoning_.space.clear();
  // White space before the reasoning is no content.
  if (message_.content.empty()) content_.space.clear();
}

void MessageBuilder::end_reasoning() {
  reasoning_.space.clear();
  content_.skip_space = true;
}

void MessageBuilder::begin_content() {
  content_.skip_space = content_.gap = true;
  content_.space.clear();
}

void MessageBuilder::before_call(bool keep_space) {
  if (message_.content.empty()) content_.space.clear();
  if (!keep_space) return;
  emit(content_, content_.space);
  content_.space.clear();
}

std::uint32_t MessageBuilder::begin_call(std::string name, std::string id) {
  message_.calls.push_back({std::move(name), {}, std::move(id)});
  Delta& begin = delta(Delta::Kind::call_begin);
  begin.text = message_.calls.back().name;
  begin.id = message_.calls.back().id;
  return begin.call;
}

void MessageBuilder::call_id(std::string id) {
  message_.calls.back().id = std::move(id);
  delta(Delta::Kind::call_id).id = message_.calls.back().id;
}

void MessageBuilder::arguments(std::string_view json) {
  if (json.empty()) return;
  message_.calls.back().arguments += json;
  delta(Delta::Kind::arguments).text += json;
}

void MessageBuilder::warn(std::string_view text, bool has_text) {
  if (has_text || message_.warnings.size() < kWarningsMax) message_.warnings.emplace_back(text);
}

void MessageBuilder::finish() {
  reasoning_.space.clear();
  // skip_space: a call or the reasoning came last, what waits stood before it.
  if (!json_content_ && !content_.skip_space) emit(content_, content_.space);
  content_.space.clear();
}

}  // namespace hearth::chat
