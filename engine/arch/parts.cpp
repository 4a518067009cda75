// See parts.hpp.
#include "engine/arch/parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hearth::arch {
namespace {

constexpr std::uint64_t kLayersMax = 4096;
constexpr std::uint64_t kHeadsMax = 4096;
constexpr std::uint64_t kHeadDimMax = 1024;
constexpr std::uint64_t kContextMax = 1u << 24;
constexpr std::uint64_t kVocabMax = 1u << 20;  // a row of logits must fit a frame

Result<std::int64_t> read_vocab(const GgufFile& file) {
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr) {
    return Error{Code::MODEL, file.path() + ": tensor token_embd.weight is missing"};
  }
  if (embedding->dims[1] > kVocabMax) {
    return Error{Code::MODEL,
                 fmt::format("{}: tensor token_embd.weight has {} rows; {} are possible",
                             file.path(), embedding->dims[1], kVocabMax)};
  }
  return static_cast<std::int64_t>(embedding->dims[1]);
}

}  // namespace

Result<ModelShape> read_model(const MetadataReader& reader) {
  ModelShape shape = {};
  HEARTH_TRY(shape.layers, reader.count("block_count", kLayersMax));
  HEARTH_TRY(shape.hidden, reader.count("embedding_length", kWidthMax));
  HEARTH_TRY(shape.context, reader.count("context_length", kContextMax));
  HEARTH_TRY(const double eps, reader.real("attention.layer_norm_rms_epsilon", 1e-5));
  if (!(eps >= 0 && eps < 1))
    return reader.wrong("attention.layer_norm_rms_epsilon", "is not in 0 .. 1");
  shape.eps = static_cast<float>(eps);
  HEARTH_TRY(shape.vocab, read_vocab(reader.file()));
  return shape;
}

Result<AttentionShape> read_attention(const MetadataReader& reader, std::int64_t hidden) {
  AttentionShape shape = {};
  HEARTH_TRY(shape.heads, reader.count("attention.head_count", kHeadsMax));
  HEARTH_TRY(shape.kv_heads, reader.count("attention.head_count_kv", kHeadsMax, shape.heads));
  HEARTH_CHECK(read_head_dims(reader, hidden, shape));
  return shape;
}

Status read_head_dims(const MetadataReader& reader, std::int64_t hidden, AttentionShape& shape) {
  if (shape.heads % shape.kv_heads != 0) {
    return reader.wrong(
        "attention.head_count_kv",
        fmt::format("is {}, which does not divide the {} heads", shape.kv_heads, shape.heads));
  }
  const std::int64_t even_split = std::max<std::int64_t>(1, hidden / shape.heads);
  HEARTH_TRY(shape.head_dim, reader.count("attention.key_length", kHeadDimMax, even_split));
  HEARTH_TRY(const auto value_dim, reader.count("attention.value_length", kHeadDimMax, even_split));
  if (shape.head_dim != value_dim || shape.head_dim > static_cast<std::int64_t>(kHeadDimMax)) {
    return reader.wrong("attention.value_length",
                        fmt::format("is {} beside keys of {}: they must be equal, at most {}",
                                    value_dim, shape.head_dim, kHeadDimMax));
  }
  HEARTH_TRY(shape.rope_dims, reader.count("rope.dimension_count", kHeadDimMax, shape.head_dim));
  if (shape.rope_dims > shape.head_dim || shape.rope_dims % 2 != 0) {
    return reader.wrong(
        "rope.dimension_count",
        fmt::format("is {}: not even, or above the head's {}", shape.rope_dims, shape.head_dim));
  }
  return {};
}

Result<std::vector<AttentionShape>> read_layer_attention(const MetadataReader& reader,
                                                         const ModelShape& model) {
  const auto layers = static_cast<std::size_t>(model.layers);
  std::vector<AttentionShape> shapes(layers);
  HEARTH_TRY(const auto kv_heads,
             reader.counts("attention.head_count_kv", layers, /*min=*/0, kHeadsMax));
  HEARTH_TRY(const auto heads, reader.counts("attention.head_count", layers, /*min=*/0, kHeadsMax));
  for (std::size_t i = 0; i < layers; ++i) {
    if (kv_heads[i] == 0) continue;
    if (heads[i] == 0) return reader.wrong("attention.head_count", "is 0 where there are KV heads");
    shapes[i].heads = heads[i];
    shapes[i].kv_heads = kv_heads[i];
    HEARTH_CHECK(read_head_dims(reader, model.hidden, shapes[i]));
  }
  return shapes;
}

