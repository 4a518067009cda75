// linear_prompt for AMX: see amx/linear_prompt.hpp.
#include "kernels/avx512/rows.hpp"

#include "kernels/amx/floats.hpp"
#include "kernels/amx/linear_prompt.hpp"
#include "kernels/amx/numbers.hpp"
#include "kernels/variants.hpp"

namespace hearth::kernels {
namespace {

template <WeightFormat kFormat>
void linear_prompt_of(const LinearArgs& args) {
  if constexpr (panel_spec(kFormat).scaling == Scaling::none) {
    linear_prompt<FloatPairs<kFormat>, kFormat>(args);
  } else {
    linear_prompt<Numbers<kFormat>, kFormat>(args);
  }
}

}  // namespace

#define HEARTH_DEFINE_(format, type, name, number, weights, bytes)  \
  void HEARTH_AMX(linear_prompt_##format)(const LinearArgs& args) { \
    linear_prompt_of<WeightFormat::format>(args);                   \
  }
HEARTH_WEIGHT_FORMATS(HEARTH_DEFINE_)
#undef HEARTH_DEFINE_

}  // namespace hearth::kernels
