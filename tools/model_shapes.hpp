// The shapes of well-known models, as their makers publish them, for files of random weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files/gguf_header.hpp"
#include "files/quantize_mix.hpp"
#include "kernels/kernels.hpp"

namespace hearth {

// Layers with a recurrent state, keys "ssm." of a file: see docs/formats-hybrid.md.
struct StateOfShape {
  std::uint32_t conv_width, state, groups, rank, inner;
};

struct ModelOfShape {
  const char* name;
  const char* architecture;
  std::uint32_t layers, hidden, heads, kv_heads, head_dim, feed_forward, vocab, context;
  float rope_base;
  bool tied, head_norms;
  std::uint32_t experts, experts_used;  // 0: dense; else feed_forward is that of one expert
  // Of so many layers the last has attention, the others have a state; 0: none attends; 1: all.
  std::uint32_t attention_interval;
  StateOfShape state;
};

extern const std::vector<ModelOfShape> kModelShapes;

// How the numbers of a tensor are made.
enum class Fill {
  rows,       // rows of a pool, Gaussian
  own_rows,   // Gaussian, every row its own: experts with the same row would be chosen together
  ones,       // a norm
  minus_one,  // the rate at which a state decays
};

struct TensorOfShape {
  std::string name;
  std::vector<std::uint64_t> dims;  // fastest first
  Fill fill = Fill::rows;
  kernels::WeightFormat format = kernels::WeightFormat::f32;

  std::uint64_t rows() const;
  std::uint64_t row_bytes() const;
  std::uint64_t numbers() const { return dims[0] * rows(); }
};

std::vector<TensorOfShape> tensors_of(const ModelOfShape& shape, const QuantizeMix& mix);
GgufHeader header_of(const ModelOfShape& shape, const QuantizeMix& mix,
                     const std::vector<TensorOfShape>& tensors);

}  // namespace hearth