namespace {

Result<RopeScaling> read_scaling(const MetadataReader& reader) {
  HEARTH_TRY(const auto type, reader.file().string_value(reader.key("rope.scaling.type")));
  // As the field reads it: a factor without a type is a linear one.
  if (!type) return RopeScaling::linear;
  const auto scaling = find_rope_scaling(*type);
  const bool in_files = scaling == RopeScaling::none || scaling == RopeScaling::linear ||
                        scaling == RopeScaling::yarn || scaling == RopeScaling::longrope;
  if (in_files) return *scaling;
  return reader.wrong("rope.scaling.type",
                      fmt::format("is \"{}\"; supported are none, linear, yarn, longrope", *type));
}

Status check_rope(const MetadataReader& reader, const RopeParameters& rope) {
  if (!(rope.base > 1)) return reader.wrong("rope.freq_base", "is not above 1");
  if (!(rope.factor > 0)) return reader.wrong("rope.scaling.factor", "is not above 0");
  if (!(rope.original_context >= 1)) {
    return reader.wrong("rope.scaling.original_context_length", "is not at least 1");
  }
  if (!(rope.beta_fast > 0 && rope.beta_slow > 0)) {
    return reader.wrong("rope.scaling.yarn_beta_fast", "or yarn_beta_slow is not above 0");
  }
  return {};
}

// A file has one table of divisors, or LongRoPE's two: short ones for what the model was trained
// with, long ones beyond.
Result<std::span<const float>> read_divisors(WeightLoader& loader, const RopeParameters& rope) {
  const bool is_long = rope.context > rope.original_context;
  const char* const names[] = {is_long ? "rope_factors_long.weight" : "rope_factors_short.weight",
                               "rope_freqs.weight"};
  for (const char* name : names) {
    HEARTH_TRY(const float* divisors, loader.optional_vector(name, rope.dims / 2));
    if (divisors == nullptr) continue;
    const std::span<const float> all = {divisors, static_cast<std::size_t>(rope.dims / 2)};
    for (const float divisor : all) {
      if (divisor > 0 && std::isfinite(divisor)) continue;
      return Error{Code::MODEL, fmt::format("{}: {} holds a value that is not above 0",
                                            loader.file().path(), name)};
    }
    return all;
  }
  return std::span<const float>();
}

}  // namespace

Result<Rope> read_rope(const MetadataReader& reader, ModelShape& shape, std::int64_t rope_dims,
                       WeightLoader& loader, const BuildOptions& options, bool interleaved) {
  RopeParameters parameters;
  parameters.dims = rope_dims;
  HEARTH_TRY(parameters.base, reader.real("rope.freq_base", 10000.0));
  HEARTH_TRY(parameters.scaling, read_scaling(reader));
  HEARTH_TRY(parameters.factor, reader.real("rope.scaling.factor", 1.0));
  HEARTH_TRY(parameters.original_context, reader.real("rope.scaling.original_context_length",
                                                      static_cast<double>(shape.context)));
  const bool is_longrope = parameters.scaling == RopeScaling::longrope;
  HEARTH_TRY(parameters.attention_factor,
             reader.real("rope.scaling.attn_factor", is_longrope ? 0.0 : 1.0));
  HEARTH_TRY(parameters.beta_fast, reader.real("rope.scaling.yarn_beta_fast", 32.0));
  HEARTH_TRY(parameters.beta_slow, reader.real("rope.scaling.yarn_beta_slow", 1.0));
  options.rope.apply(parameters);
  HEARTH_CHECK(check_rope(reader, parameters));
  if (options.rope.factor) {
    const double extended = parameters.original_context * *options.rope.factor;
    shape.context =
        static_cast<std::int64_t>(std::clamp(extended, 1.0, static_cast<double>(kContextMax)));
  }
  parameters.context = options.context != 0 ? options.context : static_cast<double>(shape.context);
  // A scaling that a configuration chose takes the place of the file's divisors too.
  const bool own = options.rope.scaling && *options.rope.scaling != RopeScaling::longrope;
  if (!own) {
    HEARTH_TRY(parameters.divisors, read_divisors(loader, parameters));
  }
  return make_rope(parameters, interleaved);
}

