// See qwen_hybrid.hpp.
#include "engine/arch/qwen_hybrid.hpp"

#include <fmt/format.h>

#include <cmath>

#include "engine/arch/experts.hpp"
#include "engine/arch/parts.hpp"
#include "engine/arch/recurrent_parts.hpp"

namespace hearth::arch {
namespace {

constexpr float kUnitEps = 1e-6F;  // of the squared length of a key, as transformers has it

struct Shape {
  ModelShape model;
  AttentionShape attention;
  StateShape state;       // rank: value heads, groups: key heads
  std::int64_t interval;  // the last of so many layers has attention
  std::int64_t ffn;       // where there are no experts
  std::optional<ExpertShape> experts;
  RmsNorm q_norm, k_norm;  // to length 1; q times its scale

  std::int64_t value_dim() const { return state.inner / state.rank; }
};

// The last layers of a file may be those that draft tokens: no part of the model.
Status leave_out_drafts(const MetadataReader& reader, ModelShape& model) {
  if (reader.file().find(reader.key("attention.recurrent_layers")) != nullptr) {
    return reader.wrong("attention.recurrent_layers",
                        "is there: only models with full_attention_interval are supported");
  }
  HEARTH_TRY(const auto drafts, reader.file().uint_value(reader.key("nextn_predict_layers")));
  if (drafts.value_or(0) >= static_cast<std::uint64_t>(model.layers)) {
    return reader.wrong("nextn_predict_layers",
                        fmt::format("is {} of {} layers", *drafts, model.layers));
  }
  model.layers -= static_cast<std::int64_t>(drafts.value_or(0));
  return {};
}

Result<Shape> read_shape(const MetadataReader& reader) {
  Shape shape = {};
  HEARTH_TRY(shape.model, read_model(reader));
  HEARTH_CHECK(leave_out_drafts(reader, shape.model));
  HEARTH_TRY(shape.attention, read_attention(reader, shape.model.hidden));
  HEARTH_TRY(shape.state, read_state_shape(reader));
  HEARTH_CHECK(check_heads(reader, shape.state));
  HEARTH_TRY(shape.interval, reader.count("full_attention_interval", 4096, 4));
  HEARTH_TRY(shape.experts, read_experts(reader, shape.model.hidden, {.shared = true}));
  if (!shape.experts) {
    HEARTH_TRY(shape.ffn, reader.count("feed_forward_length", kWidthMax));
  }
  return shape;
}

// An RMS norm divides by the root of the mean: by the length, times the root of how many there are.
Result<RmsNorm> make_unit_norm(WeightLoader& loader, std::int64_t size, float scale) {
  const float root = std::sqrt(static_cast<float>(size));
  RmsNorm norm = {nullptr, size, kUnitEps / static_cast<float>(size)};
  HEARTH_TRY(norm.weight, loader.filled(scale / root, size));
  return norm;
}

Status load_gates(WeightLoader& loader, const std::string& block, const Shape& shape,
                  const QwenHybridFamily& family, GatedDeltaNet& net) {
  const std::int64_t heads = shape.state.rank, hidden = shape.model.hidden;
  if (!family.merged_gates) {
    HEARTH_TRY(net.alpha, loader.linear(block + "ssm_alpha", heads, hidden));
    HEARTH_TRY(net.beta, loader.linear(block + "ssm_beta", heads, hidden));
    return {};
  }
  // Of each key head beta for its value heads, then alpha.
  const std::int64_t share = heads / shape.state.groups;
  RowPattern pattern = {0, share, 2 * share, shape.state.groups};
  HEARTH_TRY(net.beta, loader.linear_rows(block + "ssm_ba", 2 * heads, hidden, pattern));
  pattern.begin = share;
  HEARTH_TRY(net.alpha, loader.linear_rows(block + "ssm_ba", 2 * heads, hidden, pattern));
  return {};
}

Result<GatedDeltaNet> load_delta_net(WeightLoader& loader, const std::string& block,
                                     const Shape& shape, const QwenHybridFamily& family) {
  GatedDeltaNet net;
  const StateShape& state = shape.state;
  net.key_heads = state.groups;
  net.value_heads = state.rank;
  net.key_dim = state.state;
  net.value_dim = shape.value_dim();
  net.tiled_heads = family.tiled_heads;
  net.q_norm = shape.q_norm;
  net.k_norm = shape.k_norm;
  const std::int64_t hidden = shape.model.hidden;
  const std::int64_t channels = 2 * net.key_heads * net.key_dim + state.inner;
  HEARTH_TRY(net.qkv, loader.linear(block + "attn_qkv", channels, hidden));
  HEARTH_TRY(net.z, loader.linear(block + "attn_gate", state.inner, hidden));
  HEARTH_CHECK(load_gates(loader, block, shape, family, net));
  HEARTH_TRY(net.out, loader.linear(block + "ssm_out", hidden, state.inner));
  HEARTH_TRY(net.conv, load_convolution(loader, block + "ssm_conv1d", channels, state.conv_width));
  HEARTH_TRY(net.a, loader.vector(block + "ssm_a", state.rank));
  HEARTH_TRY(net.dt_bias, loader.vector(block + "ssm_dt.bias", state.rank));
  HEARTH_TRY(net.norm, load_norm(loader, block + "ssm_norm", net.value_dim, shape.model.eps));
  return net;
}

Result<Layer> load_layer(WeightLoader& loader, std::int64_t index, const Shape& shape,
                         const QwenHybridFamily& family) {
  const std::string block = fmt::format("blk.{}.", index);
  const ModelShape& model = shape.model;
  Branch mixer;
  HEARTH_TRY(mixer.norm, load_norm(loader, block + "attn_norm", model.hidden, model.eps));
  if ((index + 1) % shape.interval == 0) {
    HEARTH_TRY(FullAttention attention, load_attention(loader, block, model, shape.attention,
                                                       {.head_norms = true, .gated = true}));
    mixer.mixers.emplace_back(std::move(attention));
  } else {
    HEARTH_TRY(GatedDeltaNet net, load_delta_net(loader, block, shape, family));
    mixer.mixers.emplace_back(std::move(net));
  }
  HEARTH_TRY(Branch feed_forward, load_feed_forward(loader, block, "post_attention_norm", model,
                                                    shape.ffn, shape.experts));
  Layer layer;
  layer.branches.push_back(std::move(mixer));
  layer.branches.push_back(std::move(feed_forward));
  return layer;
}

}  // namespace

Result<LayerTable> build_qwen_hybrid(WeightLoader& loader, const BuildOptions& options,
                                     const QwenHybridFamily& family) {
  const MetadataReader reader(loader.file(), family.name);
  HEARTH_TRY(Shape shape, read_shape(reader));
  HEARTH_TRY(Rope rope, read_rope(reader, shape.model, shape.attention.rope_dims, loader, options,
                                  /*interleaved=*/false));
  HEARTH_TRY(LayerTable table, begin_table(loader, shape.model));
  table.ropes.push_back(std::move(rope));
  const std::int64_t key_dim = shape.state.state;
  HEARTH_TRY(shape.q_norm,
             make_unit_norm(loader, key_dim, 1 / std::sqrt(static_cast<float>(key_dim))));
  HEARTH_TRY(shape.k_norm, make_unit_norm(loader, key_dim, 1));
  for (std::int64_t i = 0; i < shape.model.layers; ++i) {
    HEARTH_TRY(Layer layer, load_layer(loader, i, shape, family));
    table.layers.push_back(std::move(layer));
  }
  HEARTH_CHECK(end_table(loader, shape.model, "output_norm", table));
  return table;
}

}  // namespace hearth::arch
