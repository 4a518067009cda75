// What the dense decoders have in common: pre-norm attention and gated MLP, rotary positions, RMS
// norms, biases wherever the file has them.  An architecture of this family says how it differs.
#pragma once

#include "engine/layer_table.hpp"

namespace hearth::arch {

struct DenseDecoder {
  const char* name;       // prefix of its metadata keys
  bool interleaved_rope;  // which elements a rotation pairs
  bool head_norms;        // attn_q_norm and attn_k_norm over each head
};

Result<LayerTable> build_dense_decoder(WeightLoader& loader, const BuildOptions& options,
                                       const DenseDecoder& family);

}  // namespace hearth::arch
