// Rounding of weights to the storage formats: what `hearth quantize` does to every row.
//
// The goal is the least squared error of the row.  Deterministic; any thread; allocates nothing.
#pragma once

#include "kernels/kernels.hpp"

namespace hearth::kernels {

// Store a row in a format.
//   x     [cols], finite (others give some weights, never a fault)
//   cols  a multiple of the format's block
//   out   [cols / block_weights * block_bytes], any alignment
void quantize_row(WeightFormat format, const float* x, std::int64_t cols, void* out);

}  // namespace hearth::kernels
