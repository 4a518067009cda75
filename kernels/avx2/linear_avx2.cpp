// linear and quantize_activations for AVX2: see simd/linear.hpp.
#include "kernels/avx2/rows.hpp"

#include "kernels/simd/linear.hpp"
#include "kernels/simd/quantize_activations.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

#define HEARTH_DEFINE_(format, type, name, number, weights, bytes) \
  void linear_##format##_avx2(const LinearArgs& args) {            \
    linear<WeightFormat::format>(args);                            \
  }
HEARTH_WEIGHT_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

void quantize_activations_avx2(const QuantizeActivationsArgs& args) {
  quantize_activations(args);
}

}  // namespace hearth::kernels
