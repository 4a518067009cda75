// The table of every operation, best first: the first entry of a format whose needs are met wins.
// A new variant is one more line here.
#include "kernels/variants.hpp"

namespace hearth::kernels {
namespace {

constexpr std::uint32_t kNothing = 0;
#if defined(HEARTH_HAVE_AVX2)
constexpr std::uint32_t kAvx2 = kCpuAvx2;
#endif
#if defined(HEARTH_HAVE_AVX512)
constexpr std::uint32_t kAvx512 = kCpuAvx2 | kCpuAvx512;
#endif
#if defined(HEARTH_HAVE_AMX)
constexpr std::uint32_t kAmx = kCpuAvx2 | kCpuAvx512 | kCpuAmx;
#endif

constexpr Tier kTiers[] = {
#if defined(HEARTH_HAVE_AMX)
    {"amx", kAmx},
#endif
#if defined(HEARTH_HAVE_AVX512)
    {"avx512", kAvx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"avx2", kAvx2},
#endif
    {"ref", kNothing},
};

// The variants of an operation for a format; best first.
#if defined(HEARTH_HAVE_AMX)
#define HEARTH_AMX_(op, format) {#op "_amx", format, kAmx, op##_amx},
#else
#define HEARTH_AMX_(op, format)
#endif
#if defined(HEARTH_HAVE_AVX512)
#define HEARTH_AVX512_(op, format) {#op "_avx512", format, kAvx512, op##_avx512},
#else
#define HEARTH_AVX512_(op, format)
#endif
#if defined(HEARTH_HAVE_AVX2)
#define HEARTH_AVX2_(op, format) {#op "_avx2", format, kAvx2, op##_avx2},
#else
#define HEARTH_AVX2_(op, format)
#endif
#define HEARTH_VARIANTS_(op, format) \
  HEARTH_AVX512_(op, format) HEARTH_AVX2_(op, format){#op "_ref", format, kNothing, op##_ref},

#define HEARTH_ENTRY_(format, ...) HEARTH_VARIANTS_(linear_##format, WeightFormat::format)
#define HEARTH_PROMPT_(format, ...) HEARTH_AMX_(linear_prompt_##format, WeightFormat::format)
constexpr Entry<LinearFn, WeightFormat> kLinear[] = {HEARTH_WEIGHT_FORMATS(HEARTH_ENTRY_)};
// Tiers without matrix units treat rows of prompts as all others.
constexpr Entry<LinearFn, WeightFormat> kLinearPrompt[] = {
    HEARTH_WEIGHT_FORMATS(HEARTH_PROMPT_) HEARTH_WEIGHT_FORMATS(HEARTH_ENTRY_)};
#undef HEARTH_PROMPT_
#undef HEARTH_ENTRY_

#define HEARTH_ENTRY_(format, ...) HEARTH_VARIANTS_(kv_store_##format, KvFormat::format)
constexpr Entry<KvStoreFn, KvFormat> kKvStore[] = {HEARTH_KV_FORMATS(HEARTH_ENTRY_)};
#undef HEARTH_ENTRY_

#define HEARTH_ENTRY_(format, ...) HEARTH_VARIANTS_(attention_##format, KvFormat::format)
#define HEARTH_PROMPT_(format, ...) HEARTH_AMX_(attention_prompt_##format, KvFormat::format)
constexpr Entry<AttentionFn, KvFormat> kAttention[] = {HEARTH_KV_FORMATS(HEARTH_ENTRY_)};
// As kLinearPrompt.
constexpr Entry<AttentionFn, KvFormat> kAttentionPrompt[] = {HEARTH_SHORT_KV_FORMATS(HEARTH_PROMPT_)
                                                                 HEARTH_KV_FORMATS(HEARTH_ENTRY_)};
#undef HEARTH_PROMPT_
#undef HEARTH_ENTRY_

constexpr Entry<QuantizeActivationsFn> kQuantizeActivations[] = {
    HEARTH_VARIANTS_(quantize_activations, 0)};
constexpr Entry<SplitActivationsFn> kSplitActivations[] = {HEARTH_VARIANTS_(split_activations, 0)};
constexpr Entry<RmsNormFn> kRmsNorm[] = {HEARTH_VARIANTS_(rms_norm, 0)};
constexpr Entry<RopeFn> kRope[] = {HEARTH_VARIANTS_(rope, 0)};
constexpr Entry<AttentionMergeFn> kAttentionMerge[] = {HEARTH_VARIANTS_(attention_merge, 0)};

#define HEARTH_ENTRY_(activation) HEARTH_VARIANTS_(gated_##activation, Activation::activation)
constexpr Entry<GatedFn, Activation> kGated[] = {HEARTH_ACTIVATIONS(HEARTH_ENTRY_)};
#undef HEARTH_ENTRY_

constexpr Entry<ScanFn> kScan[] = {HEARTH_VARIANTS_(scan, 0)};
constexpr Entry<ReadProbeFn> kReadProbe[] = {HEARTH_VARIANTS_(read_probe, 0)};

constexpr Entry<CausalConvFn> kCausalConv[] = {HEARTH_VARIANTS_(causal_conv, 0)};
constexpr Entry<DeltaGatesFn> kDeltaGates[] = {HEARTH_VARIANTS_(delta_gates, 0)};
constexpr Entry<DeltaNetFn> kDeltaNet[] = {HEARTH_VARIANTS_(delta_net, 0)};
constexpr Entry<SelectiveScanFn> kSelectiveScan[] = {HEARTH_VARIANTS_(selective_scan, 0)};
constexpr Entry<StateSpaceFn> kStateSpace[] = {HEARTH_VARIANTS_(state_space, 0)};

constexpr Entry<PeakProbeFn, PeakKind> kPeakProbe[] = {
#if defined(HEARTH_HAVE_AMX)
    {"peak_probe_bf16_amx", PeakKind::bf16, kAmx, peak_probe_bf16_amx},
    {"peak_probe_int8_amx", PeakKind::int8, kAmx, peak_probe_int8_amx},
#endif
#if defined(HEARTH_HAVE_AVX512)
    {"peak_probe_f32_avx512", PeakKind::f32, kAvx512, peak_probe_f32_avx512},
    {"peak_probe_f32_avx512", PeakKind::bf16, kAvx512, peak_probe_f32_avx512},
    {"peak_probe_int8_avx512", PeakKind::int8, kAvx512, peak_probe_int8_avx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"peak_probe_f32_avx2", PeakKind::f32, kAvx2, peak_probe_f32_avx2},
    {"peak_probe_f32_avx2", PeakKind::bf16, kAvx2, peak_probe_f32_avx2},
    {"peak_probe_int8_avx2", PeakKind::int8, kAvx2, peak_probe_int8_avx2},
#endif
    {"peak_probe_f32_ref", PeakKind::f32, kNothing, peak_probe_f32_ref},
    {"peak_probe_f32_ref", PeakKind::bf16, kNothing, peak_probe_f32_ref},
    {"peak_probe_int8_ref", PeakKind::int8, kNothing, peak_probe_int8_ref},
};

// True if the last entry of each of the first count formats exists and needs nothing.
template <class Fn, class Format, std::size_t n>
constexpr bool always_has_one(const Entry<Fn, Format> (&table)[n], int count) {
  for (int format = 0; format < count; ++format) {
    std::uint32_t last_needs = ~0u;
    for (const auto& entry : table) {
      if (static_cast<int>(entry.format) == format) last_needs = entry.needs;
    }
    if (last_needs != 0) return false;
  }
  return true;
}
static_assert(always_has_one(kLinear, kWeightFormatCount));
static_assert(always_has_one(kLinearPrompt, kWeightFormatCount));
static_assert(always_has_one(kQuantizeActivations, 1));
static_assert(always_has_one(kSplitActivations, 1));
static_assert(always_has_one(kRmsNorm, 1));
static_assert(always_has_one(kRope, 1));
static_assert(always_has_one(kKvStore, kKvFormatCount));
static_assert(always_has_one(kAttention, kKvFormatCount));
static_assert(always_has_one(kAttentionPrompt, kKvFormatCount));
static_assert(always_has_one(kAttentionMerge, 1));
static_assert(always_has_one(kGated, kActivationCount));
static_assert(always_has_one(kScan, 1));
static_assert(always_has_one(kReadProbe, 1));
static_assert(always_has_one(kPeakProbe, kPeakKindCount));
static_assert(always_has_one(kCausalConv, 1));
static_assert(always_has_one(kDeltaGates, 1));
static_assert(always_has_one(kDeltaNet, 1));
static_assert(always_has_one(kSelectiveScan, 1));
static_assert(always_has_one(kStateSpace, 1));

// The best variant for a format; always_has_one() makes sure that there is one.
template <class Fn, class Format, std::size_t n>
Fn best(const Entry<Fn, Format> (&table)[n], int format, std::uint32_t features) {
  for (const auto& entry : table) {
    if (static_cast<int>(entry.format) != format) continue;
    if ((entry.needs & features) == entry.needs) return entry.fn;
  }
  return nullptr;
}

template <class EntryT, std::size_t n>
constexpr Table<EntryT> whole(const EntryT (&table)[n]) {
  return {table, n};
}

const char* tier_name(std::uint32_t features) {
  for (const Tier& tier : kTiers) {
    if ((tier.needs & features) == tier.needs) return tier.name;
  }
  return nullptr;
}

}  // namespace

Table<Tier> tiers() {
  return whole(kTiers);
}
Table<Entry<LinearFn, WeightFormat>> linear_table() {
  return whole(kLinear);
}
Table<Entry<LinearFn, WeightFormat>> linear_prompt_table() {
  return whole(kLinearPrompt);
}
Table<Entry<QuantizeActivationsFn>> quantize_activations_table() {
  return whole(kQuantizeActivations);
}
Table<Entry<SplitActivationsFn>> split_activations_table() {
  return whole(kSplitActivations);
}
Table<Entry<RmsNormFn>> rms_norm_table() {
  return whole(kRmsNorm);
}
Table<Entry<RopeFn>> rope_table() {
  return whole(kRope);
}
Table<Entry<KvStoreFn, KvFormat>> kv_store_table() {
  return whole(kKvStore);
}
Table<Entry<AttentionFn, KvFormat>> attention_table() {
  return whole(kAttention);
}
Table<Entry<AttentionFn, KvFormat>> attention_prompt_table() {
  return whole(kAttentionPrompt);
}
Table<Entry<AttentionMergeFn>> attention_merge_table() {
  return whole(kAttentionMerge);
}
Table<Entry<GatedFn, Activation>> gated_table() {
  return whole(kGated);
}
Table<Entry<ScanFn>> scan_table() {
  return whole(kScan);
}
Table<Entry<ReadProbeFn>> read_probe_table() {
  return whole(kReadProbe);
}
Table<Entry<PeakProbeFn, PeakKind>> peak_probe_table() {
  return whole(kPeakProbe);
}
Table<Entry<CausalConvFn>> causal_conv_table() {
  return whole(kCausalConv);
}
Table<Entry<DeltaGatesFn>> delta_gates_table() {
  return whole(kDeltaGates);
}
Table<Entry<DeltaNetFn>> delta_net_table() {
  return whole(kDeltaNet);
}
Table<Entry<SelectiveScanFn>> selective_scan_table() {
  return whole(kSelectiveScan);
}
Table<Entry<StateSpaceFn>> state_space_table() {
  return whole(kStateSpace);
}

KernelSet select_kernels(std::uint32_t features) {
  KernelSet set{};
  for (int format = 0; format < kWeightFormatCount; ++format) {
    set.linear[format] = best(kLinear, format, features);
    set.linear_prompt[format] = best(kLinearPrompt, format, features);
  }
  for (int format = 0; format < kKvFormatCount; ++format) {
    set.kv_store[format] = best(kKvStore, format, features);
    set.attention[format] = best(kAttention, format, features);
    set.attention_prompt[format] = best(kAttentionPrompt, format, features);
  }
  set.quantize_activations = best(kQuantizeActivations, 0, features);
  const int bf16 = static_cast<int>(WeightFormat::bf16);
  set.prompt_takes_splits = set.linear_prompt[bf16] != set.linear[bf16];
  set.split_activations = best(kSplitActivations, 0, features);
  set.rms_norm = best(kRmsNorm, 0, features);
  set.rope = best(kRope, 0, features);
  set.attention_merge = best(kAttentionMerge, 0, features);
  for (int activation = 0; activation < kActivationCount; ++activation) {
    set.gated[activation] = best(kGated, activation, features);
  }
  set.scan = best(kScan, 0, features);
  set.read_probe = best(kReadProbe, 0, features);
  for (int kind = 0; kind < kPeakKindCount; ++kind) {
    set.peak_probe[kind] = best(kPeakProbe, kind, features);
  }
  set.causal_conv = best(kCausalConv, 0, features);
  set.delta_gates = best(kDeltaGates, 0, features);
  set.delta_net = best(kDeltaNet, 0, features);
  set.selective_scan = best(kSelectiveScan, 0, features);
  set.state_space = best(kStateSpace, 0, features);
  set.tier = tier_name(features);
  return set;
}

}  // namespace hearth::kernels
