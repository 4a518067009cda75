// The Qwens of gated delta nets, with gated attention in every fourth layer or so: Qwen 3.5 and
// Qwen3-Next.
#pragma once

#include "engine/layer_table.hpp"

namespace hearth::arch {

struct QwenHybridFamily {
  const char* name;   // prefix of its metadata keys
  bool tiled_heads;   // value head i has key head i % key heads
  bool merged_gates;  // ssm_ba holds alpha and beta
};

Result<LayerTable> build_qwen_hybrid(WeightLoader& loader, const BuildOptions& options,
                                     const QwenHybridFamily& family);

}  // namespace hearth::arch
