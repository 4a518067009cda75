// Goal: every variant of kv_store rounds each float to the nearest number of its format, ties to
// the even one, and writes nothing else; a block format has the scale that its documentation says
// and the numbers nearest on that scale.
//
// Method: the format's own numbers, in order; the floats at, just below and just above the middle
// between two neighbours, which is where a rounding error shows.  Blocks of random floats of many
// magnitudes, read here byte by byte.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

class kv_store : public testing::TestWithParam<Entry<KvStoreFn, KvFormat>> {
 protected:
  bool is_half() const {
    return GetParam().format == KvFormat::f16 || GetParam().format == KvFormat::bf16;
  }
  bool is_blocked() const { return kv_format_info(GetParam().format).block_elements > 1; }
  double value(std::uint16_t bits) const {
    return GetParam().format == KvFormat::f16 ? f16_value(bits) : bf16_value(bits);
  }
  // The pattern of infinity: finite numbers have smaller patterns, in the order of their values.
  std::uint16_t infinity() const { return GetParam().format == KvFormat::f16 ? 0x7c00 : 0x7f80; }

  std::vector<std::uint16_t> store_halves(const std::vector<float>& x) {
    std::vector<std::uint16_t> out(x.size());
    GetParam().fn({x.data(), out.data(), static_cast<std::int64_t>(x.size())});
    return out;
  }
};

TEST_P(kv_store, rounds_to_the_nearest_and_ties_to_even) {
  if (!is_half()) return;
  std::vector<float> x;
  std::vector<std::uint16_t> want;
  const auto expect = [&](float number, std::uint16_t bits) {
    for (const std::uint16_t sign : {0, 0x8000}) {
      x.push_back(sign != 0 ? -number : number);
      want.push_back(bits | sign);
    }
  };
  for (std::uint16_t bits = 0; bits + 1 < infinity(); ++bits) {
    const std::uint16_t even = bits % 2 == 0 ? bits : bits + 1;
    const auto middle = static_cast<float>((value(bits) + value(bits + 1)) / 2);
    expect(static_cast<float>(value(bits)), bits);
    expect(std::nextafter(middle, 0.0f), bits);
    expect(middle, even);
    expect(std::nextafter(middle, INFINITY), bits + 1);
  }
  const std::vector<std::uint16_t> got = store_halves(x);
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(got[i], want[i]) << x[i];
}

TEST_P(kv_store, of_f16_saturates) {
  if (GetParam().format != KvFormat::f16) return;
  const float large[] = {65504.0f, 65505.0f, 65519.9f, 65520.0f, 1e30f, INFINITY};
  for (float number : large) {
    EXPECT_EQ(store_halves({number})[0], 0x7bff) << number;
    EXPECT_EQ(store_halves({-number})[0], 0xfbff) << number;
  }
}

TEST_P(kv_store, of_bf16_overflows_to_infinity) {
  if (GetParam().format != KvFormat::bf16) return;
  EXPECT_EQ(store_halves({std::numeric_limits<float>::max()})[0], 0x7f80);
  EXPECT_EQ(store_halves({-INFINITY})[0], 0xff80);
}

TEST_P(kv_store, keeps_nans) {
  if (is_blocked()) return;
  for (std::uint32_t bits : {0x7fc00000u, 0x7f800001u, 0xffffffffu, 0xff800100u, 0x7fffffffu}) {
    // Among numbers, so that no variant can treat a whole vector alike.
    std::vector<float> x(19, 1.0f);
    x[3] = x[18] = std::bit_cast<float>(bits);
    if (is_half()) {
      const auto got = store_halves(x);
      for (int i : {3, 18}) EXPECT_TRUE(std::isnan(value(got[i]))) << std::hex << bits;
      EXPECT_EQ(value(got[4]), 1.0);
    } else {
      std::vector<float> got(x.size());
      GetParam().fn({x.data(), got.data(), static_cast<std::int64_t>(x.size())});
      EXPECT_TRUE(std::isnan(got[3]) && std::isnan(got[18]));
    }
  }
}

