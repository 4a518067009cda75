// Makes a GGUF file of a well-known shape with random weights, so that anyone can measure without a
// download.
//
//   make_model SHAPE TYPE OUT [--layers N] [--ctx N] [--seed S]
//
// Weights are Gaussian with the spread that keeps activations in range.  A pool of rows is rounded
// to the format once, and every matrix takes its rows from the pool: 5 GB are made in seconds.  The
// model has no vocabulary: token ids are its interface.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "files/gguf_header.hpp"
#include "files/quantize_mix.hpp"
#include "kernels/quantize/quantize.hpp"

namespace hearth {
namespace {

struct Shape {
  const char* name;
  const char* architecture;
  std::uint32_t layers, hidden, heads, kv_heads, head_dim, feed_forward, vocab, context;
  float rope_base;
  bool tied, head_norms;
  std::uint32_t experts, experts_used;  // 0: dense; else feed_forward is that of one expert
};

// As the models' makers publish them, but qwen3-moe: as qwen3-30b-a3b, of a tenth of its weights.
constexpr Shape kShapes[] = {
    {"tiny", "llama", 2, 256, 4, 2, 64, 512, 512, 2048, 1e4F, true, false, 0, 0},
    {"qwen3-0.6b", "qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1e6F, true, true, 0, 0},
    {"llama-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 5e5F, true, false, 0, 0},
    {"qwen3-4b", "qwen3", 36, 2560, 32, 8, 128, 9728, 151936, 40960, 1e6F, true, true, 0, 0},
    {"llama-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, 5e5F, false, false, 0, 0},
    {"qwen3-moe", "qwen3moe", 24, 1024, 16, 4, 64, 512, 151936, 40960, 1e6F, true, true, 64, 8},
    {"qwen3-30b-a3b", "qwen3moe", 48, 2048, 32, 4, 128, 768, 151936, 40960, 1e6F, false, true, 128,
     8},
};

struct Tensor {
  std::string name;
  std::vector<std::uint64_t> dims;  // fastest first
  kernels::WeightFormat format = kernels::WeightFormat::f32;

  std::uint64_t rows() const {
    std::uint64_t rows = 1;
    for (std::size_t i = 1; i < dims.size(); ++i) rows *= dims[i];
    return rows;
  }
  std::uint64_t row_bytes() const {
    const kernels::BlockShape block = kernels::block_shape(format);
    return dims[0] / static_cast<std::uint64_t>(block.weights) *
           static_cast<std::uint64_t>(block.bytes);
  }
};

void add_layer(const Shape& shape, std::uint32_t layer, std::vector<Tensor>& tensors) {
  const std::uint64_t hidden = shape.hidden, wide = shape.feed_forward, dim = shape.head_dim;
  const auto add = [&](const char* name, std::vector<std::uint64_t> dims) {
    tensors.push_back({fmt::format("blk.{}.{}.weight", layer, name), std::move(dims)});
  };
  add("attn_norm", {hidden});
  add("attn_q", {hidden, shape.heads * dim});
  add("attn_k", {hidden, shape.kv_heads * dim});
  add("attn_v", {hidden, shape.kv_heads * dim});
  add("attn_output", {shape.heads * dim, hidden});
  if (shape.head_norms) {
    add("attn_q_norm", {dim});
    add("attn_k_norm", {dim});
  }
  add("ffn_norm", {hidden});
  if (shape.experts == 0) {
    add("ffn_gate", {hidden, wide});
    add("ffn_up", {hidden, wide});
    add("ffn_down", {wide, hidden});
  } else {
    add("ffn_gate_inp", {hidden, shape.experts});
    add("ffn_gate_exps", {hidden, wide, shape.experts});
    add("ffn_up_exps", {hidden, wide, shape.experts});
    add("ffn_down_exps", {wide, hidden, shape.experts});
  }
}

std::vector<Tensor> tensors_of(const Shape& shape, const QuantizeMix& mix) {
  std::vector<Tensor> tensors = {{"token_embd.weight", {shape.hidden, shape.vocab}},
                                 {"output_norm.weight", {shape.hidden}}};
  if (!shape.tied) tensors.push_back({"output.weight", {shape.hidden, shape.vocab}});
  for (std::uint32_t layer = 0; layer < shape.layers; ++layer) add_layer(shape, layer, tensors);
  for (Tensor& tensor : tensors) {
    const auto format =
        mix.format_of({tensor.name, tensor.dims[0], static_cast<std::uint32_t>(tensor.dims.size()),
                       shape.layers, shape.tied, shape.heads / shape.kv_heads});
    if (format) tensor.format = *format;
  }
  return tensors;
}

GgufHeader header_of(const Shape& shape, const QuantizeMix& mix,
                     const std::vector<Tensor>& tensors) {
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
  header.add_u32(prefix + "attention.head_count", shape.heads);
  header.add_u32(prefix + "attention.head_count_kv", shape.kv_heads);
  header.add_u32(prefix + "attention.key_length", shape.head_dim);
  header.add_u32(prefix + "attention.value_length", shape.head_dim);
  header.add_f32(prefix + "attention.layer_norm_rms_epsilon", 1e-6F);
  header.add_f32(prefix + "rope.freq_base", shape.rope_base);
  header.add_u32(prefix + "rope.dimension_count", shape.head_dim);
  header.add_u32(prefix + "vocab_size", shape.vocab);
  if (shape.experts != 0) {
    header.add_u32(prefix + "expert_count", shape.experts);
    header.add_u32(prefix + "expert_used_count", shape.experts_used);
    header.add_u32(prefix + "expert_feed_forward_length", shape.feed_forward);
  }
  header.add_string("tokenizer.ggml.model", "none");
  for (const Tensor& tensor : tensors) {
    header.add_tensor(tensor.name, tensor.dims,
                      kernels::kWeightFormats[static_cast<int>(tensor.format)].gguf_number,
                      tensor.rows() * tensor.row_bytes());
  }
  return header;
}

// Rows of one length in one format.
class RowPool {
 public:
  static constexpr std::size_t kRows = 64;

  RowPool(const Tensor& tensor, std::mt19937_64& random) : row_bytes_(tensor.row_bytes()) {
    std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(tensor.dims[0])));
    std::vector<float> row(tensor.dims[0]);
    bytes_.resize(kRows * row_bytes_);
    for (std::size_t i = 0; i < kRows; ++i) {
      for (float& weight : row) weight = normal(random);
      kernels::quantize_row(tensor.format, row.data(), static_cast<std::int64_t>(row.size()),
                            bytes_.data() + i * row_bytes_);
    }
  }
  const unsigned char* any(std::mt19937_64& random) const {
    return bytes_.data() + random() % kRows * row_bytes_;
  }

 private:
  std::size_t row_bytes_;
  std::vector<unsigned char> bytes_;
};

// The file under another name until it is whole.
class Output {
 public:
  explicit Output(const std::string& path) : path_(path), temporary_(path + ".part") {
    file_ = std::fopen(temporary_.c_str(), "wb");
    good_ = file_ != nullptr;
    if (good_) std::setvbuf(file_, nullptr, _IOFBF, 1 << 22);
  }
  ~Output() {
    if (file_ != nullptr) std::fclose(file_);
    unlink(temporary_.c_str());
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(const void* bytes, std::size_t size) {
    good_ = good_ && std::fwrite(bytes, 1, size, file_) == size;
  }
  bool commit() {
    good_ = good_ && std::fclose(std::exchange(file_, nullptr)) == 0 &&
            std::rename(temporary_.c_str(), path_.c_str()) == 0;
    return good_;
  }

 private:
  std::string path_, temporary_;
  std::FILE* file_;
  bool good_;
};

// Rows of its own: experts whose router has the same row would be chosen together.
void write_router(const Tensor& router, std::mt19937_64& random, Output& out) {
  std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(router.dims[0])));
  std::vector<float> weights(router.dims[0] * router.rows());
  for (float& weight : weights) weight = normal(random);
  out.write(weights.data(), weights.size() * sizeof(float));
}

bool write_model(const Shape& shape, const QuantizeMix& mix, std::uint64_t seed,
                 const std::string& path) {
  const std::vector<Tensor> tensors = tensors_of(shape, mix);
  Output out(path);
  const std::string head = header_of(shape, mix, tensors).bytes();
  out.write(head.data(), head.size());
  std::mt19937_64 random(seed);
  std::map<std::pair<kernels::WeightFormat, std::uint64_t>, RowPool> pools;
  const std::vector<char> zeros(64);
  for (const Tensor& tensor : tensors) {
    if (tensor.dims.size() == 1) {  // a norm
      const std::vector<float> ones(tensor.dims[0], 1);
      out.write(ones.data(), ones.size() * sizeof(float));
    } else if (tensor.name.find("ffn_gate_inp") != std::string::npos) {
      write_router(tensor, random, out);
    } else {
      const RowPool& pool =
          pools.try_emplace({tensor.format, tensor.dims[0]}, tensor, random).first->second;
      for (std::uint64_t row = 0; row < tensor.rows(); ++row) {
        out.write(pool.any(random), tensor.row_bytes());
      }
    }
    out.write(zeros.data(), GgufHeader::padding(tensor.rows() * tensor.row_bytes()));
  }
  return out.commit();
}

int main(int argc, char** argv) {
  CLI::App app("make_model writes a GGUF file of a well-known shape with random weights.",
               "make_model");
  std::string shapes, types;
  for (const Shape& shape : kShapes) shapes += std::string(" ") + shape.name;
  for (const std::string& name : QuantizeMix::names()) types += " " + name;
  app.footer("Shapes:" + shapes + "\nTypes:" + types +
             "\n\n  make_model llama-8b Q4_K_M /tmp/llama-8b.gguf");
  std::string shape_name, type, path;
  std::uint64_t seed = 1;
  std::uint32_t layers = 0, context = 0;
  app.add_option("SHAPE", shape_name, "a shape")->required()->type_name("");
  app.add_option("TYPE", type, "a format or a mix of formats")->required()->type_name("");
  app.add_option("OUT", path, "the new file")->required()->type_name("");
  app.add_option("--layers", layers, "so many layers instead of the shape's")->type_name("");
  app.add_option("--ctx", context, "so long a context instead of the shape's")->type_name("");
  app.add_option("--seed", seed, "of the weights [1]")->type_name("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "make_model: {}\n", error.what());
    return 2;
  }
  const auto mix = QuantizeMix::find(type);
  for (Shape shape : kShapes) {
    if (shape_name != shape.name || !mix) continue;
    if (layers != 0) shape.layers = layers;
    if (context != 0) shape.context = context;
    if (write_model(shape, *mix, seed, path)) return 0;
    std::perror(("make_model: " + path).c_str());
    return 1;
  }
  fmt::print(stderr, "make_model: {}; known are{}\n",
             mix ? "SHAPE: " + shape_name : "TYPE: " + type, mix ? shapes : types);
  return 2;
}

}  // namespace
}  // namespace hearth

int main(int argc, char** argv) {
  return hearth::main(argc, argv);
}