Result<RmsNorm> load_norm(WeightLoader& loader, const std::string& name, std::int64_t size,
                          float eps) {
  RmsNorm norm{nullptr, size, eps};
  HEARTH_TRY(norm.weight, loader.vector(name + ".weight", size));
  return norm;
}

Result<RmsNorm> load_optional_norm(WeightLoader& loader, const std::string& name, std::int64_t size,
                                   float eps) {
  RmsNorm norm{nullptr, size, eps};
  HEARTH_TRY(norm.weight, loader.optional_vector(name + ".weight", size));
  return norm;
}

Result<FullAttention> load_attention(WeightLoader& loader, const std::string& block,
                                     const ModelShape& model, const AttentionShape& shape,
                                     const AttentionOptions& options) {
  FullAttention attention;
  attention.heads = shape.heads;
  attention.kv_heads = shape.kv_heads;
  attention.head_dim = shape.head_dim;
  attention.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_dim)));
  const std::int64_t q_rows = shape.heads * shape.head_dim;
  const std::int64_t kv_rows = shape.kv_heads * shape.head_dim;
  if (options.gated) {  // of each head its query, then its gate
    RowPattern pattern = {0, shape.head_dim, 2 * shape.head_dim, shape.heads};
    HEARTH_TRY(attention.q,
               loader.linear_rows(block + "attn_q", 2 * q_rows, model.hidden, pattern));
    pattern.begin = shape.head_dim;
    HEARTH_TRY(attention.gate,
               loader.linear_rows(block + "attn_q", 2 * q_rows, model.hidden, pattern));
  } else {
    HEARTH_TRY(attention.q, loader.linear(block + "attn_q", q_rows, model.hidden));
  }
  HEARTH_TRY(attention.k, loader.linear(block + "attn_k", kv_rows, model.hidden));
  HEARTH_TRY(attention.v, loader.linear(block + "attn_v", kv_rows, model.hidden));
  HEARTH_TRY(attention.out, loader.linear(block + "attn_output", model.hidden, q_rows));
  if (options.head_norms) {
    HEARTH_TRY(attention.q_norm,
               load_norm(loader, block + "attn_q_norm", shape.head_dim, model.eps));
    HEARTH_TRY(attention.k_norm,
               load_norm(loader, block + "attn_k_norm", shape.head_dim, model.eps));
  }
  return attention;
}

Result<GatedMlp> load_mlp(WeightLoader& loader, const std::string& block, std::int64_t hidden,
                          std::int64_t width) {
  GatedMlp mlp;
  HEARTH_TRY(mlp.gate, loader.linear(block + "ffn_gate", width, hidden));
  HEARTH_TRY(mlp.up, loader.linear(block + "ffn_up", width, hidden));
  HEARTH_TRY(mlp.down, loader.linear(block + "ffn_down", hidden, width));
  return mlp;
}

Result<LayerTable> begin_table(WeightLoader& loader, const ModelShape& model) {
  LayerTable table;
  table.hidden = model.hidden;
  table.vocab = model.vocab;
  table.context_length = model.context;
  HEARTH_TRY(table.embedding, loader.matrix("token_embd.weight", model.vocab, model.hidden));
  return table;
}

Status end_table(WeightLoader& loader, const ModelShape& model, const std::string& final_norm,
                 LayerTable& table) {
  HEARTH_TRY(table.final_norm, load_norm(loader, final_norm, model.hidden, model.eps));
  if (loader.file().find_tensor("output.weight") != nullptr) {
    HEARTH_TRY(table.head, loader.linear("output", model.vocab, model.hidden));
  } else {
    table.head.weight = table.embedding;
  }
  return {};
}

}  // namespace hearth::arch
