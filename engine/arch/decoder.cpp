// See decoder.hpp.
#include "engine/arch/decoder.hpp"

#include <fmt/format.h>

#include "engine/arch/experts.hpp"
#include "engine/arch/parts.hpp"

namespace hearth::arch {
namespace {

struct Shape {
  ModelShape model;
  AttentionShape attention;
  std::int64_t ffn = 0;                     // where there are no experts
  std::optional<ExpertShape> experts = {};  // in every layer
};

Status read_feed_forward(const MetadataReader& reader, Experts experts, Shape& shape) {
  if (experts != Experts::never) {
    HEARTH_TRY(shape.experts, read_experts(reader, shape.model.hidden));
    if (shape.experts) return {};
  }
  if (experts == Experts::always) return reader.wrong("expert_count", "is missing, or 0");
  HEARTH_TRY(shape.ffn, reader.count("feed_forward_length", kWidthMax));
  return {};
}

Result<Layer> load_layer(WeightLoader& loader, std::int64_t index, const Shape& shape,
                         const DecoderFamily& family) {
  const std::string block = fmt::format("blk.{}.", index);
  const ModelShape& model = shape.model;
  Branch attention_branch;
  HEARTH_TRY(attention_branch.norm,
             load_norm(loader, block + "attn_norm", model.hidden, model.eps));
  HEARTH_TRY(FullAttention attention, load_attention(loader, block, model, shape.attention,
                                                     {.head_norms = family.head_norms}));
  attention_branch.mixers.emplace_back(std::move(attention));

  HEARTH_TRY(Branch mlp_branch,
             load_feed_forward(loader, block, "ffn_norm", model, shape.ffn, shape.experts));
  Layer layer;
  layer.branches.push_back(std::move(attention_branch));
  layer.branches.push_back(std::move(mlp_branch));
  return layer;
}

}  // namespace

Result<LayerTable> build_decoder(WeightLoader& loader, const BuildOptions& options,
                                 const DecoderFamily& family) {
  const MetadataReader reader(loader.file(), family.name);
  Shape shape = {};
  HEARTH_TRY(shape.model, read_model(reader));
  HEARTH_TRY(shape.attention, read_attention(reader, shape.model.hidden));
  HEARTH_CHECK(read_feed_forward(reader, family.experts, shape));
  HEARTH_TRY(Rope rope, read_rope(reader, shape.model, shape.attention.rope_dims, loader, options,
                                  family.interleaved_rope));
  HEARTH_TRY(LayerTable table, begin_table(loader, shape.model));
  table.ropes.push_back(std::move(rope));
  for (std::int64_t i = 0; i < shape.model.layers; ++i) {
    HEARTH_TRY(Layer layer, load_layer(loader, i, shape, family));
    table.layers.push_back(std::move(layer));
  }
  HEARTH_CHECK(end_table(loader, shape.model, "output_norm", table));
  return table;
}

}  // namespace hearth::arch
