// The probes for AVX2: see simd/probe.hpp.
#include "kernels/avx2/lanes.hpp"

#include "kernels/avx2/words.hpp"
#include "kernels/simd/probe.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

void read_probe_avx2(const ReadProbeArgs& args) {
  *args.out = read_all(args);
}

std::int64_t peak_probe_f32_avx2(std::int64_t rounds, float* out) {
  return peak_of_floats(rounds, out);
}
std::int64_t peak_probe_int8_avx2(std::int64_t rounds, float* out) {
  return peak_of_bytes(rounds, out);
}

}  // namespace hearth::kernels
