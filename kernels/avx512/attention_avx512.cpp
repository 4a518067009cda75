// attention for AVX-512: see simd/attention.hpp.
#include "kernels/avx512/lanes.hpp"

#include "kernels/simd/attention.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void HEARTH_AVX512(attention_f32)(const AttentionArgs& args) {
  attention<F32>(args);
}
void HEARTH_AVX512(attention_f16)(const AttentionArgs& args) {
  attention<F16>(args);
}
void HEARTH_AVX512(attention_bf16)(const AttentionArgs& args) {
  attention<Bf16>(args);
}

}  // namespace hearth::kernels
