// Mixtures of experts as GGUF files have them: a router ffn_gate_inp, and ffn_gate_exps,
// ffn_up_exps and ffn_down_exps with the matrices of all experts.
#pragma once

#include "engine/arch/metadata_reader.hpp"
#include "engine/arch/parts.hpp"
#include "engine/layer_table.hpp"

namespace hearth::arch {

struct ExpertShape {
  std::int64_t hidden = 0;
  std::int64_t width = 0;         // of one expert
  std::int64_t shared_width = 0;  // of the one that every row goes to; 0: there is none
  ExpertRule rule;
};

// What an architecture's files do not say.
struct ExpertDefaults {
  bool normed_weights = true;  // those of the chosen experts sum up to 1
  bool shared = false;         // there may be an expert that every row goes to
};

// Nothing when the file's expert_count is 0 or missing.
Result<std::optional<ExpertShape>> read_experts(const MetadataReader& reader, std::int64_t hidden,
                                                const ExpertDefaults& defaults = {});
// block: "blk.0."
Result<MoeMlp> load_experts(WeightLoader& loader, const std::string& block,
                            const ExpertShape& shape);

// The second branch of a layer, behind block + norm: a gated MLP of this width, or experts.  A file
// that has widths of both has experts where a layer has a router.
Result<Branch> load_feed_forward(WeightLoader& loader, const std::string& block, const char* norm,
                                 const ModelShape& model, std::int64_t width,
                                 const std::optional<ExpertShape>& experts = {});

}  // namespace hearth::arch
