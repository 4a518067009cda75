// A row is rounded block by block; one table leads from format to block.
#include "kernels/quantize/quantize.hpp"

#include <cstring>

#include "kernels/half.hpp"
#include "kernels/quantize/blocks.hpp"

namespace hearth::kernels {
namespace {

template <class Block>
void quantize_blocks(const float* x, std::int64_t cols, unsigned char* out, int block_weights) {
  for (std::int64_t k = 0; k < cols; k += block_weights, out += sizeof(Block)) {
    Block block;
    quantize_block(x + k, block);
    std::memcpy(out, &block, sizeof(block));
  }
}

template <class Convert>
void store_halves(const float* x, std::int64_t cols, unsigned char* out, Convert convert) {
  for (std::int64_t k = 0; k < cols; ++k) {
    const std::uint16_t half = convert(x[k]);
    std::memcpy(out + 2 * k, &half, sizeof(half));
  }
}

}  // namespace

void quantize_row(WeightFormat format, const float* x, std::int64_t cols, void* out) {
  auto* bytes = static_cast<unsigned char*>(out);
  const int block = block_shape(format).weights;
  switch (format) {
    case WeightFormat::f32: std::memcpy(bytes, x, static_cast<std::size_t>(cols) * 4); return;
    case WeightFormat::f16: return store_halves(x, cols, bytes, f16_from_float);
    case WeightFormat::bf16: return store_halves(x, cols, bytes, bf16_from_float);
    case WeightFormat::q8_0: return quantize_blocks<BlockQ8_0>(x, cols, bytes, block);
    case WeightFormat::q4_0: return quantize_blocks<BlockQ4_0>(x, cols, bytes, block);
    case WeightFormat::q4_1: return quantize_blocks<BlockQ4_1>(x, cols, bytes, block);
    case WeightFormat::q5_0: return quantize_blocks<BlockQ5_0>(x, cols, bytes, block);
    case WeightFormat::q5_1: return quantize_blocks<BlockQ5_1>(x, cols, bytes, block);
    case WeightFormat::q2_k: return quantize_blocks<BlockQ2K>(x, cols, bytes, block);
    case WeightFormat::q3_k: return quantize_blocks<BlockQ3K>(x, cols, bytes, block);
    case WeightFormat::q4_k: return quantize_blocks<BlockQ4K>(x, cols, bytes, block);
    case WeightFormat::q5_k: return quantize_blocks<BlockQ5K>(x, cols, bytes, block);
    case WeightFormat::q6_k: return quantize_blocks<BlockQ6K>(x, cols, bytes, block);
    case WeightFormat::iq4_nl: return quantize_blocks<BlockIq4Nl>(x, cols, bytes, block);
    case WeightFormat::iq4_xs: return quantize_blocks<BlockIq4Xs>(x, cols, bytes, block);
    case WeightFormat::mxfp4: return quantize_blocks<BlockMxfp4>(x, cols, bytes, block);
  }
}

}  // namespace hearth::kernels
