// What this CPU offers, and what the operating system saves on a context switch.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, sections 14.3
// and 15.2 to 15.4: a feature bit of CPUID counts only when XCR0 names the registers it uses.
#include "kernels/kernels.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace hearth::kernels {

#if defined(__x86_64__)
namespace {

// Bits of CPUID leaf 1, ECX.
constexpr unsigned kFma = 1u << 12, kOsxsave = 1u << 27, kF16c = 1u << 29;
// Bits of CPUID leaf 7, EBX.
constexpr unsigned kAvx2 = 1u << 5, kAvx512F = 1u << 16, kAvx512Dq = 1u << 17, kAvx512Bw = 1u << 30,
                   kAvx512Vl = 1u << 31;
// Bits of XCR0: XMM and YMM; opmask and both parts of ZMM.
constexpr unsigned kYmmState = 0x06, kZmmState = 0xe0;

bool has_all(unsigned value, unsigned bits) {
  return (value & bits) == bits;
}

// The register states that the operating system saves: XCR0, its lower half.
unsigned saved_states() {
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace

std::uint32_t cpu_features() {
  unsigned a = 0, b = 0, c1 = 0, d = 0, b7 = 0, c = 0;
  if (__get_cpuid(1, &a, &b, &c1, &d) == 0) return 0;
  if (__get_cpuid_count(7, 0, &a, &b7, &c, &d) == 0) return 0;
  if (!has_all(c1, kOsxsave)) return 0;

  const unsigned states = saved_states();
  if (!has_all(states, kYmmState) || !has_all(c1, kFma | kF16c) || !has_all(b7, kAvx2)) return 0;
  std::uint32_t features = kCpuAvx2;
  if (has_all(states, kZmmState) && has_all(b7, kAvx512F | kAvx512Dq | kAvx512Bw | kAvx512Vl)) {
    features |= kCpuAvx512;
  }
  return features;
}
#else
std::uint32_t cpu_features() {
  return 0;
}
#endif

}  // namespace hearth::kernels
