// linear and dequant_row for AVX-512: see simd/linear.hpp.
#include "kernels/avx512/lanes.hpp"

#include "kernels/simd/linear.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

#define HEARTH_DEFINE_(format, type, name, number, weights, bytes)       \
  void HEARTH_AVX512(linear_##format)(const LinearArgs& args) {          \
    linear<type>(args);                                                  \
  }                                                                      \
  void HEARTH_AVX512(dequant_row_##format)(const DequantRowArgs& args) { \
    dequant_row<type>(args);                                             \
  }
HEARTH_WEIGHT_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

}  // namespace hearth::kernels
