// Model cards: what a file says of a model beyond its own metadata, JSON with camelCase keys
// (features.md, row E1; docs/model-cards.md).
//
// Every key may be left out, which is no opinion.  A key that is unknown, a value that is not
// possible, and keys that contradict each other are errors that name the key, before anything is
// loaded.
//
// THREAD: plain data and pure functions: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "engine/chat/parse/dialect.hpp"

namespace hearth::chat {

enum class PromptRenderer : std::uint8_t { tokenizer, gemma4, dsml };
enum class NormConvention : std::uint8_t { zero_centered, actual_scale };
enum class ConcatOrder : std::uint8_t { embed_first, hidden_first };
enum class ServedSpecType : std::uint8_t { none, draft_mtp, draft_eagle3, draft_simple, ngram };

struct ModelCard {
  std::optional<PromptRenderer> prompt_renderer;
  std::optional<OutputFormat> output_parser;
  std::optional<bool> metal_fast_synch;
  std::optional<bool> mtp_heads;
  std::optional<std::int64_t> mtp_max_depth;  // 1 ..
  std::optional<std::string> mtp_sidecar_repo;
  std::optional<NormConvention> mtp_norm_convention;
  std::optional<ConcatOrder> mtp_concat_order;
  std::optional<bool> speculative_multi_node;
  std::optional<std::string> assistant_model_repo;
  std::optional<ServedSpecType> served_spec_type;
  std::optional<std::int64_t> served_spec_n_max;  // 1 ..
  std::optional<std::string> served_spec_draft_repo;
  std::optional<std::string> served_spec_draft_file;
};

inline constexpr std::size_t kCardBytesMax = 1u << 20;

// Errors: CONFIG, "promptRenderer: \"html\" is not one of tokenizer, gemma4, dsml".
Result<ModelCard> parse_card(std::string_view json);
// The card in a file.  Errors: IO, CONFIG; the path comes first.
Result<ModelCard> read_card(const std::string& path);

// What a card says, for people: a row for each key that it has.
struct CardEntry {
  std::string_view key;
  std::string value;
  std::string_view effect;  // "chooses how messages become a prompt", "has no effect here: ..."
  bool has_effect;
};
std::vector<CardEntry> explain_card(const ModelCard& card);

std::string_view name_of(PromptRenderer renderer);
std::string_view name_of(OutputFormat format);

}  // namespace hearth::chat
