// The variants that a test goes through: every table entry that this CPU can run, and the AVX-512
// and AMX kernels in emulation, which run anywhere.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cpu_features.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

// How GoogleTest prints a test's parameter.
template <class Fn, class Format>
void PrintTo(const Entry<Fn, Format>& entry, std::ostream* out) {
  *out << entry.name;
}

template <class EntryT>
std::vector<EntryT> variants_under_test(Table<EntryT> table, std::vector<EntryT> emulated) {
  std::vector<EntryT> variants;
  (void)enable_amx();  // tests run whatever there is
  for (const EntryT& entry : table) {
    if ((entry.needs & cpu_features()) == entry.needs) variants.push_back(entry);
  }
  variants.insert(variants.end(), emulated.begin(), emulated.end());
  return variants;
}

inline auto linear_variants() {
  return variants_under_test(linear_table(), {
#define HEARTH_EMULATED_(format, type, name, number, weights, bytes) \
  {"linear_" #format "_avx512_emulated", WeightFormat::format, 0,    \
   linear_##format##_avx512_emulated},
                                                 HEARTH_WEIGHT_FORMATS(HEARTH_EMULATED_)
#undef HEARTH_EMULATED_
                                             });
}

// Without those of another operation, which other tiers use for prompts too.
template <class EntryT>
std::vector<EntryT> of_operation(std::string_view prefix, std::vector<EntryT> variants) {
  std::erase_if(variants, [&](const EntryT& entry) {
    return !std::string_view(entry.name).starts_with(prefix);
  });
  return variants;
}

inline auto linear_prompt_variants() {
  return of_operation(
      "linear_prompt_",
      variants_under_test(linear_prompt_table(), {
#define HEARTH_EMULATED_(format, type, name, number, weights, bytes)  \
  {"linear_prompt_" #format "_amx_emulated", WeightFormat::format, 0, \
   linear_prompt_##format##_amx_emulated},
                                                     HEARTH_WEIGHT_FORMATS(HEARTH_EMULATED_)
#undef HEARTH_EMULATED_
                                                 }));
}

inline auto quantize_activations_variants() {
  return variants_under_test(
      quantize_activations_table(),
      {{"quantize_activations_avx512_emulated", 0, 0, quantize_activations_avx512_emulated}});
}

inline auto split_activations_variants() {
  return variants_under_test(split_activations_table(), {{"split_activations_avx512_emulated", 0, 0,
                                                          split_activations_avx512_emulated}});
}

inline auto kv_store_variants() {
  return variants_under_test(kv_store_table(), {
#define HEARTH_EMULATED_(format, type, elements, bytes)         \
  {"kv_store_" #format "_avx512_emulated", KvFormat::format, 0, \
   kv_store_##format##_avx512_emulated},
                                                   HEARTH_KV_FORMATS(HEARTH_EMULATED_)
#undef HEARTH_EMULATED_
                                               });
}

inline auto attention_variants() {
  return variants_under_test(attention_table(), {
#define HEARTH_EMULATED_(format, type, elements, bytes)          \
  {"attention_" #format "_avx512_emulated", KvFormat::format, 0, \
   attention_##format##_avx512_emulated},
                                                    HEARTH_KV_FORMATS(HEARTH_EMULATED_)
#undef HEARTH_EMULATED_
                                                });
}

inline auto attention_prompt_variants() {
  return of_operation(
      "attention_prompt_",
      variants_under_test(attention_prompt_table(), {
#define HEARTH_EMULATED_(format, type, elements, bytes)              \
  {"attention_prompt_" #format "_amx_emulated", KvFormat::format, 0, \
   attention_prompt_##format##_amx_emulated},
                                                        HEARTH_SHORT_KV_FORMATS(HEARTH_EMULATED_)
#undef HEARTH_EMULATED_
                                                    }));
}

inline auto attention_merge_variants() {
  return variants_under_test(attention_merge_table(), {{"attention_merge_avx512_emulated", 0, 0,
                                                        attention_merge_avx512_emulated}});
}

inline auto rms_norm_variants() {
  return variants_under_test(rms_norm_table(),
                             {{"rms_norm_avx512_emulated", 0, 0, rms_norm_avx512_emulated}});
}

inline auto rope_variants() {
  return variants_under_test(rope_table(), {{"rope_avx512_emulated", 0, 0, rope_avx512_emulated}});
}

inline auto gated_variants() {
  return variants_under_test(gated_table(), {
#define HEARTH_EMULATED_(activation)                                   \
  {"gated_" #activation "_avx512_emulated", Activation::activation, 0, \
   gated_##activation##_avx512_emulated},
                                                HEARTH_ACTIVATIONS(HEARTH_EMULATED_)
#undef HEARTH_EMULATED_
                                            });
}

inline auto scan_variants() {
  return variants_under_test(scan_table(), {{"scan_avx512_emulated", 0, 0, scan_avx512_emulated}});
}

inline auto causal_conv_variants() {
  return variants_under_test(causal_conv_table(),
                             {{"causal_conv_avx512_emulated", 0, 0, causal_conv_avx512_emulated}});
}

inline auto delta_gates_variants() {
  return variants_under_test(delta_gates_table(),
                             {{"delta_gates_avx512_emulated", 0, 0, delta_gates_avx512_emulated}});
}

inline auto delta_net_variants() {
  return variants_under_test(delta_net_table(),
                             {{"delta_net_avx512_emulated", 0, 0, delta_net_avx512_emulated}});
}

inline auto selective_scan_variants() {
  return variants_under_test(selective_scan_table(), {{"selective_scan_avx512_emulated", 0, 0,
                                                       selective_scan_avx512_emulated}});
}

inline auto state_space_variants() {
  return variants_under_test(state_space_table(),
                             {{"state_space_avx512_emulated", 0, 0, state_space_avx512_emulated}});
}

// Names the tests of a variant after it.
struct VariantName {
  template <class EntryT>
  std::string operator()(const testing::TestParamInfo<EntryT>& info) const {
    return info.param.name;
  }
};

}  // namespace hearth::kernels
