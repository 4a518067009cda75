// See model_shapes.hpp.
#include "tools/model_shapes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "kernels/quantize/quantize.hpp"

namespace hearth {

// qwen3-moe: as qwen3-30b-a3b, of a tenth of its weights.
const std::vector<ModelOfShape> kModelShapes = {
    {"tiny", "llama", 2, 256, 4, 2, 64, 512, 512, 2048, 1e4F, true, false, 0, 0, 1, {}},
    {"tiny-hybrid",
     "qwen35",
     4,
     256,
     4,
     2,
     64,
     512,
     512,
     2048,
     1e4F,
     true,
     true,
     0,
     0,
     4,
     {4, 32, 2, 4, 128}},
    {"qwen3-0.6b",
     "qwen3",
     28,
     1024,
     16,
     8,
     128,
     3072,
     151936,
     40960,
     1e6F,
     true,
     true,
     0,
     0,
     1,
     {}},
    {"llama-1b",
     "llama",
     16,
     2048,
     32,
     8,
     64,
     8192,
     128256,
     131072,
     5e5F,
     true,
     false,
     0,
     0,
     1,
     {}},
    {"qwen3-4b", "qwen3", 36, 2560, 32, 8, 128, 9728, 151936, 40960, 1e6F, true, true, 0, 0, 1, {}},
    {"llama-8b",
     "llama",
     32,
     4096,
     32,
     8,
     128,
     14336,
     128256,
     131072,
     5e5F,
     false,
     false,
     0,
     0,
     1,
     {}},
    {"qwen3-moe",
     "qwen3moe",
     24,
     1024,
     16,
     4,
     64,
     512,
     151936,
     40960,
     1e6F,
     true,
     true,
     64,
     8,
     1,
     {}},
    {"qwen3-30b-a3b",
     "qwen3moe",
     48,
     2048,
     32,
     4,
     128,
     768,
     151936,
     40960,
     1e6F,
     false,
     true,
     128,
     8,
     1,
     {}},
    {"qwen3.5-0.8b",
     "qwen35",
     24,
     1024,
     8,
     2,
     256,
     3584,
     248320,
     262144,
     1e7F,
     true,
     true,
     0,
     0,
     4,
     {4, 128, 16, 16, 2048}},
    {"mamba-370m",
     "mamba",
     48,
     1024,
     0,
     0,
     0,
     0,
     50280,
     1048576,
     0,
     true,
     false,
     0,
     0,
     0,
     {4, 16, 1, 64, 2048}},
    {"mamba2-370m",
     "mamba2",
     48,
     1024,
     0,
     0,
     0,
     0,
     50288,
     1048576,
     0,
     true,
     false,
     0,
     0,
     0,
     {4, 128, 1, 32, 2048}},
};

namespace {

// The tensors of one layer.
class LayerTensors {
 public:
  LayerTensors(const ModelOfShape& shape, std::uint32_t layer, std::vector<TensorOfShape>& to)
      : shape_(shape), layer_(layer), to_(to) {}

  void add_all() {
    const std::string_view architecture = shape_.architecture;
    add("attn_norm.weight", {shape_.hidden}, Fill::ones);
    if (shape_.attention_interval != 0 && (layer_ + 1) % shape_.attention_interval == 0) {
      add_attention();
    } else if (architecture == "mamba") {
      add_mamba1();
    } else if (architecture == "mamba2") {
      add_mamba2();
    } else {
      add_delta_net();
    }
    if (shape_.feed_forward == 0) return;
    const bool is_hybrid = architecture == "qwen35";
    add(is_hybrid ? "post_attention_norm.weight" : "ffn_norm.weight", {shape_.hidden}, Fill::ones);
    add_feed_forward();
  }

 private:
  void add(const char* name, std::vector<std::uint64_t> dims, Fill fill = Fill::rows) {
    to_.push_back({fmt::format("blk.{}.{}", layer_, name), std::move(dims), fill});
  }

