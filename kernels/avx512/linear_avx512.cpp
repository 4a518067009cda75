// linear and dequant_row for AVX-512: see simd/linear.hpp.
#include "kernels/avx512/lanes.hpp"

#include "kernels/simd/linear.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void HEARTH_AVX512(linear_f32)(const LinearArgs& args) {
  linear<F32>(args);
}
void HEARTH_AVX512(linear_f16)(const LinearArgs& args) {
  linear<F16>(args);
}
void HEARTH_AVX512(linear_bf16)(const LinearArgs& args) {
  linear<Bf16>(args);
}
void HEARTH_AVX512(linear_q8_0)(const LinearArgs& args) {
  linear<Q8_0>(args);
}
void HEARTH_AVX512(linear_q4_0)(const LinearArgs& args) {
  linear<Q4_0>(args);
}

void HEARTH_AVX512(dequant_row_f32)(const DequantRowArgs& args) {
  dequant_row<F32>(args);
}
void HEARTH_AVX512(dequant_row_f16)(const DequantRowArgs& args) {
  dequant_row<F16>(args);
}
void HEARTH_AVX512(dequant_row_bf16)(const DequantRowArgs& args) {
  dequant_row<Bf16>(args);
}
void HEARTH_AVX512(dequant_row_q8_0)(const DequantRowArgs& args) {
  dequant_row<Q8_0>(args);
}
void HEARTH_AVX512(dequant_row_q4_0)(const DequantRowArgs& args) {
  dequant_row<Q4_0>(args);
}

}  // namespace hearth::kernels
