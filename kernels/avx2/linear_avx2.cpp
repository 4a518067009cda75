// linear and dequant_row for AVX2: see simd/linear.hpp.
#include "kernels/avx2/lanes.hpp"

#include "kernels/simd/linear.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void linear_f32_avx2(const LinearArgs& args) {
  linear<F32>(args);
}
void linear_f16_avx2(const LinearArgs& args) {
  linear<F16>(args);
}
void linear_bf16_avx2(const LinearArgs& args) {
  linear<Bf16>(args);
}
void linear_q8_0_avx2(const LinearArgs& args) {
  linear<Q8_0>(args);
}
void linear_q4_0_avx2(const LinearArgs& args) {
  linear<Q4_0>(args);
}

void dequant_row_f32_avx2(const DequantRowArgs& args) {
  dequant_row<F32>(args);
}
void dequant_row_f16_avx2(const DequantRowArgs& args) {
  dequant_row<F16>(args);
}
void dequant_row_bf16_avx2(const DequantRowArgs& args) {
  dequant_row<Bf16>(args);
}
void dequant_row_q8_0_avx2(const DequantRowArgs& args) {
  dequant_row<Q8_0>(args);
}
void dequant_row_q4_0_avx2(const DequantRowArgs& args) {
  dequant_row<Q4_0>(args);
}

}  // namespace hearth::kernels