  void add_attention() {
    const std::uint64_t hidden = shape_.hidden, dim = shape_.head_dim;
    const bool gated = std::string_view(shape_.architecture) == "qwen35";
    add("attn_q.weight", {hidden, shape_.heads * dim * (gated ? 2 : 1)});
    add("attn_k.weight", {hidden, shape_.kv_heads * dim});
    add("attn_v.weight", {hidden, shape_.kv_heads * dim});
    add("attn_output.weight", {shape_.heads * dim, hidden});
    if (!shape_.head_norms) return;
    add("attn_q_norm.weight", {dim}, Fill::ones);
    add("attn_k_norm.weight", {dim}, Fill::ones);
  }

  void add_delta_net() {
    const auto& [conv_width, state, groups, rank, inner] = shape_.state;
    const std::uint64_t hidden = shape_.hidden, mixed = 2 * groups * state + inner;
    add("attn_qkv.weight", {hidden, mixed});
    add("attn_gate.weight", {hidden, inner});
    add("ssm_alpha.weight", {hidden, rank});
    add("ssm_beta.weight", {hidden, rank});
    add("ssm_conv1d.weight", {conv_width, mixed});
    add("ssm_dt.bias", {rank}, Fill::ones);
    add("ssm_a", {rank}, Fill::minus_one);
    add("ssm_norm.weight", {state}, Fill::ones);
    add("ssm_out.weight", {inner, hidden});
  }

  void add_mamba1() {
    const auto& [conv_width, state, groups, rank, inner] = shape_.state;
    add("ssm_in.weight", {shape_.hidden, 2 * inner});
    add("ssm_conv1d.weight", {conv_width, inner});
    add("ssm_conv1d.bias", {inner}, Fill::ones);
    add("ssm_x.weight", {inner, rank + 2 * state});
    add("ssm_dt.weight", {rank, inner});
    add("ssm_dt.bias", {inner}, Fill::ones);
    add("ssm_a", {state, inner}, Fill::minus_one);
    add("ssm_d", {inner}, Fill::ones);
    add("ssm_out.weight", {inner, shape_.hidden});
  }

  void add_mamba2() {
    const auto& [conv_width, state, groups, rank, inner] = shape_.state;
    const std::uint64_t mixed = inner + 2 * groups * state;
    add("ssm_in.weight", {shape_.hidden, inner + mixed + rank});
    add("ssm_conv1d.weight", {conv_width, mixed});
    add("ssm_conv1d.bias", {mixed}, Fill::ones);
    add("ssm_dt.bias", {rank}, Fill::ones);
    add("ssm_a", {1, rank}, Fill::minus_one);
    add("ssm_d", {1, rank}, Fill::ones);
    add("ssm_norm.weight", {inner / groups, groups}, Fill::ones);
    add("ssm_out.weight", {inner, shape_.hidden});
  }

  void add_feed_forward() {
    const std::uint64_t hidden = shape_.hidden, wide = shape_.feed_forward;
    if (shape_.experts == 0) {
      add("ffn_gate.weight", {hidden, wide});
      add("ffn_up.weight", {hidden, wide});
      add("ffn_down.weight", {wide, hidden});
    } else {
      add("ffn_gate_inp.weight", {hidden, shape_.experts}, Fill::own_rows);
      add("ffn_gate_exps.weight", {hidden, wide, shape_.experts});
      add("ffn_up_exps.weight", {hidden, wide, shape_.experts});
      add("ffn_down_exps.weight", {wide, hidden, shape_.experts});
    }
  }

