// Goal: every variant of rope rotates the pairs of both layouts as complex numbers rotate, and
// leaves the rest of each head alone.
#include <gtest/gtest.h>

#include <complex>
#include <vector>

#include "tests/kernels/guarded_buffer.hpp"
#include "tests/kernels/oracle.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

class rope : public testing::TestWithParam<Entry<RopeFn>> {};

TEST_P(rope, equals_a_complex_rotation_for_every_shape) {
  Random random(20260804);
  WorstCase worst;
  for (std::int64_t head_dim : {2, 8, 10, 16, 64, 80, 128, 256}) {
    for (std::int64_t pairs : {head_dim / 2, head_dim / 4, head_dim / 2 - 1, std::int64_t{1}}) {
      for (std::int64_t heads : {1, 3}) {
        for (bool interleaved : {false, true}) {
          SCOPED_TRACE(testing::Message() << "head_dim " << head_dim << ", pairs " << pairs
                                          << ", interleaved " << interleaved);
          GuardedBuffer<float> x(static_cast<std::size_t>(heads * head_dim));
          GuardedBuffer<float> cos(static_cast<std::size_t>(pairs));
          GuardedBuffer<float> sin(static_cast<std::size_t>(pairs));
          for (float& value : x) value = random_float(random);
          for (std::int64_t i = 0; i < pairs; ++i) {
            const double angle = 100.0 * random_float(random);
            cos[i] = static_cast<float>(std::cos(angle));
            sin[i] = static_cast<float>(std::sin(angle));
          }
          const std::vector<float> old(x.begin(), x.end());
          GetParam().fn({x.data(), cos.data(), sin.data(), heads, head_dim, pairs, interleaved});

          ErrorEnergy error;
          std::vector<bool> rotated(old.size());
          for (std::int64_t head = 0; head < heads; ++head) {
            for (std::int64_t i = 0; i < pairs; ++i) {
              const std::int64_t first = head * head_dim + (interleaved ? 2 * i : i);
              const std::int64_t second = first + (interleaved ? 1 : pairs);
              const std::complex<double> turned = std::complex<double>(old[first], old[second]) *
                                                  std::complex<double>(cos[i], sin[i]);
              const double energy = std::norm(turned) / 2;
              error.add(x[first], turned.real(), energy);
              error.add(x[second], turned.imag(), energy);
              rotated[first] = rotated[second] = true;
            }
          }
          for (std::size_t i = 0; i < old.size(); ++i) {
            if (!rotated[i]) {
              EXPECT_TRUE(same_bits(x[i], old[i])) << "element " << i;
            }
          }
          EXPECT_TRUE(x.guards_intact());
          worst.add(error, 1e-12);
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST_P(rope, without_pairs_changes_nothing) {
  GuardedBuffer<float> x(8), none(0);
  for (float& value : x) value = 3;
  GetParam().fn({x.data(), none.data(), none.data(), 1, 8, 0, true});
  GetParam().fn({x.data(), none.data(), none.data(), 1, 8, 0, false});
  for (float value : x) EXPECT_EQ(value, 3.0f);
}

INSTANTIATE_TEST_SUITE_P(kernels, rope, testing::ValuesIn(rope_variants()), VariantName());

}  // namespace
}  // namespace hearth::kernels
