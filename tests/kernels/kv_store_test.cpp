// Goal: every variant of kv_store rounds each float to the nearest number of its format, ties to
// the even one, and writes nothing else.
//
// Method: the format's own numbers, in order; the floats at, just below and just above the middle
// between two neighbours, which is where a rounding error shows.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

class kv_store : public testing::TestWithParam<Entry<KvStoreFn, KvFormat>> {
 protected:
  bool is_half() const { return GetParam().format != KvFormat::f32; }
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
  Random random(20260805);
  const auto element = static_cast<std::size_t>(kv_element_bytes(GetParam().format));
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

INSTANTIATE_TEST_SUITE_P(kernels, kv_store, testing::ValuesIn(kv_store_variants()), VariantName());

}  // namespace
}  // namespace hearth::kernels
