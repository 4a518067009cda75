// rms_norm, rope, swiglu, scan and split_activations for AVX-512: see simd/elementwise.hpp,
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
void HEARTH_AVX512(swiglu)(const SwigluArgs& args) {
  swiglu(args);
}
void HEARTH_AVX512(scan)(const ScanArgs& args) {
  scan(args);
}
void HEARTH_AVX512(split_activations)(const SplitActivationsArgs& args) {
  split_activations(args);
}

}  // namespace hearth::kernels
