// LFM2: gated short convolutions, and here and there attention with head norms; gated MLPs.
#include <fmt/format.h>

#include "engine/arch/architectures.hpp"
#include "engine/arch/experts.hpp"
#include "engine/arch/parts.hpp"
#include "engine/arch/recurrent_parts.hpp"

namespace hearth::arch {
namespace {

// shortconv.in_proj is [b, c, x].
Result<ShortConvolution> load_short_convolution(WeightLoader& loader, const std::string& block,
                                                std::int64_t hidden, std::int64_t width) {
  ShortConvolution conv;
  const auto in_rows = [&](std::int64_t part) {
    return loader.linear_rows(block + "shortconv.in_proj", 3 * hidden, hidden,
                              {part * hidden, hidden, hidden, 1});
  };
  HEARTH_TRY(conv.b, in_rows(0));
  HEARTH_TRY(conv.c, in_rows(1));
  HEARTH_TRY(conv.x, in_rows(2));
  HEARTH_TRY(conv.out, loader.linear(block + "shortconv.out_proj", hidden, hidden));
  HEARTH_TRY(conv.conv, load_convolution(loader, block + "shortconv.conv", hidden, width));
  return conv;
}

Result<Layer> load_layer(WeightLoader& loader, const std::string& block, const ModelShape& model,
                         const AttentionShape& attention, std::int64_t conv_width,
                         std::int64_t ffn) {
  Branch mixer;
  HEARTH_TRY(mixer.norm, load_norm(loader, block + "attn_norm", model.hidden, model.eps));
  if (attention.heads == 0) {
    HEARTH_TRY(ShortConvolution conv,
               load_short_convolution(loader, block, model.hidden, conv_width));
    mixer.mixers.emplace_back(std::move(conv));
  } else {
    HEARTH_TRY(FullAttention full,
               load_attention(loader, block, model, attention, {.head_norms = true}));
    mixer.mixers.emplace_back(std::move(full));
  }
  HEARTH_TRY(Branch feed_forward, load_feed_forward(loader, block, "ffn_norm", model, ffn));
  Layer layer;
  layer.branches.push_back(std::move(mixer));
  layer.branches.push_back(std::move(feed_forward));
  return layer;
}

}  // namespace

Result<LayerTable> build_lfm2(WeightLoader& loader, const BuildOptions& options) {
  const MetadataReader reader(loader.file(), "lfm2");
  HEARTH_TRY(ModelShape model, read_model(reader));
  HEARTH_TRY(const auto attention, read_layer_attention(reader, model));
  HEARTH_TRY(const std::int64_t conv_width,
             reader.count("shortconv.l_cache", kernels::kConvWidthMax));
  HEARTH_TRY(const std::int64_t ffn, reader.count("feed_forward_length", kWidthMax));
  std::int64_t rope_dims = 0;
  for (const AttentionShape& shape : attention) rope_dims = std::max(rope_dims, shape.rope_dims);
  HEARTH_TRY(Rope rope, read_rope(reader, model, rope_dims, loader, options,
                                  /*interleaved=*/false));
  HEARTH_TRY(LayerTable table, begin_table(loader, model));
  table.ropes.push_back(std::move(rope));
  for (std::size_t i = 0; i < attention.size(); ++i) {
    HEARTH_TRY(Layer layer,
               load_layer(loader, fmt::format("blk.{}.", i), model, attention[i], conv_width, ffn));
    table.layers.push_back(std::move(layer));
  }
  HEARTH_CHECK(end_table(loader, model, "token_embd_norm", table));
  return table;
}

}  // namespace hearth::arch
