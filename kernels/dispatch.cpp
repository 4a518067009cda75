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

constexpr Entry<LinearFn, WeightFormat> kLinear[] = {
#if defined(HEARTH_HAVE_AVX512)
#define HEARTH_ENTRY_(format, type, name, number, weights, bytes) \
  {"linear_" #format "_avx512", WeightFormat::format, kAvx512, linear_##format##_avx512},
    HEARTH_WEIGHT_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#if defined(HEARTH_HAVE_AVX2)
#define HEARTH_ENTRY_(format, type, name, number, weights, bytes) \
  {"linear_" #format "_avx2", WeightFormat::format, kAvx2, linear_##format##_avx2},
        HEARTH_WEIGHT_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#define HEARTH_ENTRY_(format, type, name, number, weights, bytes) \
  {"linear_" #format "_ref", WeightFormat::format, kNothing, linear_##format##_ref},
            HEARTH_WEIGHT_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
};

// Tiers without matrix units treat rows of prompts as all others.
constexpr Entry<LinearFn, WeightFormat> kLinearPrompt[] = {
#if defined(HEARTH_HAVE_AMX)
#define HEARTH_ENTRY_(format, type, name, number, weights, bytes) \
  {"linear_prompt_" #format "_amx", WeightFormat::format, kAmx, linear_prompt_##format##_amx},
    HEARTH_WEIGHT_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#if defined(HEARTH_HAVE_AVX512)
#define HEARTH_ENTRY_(format, type, name, number, weights, bytes) \
  {"linear_" #format "_avx512", WeightFormat::format, kAvx512, linear_##format##_avx512},
        HEARTH_WEIGHT_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#if defined(HEARTH_HAVE_AVX2)
#define HEARTH_ENTRY_(format, type, name, number, weights, bytes) \
  {"linear_" #format "_avx2", WeightFormat::format, kAvx2, linear_##format##_avx2},
            HEARTH_WEIGHT_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#define HEARTH_ENTRY_(format, type, name, number, weights, bytes) \
  {"linear_" #format "_ref", WeightFormat::format, kNothing, linear_##format##_ref},
                HEARTH_WEIGHT_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
};

constexpr Entry<QuantizeActivationsFn> kQuantizeActivations[] = {
#if defined(HEARTH_HAVE_AVX512)
    {"quantize_activations_avx512", 0, kAvx512, quantize_activations_avx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"quantize_activations_avx2", 0, kAvx2, quantize_activations_avx2},
#endif
    {"quantize_activations_ref", 0, kNothing, quantize_activations_ref},
};

constexpr Entry<SplitActivationsFn> kSplitActivations[] = {
#if defined(HEARTH_HAVE_AVX512)
    {"split_activations_avx512", 0, kAvx512, split_activations_avx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"split_activations_avx2", 0, kAvx2, split_activations_avx2},
#endif
    {"split_activations_ref", 0, kNothing, split_activations_ref},
};

constexpr Entry<RmsNormFn> kRmsNorm[] = {
#if defined(HEARTH_HAVE_AVX512)
    {"rms_norm_avx512", 0, kAvx512, rms_norm_avx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"rms_norm_avx2", 0, kAvx2, rms_norm_avx2},
#endif
    {"rms_norm_ref", 0, kNothing, rms_norm_ref},
};

constexpr Entry<RopeFn> kRope[] = {
#if defined(HEARTH_HAVE_AVX512)
    {"rope_avx512", 0, kAvx512, rope_avx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"rope_avx2", 0, kAvx2, rope_avx2},
#endif
    {"rope_ref", 0, kNothing, rope_ref},
};

constexpr Entry<KvStoreFn, KvFormat> kKvStore[] = {
#if defined(HEARTH_HAVE_AVX512)
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"kv_store_" #format "_avx512", KvFormat::format, kAvx512, kv_store_##format##_avx512},
    HEARTH_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#if defined(HEARTH_HAVE_AVX2)
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"kv_store_" #format "_avx2", KvFormat::format, kAvx2, kv_store_##format##_avx2},
        HEARTH_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"kv_store_" #format "_ref", KvFormat::format, kNothing, kv_store_##format##_ref},
            HEARTH_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
};

constexpr Entry<AttentionFn, KvFormat> kAttention[] = {
#if defined(HEARTH_HAVE_AVX512)
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"attention_" #format "_avx512", KvFormat::format, kAvx512, attention_##format##_avx512},
    HEARTH_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#if defined(HEARTH_HAVE_AVX2)
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"attention_" #format "_avx2", KvFormat::format, kAvx2, attention_##format##_avx2},
        HEARTH_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"attention_" #format "_ref", KvFormat::format, kNothing, attention_##format##_ref},
            HEARTH_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
};

// As kLinearPrompt.
constexpr Entry<AttentionFn, KvFormat> kAttentionPrompt[] = {
#if defined(HEARTH_HAVE_AMX)
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"attention_prompt_" #format "_amx", KvFormat::format, kAmx, attention_prompt_##format##_amx},
    HEARTH_SHORT_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#if defined(HEARTH_HAVE_AVX512)
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"attention_" #format "_avx512", KvFormat::format, kAvx512, attention_##format##_avx512},
        HEARTH_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#if defined(HEARTH_HAVE_AVX2)
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"attention_" #format "_avx2", KvFormat::format, kAvx2, attention_##format##_avx2},
            HEARTH_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
#endif
#define HEARTH_ENTRY_(format, type, elements, bytes) \
  {"attention_" #format "_ref", KvFormat::format, kNothing, attention_##format##_ref},
                HEARTH_KV_FORMATS(HEARTH_ENTRY_)
#undef HEARTH_ENTRY_
};

constexpr Entry<AttentionMergeFn> kAttentionMerge[] = {
#if defined(HEARTH_HAVE_AVX512)
    {"attention_merge_avx512", 0, kAvx512, attention_merge_avx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"attention_merge_avx2", 0, kAvx2, attention_merge_avx2},
#endif
    {"attention_merge_ref", 0, kNothing, attention_merge_ref},
};

constexpr Entry<SwigluFn> kSwiglu[] = {
#if defined(HEARTH_HAVE_AVX512)
    {"swiglu_avx512", 0, kAvx512, swiglu_avx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"swiglu_avx2", 0, kAvx2, swiglu_avx2},
#endif
    {"swiglu_ref", 0, kNothing, swiglu_ref},
};

constexpr Entry<ScanFn> kScan[] = {
#if defined(HEARTH_HAVE_AVX512)
    {"scan_avx512", 0, kAvx512, scan_avx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"scan_avx2", 0, kAvx2, scan_avx2},
#endif
    {"scan_ref", 0, kNothing, scan_ref},
};

constexpr Entry<ReadProbeFn> kReadProbe[] = {
#if defined(HEARTH_HAVE_AVX512)
    {"read_probe_avx512", 0, kAvx512, read_probe_avx512},
#endif
#if defined(HEARTH_HAVE_AVX2)
    {"read_probe_avx2", 0, kAvx2, read_probe_avx2},
#endif
    {"read_probe_ref", 0, kNothing, read_probe_ref},
};

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
static_assert(always_has_one(kSwiglu, 1));
static_assert(always_has_one(kScan, 1));
static_assert(always_has_one(kReadProbe, 1));
static_assert(always_has_one(kPeakProbe, kPeakKindCount));

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
Table<Entry<SwigluFn>> swiglu_table() {
  return whole(kSwiglu);
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
  set.swiglu = best(kSwiglu, 0, features);
  set.scan = best(kScan, 0, features);
  set.read_probe = best(kReadProbe, 0, features);
  for (int kind = 0; kind < kPeakKindCount; ++kind) {
    set.peak_probe[kind] = best(kPeakProbe, kind, features);
  }
  set.tier = tier_name(features);
  return set;
}

}  // namespace hearth::kernels
