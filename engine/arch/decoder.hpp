// What most decoders have in common: pre-norm attention and a gated MLP or a mixture of them,
// rotary positions, RMS norms, biases wherever the file has them.  An architecture of this family
// says how it differs.
#pragma once

#include "engine/layer_table.hpp"

namespace hearth::arch {

enum class Experts : std::uint8_t {
  never,
  where_the_file_has_them,  // its expert_count is not 0
  always,
};

struct DecoderFamily {
  const char* name;       // prefix of its metadata keys
  bool interleaved_rope;  // which elements a rotation pairs
  bool head_norms;        // attn_q_norm and attn_k_norm over each head
  Experts experts = Experts::never;
};

Result<LayerTable> build_decoder(WeightLoader& loader, const BuildOptions& options,
                                 const DecoderFamily& family);

}  // namespace hearth::arch
