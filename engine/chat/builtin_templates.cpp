// See builtin_templates.hpp.
#include "engine/chat/builtin_templates.hpp"

#include <algorithm>
#include <array>

namespace hearth::chat {
namespace {

constexpr BuiltinTemplate kTemplates[] = {
#include "builtin_templates.inc"  // a line for each file, written by engine/chat/CMakeLists.txt
};

struct Sign {
  std::array<std::string_view, 2> tokens;  // all of them; empty: none
  std::string_view name;
};

// The first that fits holds: families that others were made from come last.
constexpr Sign kSigns[] = {
    {{"<|turn>", "<turn|>"}, "gemma4"},
    {{"<start_of_turn>", ""}, "gemma"},
    {{"<|start_header_id|>", "<|eot_id|>"}, "llama3"},
    {{"<|im_sep|>", "<|im_start|>"}, "phi4"},
    {{"<|im_start|>", "<|im_end|>"}, "chatml"},
    {{"<|start_of_role|>", ""}, "granite"},
    {{"<|START_OF_TURN_TOKEN|>", ""}, "command-r"},
    {{"<｜User｜>", "<｜Assistant｜>"}, "deepseek3"},
    {{"[|endofturn|]", ""}, "exaone3"},
    {{"[SYSTEM_PROMPT]", "[INST]"}, "mistral-v7"},
    {{"[INST]", "[/INST]"}, "mistral-v3"},
    {{"[gMASK]", "<sop>"}, "glm4"},
    {{"<|end|>", "<|assistant|>"}, "phi3"},
    {{"<|end_of_turn|>", ""}, "openchat"},
};

}  // namespace

std::span<const BuiltinTemplate> builtin_templates() {
  return kTemplates;
}

const BuiltinTemplate* find_builtin_template(std::string_view name) {
  const auto* found = std::ranges::find(kTemplates, name, &BuiltinTemplate::name);
  return found == std::end(kTemplates) ? nullptr : found;
}

const BuiltinTemplate* builtin_template_for(
    const std::function<bool(std::string_view)>& has_token) {
  const auto* found = std::ranges::find_if(kSigns, [&](const Sign& sign) {
    return std::ranges::all_of(
        sign.tokens, [&](std::string_view token) { return token.empty() || has_token(token); });
  });
  return found == std::end(kSigns) ? nullptr : find_builtin_template(found->name);
}

}  // namespace hearth::chat
