// Goal: the probes do the work that they count.
#include <gtest/gtest.h>

#include <vector>

#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

TEST(probe, every_peak_probe_counts_its_rounds) {
  for (const auto& entry : variants_under_test(peak_probe_table(), {})) {
    float out = 0;
    const std::int64_t ops = entry.fn(1, &out);
    EXPECT_GT(ops, 0) << entry.name;
    EXPECT_EQ(entry.fn(1000, &out), 1000 * ops) << entry.name;
  }
}

TEST(probe, reading_reads_to_the_end) {
  std::vector<float> data(4096 / 4 + 16, 0.0F);
  auto* begin = reinterpret_cast<float*>((reinterpret_cast<std::uintptr_t>(data.data()) + 63) &
                                         ~std::uintptr_t{63});
  begin[1023] = 7;
  for (const auto& entry : variants_under_test(read_probe_table(), {})) {
    float out = 0;
    entry.fn({.data = begin, .bytes = 4096, .out = &out});
    EXPECT_NE(out, 0) << entry.name;
  }
}

// Four sums of 16 x 16, of which out is one: all the others are like it.
TEST(probe, amx_does_the_products_that_it_counts) {
  constexpr std::int64_t kRounds = 3;
  float out = 0;
  EXPECT_EQ(peak_probe_int8_amx_emulated(kRounds, &out), 2 * 4 * 16 * 16 * kRounds * 64);
  EXPECT_EQ(out, kRounds * 64);
  EXPECT_EQ(peak_probe_bf16_amx_emulated(kRounds, &out), 2 * 4 * 16 * 16 * kRounds * 32);
  EXPECT_EQ(out, kRounds * 32);
}

}  // namespace
}  // namespace hearth::kernels
