// What decides which kernels may run: the registers of the CPU and the word of the operating
// system.
#pragma once

#include <cstdint>

namespace hearth::kernels {

// The registers that name the features: CPUID by leaf, 0 for a leaf that the CPU lacks.
struct CpuRegisters {
  std::uint32_t leaf1_ecx;
  std::uint32_t leaf7_ebx, leaf7_ecx, leaf7_edx;  // sub-leaf 0
  std::uint32_t leaf7_1_eax;                      // sub-leaf 1
  std::uint64_t saved;      // XCR0: the states that are saved on a switch of threads; 0: no XGETBV
  std::uint64_t permitted;  // likewise, those that this process may use: see enable_amx()
};

// CpuFeature bits; no side effects, so that tests can ask about CPUs that they do not have.
std::uint32_t features_of(const CpuRegisters& registers);

// Asks the operating system for the tiles of AMX: 8 KiB of state that Linux gives a process only on
// request.  Until then cpu_features() is without kCpuAmx.  First thing in main(), before threads
// start; threads, and processes forked, have what the process has.
//
// Returns 0 where AMX may be used now and where the CPU has none, else the errno of the refusal,
// which costs nothing but AMX.  ENOSPC: a thread's alternate signal stack is too small for the
// signal frames that carry tiles, of sysconf(_SC_MINSIGSTKSZ) bytes.
int enable_amx();

}  // namespace hearth::kernels
