// attention for AVX2: see simd/attention.hpp.
#include "kernels/avx2/lanes.hpp"

#include "kernels/simd/attention.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void attention_f32_avx2(const AttentionArgs& args) {
  attention<F32>(args);
}
void attention_f16_avx2(const AttentionArgs& args) {
  attention<F16>(args);
}
void attention_bf16_avx2(const AttentionArgs& args) {
  attention<Bf16>(args);
}

}  // namespace hearth::kernels
