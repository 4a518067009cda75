// Qwen 3.5: gated delta nets, gated attention, gated MLPs.
#include "engine/arch/architectures.hpp"
#include "engine/arch/qwen_hybrid.hpp"

namespace hearth::arch {

Result<LayerTable> build_qwen35(WeightLoader& loader, const BuildOptions& options) {
  return build_qwen_hybrid(loader, options,
                           {.name = "qwen35", .tiled_heads = true, .merged_gates = false});
}

}  // namespace hearth::arch
