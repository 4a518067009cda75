// attention_prompt for AMX: see amx/attention_prompt.hpp.
#include "kernels/avx512/lanes.hpp"

#include "kernels/amx/attention_prompt.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {

#define HEARTH_DEFINE_(format, type, elements, bytes)                     \
  void HEARTH_AMX(attention_prompt_##format)(const AttentionArgs& args) { \
    attention_prompt<type>(args);                                         \
  }
HEARTH_SHORT_KV_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

}  // namespace hearth::kernels
