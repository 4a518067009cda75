// kv_store and attention for AVX2: see simd/kv_store.hpp, simd/attention.hpp.
#include "kernels/avx2/lanes.hpp"

#include "kernels/simd/attention.hpp"
#include "kernels/simd/kv_store.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

#define HEARTH_DEFINE_(format, type, elements, bytes)         \
  void kv_store_##format##_avx2(const KvStoreArgs& args) {    \
    kv_store<type>(args);                                     \
  }                                                           \
  void attention_##format##_avx2(const AttentionArgs& args) { \
    attention<type>(args);                                    \
  }
HEARTH_KV_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

void attention_merge_avx2(const AttentionMergeArgs& args) {
  attention_merge(args);
}

}  // namespace hearth::kernels