TEST_P(kv_store, writes_count_elements_at_any_alignment) {
  if (is_blocked()) return;
  Random random(20260805);
  const auto element = static_cast<std::size_t>(kv_bytes(GetParam().format, 1));
  for (std::size_t count = 0; count <= 70; ++count) {
    for (std::size_t shift : {0, 1, 2, 3}) {
      // Whole quarters: exact in every format.
      GuardedBuffer<float> x(count);
      for (float& number : x) number = static_cast<float>(random_below(random, 200)) / 4 - 25;
      GuardedBuffer<unsigned char> out(count * element, shift);
      GetParam().fn({x.data(), out.data(), static_cast<std::int64_t>(count)});
      EXPECT_TRUE(out.guards_intact());
      for (std::size_t i = 0; i < count; ++i) {
        double got = 0;
        if (is_half()) {
          std::uint16_t bits;
          std::memcpy(&bits, out.data() + 2 * i, 2);
          got = value(bits);
        } else {
          float number;
          std::memcpy(&number, out.data() + 4 * i, 4);
          got = number;
        }
        ASSERT_EQ(got, x[i]) << "count " << count << ", element " << i;
      }
      for (std::size_t i = 0; i < shift; ++i) ASSERT_EQ(out.data()[count * element + i], 0);
    }
  }
}

// A stored block: its scale and its numbers.
struct Block {
  double scale;
  int numbers[32];
};
Block read_block(KvFormat format, const unsigned char* bytes) {
  Block block;
  block.scale = f16_value(static_cast<std::uint16_t>(bytes[0] + 256 * bytes[1]));
  for (int i = 0; i < 32; ++i) {
    if (format == KvFormat::q8_0) {
      block.numbers[i] = bytes[2 + i] < 128 ? bytes[2 + i] : bytes[2 + i] - 256;
    } else {
      block.numbers[i] = (i < 16 ? bytes[2 + i] % 16 : bytes[2 + i - 16] / 16) - 8;
    }
  }
  return block;
}

// What the scale should be before it is rounded to binary16.
double ideal_scale(KvFormat format, const float* x) {
  double extreme = 0;
  for (int i = 0; i < 32; ++i) {
    const bool larger = std::abs(x[i]) > std::abs(extreme);
    if (larger || (std::abs(x[i]) == std::abs(extreme) && x[i] > 0)) extreme = x[i];
  }
  return format == KvFormat::q8_0 ? std::abs(extreme) / 127 : extreme / -8;
}

TEST_P(kv_store, of_blocks_has_the_nearest_numbers_on_the_documented_scale) {
  if (!is_blocked()) return;
  const KvFormat format = GetParam().format;
  const int lowest = format == KvFormat::q8_0 ? -127 : -8;
  const int highest = format == KvFormat::q8_0 ? 127 : 7;
  const auto block_bytes = static_cast<std::size_t>(kv_bytes(format, 32));
  Random random(20260901);
  for (int round = 0; round < 2000; ++round) {
    const auto blocks = static_cast<std::size_t>(1 + round % 4);
    GuardedBuffer<float> x(32 * blocks);
    const float size = std::ldexp(1.0f, static_cast<int>(random_below(random, 24)) - 12);
    for (float& number : x) number = size * random_float(random);
    if (round % 5 == 0) x[7] = -(x[20] = 2 * size);  // a tie of both signs
    GuardedBuffer<unsigned char> out(blocks * block_bytes);
    GetParam().fn({x.data(), out.data(), static_cast<std::int64_t>(x.size())});
    EXPECT_TRUE(out.guards_intact());
    for (std::size_t b = 0; b < blocks; ++b) {
      const Block block = read_block(format, out.data() + b * block_bytes);
      const double ideal = ideal_scale(format, x.data() + 32 * b);
      // Half a unit in the last place of a binary16, of which there are 11 bits.
      ASSERT_LE(std::abs(block.scale - ideal), std::abs(ideal) * (0x1p-11 + 1e-6) + 0x1p-25);
      for (std::size_t i = 0; i < 32; ++i) {
        const double exact = x[32 * b + i] / block.scale;
        const double limited = std::clamp<double>(exact, lowest, highest);
        ASSERT_LE(std::abs(block.numbers[i] - limited), 0.5 + 1e-4) << "element " << i;
      }
    }
  }
}

TEST_P(kv_store, of_blocks_without_a_number_is_zero_and_harmless) {
  if (!is_blocked()) return;
  const auto block_bytes = static_cast<std::size_t>(kv_bytes(GetParam().format, 32));
  for (const float number : {0.0f, -0.0f, 1e-30f, INFINITY, -INFINITY, NAN, 3e38f}) {
    GuardedBuffer<float> x(32);
    for (float& value : x) value = number;
    GuardedBuffer<unsigned char> out(block_bytes);
    GetParam().fn({x.data(), out.data(), 32});
    EXPECT_TRUE(out.guards_intact());
    const Block block = read_block(GetParam().format, out.data());
    EXPECT_TRUE(std::isfinite(block.scale)) << number;
    if (std::abs(number) < 1) {
      for (int n : block.numbers) EXPECT_EQ(n * block.scale, 0) << number;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, kv_store, testing::ValuesIn(kv_store_variants()), VariantName());

}  // namespace
}  // namespace hearth::kernels
