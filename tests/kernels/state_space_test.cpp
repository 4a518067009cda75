// Goal: every variant of state_space equals Mamba-2's recurrence in double precision, gives the
// same bits however rows and tiles are cut into calls, and touches nothing but its tiles.
#include <gtest/gtest.h>

#include "tests/kernels/recurrent_case.hpp"
#include "tests/kernels/variants_under_test.hpp"

namespace hearth::kernels {
namespace {

constexpr float kA = -3.5f, kD = 0.7f, kDtBias = -1.5f;

class StateSpaceCase : public RecurrentCase {
 public:
  StateSpaceCase(StateSpaceFn fn, const RecurrentShape& shape, Random& random)
      : RecurrentCase(shape, random),
        fn_(fn),
        dt_(shape.rows, 1, random, -5, 2),
        b_(shape.rows, shape.keys, random, -1, 1),
        c_(shape.rows, shape.keys, random, -1, 1) {}

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
         .y = of.out.row(of.begin),
         .y_stride = of.out.stride(),
         .state = of.state,
         .rows = of.end - of.begin,
         .state_dim = shape().keys,
         .head_dim = shape().columns,
         .tile_begin = of.tile_begin,
         .tile_end = of.tile_end,
         .a = kA,
         .d = kD,
         .dt_bias = kDtBias});
  }
  double step(std::vector<double>& s, std::int64_t row, std::int64_t column) override {
    const double dt = softplus_of(double{dt_.at(row, 0)} + kDtBias), x = values().at(row, column);
    const double decay = std::exp(dt * kA);
    double y = kD * x;
    for (std::int64_t n = 0; n < shape().keys; ++n) {
      double& value = s[static_cast<std::size_t>(n)];
      value = decay * value + dt * b_.at(row, n) * x;
      y += c_.at(row, n) * value;
    }
    return y;
  }

  const StateSpaceFn fn_;
  Rows dt_, b_, c_;
};

class state_space : public testing::TestWithParam<Entry<StateSpaceFn>> {
 protected:
  Random random_{20261128};
};

TEST_P(state_space, equals_the_float64_oracle) {
  WorstCase worst;
  for (const std::int64_t rows : {1, 2, 5, 64, 300}) {
    for (const std::int64_t state_dim : {1, 3, 16, 64, 128, 256}) {
      if (rows * state_dim > 300 * 64) continue;
      ErrorEnergy error;
      for (const std::int64_t head_dim : {1, 15, 16, 17, 40, 64}) {
        StateSpaceCase test(GetParam().fn, {rows, state_dim, head_dim}, random_);
        test.compare(test.run(), error);
      }
      worst.add(error, 1e-12);
    }
  }
}

TEST_P(state_space, gives_the_same_bits_however_rows_and_tiles_are_cut_into_calls) {
  for (const RecurrentShape& shape :
       {RecurrentShape{1, 128, 64}, RecurrentShape{3, 5, 100}, RecurrentShape{9, 64, 16},
        RecurrentShape{20, 33, 49}, RecurrentShape{140, 16, 33}}) {
    StateSpaceCase test(GetParam().fn, shape, random_);
    expect_cuts_change_nothing(test);
  }
}

TEST_P(state_space, leaves_other_tiles_alone) {
  StateSpaceCase test(GetParam().fn, {4, 24, 70}, random_);
  expect_other_tiles_left_alone(test);
}

// One column with a state of one number 0, b = c = x = 1 and d = 0: y is the step itself.
TEST_P(state_space, takes_a_softplus_of_four_ulp_over_the_range_of_exp) {
  constexpr int kCount = 1 << 16;
  std::vector<float> dt(kCount), y(kCount);
  const float one = 1;
  for (int i = 0; i < kCount; ++i) dt[i] = 174.0f * (static_cast<float>(i) / kCount - 0.5f);
  float state[kStateTile] = {};
  // The state is forgotten with every row whose step is above 1e-35.
  GetParam().fn({.x = &one,
                 .x_stride = 0,
                 .dt = dt.data(),
                 .dt_stride = 1,
                 .b = &one,
                 .b_stride = 0,
                 .c = &one,
                 .c_stride = 0,
                 .y = y.data(),
                 .y_stride = 1,
                 .state = state,
                 .rows = kCount,
                 .state_dim = 1,
                 .head_dim = 1,
                 .tile_begin = 0,
                 .tile_end = 1,
                 .a = -1e38f,
                 .d = 0,
                 .dt_bias = 0});
  double worst = 0;
  for (int i = 0; i < kCount; ++i) {
    const double want = softplus_of(dt[i]);
    if (want < 1e-34) continue;
    worst = std::max(worst, std::abs(y[i] - want) / std::ldexp(1.0, std::ilogb(want) - 23));
  }
  RecordProperty("ulp", std::to_string(worst));
  EXPECT_LE(worst, 4.0);
}

INSTANTIATE_TEST_SUITE_P(kernels, state_space, testing::ValuesIn(state_space_variants()),
                         VariantName());

}  // namespace
}  // namespace hearth::kernels
