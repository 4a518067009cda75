// The formats with blocks of 32.
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/half.hpp"
#include "kernels/quant.h"
#include "kernels/quantize/blocks.hpp"
#include "kernels/quantize/fit.hpp"

namespace hearth::kernels {
namespace {

constexpr int kHalf = kQuantBlock / 2;

// The numbers of a block: nibbles, and the fifth bits in a block that has room for them.
template <class Block>
void put_numbers(const int (&q)[kQuantBlock], Block& block) {
  for (int i = 0; i < kHalf; ++i) {
    block.q[i] = static_cast<std::uint8_t>((q[i] & 15) | (q[i + kHalf] & 15) << 4);
  }
  if constexpr (requires { block.high; }) {
    std::uint32_t bits = 0;
    for (int i = 0; i < kQuantBlock; ++i) bits |= static_cast<std::uint32_t>(q[i] >> 4) << i;
    std::memcpy(block.high, &bits, sizeof(bits));
  }
}

// zero: the number that stands for 0.
template <class Block>
void round_symmetric(const float* x, int zero, Block& block) {
  block.d = f16_from_float(fit_symmetric(x, kQuantBlock, -zero, zero - 1));
  const float inverse_scale = inverse(float_from_f16(block.d));
  int q[kQuantBlock];
  for (int i = 0; i < kQuantBlock; ++i) {
    q[i] = round_to(inverse_scale * x[i], -zero, zero - 1) + zero;
  }
  put_numbers(q, block);
}

// highest: the largest number.
template <class Block>
void round_with_offset(const float* x, int highest, Block& block) {
  const Line line = fit_line(x, kQuantBlock, highest, /*any_offset=*/true);
  block.d = f16_from_float(line.scale);
  block.m = f16_from_float(line.offset);
  const float inverse_scale = inverse(float_from_f16(block.d));
  const float offset = float_from_f16(block.m);
  int q[kQuantBlock];
  for (int i = 0; i < kQuantBlock; ++i) {
    q[i] = round_to(inverse_scale * (x[i] - offset), 0, highest);
  }
  put_numbers(q, block);
}

}  // namespace

void quantize_block(const float* x, BlockQ8_0& block) {
  block.d = f16_from_float(std::fabs(extreme(x, kQuantBlock)) / 127);
  const float inverse_scale = inverse(float_from_f16(block.d));
  for (int i = 0; i < kQuantBlock; ++i) {
    block.q[i] = static_cast<std::int8_t>(round_to(inverse_scale * x[i], -127, 127));
  }
}

void quantize_block(const float* x, BlockQ4_0& block) {
  round_symmetric(x, 8, block);
}

void quantize_block(const float* x, BlockQ5_0& block) {
  round_symmetric(x, 16, block);
}

void quantize_block(const float* x, BlockQ4_1& block) {
  round_with_offset(x, 15, block);
}

void quantize_block(const float* x, BlockQ5_1& block) {
  round_with_offset(x, 31, block);
}

void quantize_block(const float* x, BlockIq4Nl& block) {
  block.d = f16_from_float(fit_values(x, kQuantBlock, kIq4Values));
  const float inverse_scale = inverse(float_from_f16(block.d));
  int q[kQuantBlock];
  for (int i = 0; i < kQuantBlock; ++i) q[i] = nearest(kIq4Values, inverse_scale * x[i]);
  put_numbers(q, block);
}

// The scale is a power of two: those around the one that just reaches the largest weight are tried.
void quantize_block(const float* x, BlockMxfp4& block) {
  const auto code_of = [](float value) {
    // The eight magnitudes rise; the sign is a bit.
    int best = 0;
    for (int i = 1; i < 8; ++i) {
      if (std::fabs(std::fabs(value) - kMxfp4Values[i]) <
          std::fabs(std::fabs(value) - kMxfp4Values[best])) {
        best = i;
      }
    }
    return value < 0 ? best + 8 : best;
  };
  int exponent = 0;  // of the largest weight in units of 6.0, the largest value
  std::frexp(extreme(x, kQuantBlock) / 6, &exponent);
  double best_error = INFINITY;
  for (int e = exponent - 1; e <= exponent + 1; ++e) {
    const int stored = round_to(static_cast<float>(e + 127), 0, 254);
    const float scale = std::ldexp(1.0F, stored - 128);  // of the doubled table
    double error = 0;
    int q[kQuantBlock];
    for (int i = 0; i < kQuantBlock; ++i) {
      q[i] = code_of(x[i] / scale);
      error += std::pow(static_cast<double>(x[i] - scale * kMxfp4Values[q[i]]), 2);
    }
    if (!(error < best_error) && e > exponent - 1) continue;
    best_error = error;
    block.e = static_cast<std::uint8_t>(stored);
    put_numbers(q, block);
  }
}

}  // namespace hearth::kernels
