// rms_norm, rope, gated, scan and split_activations for AVX-512: see simd/elementwise.hpp,
// simd/scan.hpp.
#include "kernels/avx512/lanes.hpp"

#include "kernels/simd/elementwise.hpp"
#include "kernels/simd/scan.hpp"
#include "kernels/simd/split_activations.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void HEARTH_AVX512(rms_norm)(const RmsNormArgs& args) {
  rms_norm(args);
}
void HEARTH_AVX512(rope)(const RopeArgs& args) {
  rope(args);
}
void HEARTH_AVX512(gated_silu)(const GatedArgs& args) {
  gated(args, [](Lanes gate) { return silu(gate); });
}
void HEARTH_AVX512(gated_gelu)(const GatedArgs& args) {
  gated(args, [](Lanes gate) { return gelu(gate); });
}
void HEARTH_AVX512(gated_sigmoid)(const GatedArgs& args) {
  gated(args, [](Lanes gate) { return sigmoid(gate); });
}
void HEARTH_AVX512(scan)(const ScanArgs& args) {
  scan(args);
}
void HEARTH_AVX512(split_activations)(const SplitActivationsArgs& args) {
  split_activations(args);
}

}  // namespace hearth::kernels
