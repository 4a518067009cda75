// Llama 1-3, Mistral and the many models that share their shape.
#include "engine/arch/architectures.hpp"
#include "engine/arch/dense_decoder.hpp"

namespace hearth::arch {

Result<LayerTable> build_llama(WeightLoader& loader, const BuildOptions& options) {
  return build_dense_decoder(loader, options,
                             {.name = "llama", .interleaved_rope = true, .head_norms = false});
}

}  // namespace hearth::arch
