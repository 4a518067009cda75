// Qwen3-Next: gated delta nets, gated attention, experts in every layer.
#include "engine/arch/architectures.hpp"
#include "engine/arch/qwen_hybrid.hpp"

namespace hearth::arch {

Result<LayerTable> build_qwen3next(WeightLoader& loader, const BuildOptions& options) {
  return build_qwen_hybrid(loader, options,
                           {.name = "qwen3next", .tiled_heads = false, .merged_gates = true});
}

}  // namespace hearth::arch
