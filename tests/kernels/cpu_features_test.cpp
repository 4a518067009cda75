// Goal: a tier is there exactly when everything is that its kernels need.
// Method: registers as CPUs of a generation have them, then one bit after another taken away.
#include "kernels/cpu_features.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "kernels/kernels.hpp"

namespace hearth::kernels {
namespace {

constexpr std::uint32_t kTierAvx2 = kCpuAvx2;
constexpr std::uint32_t kTierAvx512 = kCpuAvx2 | kCpuAvx512;
constexpr std::uint32_t kTierAmx = kCpuAvx2 | kCpuAvx512 | kCpuAmx;

// Like what these CPUs report, with bits that nobody asks for; in the first lines of a test below
// they have what their generation is known for.
constexpr CpuRegisters kHaswell = {.leaf1_ecx = 0x7ffafbff,
                                   .leaf7_ebx = 0x000027ab,
                                   .leaf7_ecx = 0,
                                   .leaf7_edx = 0,
                                   .leaf7_1_eax = 0,
                                   .saved = 0x7,
                                   .permitted = 0x7};
constexpr CpuRegisters kSkylakeServer = {.leaf1_ecx = 0x7ffefbff,
                                         .leaf7_ebx = 0xd39ffffb,
                                         .leaf7_ecx = 0x8,
                                         .leaf7_edx = 0xbc000400,
                                         .leaf7_1_eax = 0,
                                         .saved = 0x2ff,
                                         .permitted = 0x2ff};
constexpr CpuRegisters kIceLakeServer = {.leaf1_ecx = 0x7ffefbff,
                                         .leaf7_ebx = 0xf3bfbfeb,
                                         .leaf7_ecx = 0x00405f5e,
                                         .leaf7_edx = 0xbc040412,
                                         .leaf7_1_eax = 0,
                                         .saved = 0x2e7,
                                         .permitted = 0x2e7};
constexpr CpuRegisters kSapphireRapids = {.leaf1_ecx = 0x7ffefbff,
                                          .leaf7_ebx = 0xf3bfbffb,
                                          .leaf7_ecx = 0x1b415f6e,
                                          .leaf7_edx = 0xffdd4432,
                                          .leaf7_1_eax = 0x00001c30,
                                          .saved = 0x602e7,
                                          .permitted = 0x602e7};

TEST(cpu_features, a_generation_of_cpus_has_its_tier) {
  EXPECT_EQ(features_of({}), 0u);
  EXPECT_EQ(features_of(kHaswell), kTierAvx2);
  EXPECT_EQ(features_of(kSkylakeServer), kTierAvx2) << "AVX-512 without VNNI is no tier";
  EXPECT_EQ(features_of(kIceLakeServer), kTierAvx512);
  EXPECT_EQ(features_of(kSapphireRapids), kTierAmx);
}

// What a CPU of kSapphireRapids has left without some bits of one register.
template <class Word>
std::uint32_t without(Word CpuRegisters::*field, Word bits) {
  CpuRegisters registers = kSapphireRapids;
  EXPECT_EQ(registers.*field & bits, bits) << "nothing to take away";
  registers.*field &= ~bits;
  return features_of(registers);
}

TEST(cpu_features, a_tier_that_lacks_one_instruction_set_is_not_there) {
  for (const int bit : {12, 28, 29}) {  // FMA, AVX, F16C
    EXPECT_EQ(without(&CpuRegisters::leaf1_ecx, 1u << bit), 0u) << bit;
  }
  EXPECT_EQ(without(&CpuRegisters::leaf7_ebx, 1u << 5), 0u);  // AVX2
  for (const int bit : {16, 17, 30, 31}) {                    // AVX512F, DQ, BW, VL
    EXPECT_EQ(without(&CpuRegisters::leaf7_ebx, 1u << bit), kTierAvx2) << bit;
  }
  EXPECT_EQ(without(&CpuRegisters::leaf7_ecx, 1u << 11), kTierAvx2);  // AVX512_VNNI
  for (const int bit : {22, 24, 25}) {                                // AMX-BF16, TILE, INT8
    EXPECT_EQ(without(&CpuRegisters::leaf7_edx, 1u << bit), kTierAvx512) << bit;
  }
  EXPECT_EQ(without(&CpuRegisters::leaf7_1_eax, 1u << 5), kTierAvx512);  // AVX512_BF16
}

TEST(cpu_features, what_the_system_does_not_save_is_not_there) {
  using Saved = std::uint64_t;
  for (const int bit : {1, 2}) {  // XMM, YMM
    EXPECT_EQ(without(&CpuRegisters::saved, Saved{1} << bit), 0u) << bit;
  }
  for (const int bit : {5, 6, 7}) {  // opmask, ZMM_Hi256, Hi16_ZMM
    EXPECT_EQ(without(&CpuRegisters::saved, Saved{1} << bit), kTierAvx2) << bit;
  }
  for (const int bit : {17, 18}) {  // XTILECFG, XTILEDATA
    EXPECT_EQ(without(&CpuRegisters::saved, Saved{1} << bit), kTierAvx512) << bit;
  }
}

TEST(cpu_features, amx_needs_permission) {
  EXPECT_EQ(without(&CpuRegisters::permitted, std::uint64_t{1} << 18), kTierAvx512);
  CpuRegisters cpu = kSapphireRapids;
  cpu.permitted = 0;  // a system that knows no permissions
  EXPECT_EQ(features_of(cpu), kTierAvx512);
}

TEST(cpu_features, the_features_of_this_cpu_agree_with_the_compiler) {
#if defined(__x86_64__)
  EXPECT_EQ(enable_amx(), 0);
  const std::uint32_t features = cpu_features();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
  EXPECT_EQ((features & kCpuAvx2) != 0, avx2);
  EXPECT_EQ((features & kCpuAvx512) != 0, avx512);
  // The compiler does not look at what the system allows.
  if ((features & kCpuAmx) != 0) {
    EXPECT_TRUE(avx512 && __builtin_cpu_supports("avx512bf16"));
  }
#else
  EXPECT_EQ(cpu_features(), 0u);
#endif
}

TEST(cpu_features, asking_for_amx_twice_changes_nothing) {
  const int first = enable_amx();
  const std::uint32_t features = cpu_features();
  EXPECT_EQ(enable_amx(), first);
  EXPECT_EQ(cpu_features(), features);
}

}  // namespace
}  // namespace hearth::kernels