  const ModelOfShape& shape_;
  const std::uint32_t layer_;
  std::vector<TensorOfShape>& to_;
};

// Keys of the layers that attend, and of those that have a state.
void add_layer_keys(const ModelOfShape& shape, const std::string& prefix, GgufHeader& header) {
  if (shape.heads != 0) {
    header.add_u32(prefix + "attention.head_count", shape.heads);
    header.add_u32(prefix + "attention.head_count_kv", shape.kv_heads);
    header.add_u32(prefix + "attention.key_length", shape.head_dim);
    header.add_u32(prefix + "attention.value_length", shape.head_dim);
    header.add_f32(prefix + "rope.freq_base", shape.rope_base);
    // Qwen 3.5 rotates a quarter of a head.
    header.add_u32(prefix + "rope.dimension_count",
                   shape.state.inner == 0 ? shape.head_dim : shape.head_dim / 4);
  }
  if (shape.experts != 0) {
    header.add_u32(prefix + "expert_count", shape.experts);
    header.add_u32(prefix + "expert_used_count", shape.experts_used);
    header.add_u32(prefix + "expert_feed_forward_length", shape.feed_forward);
  }
  if (shape.state.inner == 0) return;
  header.add_u32(prefix + "ssm.conv_kernel", shape.state.conv_width);
  header.add_u32(prefix + "ssm.state_size", shape.state.state);
  header.add_u32(prefix + "ssm.group_count", shape.state.groups);
  header.add_u32(prefix + "ssm.time_step_rank", shape.state.rank);
  header.add_u32(prefix + "ssm.inner_size", shape.state.inner);
  if (shape.attention_interval != 0) {
    header.add_u32(prefix + "full_attention_interval", shape.attention_interval);
  }
}

}  // namespace

std::uint64_t TensorOfShape::rows() const {
  std::uint64_t rows = 1;
  for (std::size_t i = 1; i < dims.size(); ++i) rows *= dims[i];
  return rows;
}

std::uint64_t TensorOfShape::row_bytes() const {
  const kernels::BlockShape block = kernels::block_shape(format);
  return dims[0] / static_cast<std::uint64_t>(block.weights) *
         static_cast<std::uint64_t>(block.bytes);
}

std::vector<TensorOfShape> tensors_of(const ModelOfShape& shape, const QuantizeMix& mix) {
  std::vector<TensorOfShape> tensors = {{"token_embd.weight", {shape.hidden, shape.vocab}},
                                        {"output_norm.weight", {shape.hidden}, Fill::ones}};
  if (!shape.tied) tensors.push_back({"output.weight", {shape.hidden, shape.vocab}});
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
    LayerTensors(shape, layer, tensors).add_all();
  }
  for (TensorOfShape& tensor : tensors) {
    const auto format =
        mix.format_of({tensor.name, tensor.dims[0], static_cast<std::uint32_t>(tensor.dims.size()),
                       shape.layers, shape.tied, shape.heads / std::max(shape.kv_heads, 1U)});
    if (format) tensor.format = *format;
  }
  return tensors;
}

GgufHeader header_of(const ModelOfShape& shape, const QuantizeMix& mix,
                     const std::vector<TensorOfShape>& tensors) {
  GgufHeader header;
  const std::string prefix = std::string(shape.architecture) + ".";
  header.add_string("general.architecture", shape.architecture);
  header.add_string("general.name", fmt::format("{} {}, random weights", shape.name, mix.name()));
  header.add_u32("general.file_type", mix.file_type());
  header.add_u32("general.quantization_version", 2);
  header.add_u32(prefix + "block_count", shape.layers);
  header.add_u32(prefix + "context_length", shape.context);
  header.add_u32(prefix + "embedding_length", shape.hidden);
  header.add_u32(prefix + "feed_forward_length", shape.feed_forward);
  header.add_f32(prefix + "attention.layer_norm_rms_epsilon", 1e-6F);
  header.add_u32(prefix + "vocab_size", shape.vocab);
  add_layer_keys(shape, prefix, header);
  header.add_string("tokenizer.ggml.model", "none");
  for (const TensorOfShape& tensor : tensors) {
    header.add_tensor(tensor.name, tensor.dims,
                      kernels::kWeightFormats[static_cast<int>(tensor.format)].gguf_number,
                      tensor.rows() * tensor.row_bytes());
  }
  return header;
}

}  // namespace hearth
