// The kernels of recurrent layers for AVX-512: see recurrent.hpp and simd/.
#include "kernels/avx512/lanes.hpp"

#include "kernels/simd/causal_conv.hpp"
#include "kernels/simd/delta_net.hpp"
#include "kernels/simd/selective_scan.hpp"
#include "kernels/simd/state_space.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void HEARTH_AVX512(causal_conv)(const CausalConvArgs& args) {
  causal_conv(args);
}
void HEARTH_AVX512(delta_gates)(const DeltaGatesArgs& args) {
  delta_gates(args);
}
void HEARTH_AVX512(delta_net)(const DeltaNetArgs& args) {
  delta_net(args);
}
void HEARTH_AVX512(selective_scan)(const SelectiveScanArgs& args) {
  selective_scan(args);
}
void HEARTH_AVX512(state_space)(const StateSpaceArgs& args) {
  state_space(args);
}

}  // namespace hearth::kernels
