// Qwen 3 with a mixture of experts in every layer.
#include "engine/arch/architectures.hpp"
#include "engine/arch/decoder.hpp"

namespace hearth::arch {

Result<LayerTable> build_qwen3moe(WeightLoader& loader, const BuildOptions& options) {
  return build_decoder(loader, options,
                       {.name = "qwen3moe",
                        .interleaved_rope = false,
                        .head_norms = true,
                        .experts = Experts::always});
}

}  // namespace hearth::arch
