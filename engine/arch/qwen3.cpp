// Qwen 3 (dense): a norm over each query and key head.
#include "engine/arch/architectures.hpp"
#include "engine/arch/decoder.hpp"

namespace hearth::arch {

Result<LayerTable> build_qwen3(WeightLoader& loader, const BuildOptions& options) {
  return build_decoder(loader, options,
                       {.name = "qwen3", .interleaved_rope = false, .head_norms = true});
}

}  // namespace hearth::arch
