// Goal: dequant_row widens each format exactly, at any alignment; packing a matrix into panels
// loses nothing, and panel_row reads any row of it back; neither touches anything beyond its
// arguments.
#include <gtest/gtest.h>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

class formats : public testing::TestWithParam<WeightFormatInfo> {};

TEST_P(formats, are_widened_exactly_for_every_length_and_alignment) {
  Random random(20260802);
  for (std::int64_t cols : {1, 3, 7, 8, 31, 32, 33, 63, 64, 96, 100, 256, 257, 768, 1000, 4096}) {
    if (cols % GetParam().block_weights != 0) continue;
    const Stored row = random_weights(GetParam().format, cols, random);
    for (std::size_t shift : {0, 1, 2, 3}) {
      GuardedBuffer<unsigned char> bytes(row.bytes.size(), shift);
      std::memcpy(bytes.data(), row.bytes.data(), bytes.size());
      GuardedBuffer<float> out(static_cast<std::size_t>(cols));
      kernels::dequant_row({GetParam().format, bytes.data(), cols, out.data()});
      for (std::int64_t k = 0; k < cols; ++k) {
        ASSERT_EQ(out[k], row.values[k]) << "cols " << cols << ", column " << k;
      }
      EXPECT_TRUE(out.guards_intact());
    }
  }
}

TEST_P(formats, come_back_from_panels_exactly) {
  Random random(20261121);
  const WeightFormat format = GetParam().format;
  for (std::int64_t cols : {1, 3, 32, 33, 64, 224, 256, 257, 288, 512, 1024, 1120}) {
    if (cols % GetParam().block_weights != 0) continue;
    for (std::int64_t rows : {1, 15, 16, 17, 40}) {
      const Stored stored = random_weights(format, rows * cols, random);
      const std::size_t row_bytes = stored.bytes.size() / static_cast<std::size_t>(rows);
      const std::int64_t group_bytes = panel_bytes(format, kRowGroup, cols);
      EXPECT_EQ(panel_bytes(format, rows, cols), (rows + kRowGroup - 1) / kRowGroup * group_bytes);
      GuardedBuffer<unsigned char> panels(
          static_cast<std::size_t>(panel_bytes(format, rows, cols)));
      std::memset(panels.data(), 0x5a, panels.size());
      for (std::int64_t row = 0; row < rows; row += kRowGroup) {
        const std::size_t count = static_cast<std::size_t>(std::min<std::int64_t>(16, rows - row));
        GuardedBuffer<unsigned char> from(count * row_bytes);
        std::memcpy(from.data(), stored.bytes.data() + static_cast<std::size_t>(row) * row_bytes,
                    from.size());
        pack_group({format, from.data(), static_cast<std::int64_t>(count), cols,
                    panels.data() + row / kRowGroup * group_bytes});
      }
      EXPECT_TRUE(panels.guards_intact());
      for (std::int64_t row = 0; row < rows; ++row) {
        GuardedBuffer<float> out(static_cast<std::size_t>(cols));
        panel_row({format, panels.data(), row, cols, 0, cols, out.data()});
        for (std::int64_t k = 0; k < cols; ++k) {
          ASSERT_EQ(out[k], stored.values[row * cols + k]) << "row " << row << ", column " << k;
        }
      }
    }
  }
}

// What all of it costs in memory: reference figures are those of the files.
TEST_P(formats, take_hardly_more_memory_in_panels_than_in_a_file) {
  const double file = 4096.0 / GetParam().block_weights * GetParam().block_bytes * 4096;
  const double memory = static_cast<double>(panel_bytes(GetParam().format, 4096, 4096));
  EXPECT_LE(memory, 1.06 * file);
  EXPECT_GE(memory, file);
}

INSTANTIATE_TEST_SUITE_P(kernels, formats, testing::ValuesIn(kWeightFormats),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace hearth::kernels
