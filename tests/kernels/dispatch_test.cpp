// Goal: the tables are complete and select_kernels() takes the best variant that the features
// allow.
#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

#include "kernels/variants.hpp"

namespace hearth::kernels {
namespace {

constexpr std::uint32_t kAvx512 = kCpuAvx2 | kCpuAvx512;
constexpr std::uint32_t kAmx = kAvx512 | kCpuAmx;

template <class TableT>
void check_names(const TableT& table, const std::string& op) {
  std::set<std::string> names;
  for (const auto& entry : table) {
    EXPECT_EQ(std::string(entry.name).rfind(op, 0), 0u) << entry.name;
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name << " is there twice";
    const bool is_ref = std::string(entry.name).ends_with("_ref");
    EXPECT_EQ(is_ref, entry.needs == 0) << entry.name;
  }
}

TEST(dispatch, every_table_names_its_variants) {
  check_names(linear_table(), "linear_");
  check_names(linear_prompt_table(), "linear_");
  check_names(quantize_activations_table(), "quantize_activations_");
  check_names(split_activations_table(), "split_activations_");
  check_names(rms_norm_table(), "rms_norm_");
  check_names(rope_table(), "rope_");
  check_names(kv_store_table(), "kv_store_");
  check_names(attention_table(), "attention_");
  check_names(attention_prompt_table(), "attention_");
  check_names(attention_merge_table(), "attention_merge_");
  check_names(gated_table(), "gated_");
  check_names(scan_table(), "scan_");
  check_names(causal_conv_table(), "causal_conv_");
  check_names(delta_gates_table(), "delta_gates_");
  check_names(delta_net_table(), "delta_net_");
  check_names(selective_scan_table(), "selective_scan_");
  check_names(state_space_table(), "state_space_");
}

TEST(dispatch, a_cpu_without_features_gets_the_portable_kernels) {
  const KernelSet set = select_kernels(0);
  EXPECT_STREQ(set.tier, "ref");
  EXPECT_EQ(set.linear[static_cast<int>(WeightFormat::q8_0)], linear_q8_0_ref);
  EXPECT_EQ(set.linear[static_cast<int>(WeightFormat::bf16)], linear_bf16_ref);
  EXPECT_EQ(set.quantize_activations, quantize_activations_ref);
  EXPECT_EQ(set.kv_store[static_cast<int>(KvFormat::f16)], kv_store_f16_ref);
  EXPECT_EQ(set.attention[static_cast<int>(KvFormat::bf16)], attention_bf16_ref);
  EXPECT_EQ(set.attention_merge, attention_merge_ref);
  EXPECT_EQ(set.rms_norm, rms_norm_ref);
  EXPECT_EQ(set.rope, rope_ref);
  EXPECT_EQ(set.gated[static_cast<int>(Activation::gelu)], gated_gelu_ref);
  EXPECT_EQ(set.scan, scan_ref);
  EXPECT_EQ(set.causal_conv, causal_conv_ref);
  EXPECT_EQ(set.delta_gates, delta_gates_ref);
  EXPECT_EQ(set.delta_net, delta_net_ref);
  EXPECT_EQ(set.selective_scan, selective_scan_ref);
  EXPECT_EQ(set.state_space, state_space_ref);
}

// For each of the table's formats, the first entry whose needs are met.
template <class TableT, class Fn>
void check_best(const TableT& table, const Fn* chosen, int formats, std::uint32_t features) {
  for (int format = 0; format < formats; ++format) {
    for (const auto& entry : table) {
      if (static_cast<int>(entry.format) != format) continue;
      if ((entry.needs & ~features) != 0) continue;
      EXPECT_EQ(chosen[format], entry.fn) << entry.name;
      break;
    }
    EXPECT_NE(chosen[format], nullptr);
  }
}

TEST(dispatch, takes_the_first_variant_whose_needs_are_met) {
  for (std::uint32_t features :
       {0u, std::uint32_t{kCpuAvx2}, std::uint32_t{kCpuAvx512}, kAvx512, kAmx}) {
    SCOPED_TRACE(features);
    const KernelSet set = select_kernels(features);
    check_best(linear_table(), set.linear, kWeightFormatCount, features);
    check_best(linear_prompt_table(), set.linear_prompt, kWeightFormatCount, features);
    check_best(split_activations_table(), &set.split_activations, 1, features);
    check_best(quantize_activations_table(), &set.quantize_activations, 1, features);
    check_best(rms_norm_table(), &set.rms_norm, 1, features);
    check_best(rope_table(), &set.rope, 1, features);
    check_best(kv_store_table(), set.kv_store, kKvFormatCount, features);
    check_best(attention_table(), set.attention, kKvFormatCount, features);
    check_best(attention_prompt_table(), set.attention_prompt, kKvFormatCount, features);
    check_best(attention_merge_table(), &set.attention_merge, 1, features);
    check_best(gated_table(), set.gated, kActivationCount, features);
    check_best(scan_table(), &set.scan, 1, features);
    check_best(causal_conv_table(), &set.causal_conv, 1, features);
    check_best(delta_gates_table(), &set.delta_gates, 1, features);
    check_best(delta_net_table(), &set.delta_net, 1, features);
    check_best(selective_scan_table(), &set.selective_scan, 1, features);
    check_best(state_space_table(), &set.state_space, 1, features);
    check_best(peak_probe_table(), set.peak_probe, kPeakKindCount, features);
  }
}

TEST(dispatch, tiers_without_matrix_units_treat_prompts_as_all_else) {
  for (std::uint32_t features : {0u, std::uint32_t{kCpuAvx2}, kAvx512}) {
    const KernelSet set = select_kernels(features);
    for (int i = 0; i < kWeightFormatCount; ++i) EXPECT_EQ(set.linear_prompt[i], set.linear[i]);
    for (int i = 0; i < kKvFormatCount; ++i) EXPECT_EQ(set.attention_prompt[i], set.attention[i]);
    EXPECT_FALSE(set.prompt_takes_splits);
  }
#if defined(__x86_64__)
  const KernelSet set = select_kernels(kAmx);
  for (int i = 0; i < kWeightFormatCount; ++i) EXPECT_NE(set.linear_prompt[i], set.linear[i]);
  for (int i = 0; i < kKvFormatCount; ++i) {
    const bool exact = static_cast<KvFormat>(i) == KvFormat::f32;  // in every tier
    EXPECT_EQ(set.attention_prompt[i] == set.attention[i], exact);
  }
  EXPECT_TRUE(set.prompt_takes_splits);
#endif
}

TEST(dispatch, names_the_tier_that_the_features_allow) {
#if defined(__x86_64__)
  EXPECT_STREQ(select_kernels(kCpuAvx2).tier, "avx2");
  EXPECT_STREQ(select_kernels(kAvx512).tier, "avx512");
  EXPECT_STREQ(select_kernels(kAmx).tier, "amx");
  EXPECT_STREQ(select_kernels(kCpuAvx2 | kCpuAmx).tier, "avx2");  // AMX needs AVX-512 as well
#endif
  EXPECT_STREQ(select_kernels(kCpuAvx512).tier, "ref");  // it needs AVX2 as well
}

TEST(dispatch, every_tier_is_what_its_needs_allow) {
  for (const Tier& tier : tiers()) EXPECT_STREQ(select_kernels(tier.needs).tier, tier.name);
}

TEST(dispatch, every_entry_needs_what_a_tier_needs) {
  std::set<std::uint32_t> needs;
  for (const Tier& tier : tiers()) needs.insert(tier.needs);
  for (const auto& entry : peak_probe_table()) EXPECT_EQ(needs.count(entry.needs), 1u);
  for (const auto& entry : linear_table()) EXPECT_EQ(needs.count(entry.needs), 1u);
  for (const auto& entry : attention_table()) EXPECT_EQ(needs.count(entry.needs), 1u);
  for (const auto& entry : attention_prompt_table()) EXPECT_EQ(needs.count(entry.needs), 1u);
}

}  // namespace
}  // namespace hearth::kernels
