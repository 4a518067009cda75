// The kernels of recurrent layers for AVX2: see recurrent.hpp and simd/.
#include "kernels/avx2/lanes.hpp"

#include "kernels/simd/causal_conv.hpp"
#include "kernels/simd/delta_net.hpp"
#include "kernels/simd/selective_scan.hpp"
#include "kernels/simd/state_space.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void causal_conv_avx2(const CausalConvArgs& args) {
  causal_conv(args);
}
void delta_gates_avx2(const DeltaGatesArgs& args) {
  delta_gates(args);
}
void delta_net_avx2(const DeltaNetArgs& args) {
  delta_net(args);
}
void selective_scan_avx2(const SelectiveScanArgs& args) {
  selective_scan(args);
}
void state_space_avx2(const StateSpaceArgs& args) {
  state_space(args);
}

}  // namespace hearth::kernels
