// Jamba: Mamba layers with norms of their own, and here and there attention without positions;
// gated MLPs, some of them mixtures of experts.
#include <fmt/format.h>

#include "engine/arch/architectures.hpp"
#include "engine/arch/experts.hpp"
#include "engine/arch/parts.hpp"
#include "engine/arch/recurrent_parts.hpp"

namespace hearth::arch {
namespace {

Result<Branch> load_mixer(WeightLoader& loader, const std::string& block, const ModelShape& model,
                          const AttentionShape& attention, const StateShape& state) {
  Branch branch;
  HEARTH_TRY(branch.norm, load_norm(loader, block + "attn_norm", model.hidden, model.eps));
  if (attention.heads == 0) {
    HEARTH_TRY(Mamba1 mamba, load_mamba1(loader, block, model, state));
    branch.mixers.emplace_back(std::move(mamba));
    return branch;
  }
  HEARTH_TRY(FullAttention full, load_attention(loader, block, model, attention, {}));
  full.rope = kNoRope;
  branch.mixers.emplace_back(std::move(full));
  return branch;
}

}  // namespace

Result<LayerTable> build_jamba(WeightLoader& loader, const BuildOptions& /*options*/) {
  const MetadataReader reader(loader.file(), "jamba");
  HEARTH_TRY(const ModelShape model, read_model(reader));
  HEARTH_TRY(const auto attention, read_layer_attention(reader, model));
  HEARTH_TRY(const StateShape state, read_state_shape(reader));
  HEARTH_TRY(const std::int64_t ffn, reader.count("feed_forward_length", kWidthMax));
  HEARTH_TRY(auto experts, read_experts(reader, model.hidden, {.normed_weights = false}));
  HEARTH_TRY(LayerTable table, begin_table(loader, model));
  for (std::size_t i = 0; i < attention.size(); ++i) {
    const std::string block = fmt::format("blk.{}.", i);
    HEARTH_TRY(Branch mixer, load_mixer(loader, block, model, attention[i], state));
    HEARTH_TRY(Branch feed_forward,
               load_feed_forward(loader, block, "ffn_norm", model, ffn, experts));
    Layer& layer = table.layers.emplace_back();
    layer.branches.push_back(std::move(mixer));
    layer.branches.push_back(std::move(feed_forward));
  }
  HEARTH_CHECK(end_table(loader, model, "output_norm", table));
  return table;
}

}  // namespace hearth::arch
