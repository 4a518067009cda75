// linear and dequant_row for AVX2: see simd/linear.hpp.
#include "kernels/avx2/lanes.hpp"

#include "kernels/simd/linear.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

#define HEARTH_DEFINE_(format, type, name, number, weights, bytes) \
  void linear_##format##_avx2(const LinearArgs& args) {            \
    linear<type>(args);                                            \
  }                                                                \
  void dequant_row_##format##_avx2(const DequantRowArgs& args) {   \
    dequant_row<type>(args);                                       \
  }
HEARTH_WEIGHT_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

}  // namespace hearth::kernels
