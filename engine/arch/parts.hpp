// What architectures are made of: shapes from metadata, and the parts that many of them load alike.
//
// Errors, MODEL all of them, name the file and the key or the tensor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/arch/metadata_reader.hpp"
#include "engine/layer_table.hpp"

namespace hearth::arch {

// What every model has.
struct ModelShape {
  std::int64_t layers, hidden, context, vocab;
  float eps;  // of its norms
};
Result<ModelShape> read_model(const MetadataReader& reader);

struct AttentionShape {
  std::int64_t heads = 0;  // 0: this layer has another mixer
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t rope_dims = 0;
};
// That of all layers.
Result<AttentionShape> read_attention(const MetadataReader& reader, std::int64_t hidden);
// Of each layer: a file may have a list of them, with no KV heads where there is no attention.
Result<std::vector<AttentionShape>> read_layer_attention(const MetadataReader& reader,
                                                         const ModelShape& model);
// What depends on heads and KV heads.
Status read_head_dims(const MetadataReader& reader, std::int64_t hidden, AttentionShape& shape);

// Sets the model's context where a configuration extends it.
Result<Rope> read_rope(const MetadataReader& reader, ModelShape& shape, std::int64_t rope_dims,
                       WeightLoader& loader, const BuildOptions& options, bool interleaved);

// NAME.weight
Result<RmsNorm> load_norm(WeightLoader& loader, const std::string& name, std::int64_t size,
                          float eps);
Result<RmsNorm> load_optional_norm(WeightLoader& loader, const std::string& name, std::int64_t size,
                                   float eps);

struct AttentionOptions {
  bool head_norms = false;  // attn_q_norm and attn_k_norm over each head
  bool gated = false;       // attn_q has a gate behind each head's query
};
// block: "blk.0."
Result<FullAttention> load_attention(WeightLoader& loader, const std::string& block,
                                     const ModelShape& model, const AttentionShape& shape,
                                     const AttentionOptions& options);
Result<GatedMlp> load_mlp(WeightLoader& loader, const std::string& block, std::int64_t hidden,
                          std::int64_t width);

// The embedding, before all layers; then the last norm and the head, which may be the embedding.
Result<LayerTable> begin_table(WeightLoader& loader, const ModelShape& model);
Status end_table(WeightLoader& loader, const ModelShape& model, const std::string& final_norm,
                 LayerTable& table);

}  // namespace hearth::arch
