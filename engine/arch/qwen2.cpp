// Qwen 2 and 2.5: biases on q, k and v.
#include "engine/arch/architectures.hpp"
#include "engine/arch/decoder.hpp"

namespace hearth::arch {

Result<LayerTable> build_qwen2(WeightLoader& loader, const BuildOptions& options) {
  return build_decoder(loader, options,
                       {.name = "qwen2", .interleaved_rope = false, .head_norms = false});
}

}  // namespace hearth::arch
