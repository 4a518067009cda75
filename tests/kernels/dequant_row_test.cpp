// Goal: every variant of dequant_row widens each format exactly, at any alignment, touching nothing
// beyond the row.
#include <gtest/gtest.h>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

class dequant_row : public testing::TestWithParam<Entry<DequantRowFn, WeightFormat>> {};

TEST_P(dequant_row, is_exact_for_every_length_and_alignment) {
  Random random(20260802);
  const int block = block_shape(GetParam().format).weights;
  for (std::int64_t cols : {1, 3, 7, 8, 31, 32, 33, 63, 64, 96, 100, 256, 257, 768, 1000, 4096}) {
    if (cols % block != 0) continue;
    const Stored row = random_weights(GetParam().format, cols, random);
    for (std::size_t shift : {0, 1, 2, 3}) {
      GuardedBuffer<unsigned char> bytes(row.bytes.size(), shift);
      std::memcpy(bytes.data(), row.bytes.data(), bytes.size());
      GuardedBuffer<float> out(static_cast<std::size_t>(cols));
      GetParam().fn({bytes.data(), cols, out.data()});
      for (std::int64_t k = 0; k < cols; ++k) {
        ASSERT_EQ(out[k], row.values[k]) << "cols " << cols << ", column " << k;
      }
      EXPECT_TRUE(out.guards_intact());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, dequant_row, testing::ValuesIn(dequant_row_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
