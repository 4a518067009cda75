// See cpu_features.hpp.
//
// Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, sections 14.3,
// 15.2 to 15.4 and 18.3 (a feature bit of CPUID counts only when XCR0 names the registers it uses),
// volume 2, CPUID; Linux, Documentation/arch/x86/xstate.rst.
#include "kernels/cpu_features.hpp"

#include "kernels/kernels.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace hearth::kernels {
namespace {

// CPUID leaf 1, ECX.
constexpr std::uint32_t kFma = 1u << 12, kOsxsave = 1u << 27, kAvx = 1u << 28, kF16c = 1u << 29;
// CPUID leaf 7, EBX, ECX and EDX.
constexpr std::uint32_t kAvx2 = 1u << 5;
constexpr std::uint32_t kAvx512F = 1u << 16, kAvx512Dq = 1u << 17, kAvx512Bw = 1u << 30,
                        kAvx512Vl = 1u << 31;
constexpr std::uint32_t kAvx512Vnni = 1u << 11;
constexpr std::uint32_t kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAmxInt8 = 1u << 25;
// CPUID leaf 7, sub-leaf 1, EAX.
constexpr std::uint32_t kAvx512Bf16 = 1u << 5;
// XCR0: XMM and YMM; opmask and both parts of ZMM; configuration and data of tiles.
constexpr std::uint64_t kYmmState = 0x06, kZmmState = 0xe0, kTileState = 0x60000;

template <class Word>
bool has_all(Word value, Word bits) {
  return (value & bits) == bits;
}

}  // namespace

std::uint32_t features_of(const CpuRegisters& cpu) {
  if (!has_all(cpu.saved, kYmmState) || !has_all(cpu.leaf1_ecx, kAvx | kFma | kF16c) ||
      !has_all(cpu.leaf7_ebx, kAvx2)) {
    return 0;
  }
  if (!has_all(cpu.saved, kZmmState) || !has_all(cpu.leaf7_ecx, kAvx512Vnni) ||
      !has_all(cpu.leaf7_ebx, kAvx512F | kAvx512Dq | kAvx512Bw | kAvx512Vl)) {
    return kCpuAvx2;
  }
  if (!has_all(cpu.saved & cpu.permitted, kTileState) || !has_all(cpu.leaf7_1_eax, kAvx512Bf16) ||
      !has_all(cpu.leaf7_edx, kAmxTile | kAmxInt8 | kAmxBf16)) {
    return kCpuAvx2 | kCpuAvx512;
  }
  return kCpuAvx2 | kCpuAvx512 | kCpuAmx;
}

#if defined(__x86_64__)
namespace {

// Of arch_prctl(); Debian 12's <asm/prctl.h> has them, older ones do not.
constexpr long kGetPermitted = 0x1022, kRequestPermission = 0x1023;
constexpr long kTileData = 18;  // the bit of XCR0 that is asked for

std::uint64_t saved_states() {
  std::uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

CpuRegisters read_registers() {
  CpuRegisters cpu = {};
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &cpu.leaf1_ecx, &d) == 0) return {};
  if (__get_cpuid_count(7, 0, &a, &cpu.leaf7_ebx, &cpu.leaf7_ecx, &cpu.leaf7_edx) != 0 && a >= 1) {
    __get_cpuid_count(7, 1, &cpu.leaf7_1_eax, &b, &c, &d);
  }
  if (has_all(cpu.leaf1_ecx, kOsxsave)) cpu.saved = saved_states();
  if (syscall(SYS_arch_prctl, kGetPermitted, &cpu.permitted) != 0) cpu.permitted = 0;
  return cpu;
}

}  // namespace

std::uint32_t cpu_features() {
  return features_of(read_registers());
}

int enable_amx() {
  CpuRegisters cpu = read_registers();
  cpu.permitted = cpu.saved;
  if ((features_of(cpu) & kCpuAmx) == 0) return 0;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? 0 : errno;
}
#else
std::uint32_t cpu_features() {
  return 0;
}
int enable_amx() {
  return 0;
}
#endif

}  // namespace hearth::kernels
