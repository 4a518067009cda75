// rms_norm, rope, swiglu and scan for AVX-512: see simd/elementwise.hpp, simd/scan.hpp.
#include "kernels/avx512/lanes.hpp"

#include "kernels/simd/elementwise.hpp"
#include "kernels/simd/scan.hpp"
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

}  // namespace hearth::kernels
