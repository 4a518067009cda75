// See card.hpp.
#include "engine/chat/card.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <span>

#include "common/unique_fd.hpp"
#include "common/whole_io.hpp"
#include "engine/chat/jinja/input.hpp"

namespace hearth::chat {
namespace {

using jinja::Input;

constexpr std::string_view kRenderers[] = {"tokenizer", "gemma4", "dsml"};
constexpr std::string_view kFormats[] = {"generic", "gemma4", "gpt_oss", "deepseek_v32"};
constexpr std::string_view kConventions[] = {"zero_centered", "actual_scale"};
constexpr std::string_view kOrders[] = {"embed_first", "hidden_first"};
constexpr std::string_view kSpecTypes[] = {"none", "draft_mtp", "draft_eagle3", "draft_simple",
                                           "ngram"};

template <class Enum>
std::span<const std::string_view> names_of() {
  if constexpr (std::is_same_v<Enum, PromptRenderer>) return kRenderers;
  if constexpr (std::is_same_v<Enum, OutputFormat>) return kFormats;
  if constexpr (std::is_same_v<Enum, NormConvention>) return kConventions;
  if constexpr (std::is_same_v<Enum, ConcatOrder>) return kOrders;
  if constexpr (std::is_same_v<Enum, ServedSpecType>) return kSpecTypes;
}

constexpr std::string_view kChosenPrompt = "chooses how messages become a prompt";
constexpr std::string_view kChosenParser = "chooses how output becomes a message";
constexpr std::string_view kApple = "has no effect here: it is for Apple's GPUs";
constexpr std::string_view kOneNode = "has no effect here: a daemon is one node";
constexpr std::string_view kSpeculation =
    "has no effect in this version: it does not decode speculatively";

// One key: f is told of each in the order of the features' list.
template <class Card, class F>
void each_field(Card& card, F f) {
  f("promptRenderer", card.prompt_renderer, kChosenPrompt);
  f("outputParser", card.output_parser, kChosenParser);
  f("metalFastSynch", card.metal_fast_synch, kApple);
  f("mtpHeads", card.mtp_heads, kSpeculation);
  f("mtpMaxDepth", card.mtp_max_depth, kSpeculation);
  f("mtpSidecarRepo", card.mtp_sidecar_repo, kSpeculation);
  f("mtpNormConvention", card.mtp_norm_convention, kSpeculation);
  f("mtpConcatOrder", card.mtp_concat_order, kSpeculation);
  f("speculativeMultiNode", card.speculative_multi_node, kOneNode);
  f("assistantModelRepo", card.assistant_model_repo, kSpeculation);
  f("servedSpecType", card.served_spec_type, kSpeculation);
  f("servedSpecNMax", card.served_spec_n_max, kSpeculation);
  f("servedSpecDraftRepo", card.served_spec_draft_repo, kSpeculation);
  f("servedSpecDraftFile", card.served_spec_draft_file, kSpeculation);
}

Error wrong(std::string_view key, const std::string& why) {
  return {Code::CONFIG, fmt::format("{}: {}", key, why)};
}

std::string listed(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

Status read(const Input& value, std::string_view key, std::optional<bool>& field) {
  const bool* held = std::get_if<bool>(&value.held);
  if (held == nullptr) return wrong(key, "neither true nor false");
  field = *held;
  return {};
}

Status read(const Input& value, std::string_view key, std::optional<std::int64_t>& field) {
  constexpr std::int64_t kMax = 1024;
  const auto* held = std::get_if<std::int64_t>(&value.held);
  if (held == nullptr || *held < 1 || *held > kMax) {
    return wrong(key, fmt::format("no whole number of 1 to {}", kMax));
  }
  field = *held;
  return {};
}

Status read(const Input& value, std::string_view key, std::optional<std::string>& field) {
  constexpr std::size_t kMax = 1024;
  const auto* held = std::get_if<std::string>(&value.held);
  if (held == nullptr || held->empty() || held->size() > kMax) {
    return wrong(key, fmt::format("no text of 1 to {} bytes", kMax));
  }
  field = *held;
  return {};
}

template <class Enum>
requires std::is_enum_v<Enum> Status read(const Input& value, std::string_view key,
                                          std::optional<Enum>& field) {
  const std::span<const std::string_view> names = names_of<Enum>();
  const auto* held = std::get_if<std::string>(&value.held);
  if (held == nullptr) {
    return wrong(key, fmt::format("no text; one of {} is possible", listed(names)));
  }
  const auto found = std::ranges::find(names, *held);
  if (found == names.end()) {
    return wrong(key, fmt::format("\"{}\" is not one of {}", held->substr(0, 64), listed(names)));
  }
  field = static_cast<Enum>(found - names.begin());
  return {};
}

std::string shown(bool value) {
  return value ? "true" : "false";
}
std::string shown(std::int64_t value) {
  return fmt::format("{}", value);
}
std::string shown(const std::string& value) {
  return value;
}
template <class Enum>
requires std::is_enum_v<Enum> std::string shown(Enum value) {
  return std::string(names_of<Enum>()[static_cast<std::size_t>(value)]);
}

// "OWNER/NAME".
Status check_repo(std::string_view key, const std::optional<std::string>& repo) {
  if (!repo) return {};
  const std::size_t slash = repo->find('/');
  const bool is_one = slash != 0 && slash != std::string::npos && slash + 1 < repo->size() &&
                      repo->find('/', slash + 1) == std::string::npos &&
                      repo->find("..") == std::string::npos;
  if (is_one) return {};
  return wrong(key, fmt::format("\"{}\" is no OWNER/NAME", *repo));
}

// What contradicts something else.
Status check_card(const ModelCard& card) {
  HEARTH_CHECK(check_repo("mtpSidecarRepo", card.mtp_sidecar_repo));
  HEARTH_CHECK(check_repo("assistantModelRepo", card.assistant_model_repo));
  HEARTH_CHECK(check_repo("servedSpecDraftRepo", card.served_spec_draft_repo));
  const bool has_mtp = card.mtp_heads.value_or(false) || card.mtp_max_depth ||
                       card.mtp_sidecar_repo || card.mtp_norm_convention || card.mtp_concat_order;
  if (card.assistant_model_repo && has_mtp) {
    return wrong("assistantModelRepo", "a model has an assistant or MTP heads, not both");
  }
  if (card.mtp_heads == false && (card.mtp_max_depth || card.mtp_sidecar_repo)) {
    return wrong("mtpHeads", "false, but mtpMaxDepth or mtpSidecarRepo is there");
  }
  if (card.served_spec_draft_repo.has_value() != card.served_spec_draft_file.has_value()) {
    return card.served_spec_draft_repo
               ? wrong("servedSpecDraftFile", "missing beside servedSpecDraftRepo")
               : wrong("servedSpecDraftRepo", "missing beside servedSpecDraftFile");
  }
  const std::string file = card.served_spec_draft_file.value_or("draft.gguf");
  if (file.front() == '/' || file.find("..") != std::string::npos) {
    return wrong("servedSpecDraftFile", fmt::format("\"{}\" leaves the repository", file));
  }
  const ServedSpecType type = card.served_spec_type.value_or(ServedSpecType::none);
  const bool needs = type == ServedSpecType::draft_eagle3 || type == ServedSpecType::draft_simple;
  const bool has_draft = card.served_spec_draft_repo.has_value();
  if (needs && !has_draft) {
    return wrong("servedSpecType",
                 fmt::format("{} needs servedSpecDraftRepo and servedSpecDraftFile", shown(type)));
  }
  if (card.served_spec_type && has_draft && !needs && type != ServedSpecType::draft_mtp) {
    return wrong("servedSpecType", fmt::format("{} takes no servedSpecDraftRepo", shown(type)));
  }
  return {};
}

}  // namespace

Result<ModelCard> parse_card(std::string_view json) {
  constexpr std::uint32_t kNestingMax = 4;
  const auto document = jinja::parse_json(json, kNestingMax);
  if (!document) return Error{Code::CONFIG, document.error().message};
  const auto* members = std::get_if<jinja::InputDict>(&document->held);
  if (members == nullptr) return Error{Code::CONFIG, "a card is one JSON object"};
  ModelCard card;
  for (auto member = members->begin(); member != members->end(); ++member) {
    const auto& [key, value] = *member;
    const auto is_same = [&](const auto& other) { return other.first == key; };
    if (std::any_of(members->begin(), member, is_same)) return wrong(key, "it stands twice");
    bool known = false;
    Status status;
    each_field(card, [&](std::string_view name, auto& field, std::string_view) {
      if (name != key) return;
      known = true;
      status = read(value, name, field);
    });
    HEARTH_CHECK(status);
    if (known) continue;
    std::string names;
    each_field(card, [&](std::string_view name, auto&, std::string_view) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
    });
    return wrong(key.substr(0, 64), fmt::format("unknown; there are {}", names));
  }
  HEARTH_CHECK(check_card(card));
  return card;
}

Result<ModelCard> read_card(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return from_errno("open the card " + path);
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return from_errno("look at the card " + path);
  if (!S_ISREG(status.st_mode) || static_cast<std::size_t>(status.st_size) > kCardBytesMax) {
    return Error{Code::CONFIG, fmt::format("{}: no file of at most {} bytes", path, kCardBytesMax)};
  }
  std::string json(static_cast<std::size_t>(status.st_size), '\0');
  HEARTH_CHECK(read_whole_at(fd.get(), std::as_writable_bytes(std::span(json)), 0, path));
  auto card = parse_card(json);
  if (!card) return Error{card.error().code, fmt::format("{}: {}", path, card.error().message)};
  return card;
}

std::vector<CardEntry> explain_card(const ModelCard& card) {
  std::vector<CardEntry> entries;
  each_field(card, [&](std::string_view key, const auto& field, std::string_view effect) {
    if (!field) return;
    const bool has_effect = effect == kChosenPrompt || effect == kChosenParser;
    entries.push_back({key, shown(*field), effect, has_effect});
  });
  return entries;
}

std::string_view name_of(PromptRenderer renderer) {
  return kRenderers[static_cast<std::size_t>(renderer)];
}

std::string_view name_of(OutputFormat format) {
  return kFormats[static_cast<std::size_t>(format)];
}

}  // namespace hearth::chat
