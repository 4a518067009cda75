// Every kernel by name: <op>_<format>_<tier>.  Who calls a kernel goes through the tables of
// dispatch.cpp; this list is for dispatch.cpp, for the tiers' sources, and for the tests.
#pragma once

#include "kernels/kernels.hpp"

#define HEARTH_DECLARE_WEIGHT_KERNELS(format, tier) \
  void linear_##format##_##tier(const LinearArgs&);

#define HEARTH_DECLARE_KV_KERNELS(format, tier)        \
  void kv_store_##format##_##tier(const KvStoreArgs&); \
  void attention_##format##_##tier(const AttentionArgs&);

#define HEARTH_DECLARE_KERNELS(tier)                                \
  void quantize_activations_##tier(const QuantizeActivationsArgs&); \
  void split_activations_##tier(const SplitActivationsArgs&);       \
  void rms_norm_##tier(const RmsNormArgs&);                         \
  void rope_##tier(const RopeArgs&);                                \
  void attention_merge_##tier(const AttentionMergeArgs&);           \
  void gated_silu_##tier(const GatedArgs&);                         \
  void gated_gelu_##tier(const GatedArgs&);                         \
  void gated_sigmoid_##tier(const GatedArgs&);                      \
  void scan_##tier(const ScanArgs&);                                \
  void causal_conv_##tier(const CausalConvArgs&);                   \
  void delta_gates_##tier(const DeltaGatesArgs&);                   \
  void delta_net_##tier(const DeltaNetArgs&);                       \
  void selective_scan_##tier(const SelectiveScanArgs&);             \
  void state_space_##tier(const StateSpaceArgs&);

#define HEARTH_DECLARE_PROBES(tier)                                    \
  void read_probe_##tier(const ReadProbeArgs&);                        \
  std::int64_t peak_probe_f32_##tier(std::int64_t rounds, float* out); \
  std::int64_t peak_probe_int8_##tier(std::int64_t rounds, float* out);

namespace hearth::kernels {

HEARTH_DECLARE_PROBES(ref)
HEARTH_DECLARE_PROBES(avx2)
HEARTH_DECLARE_PROBES(avx512)
std::int64_t peak_probe_bf16_amx(std::int64_t rounds, float* out);
std::int64_t peak_probe_int8_amx(std::int64_t rounds, float* out);
std::int64_t peak_probe_bf16_amx_emulated(std::int64_t rounds, float* out);  // in tests only
std::int64_t peak_probe_int8_amx_emulated(std::int64_t rounds, float* out);

#define HEARTH_DECLARE_(format, type, name, number, weights, bytes) \
  void linear_prompt_##format##_amx(const LinearArgs&);             \
  void linear_prompt_##format##_amx_emulated(const LinearArgs&);
HEARTH_WEIGHT_FORMATS(HEARTH_DECLARE_)
#undef HEARTH_DECLARE_

#define HEARTH_DECLARE_(format, type, elements, bytes)        \
  void attention_prompt_##format##_amx(const AttentionArgs&); \
  void attention_prompt_##format##_amx_emulated(const AttentionArgs&);
HEARTH_SHORT_KV_FORMATS(HEARTH_DECLARE_)
#undef HEARTH_DECLARE_

HEARTH_DECLARE_KERNELS(ref)
HEARTH_DECLARE_KERNELS(avx2)
HEARTH_DECLARE_KERNELS(avx512)
HEARTH_DECLARE_KERNELS(avx512_emulated)  // in tests only

#define HEARTH_DECLARE_(format, type, name, number, weights, bytes) \
  HEARTH_DECLARE_WEIGHT_KERNELS(format, ref)                        \
  HEARTH_DECLARE_WEIGHT_KERNELS(format, avx2)                       \
  HEARTH_DECLARE_WEIGHT_KERNELS(format, avx512)                     \
  HEARTH_DECLARE_WEIGHT_KERNELS(format, avx512_emulated)
HEARTH_WEIGHT_FORMATS(HEARTH_DECLARE_)
#undef HEARTH_DECLARE_

#define HEARTH_DECLARE_(format, type, elements, bytes) \
  HEARTH_DECLARE_KV_KERNELS(format, ref)               \
  HEARTH_DECLARE_KV_KERNELS(format, avx2)              \
  HEARTH_DECLARE_KV_KERNELS(format, avx512)            \
  HEARTH_DECLARE_KV_KERNELS(format, avx512_emulated)
HEARTH_KV_FORMATS(HEARTH_DECLARE_)
#undef HEARTH_DECLARE_

}  // namespace hearth::kernels
