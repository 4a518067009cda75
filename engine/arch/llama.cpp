// Llama 1-3, Mistral, Mixtral and the many models that share their shape.
#include "engine/arch/architectures.hpp"
#include "engine/arch/decoder.hpp"

namespace hearth::arch {

Result<LayerTable> build_llama(WeightLoader& loader, const BuildOptions& options) {
  return build_decoder(loader, options,
                       {.name = "llama",
                        .interleaved_rope = true,
                        .head_norms = false,
                        .experts = Experts::where_the_file_has_them});
}

}  // namespace hearth::arch
