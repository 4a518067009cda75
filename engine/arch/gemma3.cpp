// Gemma 3: attention over a window in most layers, norms before and after every branch, a scaled
// embedding, gelu.
#include <fmt/format.h>

#include <cmath>

#include "engine/arch/architectures.hpp"
#include "engine/arch/parts.hpp"

namespace hearth::arch {
namespace {

constexpr std::int64_t kPattern = 6;  // every sixth layer sees everything
constexpr int kGlobalRope = 0, kLocalRope = 1;

struct Shape {
  ModelShape model;
  AttentionShape attention;
  std::int64_t ffn;
  std::int64_t window;
  std::int64_t pattern;
};

Result<Shape> read_shape(const MetadataReader& reader) {
  Shape shape = {};
  HEARTH_TRY(shape.model, read_model(reader));
  HEARTH_TRY(shape.attention, read_attention(reader, shape.model.hidden));
  HEARTH_TRY(shape.ffn, reader.count("feed_forward_length", kWidthMax));
  HEARTH_TRY(shape.window, reader.count("attention.sliding_window", 1u << 24));
  HEARTH_TRY(shape.pattern, reader.count("attention.sliding_window_pattern", 4096, kPattern));
  return shape;
}

// Of the layers with a window: a base of their own, and no scaling.
Result<Rope> read_local_rope(const MetadataReader& reader, std::int64_t dims) {
  RopeParameters parameters;
  parameters.dims = dims;
  HEARTH_TRY(parameters.base, reader.real("rope.freq_base_swa", 10000.0));
  if (!(parameters.base > 1)) return reader.wrong("rope.freq_base_swa", "is not above 1");
  return make_rope(parameters, /*interleaved=*/false);
}

Result<Layer> load_layer(WeightLoader& loader, std::int64_t index, const Shape& shape) {
  const std::string block = fmt::format("blk.{}.", index);
  const ModelShape& model = shape.model;
  const auto norm = [&](const char* name) {
    return load_norm(loader, block + name, model.hidden, model.eps);
  };
  Branch mixer;
  HEARTH_TRY(mixer.norm, norm("attn_norm"));
  HEARTH_TRY(mixer.post_norm, norm("post_attention_norm"));
  HEARTH_TRY(FullAttention attention,
             load_attention(loader, block, model, shape.attention, {.head_norms = true}));
  const bool global = (index + 1) % shape.pattern == 0;
  attention.window = global ? 0 : shape.window;
  attention.rope = global ? kGlobalRope : kLocalRope;
  mixer.mixers.emplace_back(std::move(attention));

  Branch feed_forward;
  HEARTH_TRY(feed_forward.norm, norm("ffn_norm"));
  HEARTH_TRY(feed_forward.post_norm, norm("post_ffw_norm"));
  HEARTH_TRY(GatedMlp mlp, load_mlp(loader, block, model.hidden, shape.ffn));
  mlp.activation = kernels::Activation::gelu;
  feed_forward.mixers.emplace_back(std::move(mlp));

  Layer layer;
  layer.branches.push_back(std::move(mixer));
  layer.branches.push_back(std::move(feed_forward));
  return layer;
}

}  // namespace

Result<LayerTable> build_gemma3(WeightLoader& loader, const BuildOptions& options) {
  const MetadataReader reader(loader.file(), "gemma3");
  HEARTH_TRY(Shape shape, read_shape(reader));
  HEARTH_TRY(Rope global, read_rope(reader, shape.model, shape.attention.rope_dims, loader, options,
                                    /*interleaved=*/false));
  HEARTH_TRY(Rope local, read_local_rope(reader, shape.attention.rope_dims));
  HEARTH_TRY(LayerTable table, begin_table(loader, shape.model));
  table.embedding_scale = std::sqrt(static_cast<float>(shape.model.hidden));
  table.ropes = {std::move(global), std::move(local)};
  for (std::int64_t i = 0; i < shape.model.layers; ++i) {
    HEARTH_TRY(Layer layer, load_layer(loader, i, shape));
    table.layers.push_back(std::move(layer));
  }
  HEARTH_CHECK(end_table(loader, shape.model, "output_norm", table));
  return table;
}

}  // namespace hearth::arch
