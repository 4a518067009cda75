// Gemma 3: attention over a window in most layers, norms before and after every branch, a scaled
// embedding, gelu.
#include <fmt/format.h>

#include <cmath>

#include "engine/arch/architectures.hpp"
#include "engine/arch/parts.hpp"

namespace hearth::arch {
namespace {

constexpr std::int64_t kPattern = 6;      // every sixth layer sees everything
constexpr std::int64_t kWideLayers = 62;  // of the model whose scores are scaled otherwise
constexpr int kGlobalRope = 0, kLocalRope = 1;

struct Shape {
  ModelShape model;
  AttentionShape attention;
  std::int64_t ffn;
  std::int64_t window;         // 0: no layer has one
  std::vector<bool> windowed;  // of each layer
};

// A list says it of each layer, a number n that every n-th has none.
Result<std::vector<bool>> read_windowed(const MetadataReader& reader, std::int64_t layers) {
  const char* const name = "attention.sliding_window_pattern";
  const GgufValue* value = reader.file().find(reader.key(name));
  if (value != nullptr && value->type == GgufType::array) {
    return reader.booleans(name, static_cast<std::size_t>(layers));
  }
  HEARTH_TRY(const std::int64_t pattern, reader.count(name, 4096, kPattern));
  std::vector<bool> windowed;
  for (std::int64_t i = 0; i < layers; ++i) windowed.push_back((i + 1) % pattern != 0);
  return windowed;
}

Result<Shape> read_shape(const MetadataReader& reader) {
  Shape shape = {};
  HEARTH_TRY(shape.model, read_model(reader));
  HEARTH_TRY(shape.attention, read_attention(reader, shape.model.hidden));
  HEARTH_TRY(shape.ffn, reader.count("feed_forward_length", kWidthMax));
  HEARTH_TRY(const double cap, reader.real("final_logit_softcapping", 0));
  if (cap != 0) return reader.wrong("final_logit_softcapping", "is there: it is not supported");
  HEARTH_TRY(const auto window, reader.file().uint_value(reader.key("attention.sliding_window")));
  constexpr std::uint64_t kWindowMax = 1u << 24;
  if (window.value_or(0) > kWindowMax) {
    return reader.wrong("attention.sliding_window",
                        fmt::format("is {}; {} are possible", *window, kWindowMax));
  }
  shape.window = static_cast<std::int64_t>(window.value_or(0));
  HEARTH_TRY(shape.windowed, read_windowed(reader, shape.model.layers));
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
  const bool windowed = shape.windowed[static_cast<std::size_t>(index)];
  attention.window = windowed ? shape.window : 0;
  attention.rope = windowed ? kLocalRope : kGlobalRope;
  if (model.layers == kWideLayers) {
    const double width = static_cast<double>(model.hidden) / static_cast<double>(attention.heads);
    attention.scale = static_cast<float>(1 / std::sqrt(width));
  }
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
