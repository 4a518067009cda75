// One block of each format from its weights: [32] or [256] floats.
#pragma once

#include "kernels/quant.h"

namespace hearth::kernels {

// simple.cpp
void quantize_block(const float* x, BlockQ8_0& block);
void quantize_block(const float* x, BlockQ4_0& block);
void quantize_block(const float* x, BlockQ4_1& block);
void quantize_block(const float* x, BlockQ5_0& block);
void quantize_block(const float* x, BlockQ5_1& block);
void quantize_block(const float* x, BlockIq4Nl& block);
void quantize_block(const float* x, BlockMxfp4& block);

// super_blocks.cpp
void quantize_block(const float* x, BlockQ2K& block);
void quantize_block(const float* x, BlockQ3K& block);
void quantize_block(const float* x, BlockQ4K& block);
void quantize_block(const float* x, BlockQ5K& block);
void quantize_block(const float* x, BlockQ6K& block);
void quantize_block(const float* x, BlockIq4Xs& block);

}  // namespace hearth::kernels
