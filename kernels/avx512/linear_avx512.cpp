// linear and quantize_activations for AVX-512: see simd/linear.hpp.
#include "kernels/avx512/rows.hpp"

#include "kernels/simd/linear.hpp"
#include "kernels/simd/quantize_activations.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

#define HEARTH_DEFINE_(format, type, name, number, weights, bytes) \
  void HEARTH_AVX512(linear_##format)(const LinearArgs& args) {    \
    linear<WeightFormat::format>(args);                            \
  }
HEARTH_WEIGHT_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

void HEARTH_AVX512(quantize_activations)(const QuantizeActivationsArgs& args) {
  quantize_activations(args);
}

}  // namespace hearth::kernels
