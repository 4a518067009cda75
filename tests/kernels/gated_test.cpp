// Goal: every variant of gated equals its activation's formula in double precision for gates over
// the whole range of exp, and ends well beyond it.
#include <gtest/gtest.h>

#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

class gated : public testing::TestWithParam<Entry<GatedFn, Activation>> {
 protected:
  double activated(double x) const {
    switch (GetParam().format) {
      case Activation::silu: return x / (1 + std::exp(-x));
      case Activation::sigmoid: return 1 / (1 + std::exp(-x));
      case Activation::gelu:
        // 1 + tanh(u) = 2 / (1 + exp(-2u)): the sum loses all digits where u is far below 0.
        return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    }
    return NAN;
  }
  // act(gate) * up of one value, in a vector's company.
  float one(float gate, float up = 1) {
    std::vector<float> gates(17, gate), ups(17, up);
    GetParam().fn({gates.data(), ups.data(), 17});
    for (float value : gates) EXPECT_TRUE(same_bits(value, gates[0]));
    return gates[0];
  }
};

TEST_P(gated, is_within_some_ulp_over_the_range_of_exp) {
  constexpr int kCount = 1 << 18;
  // A gelu is exp of a cube, whose rounding grows with it.
  const bool gelu = GetParam().format == Activation::gelu;
  const float range = gelu ? 10.0f : 174.0f;
  std::vector<float> gate(kCount), up(kCount, 1.0f);
  for (int i = 0; i < kCount; ++i) gate[i] = range * (static_cast<float>(i) / kCount - 0.5f);
  const std::vector<float> old = gate;
  GetParam().fn({gate.data(), up.data(), kCount});
  double worst = 0;
  for (int i = 0; i < kCount; ++i) {
    const double want = activated(old[i]);
    if (want == 0) continue;
    const double ulp = std::ldexp(1.0, std::ilogb(want) - 23);
    worst = std::max(worst, std::abs(gate[i] - want) / ulp);
  }
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, gelu ? 64.0 : 4.0);
}

TEST_P(gated, ends_well_beyond_the_range_of_exp) {
  const bool sigmoid = GetParam().format == Activation::sigmoid;
  for (float gate : {200.0f, 1e30f, INFINITY}) EXPECT_EQ(one(gate), sigmoid ? 1.0f : gate);
  for (float gate : {-90.0f, -104.0f, -1e4f, -1e30f}) EXPECT_NEAR(one(gate), 0.0f, 1e-36f);
  EXPECT_EQ(one(0.0f), sigmoid ? 0.5f : 0.0f);
  EXPECT_TRUE(std::isnan(one(NAN)));
}

TEST_P(gated, equals_the_float64_oracle_for_every_count) {
  Random random(20260806);
  WorstCase worst;
  for (std::size_t count = 1; count <= 70; ++count) {
    GuardedBuffer<float> gate(count), up(count);
    for (float& value : gate) value = 8 * random_float(random);
    for (float& value : up) value = random_float(random);
    const std::vector<float> old(gate.begin(), gate.end());
    GetParam().fn({gate.data(), up.data(), static_cast<std::int64_t>(count)});
    ErrorEnergy error;
    for (std::size_t i = 0; i < count; ++i) error.add(gate[i], activated(old[i]) * up[i]);
    EXPECT_TRUE(gate.guards_intact());
    worst.add(error, 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(kernels, gated, testing::ValuesIn(gated_variants()), VariantName());

}  // namespace
}  // namespace hearth::kernels
