// rms_norm, rope, gated, scan and split_activations
// for AVX2: see simd/elementwise.hpp, simd/scan.hpp.
#include "kernels/avx2/lanes.hpp"

#include "kernels/simd/elementwise.hpp"
#include "kernels/simd/scan.hpp"
#include "kernels/simd/split_activations.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void rms_norm_avx2(const RmsNormArgs& args) {
  rms_norm(args);
}
void rope_avx2(const RopeArgs& args) {
  rope(args);
}
void gated_silu_avx2(const GatedArgs& args) {
  gated(args, [](Lanes gate) { return silu(gate); });
}
void gated_gelu_avx2(const GatedArgs& args) {
  gated(args, [](Lanes gate) { return gelu(gate); });
}
void gated_sigmoid_avx2(const GatedArgs& args) {
  gated(args, [](Lanes gate) { return sigmoid(gate); });
}
void scan_avx2(const ScanArgs& args) {
  scan(args);
}
void split_activations_avx2(const SplitActivationsArgs& args) {
  split_activations(args);
}

}  // namespace hearth::kernels
