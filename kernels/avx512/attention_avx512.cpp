// kv_store and attention for AVX-512: see simd/kv_store.hpp, simd/attention.hpp.
#include "kernels/avx512/lanes.hpp"

#include "kernels/simd/attention.hpp"
#include "kernels/simd/kv_store.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

#define HEARTH_DEFINE_(format, type, elements, bytes)                 \
  void HEARTH_AVX512(kv_store_##format)(const KvStoreArgs& args) {    \
    kv_store<type>(args);                                             \
  }                                                                   \
  void HEARTH_AVX512(attention_##format)(const AttentionArgs& args) { \
    attention<type>(args);                                            \
  }
HEARTH_KV_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

void HEARTH_AVX512(attention_merge)(const AttentionMergeArgs& args) {
  attention_merge(args);
}

}  // namespace hearth::kernels
