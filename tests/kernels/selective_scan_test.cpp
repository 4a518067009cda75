// Goal: every variant of selective_scan equals Mamba-1's recurrence in double precision, gives the
// same bits however rows and tiles are cut into calls, and touches nothing but its tiles.
#include <gtest/gtest.h>

#include "tests/kernels/recurrent_case.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

// Steps of log(1 + exp(dt)): from next to nothing to some.
class SelectiveScanCase : public RecurrentCase {
 public:
  SelectiveScanCase(SelectiveScanFn fn, const RecurrentShape& shape, Random& random)
      : RecurrentCase(shape, random),
        fn_(fn),
        dt_(shape.rows, shape.columns, random, -8, 2),
        b_(shape.rows, shape.keys, random, -1, 1),
        c_(shape.rows, shape.keys, random, -1, 1),
        a_(shape.keys, shape.columns, random, -16, -0.01f),
        d_(1, shape.columns, random, -1, 1) {}

 private:
  void call(const Call& of) override {
    fn_({.x = of.values.row(of.begin),
         .x_stride = of.values.stride(),
         .dt = dt_.row(of.begin),
         .dt_stride = dt_.stride(),
         .b = b_.row(of.begin),
         .b_stride = b_.stride(),
         .c = c_.row(of.begin),
         .c_stride = c_.stride(),
         .a = a_.data(),
         .d = d_.data(),
         .y = of.out.row(of.begin),
         .y_stride = of.out.stride(),
         .state = of.state,
         .rows = of.end - of.begin,
         .channels = shape().columns,
         .state_dim = shape().keys,
         .tile_begin = of.tile_begin,
         .tile_end = of.tile_end});
  }
  double step(std::vector<double>& h, std::int64_t row, std::int64_t channel) override {
    const double dt = softplus_of(dt_.at(row, channel)), x = values().at(row, channel);
    double y = d_.at(0, channel) * x;
    for (std::int64_t n = 0; n < shape().keys; ++n) {
      double& value = h[static_cast<std::size_t>(n)];
      value = std::exp(dt * a_.at(n, channel)) * value + dt * b_.at(row, n) * x;
      y += c_.at(row, n) * value;
    }
    return y;
  }

  const SelectiveScanFn fn_;
  Rows dt_, b_, c_;
  TiledState a_;
  Rows d_;
};

class selective_scan : public testing::TestWithParam<Entry<SelectiveScanFn>> {
 protected:
  Random random_{20261127};
};

TEST_P(selective_scan, equals_the_float64_oracle) {
  WorstCase worst;
  for (const std::int64_t rows : {1, 2, 5, 64, 300}) {
    for (const std::int64_t state_dim : {1, 3, 16, 64}) {
      if (rows * state_dim > 300 * 16) continue;
      ErrorEnergy error;
      for (const std::int64_t channels : {1, 8, 15, 16, 17, 40, 128}) {
        SelectiveScanCase test(GetParam().fn, {rows, state_dim, channels}, random_);
        test.compare(test.run(), error);
      }
      worst.add(error, 1e-12);
    }
  }
}

TEST_P(selective_scan, gives_the_same_bits_however_rows_and_tiles_are_cut_into_calls) {
  for (const RecurrentShape& shape : {RecurrentShape{1, 16, 128}, RecurrentShape{3, 5, 100},
                                      RecurrentShape{9, 64, 16}, RecurrentShape{140, 16, 33}}) {
    SelectiveScanCase test(GetParam().fn, shape, random_);
    expect_cuts_change_nothing(test);
  }
}

TEST_P(selective_scan, leaves_other_tiles_alone) {
  SelectiveScanCase test(GetParam().fn, {4, 16, 70}, random_);
  expect_other_tiles_left_alone(test);
}

// One channel with a state of one number h = 1: what is left of it.
TEST_P(selective_scan, decays_to_nothing_and_stays_a_number) {
  const auto left = [](float dt, float a) {
    GuardedBuffer<float> rates(kStateTile), state(kStateTile), x(1), steps(1), one(1), y(1);
    rates[0] = a;
    state[0] = one[0] = 1;
    steps[0] = dt;
    GetParam().fn({x.data(), 1, steps.data(), 1, one.data(), 1, one.data(), 1, rates.data(),
                   one.data(), y.data(), 1, state.data(), 1, 1, 1, 0, 1});
    return y[0];
  };
  EXPECT_NEAR(left(80, -1e6f), 0, 1e-37);
  EXPECT_NEAR(left(1e30f, -1), 0, 1e-37);
  EXPECT_NEAR(left(5, -17.2f), std::exp(double{-17.2f} * softplus_of(5)), 1e-42);
  EXPECT_EQ(left(-200, -1), 1);  // a step of nothing
  EXPECT_EQ(left(3, 0), 1);
  EXPECT_TRUE(std::isnan(left(NAN, -1)));
}

INSTANTIATE_TEST_SUITE_P(kernels, selective_scan, testing::ValuesIn(selective_scan_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
