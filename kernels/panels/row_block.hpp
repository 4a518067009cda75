// One row's part of a panel, taken apart: what packing writes and reading back gives.
//
// Anonymous namespace: sources of every tier may include this.
#pragma once

#include <cstdint>

#include "kernels/panels/layout.hpp"

namespace hearth::kernels {
namespace {

struct RowBlock {
  std::uint8_t q[kPanelCols];      // numbers as stored; Q8_0: two's complement
  std::uint16_t scale[kStepsMax];  // by_block: f16, of MXFP4 bf16
  std::uint16_t min[kStepsMax];    // by_block: f16
  std::int8_t small_scale[16];     // by_super, of each sub-block
  std::int8_t small_min[16];       // by_super
  std::uint16_t d, dmin;           // by_super: f16
};

}  // namespace
}  // namespace hearth::kernels
